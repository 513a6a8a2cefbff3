/** Making a pair of interfaces, one of them in another net namespace, and setting up the other: veth(4), rtnetlink(7). */

import { attribute, attribute32, change, textAttribute } from './netlink.ts';
import {
  AF_INET,
  AF_INET6,
  IFA_F_NODAD,
  IFF_UP,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_NEWADDR,
  RTM_NEWLINK,
  VETH_INFO_PEER,
} from './numbers.ts';
import { links } from './rtnetlink.ts';

export const NLM_F_EXCL_CREATE = NLM_F_EXCL | NLM_F_CREATE;
const IFINFOMSG_BYTES = 16;
const IFLA = { IFNAME: 3, LINKINFO: 18, NET_NS_FD: 28 } as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
const IFADDRMSG_BYTES = 8;
const IPV6_BYTES = 16;

/** Where `addressBody` has the interface's index, 4 bytes. */
export const ADDRESS_INDEX_AT = 4;

/** IPv4 or IPv6, in network order. */
export interface OwnAddress {
  bytes: Buffer;
  prefixLength: number;
}

/** What RTM_NEWLINK is told: `there` is made in the namespace behind the descriptor, `here` in that of the socket. */
export function vethPairBody(here: string, there: string, namespace: number): Buffer {
  const peer = [Buffer.alloc(IFINFOMSG_BYTES), textAttribute(IFLA.IFNAME, there), attribute32(IFLA.NET_NS_FD, namespace)];
  const info = [
    textAttribute(IFLA_INFO.KIND, 'veth'),
    attribute(IFLA_INFO.DATA, attribute(VETH_INFO_PEER, Buffer.concat(peer))),
  ];
  const body = [Buffer.alloc(IFINFOMSG_BYTES), textAttribute(IFLA.IFNAME, here), attribute(IFLA.LINKINFO, Buffer.concat(info))];
  return Buffer.concat(body);
}

/** By a socket of NETLINK_ROUTE. @throws NetlinkError, SyscallError */
export function makeVethPair(socket: number, here: string, there: string, namespace: number): void {
  change(socket, RTM_NEWLINK, NLM_F_EXCL_CREATE, vethPairBody(here, there, namespace));
}

/**
 * What RTM_NEWADDR is told. One of IPv6 can be used at once: on a link of two ends nobody else has it, and to ask for that (RFC 4862)
 * takes a second.
 */
export function addressBody(index: number, { bytes, prefixLength }: OwnAddress): Buffer {
  const isIpv6 = bytes.length === IPV6_BYTES;
  const header = Buffer.alloc(IFADDRMSG_BYTES);
  header.writeUInt8(isIpv6 ? AF_INET6 : AF_INET, 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt8(isIpv6 ? IFA_F_NODAD : 0, 2);
  header.writeUInt32LE(index, ADDRESS_INDEX_AT);
  return Buffer.concat([header, attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)]);
}

/** Gives the interface addresses, and brings it up. @throws NetlinkError, SyscallError */
export function setUpInterface(socket: number, name: string, addresses: readonly OwnAddress[]): void {
  const index = links(socket).find((link) => link.name === name)?.index ?? 0;
  for (const address of addresses) change(socket, RTM_NEWADDR, NLM_F_EXCL_CREATE, addressBody(index, address));
  const up = Buffer.alloc(IFINFOMSG_BYTES);
  up.writeInt32LE(index, 4);
  up.writeUInt32LE(IFF_UP, 8);
  up.writeUInt32LE(IFF_UP, 12);
  change(socket, RTM_NEWLINK, 0, up);
}
