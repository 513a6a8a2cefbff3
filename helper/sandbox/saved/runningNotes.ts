/**
 * Which sandboxes run, noted by the helper that made them in a folder of its user's own, until nothing of them is left. It is by this that any helper of
 * that user knows a sandbox, since what a process is called anybody can call one; and that the next helper removes what was left where
 * every process of one was killed. Who is to remove its cgroups has the note locked (flock(2)): the helper, and the process outside, which gets the
 * descriptor.
 */
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { isSystemError } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { tryLock } from '../../kernel/flock.ts';
import { log, logError } from '../../log.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import { processRef } from '../../protocol/schemas/parts.ts';
import { isOwnFolder, runtimeFolder } from '../../stream/folder.ts';
import { removeCgroups } from '../limits/cgroupRemoval.ts';
import { isSameProcess, refOfPid } from './otherProcess.ts';

/** While the process outside removes the cgroups, the note has the number of those that are gone after its name. */
const NAME = /^([0-9a-f]{16})\.json(\.[0-9])?$/;
const MAX_BYTES = 64 * 1024;
/** Another helper may remove the folder, when it is empty, before anything is in it. */
const TRIES = 10;

const schema = v.strictObject({
  name: v.string(),
  /** The process outside. */
  process: v.exactOptional(processRef),
  cgroups: v.array(v.strictObject({ parent: v.pipe(v.string(), v.startsWith('/')), name: v.string() })),
});

export type Running = v.InferOutput<typeof schema>;

/** A note that is kept. */
export interface RunningNote {
  descriptor: number;
  path: string;
}

const folder = () => path.join(runtimeFolder(), `isoscope-running-${process.geteuid!()}`);
const fileOf = (id: string) => path.join(folder(), `${id}.json`);
let isToBeRemoved = false;
/** Those of this helper. */
const ours = new Map<string, Running>();

/** As there would be one. */
export const noteOf = (id: string, descriptor: number): RunningNote => ({ descriptor, path: fileOf(id) });

/** Its descriptor is the caller's. Undefined where there can be none: then only this helper knows of the sandbox. */
export function noteRunning(id: string, running: Running): RunningNote | undefined {
  const { name, cgroups } = running;
  const noted = { name, cgroups: cgroups.map(({ parent, name: one }) => ({ parent, name: one })) };
  ours.set(id, noted);
  for (let tries = 1; ; tries += 1) {
    try {
      fs.mkdirSync(folder(), { mode: 0o700, recursive: true });
      if (!isToBeRemoved) process.once('exit', removeFolder);
      isToBeRemoved = true;
      if (!isOwnFolder(folder())) return undefined;
      const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL;
      const note = noteOf(id, fs.openSync(fileOf(id), flags, 0o600));
      tryLock(note.descriptor);
      write(note, noted);
      return note;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code === 'ENOENT' && tries < TRIES) continue;
      log('warn', `a sandbox is not noted: ${error.message}`);
      return undefined;
    }
  }
}

/** Which process is outside, as soon as it is there. */
export function noteProcess(id: string, note: RunningNote | undefined, pid: number): void {
  const noted = ours.get(id);
  const ref = refOfPid(pid);
  if (noted === undefined || ref === undefined) return;
  noted.process = ref;
  if (note !== undefined) write(note, noted);
}

function write({ descriptor }: RunningNote, running: Running): void {
  fs.writeSync(descriptor, JSON.stringify(running), 0);
}

/** Nothing is left of it. */
export function forgetRunning(id: string): void {
  ours.delete(id);
  if (!isOwnFolder(folder())) return;
  // Only one with cgroups gets other names.
  if (!removeNote(`${id}.json`)) for (const name of notes()) if (NAME.exec(name)?.[1] === id) removeNote(name);
}

/** Whether it was there. */
function removeNote(name: string): boolean {
  try {
    fs.unlinkSync(path.join(folder(), name));
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Not after each sandbox: on a disk that takes as long as much of the rest of a short one. */
function removeFolder(): void {
  try {
    fs.rmdirSync(folder());
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** What a helper of this user has noted of the sandbox with this id. */
export function findRunning(id: string): Running | undefined {
  const known = ours.get(id);
  if (known !== undefined) return known;
  if (!isOwnFolder(folder())) return undefined;
  try {
    const file = openNote(path.basename(fileOf(id)));
    try {
      return read(file);
    } finally {
      close(file);
    }
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** The name of the sandbox with this id, when it is this process that keeps it. */
export function nameOfRunning(id: string, keeper: ProcessRef): string | undefined {
  const running = findRunning(id);
  return running?.process !== undefined && isSameProcess(running.process, keeper) ? running.name : undefined;
}

/** Removes what sandboxes have left of which no process is there any more, those of helpers that are gone included. */
export async function removeLeftovers(): Promise<void> {
  if (!isOwnFolder(folder())) return;
  for (const name of notes()) {
    try {
      await removeLeft(name);
    } catch (error) {
      // Another helper was faster.
      if (isSystemError(error) && error.code === 'ENOENT') continue;
      logError(`what the note ${name} tells of could not be removed`, error);
    }
  }
  if (!isToBeRemoved) removeFolder();
}

function notes(): string[] {
  return fs.readdirSync(folder()).filter((name) => NAME.test(name));
}

async function removeLeft(name: string): Promise<void> {
  const [, id = ''] = NAME.exec(name) ?? [];
  const file = openNote(name);
  try {
    const running = tryLock(file) ? read(file) : undefined;
    if (ours.has(id) || running === undefined || isThere(running)) return;
    // Only what no other than a sandbox of this random id can have made.
    await removeCgroups(running.cgroups.filter((cgroup) => cgroup.name === `isoscope-${id}`));
    log('info', `removed what the sandbox ${id} had left behind`);
    forgetRunning(id);
  } finally {
    close(file);
  }
}

function isThere({ process: keeper }: Running): boolean {
  const found = keeper === undefined ? undefined : refOfPid(keeper.pid);
  return keeper !== undefined && found !== undefined && isSameProcess(keeper, found);
}

function openNote(name: string): number {
  return fs.openSync(path.join(folder(), name), fs.constants.O_RDWR | fs.constants.O_NOFOLLOW);
}

/** What was not written to its end tells of nothing that was made. */
function read(file: number): Running | undefined {
  if (fs.fstatSync(file).size > MAX_BYTES) return undefined;
  try {
    return v.parse(schema, JSON.parse(fs.readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || v.isValiError(error)) return { name: '', cgroups: [] };
    throw error;
  }
}
