/** `/proc/net/unix`: proc_net(5), and unix_seq_show() in net/unix/af_unix.c. */

const LISTENS = 0x10000;
const DATAGRAM = 2;

/** The absolute paths of sockets that one may connect to or send to: of those that listen, and of those for datagrams. */
export function parseUnixSockets(text: string): string[] {
  const paths = new Set<string>();
  for (const line of text.split('\n').slice(1)) {
    // Number, references, protocol, flags, type, state and inode number come before it; a path may have spaces.
    const fields = /^\S+ \S+ \S+ ([0-9A-F]+) ([0-9A-F]+) \S+ +\d+ (\/.*)$/i.exec(line);
    if (fields === null) continue;
    const [, flags = '', type = '', path = ''] = fields;
    if ((Number.parseInt(flags, 16) & LISTENS) !== 0 || Number.parseInt(type, 16) === DATAGRAM) paths.add(path);
  }
  return [...paths];
}
