/** The network of a sandbox that has a pair of interfaces: addresses, names, and what is asked of the host. */

import fs from 'node:fs';
import { Failure, inField, isSystemError, reasonOf } from '../../failure.ts';
import { openDirectory } from '../../kernel/files.ts';
import { errnoName } from '../../kernel/libc.ts';
import { NetlinkError } from '../../kernel/netlink.ts';
import { type NftChain, type NftRule, type NftTable, openOwnedTable } from '../../kernel/nftables.ts';
import { AT_FDCWD } from '../../kernel/numbers.ts';
import { own } from '../../programs/identity.ts';
import type { SandboxNetwork } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import {
  bytesOf6,
  isOfHost,
  lowestOther,
  type Prefixed6,
  parseAddress6,
  parsePrefixed6,
  privatePrefix6,
  textOf6,
} from '../specification/ipv6.ts';
import { overlap, type Prefix, prefixesOfHost, prefixOf, refuseTaken, type TakenPrefix } from './hostPrefixes.ts';

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
  /** The table of nftables that keeps sandboxes apart unless they ask for each other, and translates addresses if that is asked for. */
  rules?: NftTable;
  /** Of the helper: its own net namespace, and the directory of what is set for each interface there, if the kernel has IPv6. */
  hostNamespace: number;
  hostSettings?: number;
}

type Veth = Extract<SandboxNetwork, { type: 'veth' }>;

/** Of IPv6, a directory for each interface of the net namespace of who looks. */
export const HOST_SETTINGS = '/proc/sys/net/ipv6/conf';

/**
 * 10.77.0.0/16 in pieces of /30: the network, the host's end, the end inside, the broadcast address. Where that is somebody's already (a VPN
 * to 10.0.0.0/8), 198.18.0.0/16, which is routed nowhere (RFC 2544).
 */
const POOLS = [0x0a4d0000, 0xc6120000];
const POOL_LENGTH = 16;
const POOL_PIECES = 1 << 14;
const PIECE_PREFIX = 30;
/** What the names of all our interfaces on the host begin with. */
const OUTSIDE_PREFIX = 'iso';
const CHOOSE = said('chooseAnotherPrefix');

/** What is not for this sandbox: prefixes of the host, and of `taken` by other sandboxes. */
export function takenPrefixes(id: string, taken: readonly string[]): TakenPrefix[] {
  const ofSandboxes = taken.map((text) => ({ ...prefixOf(text), text, isAddress: false, interface: said('anotherSandbox') }));
  return [...prefixesOfHost(outsideName(id)), ...ofSandboxes];
}

/**
 * The network with every address filled in. Throws a `Failure` when they contradict each other, or are not for a sandbox. `taken`: what others
 * have, address with prefix length.
 */
export function resolveVeth(network: Veth, id: string, taken: readonly string[]): Veth {
  const prefixes = takenPrefixes(id, taken);
  const given = network.address ?? freeAddress(id, prefixes);
  const [text = '', length = ''] = given.split('/');
  const address = numberOf(text);
  const base = (address & maskOf(Number(length))) >>> 0;
  const gateway = network.gateway ?? textOf(address === base + 1 ? base + 2 : base + 1);
  const isInside = (maskOf(Number(length)) & numberOf(gateway)) >>> 0 === base;
  const ofNobody = (number: number) =>
    number === base ? 'isNetworkAddress' : number === broadcastOf(base, length) ? 'isBroadcastAddress' : undefined;
  for (const [field, one, whole] of [
    ['address', text, given],
    ['gateway', gateway, given],
  ] as const) {
    const kind = ofNobody(numberOf(one));
    if (kind !== undefined && isInside) {
      throw new Failure('invalid', said(kind, field, one, whole), {
        field: [field],
        hint: CHOOSE,
      });
    }
  }
  if (!isInside || numberOf(gateway) === address) {
    throw new Failure('invalid', said('gatewayIsNotOfPrefix', gateway, given), {
      field: ['gateway'],
    });
  }
  if (network.gateway !== undefined) refuseAddress('gateway', gateway, prefixes);
  refuseTaken('address', given, prefixes);
  return { ...network, address: given, gateway, ...resolveIpv6(network, id, prefixes), name: network.name ?? 'eth0' };
}

