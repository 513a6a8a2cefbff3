/**
 * Which cgroups sandboxes have made, noted until these are removed: where every process of one was killed, the next helper removes them.
 * A note is a file in a folder of the user's own. The helper locks it (flock(2)) and hands the descriptor on to the process outside: the lock is
 * there for as long as somebody is who will clean up, and needs no pid that may be another's by then.
 */
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { isSystemError } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { tryLock } from '../kernel/flock.ts';
import { log, logError } from '../log.ts';
import { isOwnFolder, runtimeFolder } from '../stream/folder.ts';
import { removeCgroups } from './cgroupRemoval.ts';

/** While the process outside removes the cgroups, the note has the number of those that are gone after its name. */
const NAME = /^([0-9a-f]{16})\.json(\.[0-9])?$/;
const MAX_BYTES = 64 * 1024;
/** Another helper may remove the folder, when it is empty, before anything is in it. */
const TRIES = 10;

const schema = v.array(v.strictObject({ parent: v.pipe(v.string(), v.startsWith('/')), name: v.string() }));

type NotedCgroup = v.InferOutput<typeof schema>[number];

/** Of a user's own, for the runtime folder may be one that all users share. */
const folder = () => path.join(runtimeFolder(), `isoscope-cgroups-${process.geteuid!()}`);
const fileOf = (id: string) => path.join(folder(), `${id}.json`);

/** A note that is kept. */
export interface CgroupNote {
  descriptor: number;
  path: string;
}

/** As there would be one. */
export const noteOf = (id: string, descriptor: number): CgroupNote => ({ descriptor, path: fileOf(id) });

/** Its descriptor is the caller's. Undefined where none can be made: then only who makes the cgroups removes them. */
export function noteCgroups(id: string, cgroups: readonly NotedCgroup[]): CgroupNote | undefined {
  const text = JSON.stringify(cgroups.map(({ parent, name }) => ({ parent, name })));
  for (let tries = 1; ; tries += 1) {
    try {
      fs.mkdirSync(folder(), { mode: 0o700, recursive: true });
      if (!isOwnFolder(folder())) return undefined;
      const file = fs.openSync(fileOf(id), fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o600);
      // Until it is written it is no note, and is left alone.
      tryLock(file);
      fs.writeSync(file, text);
      return noteOf(id, file);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code === 'ENOENT' && tries < TRIES) continue;
      log('warn', `the cgroups of a sandbox are not noted: ${error.message}`);
      return undefined;
    }
  }
}

/** They are removed. */
export function forgetCgroups(id: string): void {
  if (!isOwnFolder(folder())) return;
  for (const name of notes()) if (NAME.exec(name)?.[1] === id) fs.rmSync(path.join(folder(), name), { force: true });
  try {
    fs.rmdirSync(folder());
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Removes what sandboxes have left of which no process is there any more, those of helpers that are gone included. */
export async function removeLeftCgroups(): Promise<void> {
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
}

function notes(): string[] {
  return fs.readdirSync(folder()).filter((name) => NAME.test(name));
}

async function removeLeft(name: string): Promise<void> {
  const [, id = ''] = NAME.exec(name) ?? [];
  const file = fs.openSync(path.join(folder(), name), fs.constants.O_RDWR | fs.constants.O_NOFOLLOW);
  try {
    const { size } = fs.fstatSync(file);
    if (!tryLock(file) || size > MAX_BYTES) return;
    if (size > 0) {
      const noted = v.parse(schema, JSON.parse(fs.readFileSync(file, 'utf8')));
      // Only what no other than a sandbox of this random id can have made.
      await removeCgroups(noted.filter(({ name }) => name === `isoscope-${id}`));
      log('info', `removed what the sandbox ${id} had left behind`);
    }
    forgetCgroups(id);
  } finally {
    close(file);
  }
}
