/** What one network namespace holds: interfaces with the far ends of their pairs, routes, and sockets with who holds them. */

import fs from 'node:fs';
import { Failure, isSystemError, unknownFrom } from '../failure.ts';
import { close, closing, linkBytes, openDirectory, readLink, readNumbers } from '../kernel/files.ts';
import { AF_INET, AT_FDCWD, NETLINK_ROUTE, NETLINK_SOCK_DIAG } from '../kernel/numbers.ts';
import {
  addresses,
  addressText,
  type Link,
  type LinkAddress,
  links,
  namespaceId,
  type Route,
  type Rule,
  routes,
  rules,
} from '../kernel/rtnetlink.ts';
import { type BoundSocket, type BoundSockets, boundSockets } from '../kernel/sockDiag.ts';
import { append } from '../lists.ts';
import { parseProtocols, parseRawSockets } from '../proc/rawSockets.ts';
import type { NamespaceRef } from '../protocol/namespaces.ts';
import type {
  InterfaceCounters,
  NetworkInspectResult,
  NetworkInterface,
  NetworkProtocol,
  NetworkRoute,
  NetworkRule,
  NetworkSocket,
} from '../protocol/network.ts';
import type { ProcessRef } from '../protocol/processes.ts';

import { openNetlinkIn, readNetworkFiles } from './networkVisit.ts';

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
  const [route, diag] = openIn(namespace, open, [NETLINK_ROUTE, NETLINK_SOCK_DIAG]) as [number, number];
  try {
    const found = links(route);
    const own = addresses(route);
    return {
      namespace,
      interfaces: withPeers(found, own, peersById(route, found, open, others)),
      routes: routes(route)
        .filter(({ table }) => table !== TABLE_LOCAL)
        .map((one) => describeRoute(one, found)),
      rules: rules(route).map(describeRule).sort(compareRules),
      ...socketsOf(diag, found, holders, (names) =>
        visit(namespace, open, (descriptor) => readNetworkFiles(descriptor, names)),
      ),
    };
  } finally {
    close(route);
    close(diag);
  }
}

/** What its interfaces have carried. */
export function countNetwork(namespace: NamespaceRef, open: OpenNetwork): InterfaceCounters[] {
  const [route] = openIn(namespace, open, [NETLINK_ROUTE]) as [number];
  try {
    return links(route).flatMap(({ index, name, counters }) => (counters === undefined ? [] : [{ index, name, ...counters }]));
  } finally {
    close(route);
  }
}

function openIn(namespace: NamespaceRef, open: OpenNetwork, protocols: readonly number[]): number[] {
  return visit(namespace, open, (descriptor) => openNetlinkIn(descriptor, protocols));
}

