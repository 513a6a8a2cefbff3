/** The part of the protocol about network namespaces, and what is in them. Types and constants only. */
import type { Unknown } from './errors.ts';
import { request } from './message.ts';
import type { NamespaceRef } from './namespaces.ts';
import type { ProcessRef } from './processes.ts';

export interface NetworkAddress {
  family: 'inet' | 'inet6';
  address: string;
  prefixLength: number;
  /** `global`, `link`, `host`, … as ip-address(8) names them. */
  scope: string;
}

export interface NetworkInterface {
  index: number;
  name: string;
  /** `IFLA_INFO_KIND`: `veth`, `bridge`, `vlan`, …; `loopback` or `physical` when the kernel gives none. */
  kind: string;
  /** Operational state, RFC 2863: `up`, `down`, `lowerlayerdown`, `unknown`, … */
  state: string;
  flags: string[];
  /** Hardware address, `02:42:ac:11:00:02`; absent when it has none. */
  mac?: string;
  mtu: number;
  addresses: NetworkAddress[];
  /** Name of the bridge or bond it is a port of. */
  controller?: string;
  /** The other end of a veth pair, or the lower device of a vlan, macvlan, ipvlan. */
  peer?: {
    index: number;
    /** Name and namespace where they could be found. */
    name?: string;
    namespace?: NamespaceRef;
  };
}

export interface NetworkRoute {
  family: 'inet' | 'inet6';
  /** `default` or a prefix `172.17.0.0/16`. */
  destination: string;
  gateway?: string;
  interface?: string;
  source?: string;
  metric?: number;
  protocol: string;
  scope: string;
  type: string;
  table: number;
}

/** A rule that says which routing table is looked into, ip-rule(8). What is absent does not narrow it. */
export interface NetworkRule {
  family: 'inet' | 'inet6';
  /** Rules are followed from the lowest on. */
  priority: number;
  /** It is for the packets to which the conditions do *not* apply. */
  inverted?: true;
  from?: string;
  to?: string;
  tos?: number;
  fromInterface?: string;
  toInterface?: string;
  mark?: number;
  /** All bits when absent. */
  mask?: number;
  /** First and last. */
  uids?: [number, number];
  /** Number of the protocol of IP. */
  ipProtocol?: number;
  sourcePorts?: [number, number];
  destinationPorts?: [number, number];
  /** In place of a table the one of the VRF. */
  l3mdev?: true;
  action: 'table' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'unknown';
  table?: number;
  /** Priority of the rule to go on with. */
  goto?: number;
  /** Routes of the table with a prefix no longer than this do not count. */
  suppressPrefixLength?: number;
  protocol: string;
  /** True when this kernel has conditions for it that Isoscope does not know. */
  hasMore?: true;
}

export interface NetworkSocket {
  /** `unix` is of streams. */
  protocol: NetworkProtocol;
  /** `127.0.0.1`, `::`, for unix its path (`@name` when abstract), for vsock the context id or `*`; empty for packet. */
  address: string;
  port?: number;
  /** raw: the number of the protocol of IP whose packets it gets. */
  ipProtocol?: number;
  /** packet: the type of frames that it gets, `ETH_P_*`, 3 for all; and the interface, absent for all. */
  etherType?: number;
  interface?: string;
  uid?: number;
  inode: number;
  /** Who holds it. Empty when no process that may be examined does. */
  processes: (ProcessRef & { name: string; descriptor: number })[];
}

export type NetworkProtocol =
  | `${'tcp' | 'udp' | 'udplite' | 'sctp' | 'mptcp' | 'raw'}${'' | '6'}`
  | 'unix'
  | 'unix-dgram'
  | 'unix-seqpacket'
  | 'packet'
  | 'vsock';

export interface NetworkInspectResult {
  namespace: NamespaceRef;
  interfaces: NetworkInterface[];
  /** Routes of the main table and others but `local`. */
  routes: NetworkRoute[];
  /** In the order in which they are followed, those of IPv4 first. */
  rules: NetworkRule[];
  /** Those that somebody can send to: they listen, or are bound without being connected. */
  sockets: NetworkSocket[] | Unknown;
  /** Protocols that the kernel has, but of whose sockets it tells nothing (it was built without their part of sock_diag). */
  untold: NetworkProtocol[];
}

/** A net namespace, named itself or through a process that is in it. */
export const NetworkInspect = request('network/inspect')<
  { namespace: NamespaceRef } | { process: ProcessRef },
  NetworkInspectResult
>();

/** What an interface has carried since it was made (`IFLA_STATS64`). */
export interface InterfaceCounters {
  index: number;
  name: string;
  receivedBytes: number;
  sentBytes: number;
  receivedPackets: number;
  sentPackets: number;
  receivedDropped: number;
  sentDropped: number;
}

/** The counters of the interfaces of a net namespace, the loopback's among them. They cost little, so that they can be asked for often. */
export const NetworkCounters = request('network/counters')<
  { namespace: NamespaceRef } | { process: ProcessRef },
  { interfaces: InterfaceCounters[] }
>();
