/** The loader's cache of libraries, /etc/ld.so.cache (glibc, sysdeps/generic/dl-cache.h, the format since 2.2). Pure. */

const MAGIC = 'glibc-ld.so.cache1.1';
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;

/** Paths by the name that programs ask for, in the cache's order. Variants for particular processors are left out. */
export function parseLdCache(bytes: Buffer): Map<string, string[]> {
  const paths = new Map<string, string[]>();
  // An older format may stand before it.
  const start = bytes.indexOf(MAGIC);
  if (start === -1 || bytes.length < start + HEADER_BYTES) return paths;
  const cache = bytes.subarray(start);
  const count = Math.min(cache.readUInt32LE(20), Math.floor((cache.length - HEADER_BYTES) / ENTRY_BYTES));
  for (let index = 0; index < count; index += 1) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    if (cache.readBigUInt64LE(at + 16) !== 0n) continue;
    const name = textAt(cache, cache.readUInt32LE(at + 4));
    const path = textAt(cache, cache.readUInt32LE(at + 8));
    if (name === '' || !path.startsWith('/')) continue;
    paths.set(name, [...(paths.get(name) ?? []), path]);
  }
  return paths;
}

function textAt(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return end === -1 || offset >= bytes.length ? '' : bytes.toString('utf8', offset, end);
}
