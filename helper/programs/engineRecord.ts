/**
 * What the engine of a container recorded of its process: environment, user and capabilities. What the first process has in memory is no
 * substitute: many programs overwrite their environment when they set a title, and an entry point may give up its user and privilege.
 *
 * A record is believed when the kernel's facts lead to it: the process that started the container (its parent) has it open or names it,
 * the record names the very process, and its folder belongs to whom that parent runs as. A parent that runs as root is believed
 * when it is in the host's own namespaces; one of an ordinary user only tells of processes in user namespaces, where the user has
 * every privilege anyway. So no container can have a program of root started in it with the secrets or the rights of another.
 */

import path from 'node:path';
import { Failure } from '../failure.ts';
import { openRuntimeBundle } from '../host/engines/engineJobs.ts';
import { type OciProcess, parseOciProcess } from '../host/engines/ociProcess.ts';
import { findInRoot, readFileInRoot } from '../host/fileInRoot.ts';
import { ownNamespaces } from '../host/hostNamespaces.ts';
import { readProcess } from '../host/processReader.ts';
import { namespaceOf, type ProcessRecord } from '../host/processRecord.ts';
import { close, O_DIRECTORY, ownerOf } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import { openAtSlowly } from '../reading/openAt.ts';
import { Remembered } from './remembered.ts';

export interface EngineRecord extends OciProcess {
  /** What made it: `containerd-shim`, `conmon`, `runc`. */
  by: string;
}

/** An environment may have 2 MiB, which JSON escapes make longer. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
const MAX_PID_BYTES = 32;
/** Levels of processes in one container that are climbed to its first. */
const MAX_LEVELS = 64;
/** The kernel cuts names off there: `containerd-shim-runc-v2`. */
const SHIM = 'containerd-shim';

const own = ownNamespaces();

/** An engine writes its record before it starts the first process, and once. */
const remembered = new Remembered<EngineRecord>();
/** An environment that is longer than most. */
const MAX_REMEMBERED_CHARACTERS = 64 * 1024;

/** Of the container whose first process this is, which is held; undefined when no record can be found, read or believed. */
export async function recordOf(ref: ProcessRef): Promise<EngineRecord | undefined> {
  const known = remembered.get(ref);
  if (known !== undefined) return known;
  const first = processAt(ref);
  if (first === undefined) return undefined;
  using found = (await bundleOfParent(first)) ?? (await bundleOfRuntime(first));
  if (found === undefined || ownerOf(found.descriptor) !== found.owner) return undefined;
  const text = await textIn(found.descriptor, 'config.json', MAX_CONFIG_BYTES);
  const recorded = text === undefined ? undefined : parseOciProcess(text);
  if (text === undefined || recorded === undefined) return undefined;
  const record = { ...recorded, by: found.by };
  if (text.length <= MAX_REMEMBERED_CHARACTERS) remembered.set(ref, record);
  return record;
}

/** Of the container that a process belongs to: that of the topmost process above it in the same mount and pid namespace. */
export async function recordOfContainer(ref: ProcessRef): Promise<EngineRecord | undefined> {
  let current = processAt(ref);
  for (let level = 0; current !== undefined && level < MAX_LEVELS; level += 1) {
    const above = readProcess(current.parentPid);
    if (above === undefined || !isTogether(current, above)) return recordOf(current);
    current = above;
  }
  return undefined;
}

function isTogether(one: ProcessRecord, other: ProcessRecord): boolean {
  const kinds: NamespaceKind[] = ['mnt', 'pid'];
  return kinds.every((kind) => namespaceOf(one, kind) === namespaceOf(other, kind));
}

function processAt({ pid, startTime }: ProcessRef): ProcessRecord | undefined {
  const found = readProcess(pid);
  return found?.startTime === startTime ? found : undefined;
}

function isBelieved(parent: ProcessRecord, first: ProcessRecord): boolean {
  if (parent.uid !== 0) {
    const user = namespaceOf(first, 'user');
    return typeof user === 'number' && user !== own.user?.ino;
  }
  const kinds: NamespaceKind[] = ['mnt', 'pid', 'user'];
  return kinds.every((kind) => namespaceOf(parent, kind) === own[kind]?.ino);
}

