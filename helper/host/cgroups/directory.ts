/** A cgroup's directory, found by its `CgroupRef` and held open, and its files. */

import fs from 'node:fs';
import path from 'node:path';
import { Failure, reasonOf } from '../../failure.ts';
import { close, errorOf, O_DIRECTORY, openAt, readNames } from '../../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../../kernel/numbers.ts';
import { openOnMount } from '../../kernel/openat2.ts';
import { bytesOfName, textOfName } from '../../proc/fileName.ts';
import type { CgroupRef } from '../../protocol/cgroups.ts';
import { said } from '../../saying.ts';
import { readOnPool, stuck } from './boundedReads.ts';
import {
  directoryOf,
  type Hierarchy,
  type HierarchyMount,
  hierarchyNamed,
  isOnDevice,
  pathBelow,
  readHierarchies,
} from './hierarchies.ts';

/** An open cgroup. It stays that cgroup when another of the same name takes its place; its files then answer `ENODEV`. */
export interface OpenCgroup extends Disposable {
  readonly ref: CgroupRef;
  /** The directory, opened with `O_PATH`, close-on-exec: for the functions of helper/kernel/files and those below. */
  readonly fd: number;
  /** Its absolute path, as text (helper/proc/fileName.ts). */
  readonly directory: string;
  readonly version: 1 | 2;
  readonly hierarchy: Hierarchy & { mount: HierarchyMount };
}

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * The cgroup itself, never what a link or another mount puts in its place. Throws a `Failure`: `gone` when there is none of that inode number at that
 * path, `unsupported` when the helper does not see the hierarchy or that part of it.
 */
export function openCgroup(ref: CgroupRef): OpenCgroup {
  const hierarchy = mountedHierarchy(ref);
  const below = pathBelow(hierarchy.mount, ref.path);
  const bytes = below === undefined ? undefined : bytesOfName(below.slice(1));
  if (bytes === undefined || !ref.path.startsWith('/')) throw outside(ref);
  if (bytes.length > 0 && !componentsOf(bytes).every(isComponent)) throw gone(ref);
  const fd = openBelow(hierarchy.mount, bytes.length === 0 ? HERE : bytes);
  if (fd === undefined) return remounted(hierarchy, ref);
  if (fd < 0) throw openFailure(fd, ref);
  if (fs.fstatSync(fd).ino !== ref.ino) {
    close(fd);
    throw gone(ref);
  }
  const directory = `${hierarchy.mount.mountPoint}${below}`.replace(/\/$/, '');
  return { ref, fd, directory, version: hierarchy.version, hierarchy, [Symbol.dispose]: () => close(fd) };
}

