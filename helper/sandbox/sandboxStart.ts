/** Starts a planned sandbox. */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { Failure, isSystemError } from '../failure.ts';
import { close, O_DIRECTORY, openAt, readText } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { openPidfd, takeDescriptor } from '../kernel/pidfd.ts';
import { openPipe } from '../kernel/pipe.ts';
import { hasInput } from '../kernel/readiness.ts';
import { type End, endOf } from '../kernel/spawn.ts';
import { type Launched, launch, StepFailure, type StepResult } from '../launcher/launch.ts';
import type { Step, SyscallProgram } from '../launcher/program.ts';
import { isAttempt } from '../launcher/text.ts';
import { append } from '../lists.ts';
import { log, logError } from '../log.ts';
import { sandboxTitle } from '../proc/sandboxTitle.ts';
import { parseStat } from '../proc/stat.ts';
import { own } from '../programs/identity.ts';
import type { Candidate } from '../programs/plan.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { Said } from '../protocol/sentences.ts';
import { withinDeadline } from '../reading/deadline.ts';
import { said } from '../saying.ts';
import { inWords } from './failureWords.ts';
import { type IdMaps, mapText } from './idMaps/idMaps.ts';
import { mapOwners } from './idMaps/mapOwners.ts';
import { removeCgroups } from './limits/cgroupRemoval.ts';
import { tellsKill } from './limits/sandboxCgroup.ts';
import { openTable } from './network/sandboxNetwork.ts';
import { makeInterfaces, untilGone } from './network/vethOnHost.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';
import { forgetRunning, noteProcess, noteRunning } from './saved/runningNotes.ts';
import { awaitedAt } from './steps/awaits.ts';
import { type CompiledSandbox, compileSandbox } from './steps/compileSandbox.ts';
import { mountMappedLayers } from './steps/mappedLayers.ts';

/** A file system that does not answer can keep it from starting for ever. */
const START_DEADLINE_SECONDS = 30;
/** And a large image may take long to unpack. */
const UNPACKING_DEADLINE_SECONDS = 600;
const STATUS_BYTES = 4;
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const MAX_REPORT_BYTES = 4096;

export interface StartedSandbox extends Launched {
  /** Resolves when the program runs; rejects with a `Failure`, and then nothing is left. */
  confirmed: Promise<Candidate>;
  /** The process in the new namespaces, once confirmed and while it lasts. */
  readonly leader: ProcessRef | undefined;
  /** Where the layers of its root are that no path leads to, as far as this helper may hold them; closed when it has ended. */
  readonly held: HeldLayers;
  /** Whether the kernel killed in it for want of memory, once it has ended. */
  readonly ranOutOfMemory: boolean;
}

/** Open directories. */
export interface HeldLayers {
  /** With `upper` in it, which takes the changes. */
  changes?: number;
  /** With the layers of an image that was unpacked. */
  image?: number;
}

/** The descriptors in `stdio` may be closed as soon as this returns. */
export function startSandbox(
  plan: SandboxPlan,
  stdio: [number | 'ignore', number | 'ignore', number | 'ignore'],
): StartedSandbox {
  /** What only the launcher keeps, and what is read in the end. */
  const [theirs, ours]: [number[], number[]] = [[], []];
  const pipeOf = () => {
    const pipe = openPipe();
    theirs.push(pipe.write);
    ours.push(pipe.read);
    return pipe;
  };
  const held: HeldLayers = {};
  try {
    const [pipe, memory] = [pipeOf(), pipeOf()];
    const table = plan.veth && openTable(plan.veth, asksTranslation(plan), plan.notes);
    if (table !== undefined) theirs.push(table);
    const ends = { statusPipe: pipe.write, memoryPipe: memory.write };
    const note = noteRunning(plan.id, { name: plan.spec.name, cgroups: plan.cgroups });
    if (note !== undefined) theirs.push(note.descriptor);
    const isKept = note !== undefined && plan.cgroups.length > 0;
    const kept = { ...(table === undefined ? {} : { table }), ...(isKept ? { note } : {}) };
    const compiled = compileSandbox(plan, { ...ends, ...kept });
    const launched = launch({
      program: compiled.program,
      stdio,
      descriptors: compiled.descriptors,
      title: sandboxTitle({ id: plan.id, name: plan.spec.name }),
      onSync: (pid, step, results) => {
        switch (awaitedAt(step)) {
          case 'idMaps':
            return enterIds(pid, plan, held);
          case 'layers':
            return holdChanges(held, pid, compiled.program, results);
          case 'image':
            return unpackImage(plan, pid, compiled.program, results);
          case 'interfaces':
            return makeInterfaces(plan.veth!, pid);
        }
      },
    });
    noteProcess(plan.id, note, launched.pid);
    return watch(plan, { compiled, launched, held, status: pipe.read, memory: memory.read });
  } catch (error) {
    for (const descriptor of ours) close(descriptor);
    forgetRunning(plan.id);
    throw error;
  } finally {
    for (const descriptor of theirs) close(descriptor);
  }
}

