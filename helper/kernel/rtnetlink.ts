/** Interfaces, addresses and routes of the namespace that a netlink socket is in: rtnetlink(7). Numbers as the kernel has them. */

import { ask, attribute32, attributes, attributeText, dump, NetlinkError, type NetlinkMessage } from './netlink.ts';
import {
  AF_INET,
  AF_INET6,
  ARPHRD_LOOPBACK,
  FIB_RULE_INVERT,
  IFLA_INFO_KIND,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNSID,
  RTM_GETROUTE,
  RTM_GETRULE,
} from './numbers.ts';

/** IFLA_*, linux/if_link.h. */
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  STATS64: 23,
  LINK_NETNSID: 37,
} as const;
/** IFA_*, linux/if_addr.h: on a point-to-point link ADDRESS is the far end's, LOCAL its own. */
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
/** RTA_*, linux/rtnetlink.h. */
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, MULTIPATH: 9, TABLE: 15, VIA: 18 } as const;
/** struct rtnexthop: length 2, flags 1, hops 1, interface 4; its attributes follow. */
const NEXT_HOP_BYTES = 8;
/** FRA_*, linux/fib_rules.h. */
const FRA = {
  ...{ DST: 1, SRC: 2, IIFNAME: 3, GOTO: 4, PRIORITY: 6, FWMARK: 10, SUPPRESS_PREFIXLEN: 14, TABLE: 15, FWMASK: 16 },
  ...{ OIFNAME: 17, PAD: 18, L3MDEV: 19, UID_RANGE: 20, PROTOCOL: 21, IP_PROTO: 22, SPORT_RANGE: 23, DPORT_RANGE: 24 },
  ...{ SPORT_MASK: 28, DPORT_MASK: 29 },
} as const;
const KNOWN_RULE_ATTRIBUTES = new Set<number>(Object.values(FRA));
const NO_PREFIX_LENGTH = -1;
const WHOLE_PORT = 0xffff;
const NETNSA = { NSID: 1, FD: 3 } as const;

export interface Link {
  index: number;
  name: string;
  kind: string;
  flags: number;
  /** RFC 2863 state, `IF_OPER_*`. */
  operState: number;
  mac: Buffer | undefined;
  mtu: number;
  /** Index of the bridge or bond. */
  controllerIndex: number | undefined;
  /** Index of the far end or lower device, and the id by which this namespace knows the other one's namespace. */
  linkIndex: number | undefined;
  linkNamespaceId: number | undefined;
  counters: LinkCounters | undefined;
}

/** What it has carried since it was made. */
export interface LinkCounters {
  receivedBytes: number;
  sentBytes: number;
  receivedPackets: number;
  sentPackets: number;
  receivedDropped: number;
  sentDropped: number;
}

export interface LinkAddress {
  index: number;
  family: number;
  address: string;
  prefixLength: number;
  scope: number;
}

export interface Route {
  family: number;
  destination: string | undefined;
  prefixLength: number;
  gateway: string | undefined;
  index: number | undefined;
  source: string | undefined;
  metric: number | undefined;
  protocol: number;
  scope: number;
  type: number;
  table: number;
}

/** A rule that says which table is looked into for which packets: ip-rule(8). */
export interface Rule {
  family: number;
  priority: number;
  /** It is for the packets for which all that follows does not hold. */
  inverted: boolean;
  from: string | undefined;
  to: string | undefined;
  tos: number;
  fromInterface: string | undefined;
  toInterface: string | undefined;
  mark: number | undefined;
  mask: number | undefined;
  uids: [number, number] | undefined;
  ipProtocol: number | undefined;
  sourcePorts: [number, number] | undefined;
  destinationPorts: [number, number] | undefined;
  l3mdev: boolean;
  /** `FR_ACT_*`. */
  action: number;
  table: number;
  goto: number | undefined;
  suppressPrefixLength: number | undefined;
  protocol: number;
  /** Attributes of a newer kernel, which may narrow it. */
  hasMore: boolean;
}

/** @param descriptor a socket of NETLINK_ROUTE */
export function links(descriptor: number): Link[] {
  return dump(descriptor, RTM_GETLINK, Buffer.alloc(16)).map(linkOf);
}

