/** The network of a sandbox that has a pair of interfaces: addresses, names, and what is asked of the host. */
import fs from 'node:fs';
import os from 'node:os';
import { Failure, isSystemError } from '../failure.ts';
import { AT_FDCWD, openDirectory } from '../kernel/files.ts';
import { own } from '../programs/identity.ts';
import type { SandboxNetwork } from '../protocol/sandboxes.ts';
import { isOfHost, lowestOther, type Prefixed6, parseAddress6, parsePrefixed6, privatePrefix6, textOf6 } from './ipv6.ts';

export interface VethPlan {
  /** IPv4, as numbers: inside, and of the host's end. */
  address: number;
  gateway: number;
  prefixLength: number;
  /** The same of IPv6, if it has that. */
  ipv6?: Prefixed6 & { gateway: bigint };
  /** Names of the ends. */
  inside: string;
  outside: string;
  /** The helper makes it, since the net namespace belongs to a user namespace that has no say on the host. */
  byHelper: boolean;
  /** The table of nftables that translates addresses. */
  table?: NatTable;
  /** Of the helper: its own net namespace, and the directory of what is set for each interface there, if the kernel has IPv6. */
  hostNamespace: number;
  hostSettings?: number;
}

export interface NatTable {
  family: 'ip' | 'inet';
  name: string;
}

type Veth = Extract<SandboxNetwork, { type: 'veth' }>;

/** Of IPv6, a directory for each interface of the net namespace of who looks. */
export const HOST_SETTINGS = '/proc/sys/net/ipv6/conf';

/** 10.77.0.0/16 in pieces of /30: the network, the host's end, the end inside, the broadcast address. */
const POOL = 0x0a4d0000;
const POOL_PIECES = 1 << 14;
const PIECE_PREFIX = 30;

/** The network with every address filled in. Throws a `Failure` when they contradict each other. */
export function resolveVeth(network: Veth, id: string, taken: readonly string[]): Veth {
  const given = network.address ?? freeAddress(id, taken);
  const [text = '', length = ''] = given.split('/');
  const address = numberOf(text);
  const base = (address & maskOf(Number(length))) >>> 0;
  const gateway = network.gateway ?? textOf(address === base + 1 ? base + 2 : base + 1);
  const isInside = (maskOf(Number(length)) & numberOf(gateway)) >>> 0 === base;
  if (!isInside || numberOf(gateway) === address) {
    throw new Failure('invalid', `"network.gateway": ${gateway} is not another address of ${given}.`);
  }
  refuseOfHost('address', text, 'IPv4');
  return { ...network, address: given, gateway, ...resolveIpv6(network, id), name: network.name ?? 'eth0' };
}

/** The part of the network that is of IPv6, which it has only when it is asked for. */
function resolveIpv6({ ipv6, address6, gateway6 }: Veth, id: string): Pick<Veth, 'ipv6' | 'address6' | 'gateway6'> {
  const isGiven = address6 !== undefined || gateway6 !== undefined;
  if (ipv6 === false && isGiven) {
    throw new Failure('invalid', '"network.ipv6" is false, and an address of IPv6 is given.', {
      hint: 'Leave "ipv6" out, or "address6" and "gateway6".',
    });
  }
  if (ipv6 !== true && !isGiven) return {};
  checkIpv6();
  const own = address6 === undefined ? privatePrefix6(id) : parsePrefixed6(address6);
  const gateway = gateway6 === undefined ? own && lowestOther(own) : parseAddress6(gateway6);
  if (own === undefined || gateway === undefined) {
    throw new Failure('invalid', `"network.${own === undefined ? 'address6' : 'gateway6'}" is no such address.`);
  }
  const [address, host] = [textOf6(own.address), textOf6(gateway)];
  const prefixed = `${address}/${own.prefixLength}`;
  if (gateway === own.address || !isOfHost(gateway, own)) {
    throw new Failure('invalid', `"network.gateway6": ${host} is not another address of ${prefixed}.`);
  }
  refuseOfHost('address6', address, 'IPv6');
  return { ipv6: true, address6: prefixed, gateway6: host };
}

/** Before anything is made: of a new interface `default` counts, which a change of `all` changes, too. */
function checkIpv6(): void {
  if (sysctl('net/ipv6/conf/default/disable_ipv6') === '0') return;
  throw new Failure('unsupported', 'IPv6 is off on the host, and was asked for by "network".', {
    hint: 'Allow it for new interfaces (sysctl net.ipv6.conf.default.disable_ipv6=0), or leave "ipv6" and "address6" out.',
  });
}

function refuseOfHost(field: string, address: string, family: 'IPv4' | 'IPv6'): void {
  if (!addressesOfHost(family).includes(address)) return;
  throw new Failure('busy', `"network.${field}": the host has ${address} itself.`, {
    hint: 'Choose another, or leave it out.',
  });
}

