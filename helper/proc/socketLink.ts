/** The text of a link to a socket, `socket:[12345]`: proc_pid_fd(5). */

const PREFIX = 'socket:[';

/** Its inode number, of the first `length` bytes; undefined for other links. */
export function parseSocketLink(bytes: Buffer, length: number): number | undefined {
  if (length < PREFIX.length + 2 || bytes[0] !== PREFIX.charCodeAt(0)) return undefined;
  if (bytes.toString('latin1', 0, PREFIX.length) !== PREFIX) return undefined;
  let ino = 0;
  for (let at = PREFIX.length; at < length - 1; at += 1) ino = ino * 10 + bytes[at]! - 0x30;
  return ino;
}