/** The cgroup that is at a path now; undefined where there is none, or the helper does not see it. */
export function refAt(hierarchy: string, path: string): CgroupRef | undefined {
  const directory = directoryOf(hierarchy, path);
  const bytes = directory === undefined ? undefined : bytesOfName(directory);
  const stat = bytes === undefined ? undefined : fs.statSync(bytes, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { hierarchy, path, ino: stat.ino };
}

/** A path with `..` would name a cgroup by two paths, of which only one is warned about. */
function componentsOf(path: Buffer): Buffer[] {
  const components: Buffer[] = [];
  let from = 0;
  for (let slash = path.indexOf(SLASH); slash !== -1; slash = path.indexOf(SLASH, from)) {
    components.push(path.subarray(from, slash));
    from = slash + 1;
  }
  return [...components, path.subarray(from)];
}

/** Mounts changed since they were read; they are read again, which can find the same no more. */
function remounted({ mount }: OpenCgroup['hierarchy'], ref: CgroupRef): OpenCgroup {
  const now = readHierarchies().find(({ hierarchy }) => hierarchy === ref.hierarchy)?.mount;
  if (now !== undefined && (now.mountPoint !== mount.mountPoint || now.device !== mount.device)) return openCgroup(ref);
  throw new Failure('unsupported', said('hierarchyCannotBeReached', mount.mountPoint, ref.hierarchy), {
    path: mount.mountPoint,
    hint: said('unmountWhatCoversHierarchy'),
  });
}

/** The text of one of its files, bytes that are not UTF-8 as in names. A read that the kernel does not end in 2 s gives a `Failure`, `busy`. */
export async function readFile(directory: number, name: string): Promise<string> {
  const fd = openFile(directory, name, fs.constants.O_RDONLY);
  return textOfName(await readDescriptor(fd, name));
}

/**
 * A descriptor of a file of a cgroup: one component, on its very mount, regular. Throws the system error, a `SyscallError`; a `Failure` when the name
 * is none.
 */
export function openFile(directory: number, name: string, flags: number): number {
  const bytes = bytesOfName(name);
  if (bytes === undefined || !isComponent(bytes)) {
    throw new Failure('invalid', said('notNameOfCgroupFile', name), {
      field: ['file'],
      hint: said('giveNameOfCgroupFile'),
    });
  }
  const fd = openOnMount(directory, bytes, flags | fs.constants.O_NONBLOCK);
  if (fd < 0) throw errorOf(fd, 'openat2', name);
  if (fs.fstatSync(fd).isFile()) return fd;
  close(fd);
  throw new Failure('invalid', said('isNoFile', name), {
    field: ['file'],
    hint: said('folderIsCgroupOfItsOwn'),
  });
}

/** What `open` may name below a cgroup: at most NAME_MAX bytes, and not `.` or `..`. */
export function isComponent(name: Buffer): boolean {
  return (
    name.length > 0 && name.length <= 255 && !name.includes(SLASH) && !name.includes(0) && !DOTS.test(name.toString('latin1'))
  );
}

/** Names of its files and of its child cgroups, as text (helper/proc/fileName.ts). Throws the system error. */
export function listNames(directory: number): { files: string[]; cgroups: string[] } {
  const entries = readNames(directory, '.');
  if (typeof entries === 'number') throw errorOf(entries, 'getdents64', '.');
  const names = (directories: boolean) =>
    entries.filter((entry) => entry.isDirectory === directories).map(({ name }) => textOfName(name));
  return { files: names(false), cgroups: names(true) };
}

/** Reads a descriptor to its end, at most 1 MiB, and closes it, late when the kernel keeps it. */
export async function readDescriptor(fd: number, name: string, millis?: number): Promise<Buffer> {
  const begin = () => readToEnd(fd).finally(() => close(fd));
  return await readOnPool(name, begin, () => close(fd), millis);
}

/**
 * Whether the kernel answers for the cgroups below a directory: reads one of its files on the pool. What is then read at once, by the thousand,
 * may be relied on to come back. Rejects with a `Failure`, `busy`, when it does not answer within 2 s; what else fails is found when it is read.
 */
export async function answers(directory: string): Promise<void> {
  const file = path.join(directory, 'cgroup.procs');
  if (performance.now() - (answeredAt.get(file) ?? Number.NEGATIVE_INFINITY) < ANSWER_HOLD_MILLIS) return;
  if (unanswered.has(file)) throw stuck(file, said('readingHasNotEndedYet', file));
  unanswered.add(file);
  const end = () => void unanswered.delete(file);
  await readOnPool(file, () => readFirstByte(file).finally(end), end);
  answeredAt.set(file, performance.now());
}

/** Lists that follow each other closely ask once: a kernel that just answered is taken to answer. */
const ANSWER_HOLD_MILLIS = 1000;
/** By file; there are as many as mounted hierarchies. */
const answeredAt = new Map<string, number>();
/** One that is stuck is not asked again: it would take the other threads too. */
const unanswered = new Set<string>();

async function readFirstByte(file: string): Promise<void> {
  const opened = await fs.promises.open(file).catch(() => undefined);
  await opened?.read(Buffer.alloc(1)).catch(() => undefined);
  await opened?.close();
}

/** One read(2) of a cgroup file gives a whole answer when it fits: a large first buffer keeps it consistent in itself. */
async function readToEnd(fd: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for (let size = 64 * 1024; total < MAX_FILE_BYTES; size = MAX_FILE_BYTES - total) {
    const chunk = Buffer.allocUnsafe(size);
    const length = await readOnce(fd, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  return Buffer.concat(chunks);
}

function readOnce(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, buffer.length, null, (error, length) => (error === null ? resolve(length) : reject(error)));
  });
}

const HERE = Buffer.from('.');
const SLASH = 0x2f;
const DOTS = /^\.\.?$/;

function mountedHierarchy({ hierarchy: name }: CgroupRef): OpenCgroup['hierarchy'] {
  const hierarchy = hierarchyNamed(name);
  if (hierarchy === undefined) {
    throw new Failure('notFound', said('noSuchHierarchy', name), { hint: said('refreshView') });
  }
  const { mount } = hierarchy;
  if (mount !== undefined) return { ...hierarchy, mount };
  throw new Failure('unsupported', said('hierarchyIsNotMounted', name), {
    hint: said('mountHierarchy', hierarchy.version === 2 ? 'cgroup2 none' : `cgroup -o ${name} none`),
  });
}

/** `-errno` when it cannot be opened; undefined when the mount point is not that file system any more. */
function openBelow(mount: HierarchyMount, path: Buffer): number | undefined {
  const root = openAt(AT_FDCWD, mount.mountPoint, O_PATH | O_DIRECTORY);
  if (root < 0) return undefined;
  try {
    return isOnDevice(root, mount.device) ? openOnMount(root, path, O_PATH | O_DIRECTORY) : undefined;
  } finally {
    close(root);
  }
}

function openFailure(result: number, ref: CgroupRef): Failure {
  const error = errorOf(result, 'openat2', ref.path);
  if (error.code === 'EXDEV') {
    return new Failure('unsupported', said('cgroupIsCovered', ref.path, ref.hierarchy), {
      errno: error.code,
      path: ref.path,
      hint: said('unmountCover'),
    });
  }
  // Whatever stands there now, it is not that cgroup.
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENODEV', 'ENAMETOOLONG'].includes(error.code)) return gone(ref);
  return new Failure(reasonOf(error.code), said('cgroupCannotBeOpened', ref.path, error.code), {
    errno: error.code,
    syscall: error.syscall,
    path: ref.path,
    ...(error.code === 'EACCES' ? { hint: said('restartHelperAsRoot') } : {}),
  });
}

export function gone({ hierarchy, path }: CgroupRef): Failure {
  return new Failure('gone', said('cgroupIsGone', path, hierarchy), {
    hint: said('refreshViewAndChooseAnotherCgroup'),
  });
}

function outside({ path, hierarchy }: CgroupRef): Failure {
  return new Failure('unsupported', said('cgroupIsOutOfSight', path, hierarchy), {
    hint: said('startHelperOnHost'),
  });
}
