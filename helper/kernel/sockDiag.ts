/** Sockets of the namespace that a netlink socket is in: sock_diag(7). Those that anybody can send to, without connections. */

import { append } from '../lists.ts';
import { attribute32, attributes, dump, NetlinkError } from './netlink.ts';
import {
  AF_INET,
  AF_INET6,
  AF_PACKET,
  AF_UNIX,
  AF_VSOCK,
  INET_DIAG_REQ_PROTOCOL,
  IPPROTO_MPTCP,
  IPPROTO_RAW,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  PACKET_DIAG_INFO,
  PACKET_DIAG_UID,
  PACKET_SHOW_INFO,
  SOCK_DIAG_BY_FAMILY,
  UDIAG_SHOW_NAME,
  UDIAG_SHOW_UID,
  UNIX_DIAG_NAME,
  UNIX_DIAG_UID,
} from './numbers.ts';
import { addressText } from './rtnetlink.ts';

/** Bits of states; all kinds of sockets have those of TCP. */
const LISTENING = 1 << 10;
const UNCONNECTED = 1 << 7;
const ANY_STATE = 0xffffffff;
const VMADDR_ANY = 0xffffffff;

export interface BoundSocket {
  protocol: SocketProtocol;
  address: string;
  port?: number;
  /** raw: the protocol of IP, `IPPROTO_*`. */
  ipProtocol?: number;
  /** packet: the type of frames, `ETH_P_*`, and the index of the interface; absent for all of them. */
  etherType?: number;
  index?: number;
  uid?: number;
  inode: number;
}

/** The kernel's own number for it, while it is told apart. */
type InetSocket = BoundSocket & { cookie?: bigint };

type InetProtocol = 'tcp' | 'udp' | 'udplite' | 'sctp' | 'mptcp' | 'raw';
export type SocketProtocol = InetProtocol | `${InetProtocol}6` | 'unix' | 'unix-dgram' | 'unix-seqpacket' | 'packet' | 'vsock';

interface InetKind {
  protocol: InetProtocol;
  number: number;
  states: number;
}

const INET: readonly InetKind[] = [
  { protocol: 'tcp', number: IPPROTO_TCP, states: LISTENING },
  { protocol: 'udp', number: IPPROTO_UDP, states: UNCONNECTED },
  { protocol: 'udplite', number: IPPROTO_UDPLITE, states: UNCONNECTED },
  { protocol: 'sctp', number: IPPROTO_SCTP, states: LISTENING },
  { protocol: 'mptcp', number: IPPROTO_MPTCP, states: LISTENING },
  { protocol: 'raw', number: IPPROTO_RAW, states: ANY_STATE },
];

/** What the kernel tells, and of which protocols it tells nothing: it was built without them, or only without telling of them. */
export interface BoundSockets {
  sockets: BoundSocket[];
  untold: SocketProtocol[];
}

/** @param descriptor a socket of NETLINK_SOCK_DIAG */
export function boundSockets(descriptor: number): BoundSockets {
  const sockets: InetSocket[] = [];
  const untold: SocketProtocol[] = [];
  const add = (protocol: SocketProtocol, read: () => BoundSocket[]) => {
    try {
      append(sockets, read());
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      untold.push(protocol);
    }
  };
  for (const kind of INET) {
    add(kind.protocol, () => inetSockets(descriptor, kind, AF_INET));
    add(`${kind.protocol}6`, () => inetSockets(descriptor, kind, AF_INET6));
  }
  add('unix', () => unixSockets(descriptor));
  add('packet', () => packetSockets(descriptor));
  add('vsock', () => vsockSockets(descriptor));
  return { sockets: withoutSubflows(sockets), untold };
}

function payloads(descriptor: number, body: Buffer): Buffer[] {
  return dump(descriptor, SOCK_DIAG_BY_FAMILY, body).map(({ payload }) => payload);
}

/** struct inet_diag_req_v2 and inet_diag_msg, linux/inet_diag.h. */
function inetSockets(descriptor: number, kind: InetKind, family: number): InetSocket[] {
  const header = Buffer.alloc(56);
  const isLong = kind.number > 0xff;
  header.writeUInt8(family, 0);
  header.writeUInt8(isLong ? IPPROTO_TCP : kind.number, 1);
  header.writeUInt32LE(kind.states, 4);
  const request = isLong ? Buffer.concat([header, attribute32(INET_DIAG_REQ_PROTOCOL, kind.number)]) : header;
  return payloads(descriptor, request).map((message) => ({
    protocol: family === AF_INET ? kind.protocol : `${kind.protocol}6`,
    address: addressText(message.subarray(8, family === AF_INET ? 12 : 24)),
    // A raw socket has no port, and its protocol is told in the place of it.
    ...(kind.protocol === 'raw' ? { ipProtocol: message.readUInt16BE(4) } : { port: message.readUInt16BE(4) }),
    uid: message.readUInt32LE(64),
    inode: message.readUInt32LE(68),
    cookie: message.readBigUInt64LE(44),
  }));
}

