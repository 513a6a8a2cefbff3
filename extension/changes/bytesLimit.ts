/** Limits that are a number of bytes: what the commands that set them have in common. */
import * as vscode from 'vscode';
import type { CgroupChange, CgroupsInspectResult } from '../../helper/protocol/cgroups.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import { bytesText, cgroupTitle } from '../words/cgroupWords.ts';
import type { CgroupChanges } from './cgroupChanges.ts';
import { readBytes } from './cgroupInput.ts';
import { pickCgroup } from './cgroupPicks.ts';
import { askForValue } from './valueBox.ts';

export interface BytesLimit {
  prompt: (inspected: CgroupsInspectResult) => string;
  /** What holds now, `null` for no limit. Throws when there can be none. */
  now: (inspected: CgroupsInspectResult) => number | null;
  change: (limitBytes: number | null) => CgroupChange;
}

export async function setBytesLimit(changes: CgroupChanges, target: CommandTarget, limit: BytesLimit): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'memory');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  const now = limit.now(inspected);
  const bytes = await askForValue({
    of: cgroupTitle(inspected),
    prompt: limit.prompt(inspected),
    placeholder: vscode.l10n.t('64 MiB, 1.5 GiB or max'),
    value: now === null ? 'max' : exactBytes(now),
    read: readBytes,
    words: (value) =>
      value === null ? vscode.l10n.t('No limit of its own') : vscode.l10n.t('{0} ({1} bytes)', bytesText(value), value),
  });
  if (bytes !== undefined) await changes.make(cgroup, limit.change(bytes));
}

/** In the words of people where those are exact, so that accepting what stands there changes nothing. */
function exactBytes(bytes: number): string {
  const words = bytesText(bytes);
  const read = readBytes(words);
  return 'value' in read && read.value === bytes ? words : String(bytes);
}
