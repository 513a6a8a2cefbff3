/**
 * The cgroups of a sandbox, in each hierarchy that a limit of it needs, v1 or v2: cgroups(7). One directory a hierarchy,
 * directly below the root, or below one that was delegated to the helper's user.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Failure, inField, isSystemError } from '../../failure.ts';
import { directoryOf } from '../../host/cgroups/hierarchies.ts';
import { append } from '../../lists.ts';
import { parseCgroups } from '../../proc/cgroup.ts';
import { type Mount, parseMountinfo } from '../../proc/mountinfo.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { SandboxResources } from '../../protocol/sandboxes.ts';
import { said } from '../../saying.ts';
import { bytesOf } from '../specification/size.ts';
import { askForScope, notAvailable, notHandedDown, ownPathIn, placeInV1, placeInV2 } from './delegation.ts';

export interface PlannedCgroup {
  /** As in `/proc/PID/cgroup`, or `unified`. */
  hierarchy: string;
  version: 1 | 2;
  /** The directory that it is made in, of the host, and its name there. */
  parent: string;
  name: string;
  /** The same as a path from the root of the hierarchy. */
  path: string;
  /** v2: controllers that the parent has to hand down. */
  enable: string[];
  settings: { file: string; text: string }[];
  /** The file that tells how often the kernel killed for want of memory, when memory is limited. */
  oomFile?: string;
}

type Setting = { controller: Controller; v1: [file: string, text: string][]; v2: [file: string, text: string][] };
type Controller = 'cpu' | 'cpuset' | 'memory' | 'pids' | 'io';
/** v1's name for it. */
const V1_NAMES: Record<Controller, string> = { cpu: 'cpu', cpuset: 'cpuset', memory: 'memory', pids: 'pids', io: 'blkio' };

/** What of the resources asks for it. */
const FIELDS: Record<Controller, keyof SandboxResources> = {
  cpu: 'cpu',
  cpuset: 'cpu',
  memory: 'memory',
  pids: 'pids',
  io: 'blockIO',
};

const DEFAULT_PERIOD_MICROS = 100_000;

/** To be called before `planCgroups`, since the cgroup of the helper may have to be another one for that. */
export async function prepareCgroups(resources: SandboxResources): Promise<void> {
  const mounts = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  const v2 = mounts.find(({ type }) => type === 'cgroup2');
  if (v2 !== undefined && inV2(settingsOf(resources, new Map()), mounts).length > 0) await askForScope(v2);
}

/** `devices`: `major:minor` by the path of each block device. Throws a `Failure` when a limit cannot be set on this host. */
export function planCgroups(resources: SandboxResources, id: string, devices: ReadonlyMap<string, string>): PlannedCgroup[] {
  const mounts = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  const planned = new Map<string, PlannedCgroup>();
  const settings = settingsOf(resources, devices);
  const together = inV2(settings, mounts);
  for (const setting of settings) {
    const cgroup = inField([FIELDS[setting.controller]], () => hierarchyFor(setting.controller, together, mounts, id));
    const known = planned.get(cgroup.parent) ?? cgroup;
    planned.set(cgroup.parent, known);
    known.enable = [...new Set([...known.enable, ...cgroup.enable])];
    const own = known.version === 1 ? setting.v1 : setting.v2;
    const files = known.version === 1 && setting.controller === 'cpuset' ? [...inheritedCpuset(known, setting), ...own] : own;
    append(
      known.settings,
      files.map(([file, text]) => ({ file, text })),
    );
    if (setting.controller === 'memory') known.oomFile = known.version === 1 ? 'memory.oom_control' : 'memory.events';
  }
  return [...planned.values()];
}

/** Of one that runs: where its process is, for a helper in another cgroup would make them elsewhere. */
export function cgroupsOfRunning({ pid }: ProcessRef, id: string): PlannedCgroup[] {
  const name = nameOf(id);
  const planned: PlannedCgroup[] = [];
  for (const { hierarchy, path: place } of parseCgroups(read(`/proc/${pid}/cgroup`))) {
    const directory = path.posix.basename(place) === name ? directoryOf(hierarchy, place) : undefined;
    if (directory === undefined) continue;
    const version = hierarchy === 'unified' ? 2 : 1;
    planned.push({ hierarchy, version, parent: path.dirname(directory), name, path: place, enable: [], settings: [] });
  }
  return planned;
}

const nameOf = (id: string) => `isoscope-${id}`;

function settingsOf({ cpu, memory, pids, blockIO }: SandboxResources, devices: ReadonlyMap<string, string>): Setting[] {
  const settings: Setting[] = [];
  if (cpu?.quota !== undefined) {
    const period = cpu.period ?? DEFAULT_PERIOD_MICROS;
    settings.push({
      controller: 'cpu',
      v1: [
        ['cpu.cfs_period_us', String(period)],
        ['cpu.cfs_quota_us', String(cpu.quota)],
      ],
      v2: [['cpu.max', `${cpu.quota} ${period}`]],
    });
  }
  if (cpu?.shares !== undefined) {
    // The kernel's own conversion, as every runtime does it: 2…262144 to 1…10000.
    const weight = 1 + Math.floor(((cpu.shares - 2) * 9999) / 262_142);
    settings.push({ controller: 'cpu', v1: [['cpu.shares', String(cpu.shares)]], v2: [['cpu.weight', String(weight)]] });
  }
  const cpuset: [string, string][] = [];
  if (cpu?.cpus !== undefined) cpuset.push(['cpuset.cpus', cpu.cpus]);
  if (cpu?.mems !== undefined) cpuset.push(['cpuset.mems', cpu.mems]);
  if (cpuset.length > 0) settings.push({ controller: 'cpuset', v1: [...cpuset], v2: cpuset });
  if (memory !== undefined) settings.push(inField(['memory'], () => memorySetting(memory)));
  if (pids !== undefined) {
    const file: [string, string] = ['pids.max', String(pids.limit)];
    settings.push({ controller: 'pids', v1: [file], v2: [file] });
  }
  for (const [index, device] of (blockIO ?? []).entries())
    settings.push(inField(['blockIO', index], () => deviceSetting(device, devices.get(device.device) ?? device.device)));
  return settings.filter(({ v1, v2 }) => v1.length + v2.length > 0);
}

