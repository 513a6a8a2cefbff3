/** What one network namespace holds: interfaces with the far ends of their pairs, routes, and sockets with who holds them. */
import fs from 'node:fs';
import { Failure, isSystemError, unknownFrom } from '../failure.ts';
import { AT_FDCWD, close, linkBytes, openDirectory, readLink, readNumbers } from '../kernel/files.ts';
import { NETLINK_ROUTE, NETLINK_SOCK_DIAG } from '../kernel/netlink.ts';
import {
  AF_INET,
  addresses,
  type Link,
  type LinkAddress,
  links,
  namespaceId,
  type Route,
  routes,
} from '../kernel/rtnetlink.ts';
import { type BoundSocket, boundSockets } from '../kernel/sockDiag.ts';
import type {
  NamespaceRef,
  NetworkInspectResult,
  NetworkInterface,
  NetworkRoute,
  NetworkSocket,
  ProcessRef,
  Unknown,
} from '../protocol.ts';

import { openNetlinkIn } from './networkVisit.ts';

/** Opens a network namespace; `undefined` when it is the helper's own. The caller closes it. */
export type OpenNetwork = (ref: NamespaceRef) => number | undefined;

/** `IF_OPER_*` of RFC 2863 in the words of ip-link(8). */
const OPER_STATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];
/** `IFF_*`, netdevice(7). */
const FLAGS = [
  ...['UP', 'BROADCAST', 'DEBUG', 'LOOPBACK', 'POINTOPOINT', 'NOTRAILERS', 'RUNNING', 'NOARP', 'PROMISC', 'ALLMULTI'],
  ...['MASTER', 'SLAVE', 'MULTICAST', 'PORTSEL', 'AUTOMEDIA', 'DYNAMIC', 'LOWER_UP'],
];
const SCOPES: Record<number, string> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' };
/** `RTN_*` and `RTPROT_*`, linux/rtnetlink.h. */
const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];
const ROUTE_PROTOCOLS: Record<number, string> = {
  0: 'unspec',
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  9: 'ra',
  16: 'dhcp',
};
const TABLE_LOCAL = 255;

/** @param others every other network namespace that is known, in which the far end of a pair may be */
export function inspectNetwork(
  namespace: NamespaceRef,
  open: OpenNetwork,
  others: readonly NamespaceRef[],
  holders: Iterable<ProcessRef & { name: string }>,
): NetworkInspectResult {
  const [route, diag] = visit(namespace, open, [NETLINK_ROUTE, NETLINK_SOCK_DIAG]) as [number, number];
  try {
    const found = links(route);
    const own = addresses(route);
    return {
      namespace,
      interfaces: withPeers(found, own, peersById(route, found, open, others)),
      routes: routes(route)
        .filter(({ table }) => table !== TABLE_LOCAL)
        .map((one) => describeRoute(one, found)),
      sockets: socketsOf(diag, holders),
    };
  } finally {
    close(route);
    close(diag);
  }
}

function visit(namespace: NamespaceRef, open: OpenNetwork, protocols: readonly number[]): number[] {
  const descriptor = open(namespace);
  try {
    return openNetlinkIn(descriptor, protocols);
  } finally {
    if (descriptor !== undefined) close(descriptor);
  }
}

/** The namespaces to which some interface here is linked, by the id that this namespace has for each. */
function peersById(
  route: number,
  found: readonly Link[],
  open: OpenNetwork,
  others: readonly NamespaceRef[],
): Map<number, Peers> {
  const wanted = new Set(found.flatMap(({ linkNamespaceId }) => (linkNamespaceId === undefined ? [] : [linkNamespaceId])));
  const peers = new Map<number, Peers>();
  for (const other of others) {
    if (peers.size === wanted.size) break;
    const id = idOf(route, other, open);
    if (id !== undefined && wanted.has(id)) peers.set(id, { namespace: other, names: namesIn(other, open) });
  }
  return peers;
}

interface Peers {
  namespace: NamespaceRef;
  /** Interface names by index; empty when the namespace may not be entered. */
  names: Map<number, string>;
}

function idOf(route: number, other: NamespaceRef, open: OpenNetwork): number | undefined {
  try {
    const descriptor = open(other) ?? openOwn();
    try {
      return namespaceId(route, descriptor);
    } finally {
      close(descriptor);
    }
  } catch {
    // It ended, or may not be opened: then its name is not known, and the far end is shown by its index alone.
    return undefined;
  }
}

function openOwn(): number {
  return fs.openSync('/proc/self/ns/net', 'r');
}

