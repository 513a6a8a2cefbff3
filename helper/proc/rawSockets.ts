/** `/proc/net/raw` and `/proc/net/raw6` (raw(7), and raw_sock_seq_show() in net/ipv4/raw.c), and `/proc/net/protocols`. */

export interface RawSocket {
  /** As it is in memory: 4 or 16 bytes. */
  address: Buffer;
  ipProtocol: number;
  uid: number;
  inode: number;
}

/** Words of 32 bits in the order of this processor, which is little-endian, each written as a number. */
export function parseRawSockets(text: string): RawSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ \S+ \S+ \S+ \S+\s+(\d+)\s+\d+ (\d+) /.exec(line);
      if (fields === null) return [];
      const [, address = '', protocol = '', uid, inode] = fields;
      const bytes = Buffer.from(address, 'hex').swap32();
      return { address: bytes, ipProtocol: Number.parseInt(protocol, 16), uid: Number(uid), inode: Number(inode) };
    });
}

/** The names of the protocols whose sockets this kernel has: `TCP`, `UDP-Lite`, `AF_VSOCK`. */
export function parseProtocols(text: string): Set<string> {
  return new Set(
    text
      .split('\n')
      .slice(1)
      .map((line) => line.split(' ')[0] ?? ''),
  );
}
