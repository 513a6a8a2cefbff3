/** Reads a file of an engine: by its size at most, and only a regular one, for its folder may be an ordinary user's. */
import fs from 'node:fs';

const MAX_BYTES = 4 * 1024 * 1024;

interface Cached {
  /** What tells one state of the file from another. */
  version: string;
  value: unknown;
}

const cache = new Map<string, Cached>();
const MAX_CACHED = 2000;

/** The file's text, or undefined when it cannot be read. Follows no symbolic link in the last component. */
export function readBounded(path: string): { text: string; version: string } | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined;
    const buffer = Buffer.alloc(stat.size);
    const length = fs.readSync(descriptor, buffer, 0, buffer.length, 0);
    return { text: buffer.toString('utf8', 0, length), version: versionOf(stat) };
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

function versionOf({ ino, mtimeMs, size }: fs.Stats): string {
  return `${ino} ${mtimeMs} ${size}`;
}

/**
 * What `parse` makes of the file, parsed again only when the file changed; undefined when it is missing or not of that shape. `as` tells
 * apart those who make different things of the same file.
 */
export function parsedFile<T>(path: string, parse: (text: string) => T | undefined, as = ''): T | undefined {
  const stat = statOf(path);
  if (stat === undefined) return undefined;
  const key = `${as} ${path}`;
  const cached = cache.get(key);
  if (cached !== undefined && cached.version === versionOf(stat)) return cached.value as T | undefined;
  const file = readBounded(path);
  if (file === undefined) return undefined;
  const value = parse(file.text);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, { version: file.version, value });
  return value;
}

/** What tells one state of a file from another; undefined when it cannot be looked at. */
export function versionOfFile(path: string): string | undefined {
  const stat = statOf(path);
  return stat === undefined ? undefined : versionOf(stat);
}

/** Undefined for what is missing, and for what this user may not look at. */
function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
