/** Sockets of the namespace that a netlink socket is in: sock_diag(7). Those that listen or are bound, without connections. */
import { attributes, dump, NetlinkError } from './netlink.ts';
import { AF_INET, AF_INET6, addressText } from './rtnetlink.ts';

const SOCK_DIAG_BY_FAMILY = 20;
const AF_UNIX = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
const UDIAG_SHOW_NAME = 1;
const UNIX_DIAG_NAME = 0;

export interface BoundSocket {
  protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix';
  address: string;
  port?: number;
  uid?: number;
  inode: number;
}

const INET = [
  { protocol: 'tcp', family: AF_INET, number: IPPROTO_TCP, state: TCP_LISTEN },
  { protocol: 'tcp6', family: AF_INET6, number: IPPROTO_TCP, state: TCP_LISTEN },
  { protocol: 'udp', family: AF_INET, number: IPPROTO_UDP, state: TCP_CLOSE },
  { protocol: 'udp6', family: AF_INET6, number: IPPROTO_UDP, state: TCP_CLOSE },
] as const;

/** @param descriptor a socket of NETLINK_SOCK_DIAG */
export function boundSockets(descriptor: number): BoundSocket[] {
  return [...INET.flatMap((kind) => inetSockets(descriptor, kind)), ...unixSockets(descriptor)];
}

/** A family that the kernel was built without, or whose module is absent, has no sockets. */
function dumpOrNone(descriptor: number, body: Buffer): Buffer[] {
  try {
    return dump(descriptor, SOCK_DIAG_BY_FAMILY, body).map(({ payload }) => payload);
  } catch (error) {
    if (error instanceof NetlinkError) return [];
    throw error;
  }
}

/** struct inet_diag_req_v2 and inet_diag_msg, linux/inet_diag.h. */
function inetSockets(descriptor: number, { protocol, family, number, state }: (typeof INET)[number]): BoundSocket[] {
  const request = Buffer.alloc(56);
  request.writeUInt8(family, 0);
  request.writeUInt8(number, 1);
  request.writeUInt32LE(1 << state, 4);
  return dumpOrNone(descriptor, request).map((message) => ({
    protocol,
    address: addressText(message.subarray(8, family === AF_INET ? 12 : 24)),
    port: message.readUInt16BE(4),
    uid: message.readUInt32LE(64),
    inode: message.readUInt32LE(68),
  }));
}

/** struct unix_diag_req and unix_diag_msg, linux/unix_diag.h. A name that begins with NUL is abstract, shown as `@name`. */
function unixSockets(descriptor: number): BoundSocket[] {
  const request = Buffer.alloc(24);
  request.writeUInt8(AF_UNIX, 0);
  request.writeUInt32LE(1 << TCP_LISTEN, 4);
  request.writeUInt32LE(UDIAG_SHOW_NAME, 12);
  return dumpOrNone(descriptor, request).map((message) => {
    const name = attributes(message, 16).get(UNIX_DIAG_NAME);
    return { protocol: 'unix' as const, address: unixAddress(name), inode: message.readUInt32LE(4) };
  });
}

function unixAddress(name: Buffer | undefined): string {
  if (name === undefined || name.length === 0) return '';
  if (name[0] === 0) return `@${name.toString('utf8', 1)}`;
  const end = name.indexOf(0);
  return name.toString('utf8', 0, end === -1 ? name.length : end);
}
