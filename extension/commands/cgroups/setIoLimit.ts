import * as vscode from 'vscode';
import type { CgroupChange, CgroupIoDevice } from '../../../helper/protocol/cgroups.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { type Reading, readBytes, readCount } from '../../changes/cgroupInput.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { askForValue, figureOr, present } from '../../changes/valueBox.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { pick } from '../../plain/pick.ts';
import { oneLine } from '../../plain/plainText.ts';
import { bytesText, cgroupTitle, numberText } from '../../words/cgroupWords.ts';

export const setIoLimitCommand: CommandContribution = {
  id: 'isoscope.cgroups.setIoLimit',
  title: 'Set I/O Limit…',
  menus: {
    'isoscope.cgroups.limits': [{ group: '4_io@1', when: { row: 'ioLimits' } }],
  },
};

type Limits = CgroupIoDevice['limits'];
type Kind = keyof Limits;

const NO_LIMITS: Limits = { readBytes: null, writtenBytes: null, readOperations: null, writeOperations: null };
const MOST_OPERATIONS = 2 ** 32 - 1;

/** Bytes or operations a second, of one device. */
export async function setIoLimit(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'io');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const io = present(inspected.io, vscode.l10n.t('The I/O limit'));
  const of = cgroupTitle(inspected);
  const device = await pickDevice(of, figureOr(io.devices, []));
  const kind = device === undefined ? undefined : await pickKind(of, device);
  if (device === undefined || kind === undefined) return;
  const value = await askForRate(of, kind, device.limits[kind]);
  if (value === undefined) return;
  const change: CgroupChange = { kind: 'ioLimit', device: device.device, [kind]: value };
  await changes.make(cgroup, change);
}

async function pickDevice(of: string, devices: readonly CgroupIoDevice[]): Promise<CgroupIoDevice | undefined> {
  const items = devices.map((device) => ({
    label: oneLine(device.name ?? device.device, 60),
    description: device.device,
    device,
  }));
  const other = { label: vscode.l10n.t('Another device…'), description: vscode.l10n.t('by its numbers'), device: undefined };
  const picked = await pick([...items, other], {
    of,
    placeHolder: vscode.l10n.t('A whole disk: the kernel limits no partition'),
  });
  if (picked === undefined || picked.device !== undefined) return picked?.device;
  const numbers = await askForValue({
    of,
    prompt: vscode.l10n.t('Major and minor number of the disk, as lsblk(8) lists them'),
    placeholder: '8:0',
    value: '',
    read: readDevice,
    words: (text) => vscode.l10n.t('Device {0}', text),
  });
  return numbers === undefined ? undefined : { device: numbers, limits: NO_LIMITS };
}

function readDevice(text: string): Reading<string> {
  const trimmed = text.trim();
  return /^\d{1,4}:\d{1,7}$/.test(trimmed) ? { value: trimmed } : { problem: vscode.l10n.t('Type two numbers such as 8:0.') };
}

async function pickKind(of: string, { limits }: CgroupIoDevice): Promise<Kind | undefined> {
  const labels: [Kind, string][] = [
    ['readBytes', vscode.l10n.t('Bytes read a second')],
    ['writtenBytes', vscode.l10n.t('Bytes written a second')],
    ['readOperations', vscode.l10n.t('Read operations a second')],
    ['writeOperations', vscode.l10n.t('Write operations a second')],
  ];
  const items = labels.map(([kind, label]) => ({ label, description: rateWords(kind, limits[kind]), limit: kind }));
  const picked = await pick(items, { of, placeHolder: vscode.l10n.t('What to limit') });
  return picked?.limit;
}

function isBytes(kind: Kind): boolean {
  return kind === 'readBytes' || kind === 'writtenBytes';
}

function rateWords(kind: Kind, value: number | null): string {
  if (value === null) return vscode.l10n.t('no limit');
  return isBytes(kind) ? vscode.l10n.t('{0} a second', bytesText(value)) : vscode.l10n.t('{0} a second', numberText(value));
}

async function askForRate(of: string, kind: Kind, now: number | null): Promise<number | null | undefined> {
  const count = { least: 1, most: MOST_OPERATIONS, unlimited: true };
  return await askForValue({
    of,
    prompt: isBytes(kind) ? vscode.l10n.t('Bytes a second, or max') : vscode.l10n.t('Operations a second, or max'),
    placeholder: isBytes(kind) ? vscode.l10n.t('10 MiB or max') : vscode.l10n.t('100 or max'),
    value: now === null ? 'max' : String(now),
    read: isBytes(kind) ? readBytes : (text: string) => readCount(text, count),
    words: (value) => rateWords(kind, value),
  });
}