/**
 * A socket of MPTCP listens through one of TCP, which has its inode number. A kernel that does not know how to ask for MPTCP (before 5.9) tells of
 * those of TCP again.
 */
function withoutSubflows(sockets: readonly InetSocket[]): BoundSocket[] {
  const isOf = (protocol: string) => (socket: InetSocket) => socket.protocol.startsWith(protocol);
  const plain = new Set(sockets.filter(isOf('tcp')).map(({ cookie }) => cookie));
  const isMultipath = (socket: InetSocket) => isOf('mptcp')(socket) && !plain.has(socket.cookie);
  const multipath = new Set(sockets.filter(isMultipath).map(({ inode }) => inode));
  return sockets
    .filter(
      (socket) => isMultipath(socket) || (!isOf('mptcp')(socket) && !(isOf('tcp')(socket) && multipath.has(socket.inode))),
    )
    .map(({ cookie: _, ...socket }) => socket);
}

const UNIX_PROTOCOLS: Record<number, SocketProtocol> = { 1: 'unix', 2: 'unix-dgram', 5: 'unix-seqpacket' };

/** struct unix_diag_req and unix_diag_msg, linux/unix_diag.h. Those with a name: others can only reach them by it. */
function unixSockets(descriptor: number): BoundSocket[] {
  const request = Buffer.alloc(24);
  request.writeUInt8(AF_UNIX, 0);
  request.writeUInt32LE(LISTENING | UNCONNECTED, 4);
  request.writeUInt32LE(UDIAG_SHOW_NAME | UDIAG_SHOW_UID, 12);
  return payloads(descriptor, request).flatMap((message) => {
    const found = attributes(message, 16);
    const name = found.get(UNIX_DIAG_NAME);
    if (name === undefined || name.length === 0) return [];
    return {
      protocol: UNIX_PROTOCOLS[message.readUInt8(1)] ?? 'unix',
      address: unixAddress(name),
      ...uidOf(found, UNIX_DIAG_UID),
      inode: message.readUInt32LE(4),
    };
  });
}

/** A name that begins with NUL is abstract, shown as `@name`. */
function unixAddress(name: Buffer): string {
  if (name[0] === 0) return `@${name.toString('utf8', 1)}`;
  const end = name.indexOf(0);
  return name.toString('utf8', 0, end === -1 ? name.length : end);
}

function uidOf(found: ReadonlyMap<number, Buffer>, type: number): { uid?: number } {
  const uid = found.get(type)?.readUInt32LE(0);
  return uid === undefined ? {} : { uid };
}

/** struct packet_diag_req, packet_diag_msg and packet_diag_info, linux/packet_diag.h. */
function packetSockets(descriptor: number): BoundSocket[] {
  const request = Buffer.alloc(20);
  request.writeUInt8(AF_PACKET, 0);
  request.writeUInt32LE(PACKET_SHOW_INFO, 8);
  return payloads(descriptor, request).map((message) => {
    const found = attributes(message, 16);
    const index = found.get(PACKET_DIAG_INFO)?.readUInt32LE(0) ?? 0;
    return {
      protocol: 'packet',
      address: '',
      etherType: message.readUInt16LE(2),
      ...(index === 0 ? {} : { index }),
      ...uidOf(found, PACKET_DIAG_UID),
      inode: message.readUInt32LE(4),
    };
  });
}

/** struct vsock_diag_req and vsock_diag_msg, linux/vm_sockets_diag.h. */
function vsockSockets(descriptor: number): BoundSocket[] {
  const request = Buffer.alloc(24);
  request.writeUInt8(AF_VSOCK, 0);
  request.writeUInt32LE(LISTENING | UNCONNECTED, 4);
  return payloads(descriptor, request).flatMap((message) => {
    const [cid, port] = [message.readUInt32LE(4), message.readUInt32LE(8)];
    if (port === VMADDR_ANY) return [];
    return { protocol: 'vsock', address: cid === VMADDR_ANY ? '*' : String(cid), port, inode: message.readUInt32LE(20) };
  });
}