function namesIn(other: NamespaceRef, open: OpenNetwork): Map<number, string> {
  try {
    const [route] = visit(other, open, [NETLINK_ROUTE]) as [number];
    try {
      return namesByIndex(links(route));
    } finally {
      close(route);
    }
  } catch (error) {
    if (isSystemError(error) || error instanceof Failure) return new Map();
    throw error;
  }
}

function namesByIndex(found: readonly Link[]): Map<number, string> {
  return new Map(found.map(({ index, name }) => [index, name]));
}

function withPeers(found: readonly Link[], own: readonly LinkAddress[], peers: Map<number, Peers>): NetworkInterface[] {
  const names = namesByIndex(found);
  return found.map((link) => {
    const controller = link.controllerIndex === undefined ? undefined : names.get(link.controllerIndex);
    const peer = peerOf(link, names, peers);
    return {
      index: link.index,
      name: link.name,
      kind: link.kind,
      state: OPER_STATES[link.operState] ?? 'unknown',
      flags: FLAGS.filter((_, bit) => (link.flags & (1 << bit)) !== 0),
      ...(link.mac === undefined ? {} : { mac: [...link.mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':') }),
      mtu: link.mtu,
      addresses: own
        .filter(({ index }) => index === link.index)
        .map(({ family, address, prefixLength, scope }) => ({
          family: familyName(family),
          address,
          prefixLength,
          scope: SCOPES[scope] ?? String(scope),
        })),
      ...(controller === undefined ? {} : { controller }),
      ...(peer === undefined ? {} : { peer }),
    };
  });
}

function peerOf(link: Link, names: Map<number, string>, peers: Map<number, Peers>): NetworkInterface['peer'] {
  const { linkIndex: index, linkNamespaceId } = link;
  if (index === undefined || index === 0 || (index === link.index && linkNamespaceId === undefined)) return undefined;
  const elsewhere = linkNamespaceId === undefined ? undefined : peers.get(linkNamespaceId);
  const name = linkNamespaceId === undefined ? names.get(index) : elsewhere?.names.get(index);
  return {
    index,
    ...(name === undefined ? {} : { name }),
    ...(elsewhere === undefined ? {} : { namespace: elsewhere.namespace }),
  };
}

function familyName(family: number): 'inet' | 'inet6' {
  return family === AF_INET ? 'inet' : 'inet6';
}

function describeRoute(route: Route, found: readonly Link[]): NetworkRoute {
  const device = found.find(({ index }) => index === route.index)?.name;
  return {
    family: familyName(route.family),
    destination: route.destination === undefined ? 'default' : `${route.destination}/${route.prefixLength}`,
    ...(route.gateway === undefined ? {} : { gateway: route.gateway }),
    ...(device === undefined ? {} : { interface: device }),
    ...(route.source === undefined ? {} : { source: route.source }),
    ...(route.metric === undefined ? {} : { metric: route.metric }),
    protocol: ROUTE_PROTOCOLS[route.protocol] ?? String(route.protocol),
    scope: SCOPES[route.scope] ?? String(route.scope),
    type: ROUTE_TYPES[route.type] ?? String(route.type),
    table: route.table,
  };
}

function socketsOf(diag: number, processes: Iterable<ProcessRef & { name: string }>): NetworkSocket[] | Unknown {
  let sockets: BoundSocket[];
  try {
    sockets = boundSockets(diag);
  } catch (error) {
    return unknownFrom(error);
  }
  const holders = holdersOf(new Set(sockets.map(({ inode }) => inode)), processes);
  return sockets.map((socket) => ({ ...socket, processes: holders.get(socket.inode) ?? [] }));
}

/** Who has a descriptor of these sockets: a socket may be held by a process of another namespace. */
function holdersOf(
  inodes: ReadonlySet<number>,
  processes: Iterable<ProcessRef & { name: string }>,
): Map<number, NetworkSocket['processes']> {
  const holders = new Map<number, NetworkSocket['processes']>();
  if (inodes.size === 0) return holders;
  for (const { pid, startTime, name } of processes) {
    const directory = openDirectory(AT_FDCWD, `/proc/${pid}/fd`);
    if (directory < 0) continue;
    const descriptors = readNumbers(directory, '.');
    for (const descriptor of typeof descriptors === 'number' ? [] : descriptors) {
      const inode = socketInode(directory, descriptor);
      if (inode === undefined || !inodes.has(inode)) continue;
      holders.set(inode, [...(holders.get(inode) ?? []), { pid, startTime, name, descriptor }]);
    }
    close(directory);
  }
  return holders;
}

/** `socket:[12345]` */
function socketInode(directory: number, descriptor: number): number | undefined {
  const length = readLink(directory, String(descriptor));
  if (length < 10 || linkBytes.toString('latin1', 0, 8) !== 'socket:[') return undefined;
  return Number(linkBytes.toString('latin1', 8, length - 1));
}