interface Begun {
  compiled: CompiledSandbox;
  launched: Launched;
  held: HeldLayers;
  /** Pipes that tell how it ended. */
  status: number;
  memory: number;
}

function watch(plan: SandboxPlan, { compiled, launched, held, status, memory }: Begun): StartedSandbox {
  holdImage(held, plan);
  let leader: ProcessRef | undefined;
  const note = (results: StepResult[]) => {
    for (const { step, value } of results) {
      const text = compiled.program.steps[step]?.note;
      if (value < 0 && text !== undefined) plan.notes.push(text);
    }
    const pidOf = (fork: number | undefined) => results.find(({ step }) => step === fork)?.value;
    const pid = pidOf(compiled.fork);
    const first = pid === undefined ? undefined : childOf(pidOf(compiled.keeper) ?? launched.pid, pid);
    // The init is hidden from whoever has no privilege, the user it belongs to included; its program is not.
    leader = first !== undefined && compiled.init !== undefined && !own().privileged ? onlyChildOf(first.pid) : first;
  };
  let ranOutOfMemory = false;
  const ended = launched.ended.then(async (end) => {
    const exact = exactEnd(status, end);
    ranOutOfMemory = tellsKill(remaining(memory));
    for (const descriptor of Object.values(held)) close(descriptor);
    await leaveNothing(plan);
    if (plan.veth !== undefined) await untilGone(plan.veth);
    return exact;
  });
  return {
    ...launched,
    ended,
    held,
    confirmed: confirm(plan, compiled.program, { ...launched, ended }, note),
    get ranOutOfMemory() {
      return ranOutOfMemory;
    },
    get leader() {
      return leader;
    },
  };
}

async function leaveNothing({ id, cgroups }: SandboxPlan): Promise<void> {
  try {
    await removeCgroups(cgroups);
    forgetRunning(id);
  } catch (error) {
    logError('a sandbox left its cgroup behind', error);
  }
}

async function confirm(
  plan: SandboxPlan,
  program: SyscallProgram,
  launched: Launched,
  note: (results: StepResult[]) => void,
): Promise<Candidate> {
  const seconds = unpacks(plan) ? UNPACKING_DEADLINE_SECONDS : START_DEADLINE_SECONDS;
  const late = () => {
    launched.kill();
    return new Failure('busy', said('sandboxDidNotStart', seconds), {
      hint: said('fileSystemMayNotAnswer'),
    });
  };
  try {
    const results = await withinDeadline(launched.started, seconds * 1000, late);
    note(results);
    return candidateThatRuns(plan, program, results);
  } catch (error) {
    // What was begun is gone before anybody hears that it failed.
    await launched.ended;
    throw error instanceof StepFailure ? inWords(plan, error) : error;
  }
}

function unpacks({ root }: SandboxPlan): boolean {
  return root.type === 'overlay' && !Array.isArray(root.lowers) && root.lowers.inside !== undefined;
}

/** Each execve that failed was reported; the first that was not is the one that runs. */
function candidateThatRuns(plan: SandboxPlan, { steps }: SyscallProgram, results: StepResult[]): Candidate {
  const failed = results.filter(({ step, value }) => value < 0 && isAttempt(steps[step]!)).length;
  return plan.candidates[Math.min(failed, plan.candidates.length - 1)]!;
}

/** What the waiting process was told of the program's end, which its own end does not tell exactly; else that. */
function exactEnd(pipe: number, end: End): End {
  const status = remaining(pipe);
  return status.length === STATUS_BYTES ? endOf(Buffer.from(status, 'latin1').readInt32LE(0)) : end;
}

/** What is in the pipe, a character a byte. Nobody writes to it any more. It is closed. */
function remaining(pipe: number): string {
  try {
    if (!hasInput(pipe)) return '';
    const content = Buffer.alloc(MAX_REPORT_BYTES);
    return content.toString('latin1', 0, fs.readSync(pipe, content));
  } finally {
    close(pipe);
  }
}

/** Undefined when it has ended. A pid that is a child of ours is not another's. */
function childOf(parent: number, pid: number): ProcessRef | undefined {
  const text = readText(AT_FDCWD, `/proc/${pid}/stat`, 4096);
  const stat = typeof text === 'number' ? undefined : parseStat(text);
  return stat === undefined || stat.parentPid !== parent ? undefined : { pid, startTime: stat.startTime };
}