function linkOf({ payload }: NetlinkMessage): Link {
  const found = attributes(payload, 16);
  const number = (type: number) => found.get(type)?.readUInt32LE(0);
  const info = found.get(IFLA.LINKINFO);
  const kind = info === undefined ? undefined : attributeText(attributes(info, 0).get(IFLA_INFO_KIND));
  const mac = found.get(IFLA.ADDRESS);
  return {
    index: payload.readInt32LE(4),
    name: attributeText(found.get(IFLA.IFNAME)) ?? '',
    kind: kind ?? (payload.readUInt16LE(2) === ARPHRD_LOOPBACK ? 'loopback' : 'physical'),
    flags: payload.readUInt32LE(8),
    operState: found.get(IFLA.OPERSTATE)?.readUInt8(0) ?? 0,
    mac: mac === undefined || mac.every((byte) => byte === 0) ? undefined : mac,
    mtu: number(IFLA.MTU) ?? 0,
    controllerIndex: number(IFLA.MASTER),
    linkIndex: number(IFLA.LINK),
    linkNamespaceId: found.get(IFLA.LINK_NETNSID)?.readInt32LE(0),
    counters: countersOf(found.get(IFLA.STATS64)),
  };
}

/** struct rtnl_link_stats64: packets, bytes, errors and drops, received before sent in each. It grows at its end. */
function countersOf(bytes: Buffer | undefined): LinkCounters | undefined {
  if (bytes === undefined || bytes.length < 64) return undefined;
  const at = (position: number) => Number(bytes.readBigUInt64LE(position * 8));
  return {
    receivedPackets: at(0),
    sentPackets: at(1),
    receivedBytes: at(2),
    sentBytes: at(3),
    receivedDropped: at(6),
    sentDropped: at(7),
  };
}

export function addresses(descriptor: number): LinkAddress[] {
  return dump(descriptor, RTM_GETADDR, Buffer.alloc(8)).flatMap(({ payload }) => {
    const family = payload.readUInt8(0);
    const found = attributes(payload, 8);
    const bytes = found.get(IFA.LOCAL) ?? found.get(IFA.ADDRESS);
    if (bytes === undefined || (family !== AF_INET && family !== AF_INET6)) return [];
    const address = addressText(bytes);
    return [
      { index: payload.readUInt32LE(4), family, address, prefixLength: payload.readUInt8(1), scope: payload.readUInt8(3) },
    ];
  });
}

/** One of each way that a multipath route has. */
export function routes(descriptor: number): Route[] {
  return dump(descriptor, RTM_GETROUTE, Buffer.alloc(12)).flatMap(({ payload }) => {
    const family = payload.readUInt8(0);
    if (family !== AF_INET && family !== AF_INET6) return [];
    const found = attributes(payload, 12);
    const text = (type: number) => {
      const bytes = found.get(type);
      return bytes === undefined ? undefined : addressText(bytes);
    };
    const route = {
      family,
      destination: text(RTA.DST),
      prefixLength: payload.readUInt8(1),
      source: text(RTA.PREFSRC),
      metric: found.get(RTA.PRIORITY)?.readUInt32LE(0),
      table: found.get(RTA.TABLE)?.readUInt32LE(0) ?? payload.readUInt8(4),
      protocol: payload.readUInt8(5),
      scope: payload.readUInt8(6),
      type: payload.readUInt8(7),
    };
    const ways = found.get(RTA.MULTIPATH);
    if (ways !== undefined) return nextHops(ways).map((way) => ({ ...route, ...way }));
    return [{ ...route, gateway: gatewayOf(found), index: found.get(RTA.OIF)?.readUInt32LE(0) }];
  });
}

/** Of IPv4 and IPv6. struct fib_rule_hdr: family, lengths of destination and source, tos, table, 2 bytes, action, flags. */
export function rules(descriptor: number): Rule[] {
  return dump(descriptor, RTM_GETRULE, Buffer.alloc(12)).flatMap(({ payload }) => {
    const family = payload.readUInt8(0);
    return family === AF_INET || family === AF_INET6 ? [ruleOf(family, payload)] : [];
  });
}

