/** Steps that make the cgroups of a sandbox, join them, and in the end remove them. */

import fs from 'node:fs';
import path from 'node:path';
import { O_DIRECTORY } from '../../kernel/files.ts';
import { O_CLOEXEC, O_PATH } from '../../kernel/numbers.ts';
import { type Argument, bytes, integer, named, string } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { PlannedCgroup } from '../limits/sandboxCgroup.ts';
import type { RunningNote } from '../saved/runningNotes.ts';

export interface MadeCgroups {
  /** Open files to which a process writes `0` to join. */
  files: { path: string; file: Argument }[];
  /** v2: the open directory, in which the child of the fork begins, without a migration and its lock over all. */
  unified?: Argument;
}

const HERE = named('AT_FDCWD');
const READ_ONLY = integer(O_CLOEXEC, 'O_RDONLY|O_CLOEXEC');
const WRITE_ONLY = integer(fs.constants.O_WRONLY | O_CLOEXEC, 'O_WRONLY|O_CLOEXEC');
const DIRECTORY = integer(O_PATH | O_DIRECTORY | O_CLOEXEC, 'O_PATH|O_DIRECTORY|O_CLOEXEC');
const AT_REMOVEDIR = named('AT_REMOVEDIR');

/** `byWriting`: whoever forks then may not make a child in them (EACCES), for it has another id; what is written to a file counts as its opener's. */
export function makeCgroups(steps: Steps, cgroups: readonly PlannedCgroup[], byWriting: boolean): MadeCgroups {
  const made: MadeCgroups = { files: [] };
  for (const cgroup of cgroups) {
    const directory = path.join(cgroup.parent, cgroup.name);
    if (cgroup.enable.length > 0) {
      const text = cgroup.enable.map((controller) => `+${controller}`).join(' ');
      write(steps, path.join(cgroup.parent, 'cgroup.subtree_control'), text, said('handDownControllers', cgroup.enable));
    }
    steps.call('mkdirat', [HERE, string(directory), integer(0o755, '0755')], said('makeCgroup', directory));
    for (const { file, text } of cgroup.settings) write(steps, path.join(directory, file), text, said('setFileTo', file, text));
    const purpose = said('openCgroup', directory);
    if (cgroup.version === 2 && !byWriting) {
      made.unified = steps.call('openat', [HERE, string(directory), DIRECTORY], purpose);
    } else {
      const name = cgroup.version === 2 ? 'cgroup.procs' : 'tasks';
      const file = steps.call('openat', [HERE, string(`${directory}/${name}`), WRITE_ONLY], purpose);
      made.files.push({ path: directory, file });
    }
  }
  return made;
}

function write(steps: Steps, file: string, text: string, purpose: Said): void {
  const opened = steps.call('openat', [HERE, string(file), WRITE_ONLY], purpose);
  steps.call('write', [opened, string(text), integer(Buffer.byteLength(text))], purpose);
  steps.call('close', [opened], purpose);
}

export function joinCgroups(steps: Steps, { files }: MadeCgroups): void {
  for (const { path: directory, file } of files) {
    steps.call('write', [file, string('0'), integer(1)], said('joinCgroup', directory));
    steps.call('close', [file], said('closeIt'));
  }
}

const REPORT_BYTES = 1024;

/**
 * To be the last steps. The text of each file that tells of kills for want of memory goes to `report`, since nobody can read
 * it afterwards. The note is removed only when all cgroups are: one in which the sandbox has made others stays, and the helper, or the next
 * one, removes it.
 */
export function removeCgroupsFinally(
  steps: Steps,
  cgroups: readonly PlannedCgroup[],
  report: Argument,
  note: RunningNote | undefined,
): void {
  const flags = { ignoreError: true };
  const purpose = said('removeCgroupNote');
  let noted = note?.path;
  cgroups.forEach(({ parent, name, oomFile }, index) => {
    const directory = path.join(parent, name);
    if (oomFile !== undefined) reportKills(steps, `${directory}/${oomFile}`, report);
    const removed = steps.call('unlinkat', [HERE, string(directory), AT_REMOVEDIR], said('removeCgroup', directory), flags);
    if (note === undefined || noted === undefined) return;
    // An error is no valid set of flags, so what depends on it fails, too.
    if (index === cgroups.length - 1) {
      steps.call('unlinkat', [HERE, string(noted), removed], purpose, flags);
      return;
    }
    const next = `${note.path}.${index + 1}`;
    steps.call('renameat2', [HERE, string(noted), HERE, string(next), removed], said('doWhenAllAreRemoved', purpose), flags);
    noted = next;
  });
  if (note === undefined) return;
  steps.call('unlinkat', [HERE, string(path.dirname(note.path)), AT_REMOVEDIR], said('removeNotesFolder'), flags);
  steps.call('close', [steps.descriptor(note.descriptor, note.path)], said('letGoOfNote'), flags);
}

function reportKills(steps: Steps, file: string, report: Argument): void {
  const text = bytes(Buffer.alloc(REPORT_BYTES), '…');
  const purpose = said('tellOfMemory');
  const flags = { ignoreError: true };
  const opened = steps.call('openat', [HERE, string(file), READ_ONLY], purpose, flags);
  const length = steps.call('read', [opened, text, integer(REPORT_BYTES)], purpose, flags);
  steps.call('write', [report, text, length], purpose, flags);
}
