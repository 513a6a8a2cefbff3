/** Carries out a change of a cgroup: all that can be checked is checked first, then each file is written once, and what was written can be undone. */
import fs from 'node:fs';
import { Failure, inFieldLater } from '../../failure.ts';
import { close, openAt, readText } from '../../kernel/files.ts';
import { hasEnded } from '../../kernel/pidfd.ts';
import { bytesOfName } from '../../proc/fileName.ts';
import type { CgroupRef, CgroupsChangeParams, CgroupsChangeResult, ChangeWarning } from '../../protocol/cgroups.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import { inPoolRoom } from '../../reading/poolRoom.ts';
import { said } from '../../saying.ts';
import { stuck } from './boundedReads.ts';
import { type OpenCgroup, openCgroup, refAt } from './directory.ts';
import { awaitEnd, type Freezer, killMembers } from './kill.ts';
import { cgroupPathOf, membersBelow, visitBelow } from './members.ts';
import { holdProcess, openToWrite, planChange } from './plan.ts';
import { directoryRefusal, fileRefusal } from './refusals.ts';
import type { Step, WriteStep } from './steps.ts';
import { warningsOf } from './warnings.ts';

/** A limit below the usage makes the kernel reclaim for long; a write cannot be called back. */
const WRITE_MILLIS = 10_000;

/** Throws a `Failure`; `busy` when a warning was not acknowledged, and then nothing was written. */
export async function changeCgroup({
  cgroup: ref,
  change,
  acknowledged = [],
}: CgroupsChangeParams): Promise<CgroupsChangeResult> {
  return inTurn(ref, async () => {
    using cgroup = openCgroup(ref);
    const steps = await planChange(cgroup, change);
    demandAcknowledged(warningsOf(cgroup, steps), acknowledged);
    // Awaited here: the cgroup is held until all is done.
    return await carryOut(cgroup, steps);
  });
}

const turns = new Map<string, Promise<unknown>>();

/** Of two changes of one cgroup the second begins when the first has ended: what stood before, which undo puts back, is then true. */
export function inTurn<T>({ hierarchy, ino }: CgroupRef, action: () => Promise<T>): Promise<T> {
  const key = `${hierarchy} ${ino}`;
  const turn = (turns.get(key) ?? Promise.resolve()).then(action, action);
  const ended = turn
    .catch(() => undefined)
    .then(() => {
      if (turns.get(key) === ended) turns.delete(key);
    });
  turns.set(key, ended);
  return turn;
}

/** The warnings are the hint, each with its id. */
export function demandAcknowledged(warnings: readonly ChangeWarning[], acknowledged: readonly string[]): void {
  const open = warnings.filter(({ id }) => !acknowledged.includes(id));
  if (open.length === 0) return;
  throw new Failure('busy', said('nothingWasChanged'), {
    hint: open.map(({ id, message }) => said('warningById', id, message)).reduce((before, one) => said('lines', before, one)),
  });
}

type Undo = CgroupsChangeResult['undo'];

async function carryOut(cgroup: OpenCgroup, steps: readonly Step[]): Promise<CgroupsChangeResult> {
  const result: CgroupsChangeResult = { undo: [] };
  const written: WriteStep[] = [];
  for (const step of steps) {
    if (step.do === 'write') {
      await inFieldLater(['change'], () => writeOrTakeBack(cgroup, step, written));
      written.push(step);
      // The last written is the first put back, so that each state in between is one that stood already.
      result.undo = [
        ...step.undo.map((back) => ({ cgroup: cgroup.ref, change: { kind: 'write' as const, ...back } })),
        ...result.undo,
      ];
    } else if (step.do === 'mkdir') {
      result.created = createChild(cgroup, step.name);
      result.undo.unshift({ cgroup: result.created, change: { kind: 'remove' } });
    } else if (step.do === 'rmdir') remove(cgroup);
    else if (step.do === 'move') result.undo = [...(await move(cgroup, step.process)), ...result.undo];
    else result.killed = await kill(cgroup);
  }
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

/** Of a change of several files none is left half done: when one is refused, those before it get their old text. */
async function writeOrTakeBack(cgroup: OpenCgroup, step: WriteStep, written: readonly WriteStep[]): Promise<void> {
  try {
    await writeFile(cgroup, step.file, step.text);
  } catch (error) {
    for (const { undo } of [...written].reverse()) for (const { file, text } of undo) await writeFile(cgroup, file, text);
    throw error;
  }
}

/** One write(2). Throws a `Failure` in words for a person. */
export async function writeFile(cgroup: OpenCgroup, file: string, text: string): Promise<void> {
  const fd = openToWrite(cgroup, file);
  try {
    await writeAndClose(cgroup, fd, file, text);
  } catch (error) {
    throw fileRefusal(cgroup, file, 'write', error, text);
  }
}

/** Of this cgroup, or of one below it. */
function writeAndClose(cgroup: OpenCgroup, fd: number, file: string, text: string): Promise<void> {
  return inPoolRoom({
    begin: () => writeOnce(fd, bytesOfName(text) ?? Buffer.from(text)).finally(() => close(fd)),
    unbegun: () => close(fd),
    millis: WRITE_MILLIS,
    refused: () => stuck(file, said('earlierReadsHaveNotComeBack')),
    late: () => stillWriting(cgroup, file),
  });
}

/** On a thread of the pool, for the kernel may take long; nothing is written in a second call when the first took only a part. */
function writeOnce(fd: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, null, (error) => (error === null ? resolve() : reject(error)));
  });
}