/** Only the very address: what else is wrong with it is wrong with the other end, which has the prefix. */
function refuseAddress(field: string, address: string, prefixes: readonly TakenPrefix[]): void {
  refuseTaken(
    field,
    address,
    prefixes.filter(({ isAddress }) => isAddress),
  );
}

function broadcastOf(base: number, length: string): number {
  return (base | ~maskOf(Number(length))) >>> 0;
}

/** The part of the network that is of IPv6, which it has only when it is asked for. */
function resolveIpv6(
  { ipv6, address6, gateway6 }: Veth,
  id: string,
  prefixes: readonly TakenPrefix[],
): Pick<Veth, 'ipv6' | 'address6' | 'gateway6'> {
  const isGiven = address6 !== undefined || gateway6 !== undefined;
  if (ipv6 === false && isGiven) {
    throw new Failure('invalid', said('ipv6IsFalse'), {
      field: ['ipv6'],
      hint: said('leaveIpv6Out'),
    });
  }
  if (ipv6 !== true && !isGiven) return {};
  inField([ipv6 === true ? 'ipv6' : address6 === undefined ? 'gateway6' : 'address6'], checkIpv6);
  const own = address6 === undefined ? privatePrefix6(id) : parsePrefixed6(address6);
  const gateway = gateway6 === undefined ? own && lowestOther(own) : parseAddress6(gateway6);
  if (own === undefined || gateway === undefined) {
    const field = own === undefined ? 'address6' : 'gateway6';
    throw new Failure('invalid', said('isNoSuchAddress', field), { field: [field] });
  }
  const [address, host] = [textOf6(own.address), textOf6(gateway)];
  const prefixed = `${address}/${own.prefixLength}`;
  if (gateway === own.address || !isOfHost(gateway, own)) {
    throw new Failure('invalid', said('gateway6IsNotOfPrefix', host, prefixed), {
      field: ['gateway6'],
    });
  }
  if (gateway6 !== undefined) refuseAddress('gateway6', host, prefixes);
  refuseTaken('address6', prefixed, prefixes);
  return { ipv6: true, address6: prefixed, gateway6: host };
}