/** v1 limits memory and swap together, v2 apart. */
function memorySetting({ limit, swap }: NonNullable<SandboxResources['memory']>): Setting {
  const v1: [string, string][] = [];
  const v2: [string, string][] = [];
  if (limit !== undefined) {
    v1.push(['memory.limit_in_bytes', String(bytesOf(limit))]);
    v2.push(['memory.max', String(bytesOf(limit))]);
  }
  if (swap !== undefined) {
    if (limit === undefined) throw new Failure('invalid', said('swapNeedsMemoryLimit'), { field: ['swap'] });
    v1.push(['memory.memsw.limit_in_bytes', String(bytesOf(limit) + bytesOf(swap))]);
    v2.push(['memory.swap.max', String(bytesOf(swap))]);
  }
  return { controller: 'memory', v1, v2 };
}

function deviceSetting(given: NonNullable<SandboxResources['blockIO']>[number], device: string): Setting {
  const rates: [v1: string, v2: string, value: number | undefined][] = [
    ['blkio.throttle.read_bps_device', 'rbps', given.readBps === undefined ? undefined : bytesOf(given.readBps)],
    ['blkio.throttle.write_bps_device', 'wbps', given.writeBps === undefined ? undefined : bytesOf(given.writeBps)],
    ['blkio.throttle.read_iops_device', 'riops', given.readIOPS],
    ['blkio.throttle.write_iops_device', 'wiops', given.writeIOPS],
  ];
  const set = rates.filter(([, , value]) => value !== undefined);
  return {
    controller: 'io',
    v1: set.map(([file, , value]) => [file, `${device} ${value}`]),
    v2: set.length === 0 ? [] : [['io.max', `${device} ${set.map(([, key, value]) => `${key}=${value}`).join(' ')}`]],
  };
}

/** In v1 a new cpuset is empty, and nothing can join it before both are set. */
function inheritedCpuset({ parent, settings }: PlannedCgroup, { v1 }: Setting): [string, string][] {
  const lacking = ['cpuset.cpus', 'cpuset.mems'].filter(
    (file) => !v1.some(([given]) => given === file) && !settings.some((given) => given.file === file),
  );
  return lacking.map((file) => [file, read(path.join(parent, file)).trim()]);
}

/** `together`: all that are wanted of version 2. */
function hierarchyFor(controller: Controller, together: readonly Controller[], mounts: Mount[], id: string): PlannedCgroup {
  const name = nameOf(id);
  const v1 = v1MountOf(controller, mounts);
  if (v1 !== undefined) {
    const hierarchy = hierarchyWith(V1_NAMES[controller]);
    const parent = placeInV1(v1, ownPathIn(V1_NAMES[controller]), V1_NAMES[controller]);
    return { ...below(v1, parent, name), hierarchy, version: 1, enable: [], settings: [] };
  }
  const v2 = mounts.find(({ type }) => type === 'cgroup2');
  if (v2 === undefined) throw notAvailable([controller]);
  const parent = placeInV2(v2, ownPathIn('unified'), together);
  return {
    ...below(v2, parent, name),
    hierarchy: 'unified',
    version: 2,
    enable: notHandedDown(parent, [controller]),
    settings: [],
  };
}

function inV2(settings: readonly Setting[], mounts: readonly Mount[]): Controller[] {
  return settings.map(({ controller }) => controller).filter((one) => v1MountOf(one, mounts) === undefined);
}

function v1MountOf(controller: Controller, mounts: readonly Mount[]): Mount | undefined {
  return mounts.find(({ type, superOptions }) => type === 'cgroup' && superOptions.includes(V1_NAMES[controller]));
}

/** As in `/proc/PID/cgroup`. */
function hierarchyWith(controller: string): string {
  const mine = parseCgroups(fs.readFileSync('/proc/self/cgroup', 'utf8'));
  return mine.find(({ hierarchy }) => hierarchy.split(',').includes(controller))?.hierarchy ?? controller;
}

function below(mount: Mount, parent: string, name: string): Pick<PlannedCgroup, 'parent' | 'name' | 'path'> {
  const root = mount.root === '/' ? '' : mount.root;
  return { parent, name, path: `${root}${parent.slice(mount.mountPoint.length)}/${name}` };
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return '';
    throw error;
  }
}

/** Whether the text of the files that tell it says that the kernel killed for want of memory. */
export function tellsKill(report: string): boolean {
  return [...report.matchAll(/^oom_kill (\d+)$/gm)].some(([, kills]) => kills !== '0');
}
