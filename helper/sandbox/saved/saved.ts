/**
 * What is noted of sandboxes, so that another helper finds them: a file each, of a persistent one until the next boot, of any other while it runs.
 */
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { Failure, isSystemError } from '../../failure.ts';
import { exchangeFiles } from '../../kernel/renameat2.ts';
import { log } from '../../log.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { SandboxExit, SandboxParams } from '../../protocol/sandboxes.ts';
import { processRef } from '../../protocol/schemas/parts.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { isOwnFolder, runtimeFolder } from '../../stream/folder.ts';
import { sandboxSpec } from '../specification/spec.ts';

export interface SavedSandbox {
  id: string;
  /** With the name that it has. */
  params: SandboxParams;
  createdMillis: number;
  /** Absent once it has ended. */
  process?: ProcessRef;
  exit?: SandboxExit;
}

const ID = /^[0-9a-f]{16}$/;
/** A specification comes in a request, which has at most 16 MiB; the other half is for what is noted beside it. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Helpers before wrote it in English. */
const exitMessage = v.union([
  v.looseObject({ code: v.string() }) as unknown as v.GenericSchema<unknown, Said>,
  v.pipe(
    v.string(),
    v.transform((text) => said('asWritten', text)),
  ),
]);

const schema: v.GenericSchema<unknown, SavedSandbox & { bootId: string }> = v.strictObject({
  id: v.pipe(v.string(), v.regex(ID)),
  params: v.strictObject({ spec: sandboxSpec, directory: v.exactOptional(v.pipe(v.string(), v.startsWith('/'))) }),
  createdMillis: v.number(),
  process: v.exactOptional(processRef),
  exit: v.exactOptional(
    v.strictObject({
      code: v.exactOptional(v.number()),
      signal: v.exactOptional(v.string()),
      timedOut: v.exactOptional(v.boolean()),
      reason: v.picklist(['exit', 'signal', 'oom', 'timeout', 'stopped']),
      message: exitMessage,
    }),
  ),
  bootId: v.string(),
});

/** Of a user's own, for the runtime folder may be one that all users share. */
export const folder = () => path.join(runtimeFolder(), `isoscope-sandboxes-${process.geteuid!()}`);
const fileOf = (id: string) => path.join(folder(), `${id}.json`);
/** What is to take that file's place. */
const freshOf = (id: string) => `${fileOf(id)}.${process.pid}`;
/** Pids and start times are of one boot. */
const bootId = () => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** Throws a `Failure` or a system error when it cannot be kept. */
export function save(sandbox: SavedSandbox): void {
  if (!isOwnFolder(folder())) makeFolder();
  writeFresh(sandbox);
  fs.renameSync(freshOf(sandbox.id), fileOf(sandbox.id));
}

function writeFresh(sandbox: SavedSandbox): void {
  const fresh = freshOf(sandbox.id);
  const text = JSON.stringify({ ...sandbox, bootId: bootId() });
  // What is longer could neither be read again nor, by that, be known to be over.
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new Failure('invalid', said('specificationIsTooLong'), { hint: said('shortenLongestList') });
  }
  fs.rmSync(fresh, { force: true });
  fs.writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' });
}

/**
 * Notes that one has ended whose first process was `process`. Where another helper has removed it meanwhile or has made it again, that stands:
 * false.
 */
export function saveEnd(ended: SavedSandbox, process: ProcessRef | undefined): boolean {
  const file = fileOf(ended.id);
  for (;;) {
    const before = fs.statSync(file, { throwIfNoEntry: false, bigint: true });
    const noted = load(ended.id);
    if (before === undefined || noted === undefined || !isSame(noted.process, process)) return false;
    const fresh = freshOf(ended.id);
    try {
      writeFresh(ended);
      exchangeFiles(fresh, file);
    } catch (error) {
      fs.rmSync(fresh, { force: true });
      // The file, or the whole folder, was removed in between.
      if (isSystemError(error) && error.code === 'ENOENT') return false;
      throw error;
    }
    const replaced = fs.statSync(fresh, { bigint: true });
    const isAsRead = replaced.ino === before.ino && replaced.mtimeNs === before.mtimeNs;
    // Somebody was faster: what they wrote goes back to its place, to be looked at again.
    if (!isAsRead) exchangeFiles(fresh, file);
    fs.rmSync(fresh, { force: true });
    if (isAsRead) return true;
  }
}

function isSame(one: ProcessRef | undefined, other: ProcessRef | undefined): boolean {
  return one?.pid === other?.pid && one?.startTime === other?.startTime;
}

function makeFolder(): void {
  try {
    fs.mkdirSync(folder(), { mode: 0o700 });
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
    throw new Failure('permission', said('notesBelongToSomebodyElse', folder()), {
      path: folder(),
      hint: said('removeNotesOrSetDirectory'),
    });
  }
}

/** Nothing is noted any more of the one whose first process this was. Another helper may have started it again, under the same id: that stands. */
export function forgetEnded(id: string, process: ProcessRef | undefined): void {
  const noted = load(id);
  if (noted !== undefined && isSame(noted.process, process)) forget(id);
}

export function forget(id: string): void {
  if (!isOwnFolder(folder())) return;
  fs.rmSync(fileOf(id), { force: true });
  try {
    fs.rmdirSync(folder());
  } catch (error) {
    // Others are noted in it.
    if (!isSystemError(error) || !['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code)) throw error;
  }
}

/** Those of this boot. A file that is not one is left alone, and said in the log. */
export function savedIds(): string[] {
  if (!isOwnFolder(folder())) return [];
  return fs
    .readdirSync(folder())
    .flatMap((name) => (/^[0-9a-f]{16}\.json$/.test(name) ? [name.slice(0, -'.json'.length)] : []));
}

export function load(id: string): SavedSandbox | undefined {
  if (!isOwnFolder(folder())) return undefined;
  try {
    const file = fs.openSync(fileOf(id), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      if (fs.fstatSync(file).size > MAX_BYTES) return undefined;
      const { bootId: boot, ...saved } = v.parse(schema, JSON.parse(fs.readFileSync(file, 'utf8')));
      return boot === bootId() ? saved : undefined;
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    if (!isSystemError(error)) log('warn', `the file of the sandbox ${id} cannot be read: ${String(error)}`);
    return undefined;
  }
}