/** Before anything is made: of a new interface `default` counts, which a change of `all` changes, too. */
function checkIpv6(): void {
  if (sysctl('net/ipv6/conf/default/disable_ipv6') === '0') return;
  throw new Failure('unsupported', said('ipv6IsOff'), {
    hint: said('allowIpv6'),
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
    throw new Failure('permission', said('onlyRootMakesInterface'), {
      field: ['type'],
      hint: said('chooseAnotherNetworkType'),
    });
  }
  const ipv6 = planIpv6(network);
  if (network.nat === true) checkForwarding(said('packets'), 'ipv4.ip_forward');
  if (network.nat === true && ipv6 !== undefined) {
    checkForwarding(said('packetsOfIpv6'), 'ipv6.conf.all.forwarding', said('heedsNoAdvertisements'));
  }
  const [address = '', length = ''] = (network.address ?? '').split('/');
  const hostNamespace = fs.openSync('/proc/self/ns/net', fs.constants.O_RDONLY);
  disposables.push(() => fs.closeSync(hostNamespace));
  const hostSettings = openDirectory(AT_FDCWD, HOST_SETTINGS);
  if (hostSettings >= 0) disposables.push(() => fs.closeSync(hostSettings));
  const veth: Omit<VethPlan, 'rules'> = {
    address: numberOf(address),
    gateway: numberOf(network.gateway ?? ''),
    prefixLength: Number(length),
    inside: network.name ?? 'eth0',
    outside: outsideName(id),
    hostNamespace,
    ...(hostSettings < 0 ? {} : { hostSettings }),
    byHelper: hasUserNamespace,
    ...(ipv6 === undefined ? {} : { ipv6 }),
  };
  const rules = rulesOf(veth, network, id);
  return { ...veth, ...(rules.chains.length === 0 ? {} : { rules }) };
}

/** Fifteen bytes, which is all that a name may have. */
const outsideName = (id: string) => `${OUTSIDE_PREFIX}${id.slice(0, 12)}`;

function planIpv6({ address6, gateway6 }: Veth): VethPlan['ipv6'] {
  const own = parsePrefixed6(address6 ?? '');
  const gateway = parseAddress6(gateway6 ?? '');
  return own === undefined || gateway === undefined ? undefined : { ...own, gateway };
}

/** It is a decision about the whole host, which is not the helper's to make. */
function checkForwarding(what: Said, setting: 'ipv4.ip_forward' | 'ipv6.conf.all.forwarding', also?: Said): void {
  if (sysctl(`net/${setting.replaceAll('.', '/')}`) === '1') return;
  const hint = said('allowForwarding', setting);
  throw new Failure('unsupported', said('hostDoesNotForward', what), {
    field: ['nat'],
    hint: also === undefined ? hint : said('sentences', hint, also),
  });
}

/** Begins at a place of its own for every sandbox, so that two helpers seldom choose the same. */
function freeAddress(id: string, taken: readonly TakenPrefix[]): string {
  const start = Number.parseInt(id.slice(0, 4), 16) % POOL_PIECES;
  for (const pool of POOLS) {
    const around = taken.filter((one) => overlap(one, pieceOf(pool, POOL_LENGTH)));
    for (let count = 0; count < POOL_PIECES; count += 1) {
      const base = pool + ((start + count) % POOL_PIECES) * 4;
      if (!around.some((one) => overlap(one, pieceOf(base, PIECE_PREFIX)))) return `${textOf(base + 2)}/${PIECE_PREFIX}`;
    }
  }
  throw new Failure('busy', said('noFreePrefix'), {
    field: ['address'],
    hint: said('chooseAddressYourself'),
  });
}

function pieceOf(base: number, length: number): Prefix {
  return { address: BigInt(base), length, bits: 32 };
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

/** What comes from inside reaches no other sandbox, and leaves with the host's address. */
function rulesOf({ address, ipv6, outside }: Omit<VethPlan, 'rules'>, { nat, peers }: Veth, id: string): NftTable {
  const others: NftRule = {
    matches: [
      { interface: 'iifname', is: '==', name: outside },
      { interface: 'oifname', is: '==', prefix: OUTSIDE_PREFIX },
    ],
    verdict: 'drop',
  };
  const translated = (family: 'ip' | 'ip6', source: Buffer): NftRule => ({
    matches: [
      { source, family },
      { interface: 'oifname', is: '!=', name: outside },
    ],
    verdict: 'masquerade',
  });
  const sources = [
    translated('ip', bytesOf(address)),
    ...(ipv6 === undefined ? [] : [translated('ip6', bytesOf6(ipv6.address))]),
  ];
  const chains: NftChain[] = [];
  if (peers !== true) chains.push({ hook: 'forward', rules: [others] });
  if (nat === true) chains.push({ hook: 'postrouting', rules: sources });
  return { name: `isoscope_${id}`, chains };
}

/** What the kernel makes of the plan's table: the socket that it belongs to. Undefined, with a note, when there is none to be had and none is needed. */
export function openTable({ rules }: VethPlan, nat: boolean, notes: Said[]): number | undefined {
  if (rules === undefined) return undefined;
  try {
    return openOwnedTable(rules);
  } catch (error) {
    const code = error instanceof NetlinkError ? errnoName(error.errno) : isSystemError(error) ? error.code : undefined;
    if (code === undefined) throw error;
    if (nat) {
      throw new Failure(reasonOf(code), said('addressesCannotBeTranslated', code), {
        errno: code,
        hint: said('maybeNoNftables'),
      });
    }
    notes.push(said('noteNoNftables', code));
    return undefined;
  }
}