function stillWriting({ directory }: OpenCgroup, file: string): Failure {
  return new Failure('busy', said('writingHasNotEnded', directory, file, WRITE_MILLIS / 1000), {
    path: `${directory}/${file}`,
    hint: said('writeMayStillComeIntoEffect'),
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// The tree

function createChild(cgroup: OpenCgroup, name: string): CgroupRef {
  const { ref, fd } = cgroup;
  const child = pathIn(fd, bytesOfName(name)!);
  try {
    fs.mkdirSync(child, { mode: 0o755 });
  } catch (error) {
    throw directoryRefusal(cgroup, name, error);
  }
  return { hierarchy: ref.hierarchy, path: `${ref.path === '/' ? '' : ref.path}/${name}`, ino: fs.statSync(child).ino };
}

/** A name in an open directory as a path, for those functions of Node that have no other way; a name may be any bytes. */
function pathIn(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** By its name in its parent, right after it was found there once more: rmdir(2) takes a name, never a descriptor. */
function remove(cgroup: OpenCgroup): void {
  const { ref } = cgroup;
  const cut = ref.path.lastIndexOf('/');
  const name = bytesOfName(ref.path.slice(cut + 1))!;
  openCgroup(ref)[Symbol.dispose]();
  try {
    const parent = fs.openSync(`/proc/self/fd/${cgroup.fd}/..`, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      fs.rmdirSync(pathIn(parent, name));
    } finally {
      fs.closeSync(parent);
    }
  } catch (error) {
    throw directoryRefusal(cgroup, undefined, error);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes

/** What moves it back, where the helper can see the cgroup that it came from. */
async function move(cgroup: OpenCgroup, process: ProcessRef): Promise<Undo> {
  const pidfd = holdProcess(process);
  try {
    const path = cgroupPathOf(process.pid, cgroup.ref.hierarchy);
    const from = path === undefined ? undefined : refAt(cgroup.ref.hierarchy, path);
    await writeFile(cgroup, 'cgroup.procs', String(process.pid));
    if (hasEnded(pidfd)) {
      throw new Failure('gone', said('processEndedWhileMoved', process.pid), { hint: said('refreshView') });
    }
    return from === undefined || from.path === cgroup.ref.path ? [] : [{ cgroup: from, change: { kind: 'move', process } }];
  } finally {
    close(pidfd);
  }
}

async function kill(cgroup: OpenCgroup): Promise<number> {
  if (typeof readText(cgroup.fd, 'cgroup.type', 64) === 'number' || !hasFile(cgroup, 'cgroup.kill')) {
    return killMembers(cgroup, freezerOf(cgroup));
  }
  const { pids } = membersBelow(cgroup.fd);
  await writeFile(cgroup, 'cgroup.kill', '1');
  await awaitEnd(cgroup);
  return pids.size;
}

export function hasFile({ fd }: OpenCgroup, name: string): boolean {
  return fs.existsSync(`/proc/self/fd/${fd}/${name}`);
}

/** Undefined in a hierarchy without a freezer, and for a root. */
export function freezerOf(cgroup: OpenCgroup): Freezer | undefined {
  const [file, frozen, thawed] = cgroup.version === 2 ? ['cgroup.freeze', '1', '0'] : ['freezer.state', 'FROZEN', 'THAWED'];
  if (!hasFile(cgroup, file!)) return undefined;
  return {
    freeze: () => writeFile(cgroup, file!, frozen!),
    thaw: () => writeFile(cgroup, file!, thawed!),
    thawBelow: () => (cgroup.version === 2 ? Promise.resolve() : thawAllBelow(cgroup)),
    isFrozen: () => {
      const text = readText(cgroup.fd, cgroup.version === 2 ? 'cgroup.events' : 'freezer.state', 4096);
      return typeof text === 'string' && (cgroup.version === 2 ? /^frozen 1$/m.test(text) : text.startsWith('FROZEN'));
    },
  };
}

/** cgroup-v1/freezer-subsystem.rst: one that is frozen by itself stays so when those above it are thawed. */
async function thawAllBelow(cgroup: OpenCgroup): Promise<void> {
  const files: number[] = [];
  visitBelow(cgroup.fd, (directory) => {
    if (readText(directory, 'freezer.self_freezing', 64) !== '1\n') return;
    const fd = openAt(directory, 'freezer.state', fs.constants.O_WRONLY);
    if (fd >= 0) files.push(fd);
  });
  await Promise.all(files.map((fd) => writeAndClose(cgroup, fd, 'freezer.state', 'THAWED')));
}
