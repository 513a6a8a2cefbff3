/**
 * Paths of the host that a specification names: the one place where they are looked up. A specification often comes with the folder that it
 * lies in, and that folder may hold symbolic links that somebody else made. So what is written to, and what is a root, is not reached through a link; what
 * is only mounted may be, but it is said when that leads out of the folder. What is found here is opened again by its real path, through
 * no link at all (openat2(2)), so an exchange in between is noticed.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Failure, isSystemError } from '../../failure.ts';
import { errorOf } from '../../kernel/files.ts';
import { openBeneath, openRealPath } from '../../kernel/openat2.ts';
import type { SandboxSpec } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { absolutePath, mapHostPaths, mapLayers } from '../specification/specPaths.ts';
import { realIfThere } from './hostMounts.ts';
import { isWithin } from './within.ts';

/** What leads out of the folder that the specification lies in, though it seems to be in it; by links, or by "..". */
export function notesOnPaths(spec: SandboxSpec, folder: string | undefined): Said[] {
  if (folder === undefined) return [];
  const notes: Said[] = [];
  const realFolder = realIfThere(folder);
  mapHostPaths(spec, (given, field) => {
    const named = absolutePath(given, folder);
    const real = isWithin(named, folder) || !given.startsWith('/') ? realIfThere(named) : undefined;
    if (real !== undefined && realFolder !== undefined && !isWithin(real, realFolder))
      notes.push(said('leadsOutOfFolder', field, given, real));
    return given;
  });
  return notes;
}

/** The real path of something of the host that is to be seen inside. Throws a `Failure` that names the field. */
export function realPath(given: string, field: string): { path: string; isDirectory: boolean } {
  try {
    const real = fs.realpathSync.native(given);
    return { path: real, isDirectory: fs.statSync(real).isDirectory() };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure(error.code === 'ENOENT' ? 'notFound' : 'invalid', said('fieldCannotBeUsed', field, given, error.code), {
      errno: error.code,
      path: given,
    });
  }
}

/**
 * A directory of the host to which no symbolic link leads, as runc demands of a root (libcontainer/configs/validate). The links on the way to the folder of
 * the specification, where it lies in that, are not the specification's. Its real path; throws a `Failure` that names the field.
 */
export function plainDirectory(given: string, field: string, folder: string | undefined): string {
  const { path: real, isDirectory } = realPath(given, field);
  if (!isDirectory) throw new Failure('invalid', said('fieldIsNoDirectory', field, given), { path: given });
  const base = folder !== undefined && isWithin(given, folder) ? folder : '/';
  if (real === path.resolve(fs.realpathSync.native(base), path.relative(base, given))) return real;
  throw new Failure('invalid', said('fieldGoesThroughLink', field, given, real), {
    path: given,
    hint: said('nameLinkTarget'),
  });
}

/** Opens a file of the host by its real path. A descriptor, which the caller closes; throws a `SyscallError`. */
export function openHostFile(real: string, flags: number): number {
  const descriptor = openRealPath(real, flags);
  if (descriptor < 0) throw errorOf(descriptor, 'openat2', real);
  return descriptor;
}

/** Likewise of what lies below a directory of the host: links in it may not lead out of it (`EXDEV`). */
export function openHostFileBelow(realDirectory: string, name: string, flags: number): number {
  const directory = openHostFile(realDirectory, fs.constants.O_DIRECTORY);
  try {
    const descriptor = openBeneath(directory, name, flags);
    if (descriptor < 0) throw errorOf(descriptor, 'openat2', path.join(realDirectory, name));
    return descriptor;
  } finally {
    fs.closeSync(directory);
  }
}

/** Where the changes of a root are kept, with `upper` and `work` in it, which may be lacking. As `plainDirectory`. */
export function plainUpper(given: string, folder: string | undefined): string {
  const real = plainDirectory(given, 'root.upper', folder);
  for (const name of ['upper', 'work']) {
    const stat = fs.lstatSync(path.join(real, name), { throwIfNoEntry: false });
    if (stat === undefined || stat.isDirectory()) continue;
    const what = stat.isSymbolicLink() ? said('aSymbolicLink') : said('noDirectory');
    throw new Failure('invalid', said('upperHas', path.join(given, name), what), {
      path: path.join(real, name),
      hint: said('removeItOrChooseAnother'),
    });
  }
  return real;
}

/** The directories of an overlay that a specification mounts, in an option of it: as `plainDirectory`. */
export function plainLayers(option: string, folder: string | undefined): string {
  return mapLayers(option, (given, field) => plainDirectory(given, field, folder));
}