function ruleOf(family: number, payload: Buffer): Rule {
  const found = attributes(payload, 12);
  const number = (type: number) => found.get(type)?.readUInt32LE(0);
  const prefix = (type: number, length: number) => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : `${addressText(bytes)}/${length}`;
  };
  const pair = (type: number, read: (bytes: Buffer, at: number) => number): [number, number] | undefined => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : [read(bytes, 0), read(bytes, bytes.length / 2)];
  };
  const suppressed = found.get(FRA.SUPPRESS_PREFIXLEN)?.readInt32LE(0);
  return {
    family,
    priority: number(FRA.PRIORITY) ?? 0,
    inverted: (payload.readUInt32LE(8) & FIB_RULE_INVERT) !== 0,
    from: prefix(FRA.SRC, payload.readUInt8(2)),
    to: prefix(FRA.DST, payload.readUInt8(1)),
    tos: payload.readUInt8(3),
    fromInterface: attributeText(found.get(FRA.IIFNAME)),
    toInterface: attributeText(found.get(FRA.OIFNAME)),
    mark: number(FRA.FWMARK),
    mask: number(FRA.FWMASK),
    uids: pair(FRA.UID_RANGE, (bytes, at) => bytes.readUInt32LE(at)),
    ipProtocol: found.get(FRA.IP_PROTO)?.readUInt8(0),
    sourcePorts: pair(FRA.SPORT_RANGE, (bytes, at) => bytes.readUInt16LE(at)),
    destinationPorts: pair(FRA.DPORT_RANGE, (bytes, at) => bytes.readUInt16LE(at)),
    l3mdev: (found.get(FRA.L3MDEV)?.readUInt8(0) ?? 0) !== 0,
    action: payload.readUInt8(7),
    table: number(FRA.TABLE) ?? payload.readUInt8(4),
    goto: number(FRA.GOTO),
    suppressPrefixLength: suppressed === NO_PREFIX_LENGTH ? undefined : suppressed,
    protocol: found.get(FRA.PROTOCOL)?.readUInt8(0) ?? 0,
    hasMore:
      [...found.keys()].some((type) => !KNOWN_RULE_ATTRIBUTES.has(type)) ||
      [FRA.SPORT_MASK, FRA.DPORT_MASK].some((type) => (found.get(type)?.readUInt16LE(0) ?? WHOLE_PORT) !== WHOLE_PORT),
  };
}

/** Of another family than the route it is `RTA_VIA`, with the family before it: IPv4 by way of an IPv6 neighbour. */
function gatewayOf(found: ReadonlyMap<number, Buffer>): string | undefined {
  const bytes = found.get(RTA.GATEWAY) ?? found.get(RTA.VIA)?.subarray(2);
  return bytes === undefined ? undefined : addressText(bytes);
}

function nextHops(ways: Buffer): Pick<Route, 'gateway' | 'index'>[] {
  const found: Pick<Route, 'gateway' | 'index'>[] = [];
  for (let at = 0; at + NEXT_HOP_BYTES <= ways.length; ) {
    const length = ways.readUInt16LE(at);
    if (length < NEXT_HOP_BYTES) break;
    const hop = ways.subarray(at, at + length);
    found.push({ gateway: gatewayOf(attributes(hop, NEXT_HOP_BYTES)), index: hop.readInt32LE(4) });
    // Each begins at a multiple of four.
    at += (length + 3) & ~3;
  }
  return found;
}

/**
 * The id by which the socket's namespace knows the namespace behind the descriptor (ip-netns(8), "nsid"); undefined when it
 * has none for it.
 */
export function namespaceId(descriptor: number, namespace: number): number | undefined {
  try {
    const answer = ask(descriptor, RTM_GETNSID, Buffer.concat([Buffer.alloc(4), attribute32(NETNSA.FD, namespace)]));
    const id = answer === undefined ? undefined : attributes(answer.payload, 4).get(NETNSA.NSID)?.readInt32LE(0);
    return id === undefined || id < 0 ? undefined : id;
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}

/** `192.0.2.1`, or an IPv6 address in its shortest form (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  // The URL parser writes the canonical form.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