function visit<T>(namespace: NamespaceRef, open: OpenNetwork, action: (descriptor: number | undefined) => T): T {
  const descriptor = open(namespace);
  try {
    return action(descriptor);
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
    const [route] = openIn(other, open, [NETLINK_ROUTE]) as [number];
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

/** `FR_ACT_*`, linux/fib_rules.h. */
const RULE_ACTIONS: Record<number, NetworkRule['action']> = {
  1: 'table',
  2: 'goto',
  3: 'nop',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};
const ALL_BITS = 0xffffffff;
const MAX_UID = 0xffffffff;

function describeRule(rule: Rule): NetworkRule {
  const action = RULE_ACTIONS[rule.action] ?? 'unknown';
  const { mark, mask, uids } = rule;
  const isMarked = mark !== undefined && (mark !== 0 || (mask ?? ALL_BITS) !== ALL_BITS);
  return {
    family: familyName(rule.family),
    priority: rule.priority,
    ...present({
      inverted: rule.inverted || undefined,
      from: rule.from,
      to: rule.to,
      tos: rule.tos || undefined,
      fromInterface: rule.fromInterface,
      toInterface: rule.toInterface,
      mark: isMarked ? mark : undefined,
      mask: isMarked && mask !== ALL_BITS ? mask : undefined,
      uids: uids?.[0] === 0 && uids[1] === MAX_UID ? undefined : uids,
      ipProtocol: rule.ipProtocol,
      sourcePorts: rule.sourcePorts,
      destinationPorts: rule.destinationPorts,
      l3mdev: rule.l3mdev || undefined,
      table: action === 'table' && !rule.l3mdev ? rule.table : undefined,
      goto: rule.goto,
      suppressPrefixLength: rule.suppressPrefixLength,
      hasMore: rule.hasMore || undefined,
    }),
    action,
    protocol: ROUTE_PROTOCOLS[rule.protocol] ?? String(rule.protocol),
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(facts: T): Present<T> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Present<T>;
}

/** The kernel follows rules of one priority in the order in which it tells them. */
function compareRules(one: NetworkRule, other: NetworkRule): number {
  return one.family.localeCompare(other.family) || one.priority - other.priority;
}

/** Their names in `/proc/net/protocols`. */
const KERNEL_NAMES: Partial<Record<NetworkProtocol, string>> = {
  ...{ tcp: 'TCP', tcp6: 'TCPv6', udp: 'UDP', udp6: 'UDPv6', udplite: 'UDP-Lite', udplite6: 'UDPLITEv6' },
  ...{ sctp: 'SCTP', sctp6: 'SCTPv6', mptcp: 'MPTCP', mptcp6: 'MPTCPv6', raw: 'RAW', raw6: 'RAWv6' },
  ...{ unix: 'UNIX', packet: 'PACKET', vsock: 'AF_VSOCK' },
};

function socketsOf(
  diag: number,
  found: readonly Link[],
  processes: Iterable<ProcessRef & { name: string }>,
  readFiles: (names: string[]) => string[],
): Pick<NetworkInspectResult, 'sockets' | 'untold'> {
  let all: BoundSockets;
  try {
    all = withUntold(boundSockets(diag), readFiles);
  } catch (error) {
    return { sockets: unknownFrom(error), untold: [] };
  }
  const { sockets, untold } = all;
  const holders = holdersOf(new Set(sockets.map(({ inode }) => inode)), processes);
  const names = namesByIndex(found);
  return {
    sockets: sockets.map(({ index, ...socket }) => ({
      ...socket,
      ...(index === undefined ? {} : { interface: names.get(index) ?? String(index) }),
      processes: holders.get(socket.inode) ?? [],
    })),
    untold,
  };
}

/** Of raw sockets a file tells where sock_diag does not. A protocol that the kernel has not has no sockets. */
function withUntold({ sockets, untold }: BoundSockets, readFiles: (names: string[]) => string[]): BoundSockets {
  if (untold.length === 0) return { sockets, untold };
  const [protocols = '', raw = '', raw6 = ''] = readFiles(['protocols', 'raw', 'raw6']);
  const had = parseProtocols(protocols);
  const isTold = (protocol: NetworkProtocol) => protocols !== '' && !had.has(KERNEL_NAMES[protocol] ?? protocol);
  const rest: NetworkProtocol[] = [];
  const added: BoundSocket[] = [];
  for (const protocol of untold) {
    const text = protocol === 'raw' ? raw : protocol === 'raw6' ? raw6 : '';
    if (text !== '') {
      const found = parseRawSockets(text);
      append(
        added,
        found.map(({ address, ...socket }) => ({ protocol, address: addressText(address), ...socket })),
      );
    } else if (!isTold(protocol)) rest.push(protocol);
  }
  return { sockets: [...sockets, ...added], untold: rest };
}

/** Who has a descriptor of these sockets: a socket may be held by a process of another namespace. */
function holdersOf(
  inodes: ReadonlySet<number>,
  processes: Iterable<ProcessRef & { name: string }>,
): Map<number, NetworkSocket['processes']> {
  const holders = new Map<number, NetworkSocket['processes']>();
  if (inodes.size === 0) return holders;
  for (const { pid, startTime, name } of processes) {
    const opened = openDirectory(AT_FDCWD, `/proc/${pid}/fd`);
    if (opened < 0) continue;
    closing(opened, (directory) => {
      const descriptors = readNumbers(directory, '.');
      for (const descriptor of typeof descriptors === 'number' ? [] : descriptors) {
        const inode = socketInode(directory, descriptor);
        if (inode === undefined || !inodes.has(inode)) continue;
        holders.set(inode, [...(holders.get(inode) ?? []), { pid, startTime, name, descriptor }]);
      }
    });
  }
  return holders;
}

/** `socket:[12345]` */
function socketInode(directory: number, descriptor: number): number | undefined {
  const length = readLink(directory, String(descriptor));
  if (length < 10 || linkBytes.toString('latin1', 0, 8) !== 'socket:[') return undefined;
  return Number(linkBytes.toString('latin1', 8, length - 1));
}