function onlyChildOf(pid: number): ProcessRef | undefined {
  const text = readText(AT_FDCWD, `/proc/${pid}/task/${pid}/children`, 4096);
  const child = typeof text === 'number' ? Number.NaN : Number.parseInt(text, 10);
  return Number.isNaN(child) ? undefined : childOf(pid, child);
}

/** Without it the changes of the sandbox cannot be looked at, which is no reason for it not to run. */
function holdChanges(held: HeldLayers, pid: number, { steps }: SyscallProgram, results: readonly StepResult[]): undefined {
  const descriptor = results.find(({ step }) => isFileSystem(steps[step]))?.value;
  if (descriptor === undefined) return;
  try {
    const pidfd = openPidfd(pid);
    try {
      held.changes = takeDescriptor(pidfd, descriptor);
    } finally {
      close(pidfd);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    log('warn', `the layers of a sandbox are not held: ${error.message}`);
  }
}

function isFileSystem(step: Step | undefined): boolean {
  return step?.kind === 'syscall' && step.name === 'fsmount';
}

async function unpackImage(
  { root, notes }: SandboxPlan,
  pid: number,
  { steps }: SyscallProgram,
  results: readonly StepResult[],
): Promise<undefined> {
  const made = results.find(({ step }) => isFileSystem(steps[step]))?.value;
  if (made === undefined || root.type !== 'overlay' || Array.isArray(root.lowers)) return undefined;
  const pidfd = openPidfd(pid);
  let [userNamespace, into] = [-1, -1];
  try {
    // Before anything is unpacked: the pid may be another's when the process that waits is killed meanwhile.
    userNamespace = fs.openSync(`/proc/${pid}/ns/user`, 'r');
    into = takeDescriptor(pidfd, made);
    append(notes, (await root.lowers.inside?.unpack(into, userNamespace)) ?? []);
  } finally {
    for (const descriptor of [pidfd, userNamespace, into]) if (descriptor >= 0) close(descriptor);
  }
  return undefined;
}

/** The plan's own descriptor is closed once the sandbox runs. */
function holdImage(held: HeldLayers, { root }: SandboxPlan): void {
  if (root.type !== 'overlay' || Array.isArray(root.lowers)) return;
  const descriptor = openAt(AT_FDCWD, `/proc/self/fd/${root.lowers.descriptor}`, O_PATH | O_DIRECTORY);
  if (descriptor >= 0) held.image = descriptor;
}

function asksTranslation({ spec: { network } }: SandboxPlan): boolean {
  return network.type === 'veth' && network.nat === true;
}

/** What a program of the host said when it failed. */
function toolFailure(program: string, what: Said, debianPackage: string, error: unknown): Failure {
  const isMissing = isSystemError(error) && error.code === 'ENOENT';
  const output = String((error as { stderr?: unknown }).stderr ?? '')
    .trim()
    .slice(0, 400);
  return new Failure(
    isMissing ? 'notFound' : 'permission',
    output === '' ? said('toolFailed', program, what) : said('toolFailedSaying', program, what, output),
    {
      hint: isMissing ? said('installTool', program, debianPackage) : said('toolRefused', program),
    },
  );
}

/** Writes the id maps, and mounts what is mounted by them: its descriptor is handed over. */
async function enterIds(pid: number, plan: SandboxPlan, held: HeldLayers): Promise<number | undefined> {
  await writeIdMaps(pid, plan);
  if (plan.root.type !== 'overlay' || !plan.root.mapped) return undefined;
  const { overlay, changes } = await mountMappedLayers(plan.root, plan.idMaps!, pid);
  if (changes !== undefined) held.changes = changes;
  return overlay;
}

/** The process waits, so its pid is its own. */
async function writeIdMaps(pid: number, { idMaps, trees }: SandboxPlan): Promise<void> {
  const { uid, gid, writtenBy } = idMaps!;
  if (writtenBy === 'newuidmap') {
    await runMapper('newuidmap', pid, uid);
    await runMapper('newgidmap', pid, gid);
    return;
  }
  try {
    fs.writeFileSync(`/proc/${pid}/uid_map`, mapText(uid));
    fs.writeFileSync(`/proc/${pid}/gid_map`, mapText(gid));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('permission', said('idMapsCannotBeWritten', error.code), {
      errno: error.code,
      hint: said('rangesMustBeMapped'),
    });
  }
  mapOwners(trees, pid);
}

async function runMapper(program: string, pid: number, mappings: IdMaps['uid']): Promise<void> {
  const numbers = mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size]).map(String);
  try {
    await promisify(execFile)(program, [String(pid), ...numbers], { env: { PATH: SYSTEM_PATH } });
  } catch (error) {
    throw toolFailure(program, said('writeTheIdMap'), 'uidmap', error);
  }
}
