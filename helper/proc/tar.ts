/**
 * Headers of a tar archive in pax format: POSIX pax(1), as Docker and GNU tar read it. Our own, and not a package's, since names in a
 * file system are bytes: here, as in all strings of this file, a character is a byte.
 */

const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
const MAX_PREFIX_BYTES = 155;
/** What eleven octal digits hold, and seven. */
const MAX_SIZE = 8 ** 11 - 1;
const MAX_ID = 8 ** 7 - 1;

export type TarType = 'file' | 'link' | 'symlink' | 'characterDevice' | 'blockDevice' | 'directory' | 'fifo';

const TYPE_FLAGS: Record<TarType, string> = {
  file: '0',
  link: '1',
  symlink: '2',
  characterDevice: '3',
  blockDevice: '4',
  directory: '5',
  fifo: '6',
};

export interface TarEntry {
  /** Relative, without a `/` at its end. */
  path: string;
  type: TarType;
  mode: number;
  uid: number;
  gid: number;
  /** Of the content that follows; 0 for all but files. */
  sizeBytes: number;
  modifiedSeconds: number;
  /** What a symbolic link says, or the path of the file that this is another link to. */
  linkTarget?: string;
  major?: number;
  minor?: number;
  /** Extended attributes by name. */
  attributes?: ReadonlyMap<string, string>;
}

/** The end of an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/** How many zero bytes follow a content of so many. */
export function tarPadding(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Everything before the entry's content. */
export function tarHeader(entry: TarEntry): Buffer {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const split = splitPath(path);
  const target = entry.linkTarget ?? '';
  const records = paxRecords(entry, path, split === undefined);
  const plain = ustarHeader(entry, split ?? { prefix: '', name: path.slice(0, MAX_NAME_BYTES) }, target);
  if (records === '') return plain;
  const name = `PaxHeaders/${entry.path.slice(entry.path.lastIndexOf('/') + 1)}`.slice(0, MAX_NAME_BYTES);
  const header = { ...entry, type: 'file' as const, mode: 0o644, sizeBytes: records.length };
  return Buffer.concat([
    ustarHeader(header, { prefix: '', name }, '', 'x'),
    Buffer.from(records, 'latin1'),
    Buffer.alloc(tarPadding(records.length)),
    plain,
  ]);
}

/** Undefined when it does not fit, even cut at one of its `/`. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  if (path.length <= MAX_NAME_BYTES) return { prefix: '', name: path };
  const cut = path.indexOf('/', path.length - MAX_NAME_BYTES - 1);
  if (cut === -1 || cut > MAX_PREFIX_BYTES || cut === path.length - 1) return undefined;
  return { prefix: path.slice(0, cut), name: path.slice(cut + 1) };
}

/** What the plain header has no room for. */
function paxRecords(entry: TarEntry, path: string, isPathLong: boolean): string {
  const { linkTarget = '', sizeBytes, uid, gid, modifiedSeconds, attributes } = entry;
  let records = isPathLong ? paxRecord('path', path) : '';
  if (linkTarget.length > MAX_NAME_BYTES) records += paxRecord('linkpath', linkTarget);
  if (sizeBytes > MAX_SIZE) records += paxRecord('size', String(sizeBytes));
  if (uid > MAX_ID) records += paxRecord('uid', String(uid));
  if (gid > MAX_ID) records += paxRecord('gid', String(gid));
  if (modifiedSeconds < 0 || modifiedSeconds > MAX_SIZE) records += paxRecord('mtime', String(modifiedSeconds));
  // The key that GNU tar, libarchive and Docker use.
  for (const [name, value] of attributes ?? []) records += paxRecord(`SCHILY.xattr.${name}`, value);
  return records;
}

/** `LENGTH KEY=VALUE\n`, the length counting its own digits. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  if (String(length).length !== String(rest.length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
}

function ustarHeader(
  entry: TarEntry,
  { prefix, name }: { prefix: string; name: string },
  target: string,
  flag: string = TYPE_FLAGS[entry.type],
): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, offset: number, digits: number) => {
    const bounded = value < 0 || value >= 8 ** digits ? 0 : value;
    header.write(bounded.toString(8).padStart(digits, '0'), offset, 'latin1');
  };
  header.write(name, 0, 'latin1');
  octal(entry.mode & 0o7777, 100, 7);
  octal(entry.uid, 108, 7);
  octal(entry.gid, 116, 7);
  octal(entry.sizeBytes, 124, 11);
  octal(entry.modifiedSeconds, 136, 11);
  header.write('        ', 148, 'latin1');
  header.write(flag, 156, 'latin1');
  header.write(target.slice(0, MAX_NAME_BYTES), 157, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  octal(entry.major ?? 0, 329, 7);
  octal(entry.minor ?? 0, 337, 7);
  header.write(prefix, 345, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