/** Undefined where the kernel has no such setting. */
function sysctl(name: string): string | undefined {
  try {
    return fs.readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

export function planVeth(network: Veth, id: string, hasUserNamespace: boolean, disposables: (() => void)[]): VethPlan {
  if (!own().privileged) {
    throw new Failure('permission', 'An interface on the host can only be made by root.', {
      hint: 'Choose network.type "loopback" or "host", which an ordinary user can have; or restart the helper as root.',
    });
  }
  const ipv6 = planIpv6(network);
  if (network.nat === true) checkForwarding('packets', 'ipv4.ip_forward');
  if (network.nat === true && ipv6 !== undefined) {
    const also = ' It then heeds no router advertisements, unless net.ipv6.conf.*.accept_ra is 2.';
    checkForwarding('packets of IPv6', 'ipv6.conf.all.forwarding', also);
  }
  const [address = '', length = ''] = (network.address ?? '').split('/');
  const hostNamespace = fs.openSync('/proc/self/ns/net', fs.constants.O_RDONLY);
  disposables.push(() => fs.closeSync(hostNamespace));
  const hostSettings = openDirectory(AT_FDCWD, HOST_SETTINGS);
  if (hostSettings >= 0) disposables.push(() => fs.closeSync(hostSettings));
  return {
    address: numberOf(address),
    gateway: numberOf(network.gateway ?? ''),
    prefixLength: Number(length),
    inside: network.name ?? 'eth0',
    outside: `iso${id.slice(0, 12)}`,
    hostNamespace,
    ...(hostSettings < 0 ? {} : { hostSettings }),
    byHelper: hasUserNamespace,
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(network.nat === true ? { table: { family: ipv6 === undefined ? 'ip' : 'inet', name: `isoscope_${id}` } } : {}),
  };
}

function planIpv6({ address6, gateway6 }: Veth): VethPlan['ipv6'] {
  const own = parsePrefixed6(address6 ?? '');
  const gateway = parseAddress6(gateway6 ?? '');
  return own === undefined || gateway === undefined ? undefined : { ...own, gateway };
}

/** It is a decision about the whole host, which is not the helper's to make. */
function checkForwarding(what: string, setting: 'ipv4.ip_forward' | 'ipv6.conf.all.forwarding', also = ''): void {
  if (sysctl(`net/${setting.replaceAll('.', '/')}`) === '1') return;
  throw new Failure('unsupported', `The host does not forward ${what}, so "network.nat" would reach nothing.`, {
    hint: `Allow it for the whole host (sysctl net.${setting}=1), or leave "nat" out.${also}`,
  });
}

/** Begins at a place of its own for every sandbox, so that two helpers seldom choose the same. */
function freeAddress(id: string, taken: readonly string[]): string {
  const used = new Set([...taken, ...addressesOfHost('IPv4')].map((address) => numberOf(address) >>> 2));
  const start = Number.parseInt(id.slice(0, 4), 16) % POOL_PIECES;
  for (let count = 0; count < POOL_PIECES; count += 1) {
    const base = POOL + ((start + count) % POOL_PIECES) * 4;
    if (!used.has(base >>> 2)) return `${textOf(base + 2)}/${PIECE_PREFIX}`;
  }
  throw new Failure('busy', 'All of 10.77.0.0/16 is in use.', { hint: 'Choose "network.address" yourself.' });
}

function addressesOfHost(wanted: 'IPv4' | 'IPv6'): string[] {
  return Object.values(os.networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ family }) => family === wanted).map(({ address }) => address),
  );
}

function numberOf(address: string): number {
  return address.split('.').reduce((all, part) => all * 256 + Number(part), 0);
}

/** In network order. */
export function bytesOf(address: number): Buffer {
  return Buffer.from([24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff));
}

export function textOf(address: number): string {
  return bytesOf(address).join('.');
}

export function maskOf(prefixLength: number): number {
  return (0xffff_ffff << (32 - prefixLength)) >>> 0;
}

/**
 * Below the directory of settings: whether router advertisements are heeded (RFC 4861). From inside they would give the whole host
 * another way out.
 */
export function advertisementsOf({ outside }: VethPlan): string {
  return `${outside}/accept_ra`;
}

/** For nft(8): what comes from inside leaves with the host's address. */
export function natRules({ table, address, ipv6, outside }: VethPlan): string {
  const rule = (family: string, source: string) => `    ${family} saddr ${source} oifname != "${outside}" masquerade\n`;
  return `table ${table?.family} ${table?.name} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
${rule('ip', textOf(address))}${ipv6 === undefined ? '' : rule('ip6', textOf6(ipv6.address))}  }
}
`;
}