/** A folder with config.json, held open, and who it must belong to. */
interface Bundle extends Disposable {
  descriptor: number;
  owner: number;
  by: string;
}

function bundle(descriptor: number, owner: number, by: string): Bundle {
  return { descriptor, owner, by, [Symbol.dispose]: () => close(descriptor) };
}

async function bundleOfParent(first: ProcessRecord): Promise<Bundle | undefined> {
  const parent = readProcess(first.parentPid);
  if (parent === undefined || !isBelieved(parent, first)) return undefined;
  if (parent.name === SHIM) return bundleOfShim(parent, first);
  if (parent.name === 'conmon') return bundleOfConmon(parent, first);
  return undefined;
}

/** A shim's working directory is the bundle of its container; those of the others of a pod lie beside it, each by its id. */
async function bundleOfShim(shim: ProcessRecord, first: ProcessRecord): Promise<Bundle | undefined> {
  const working = await openOrNone(AT_FDCWD, `/proc/${shim.pid}/cwd`);
  if (working < 0) return undefined;
  if (await names(working, 'init.pid', first.pid)) return bundle(working, shim.uid, shim.name);
  const all = await openOrNone(working, '..').finally(() => close(working));
  const id = first.membership.claim?.id;
  const other = all < 0 || id === undefined ? undefined : await findInRoot(all, path.basename(id));
  if (all >= 0) close(all);
  if (other === undefined) return undefined;
  if (await names(other, 'init.pid', first.pid)) return bundle(other, shim.uid, shim.name);
  close(other);
  return undefined;
}

/** conmon(8), of podman and CRI-O, is told where the bundle and the file with the pid of the container are. */
async function bundleOfConmon(conmon: ProcessRecord, first: ProcessRecord): Promise<Bundle | undefined> {
  const words = Array.isArray(conmon.arguments) ? conmon.arguments : [];
  const [folder, pidFile] = [optionIn(words, '-b', '--bundle'), optionIn(words, '-p', '--container-pidfile')];
  if (folder === undefined || pidFile === undefined) return undefined;
  const root = await openOrNone(AT_FDCWD, `/proc/${conmon.pid}/root`);
  if (root < 0) return undefined;
  try {
    // Started by exec, it waits for another process than the first.
    if (!(await names(root, pidFile, first.pid))) return undefined;
    const descriptor = await findInRoot(root, folder);
    return descriptor === undefined ? undefined : bundle(descriptor, conmon.uid, conmon.name);
  } finally {
    close(root);
  }
}

/** A runtime that root ran by itself. */
async function bundleOfRuntime({ pid, startTime }: ProcessRecord): Promise<Bundle | undefined> {
  const found = await openRuntimeBundle({ pid, startTime }).catch(() => undefined);
  return found && bundle(found.descriptor, 0, found.by);
}

/** A directory, to read below; negative when it cannot be held, or its file system does not answer. */
function openOrNone(directory: number, path: string): Promise<number> {
  return openAtSlowly(directory, path, O_PATH | O_DIRECTORY).catch((error: unknown) => {
    if (error instanceof Failure && error.reason === 'busy') return -1;
    throw error;
  });
}

/** Whether a file there consists of the pid. */
async function names(directory: number, file: string, pid: number): Promise<boolean> {
  const text = await textIn(directory, file, MAX_PID_BYTES);
  return text?.trim() === String(pid);
}

/** Undefined when there is no such file, when it is longer, or when its file system does not answer. */
async function textIn(directory: number, file: string, limit: number): Promise<string | undefined> {
  const content = await readFileInRoot(directory, file, limit + 1).catch(() => undefined);
  return content === undefined || content.length > limit ? undefined : content.toString('utf8');
}

function optionIn(words: readonly string[], short: string, long: string): string | undefined {
  const joined = words.find((word) => word.startsWith(`${long}=`));
  if (joined !== undefined) return joined.slice(long.length + 1);
  const at = words.findIndex((word) => word === short || word === long);
  return at === -1 ? undefined : words[at + 1];
}
