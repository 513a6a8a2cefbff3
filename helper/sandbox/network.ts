/** The network of a sandbox that has a pair of interfaces: addresses, names, and what is asked of the host. */
import fs from 'node:fs';
import os from 'node:os';
import { Failure } from '../failure.ts';
import { own } from '../programs/identity.ts';
import type { SandboxNetwork } from '../protocol/sandboxes.ts';

export interface VethPlan {
  /** IPv4, as numbers: inside, and of the host's end. */
  address: number;
  gateway: number;
  prefixLength: number;
  /** Names of the ends. */
  inside: string;
  outside: string;
  /** The helper makes it, since the net namespace belongs to a user namespace that has no say on the host. */
  byHelper: boolean;
  /** Name of the table of nftables that translates addresses. */
  table?: string;
  /** Of the helper: its own net namespace. */
  hostNamespace: number;
}

type Veth = Extract<SandboxNetwork, { type: 'veth' }>;

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
  if (addressesOfHost().includes(text)) {
    throw new Failure('busy', `"network.address": the host has ${text} itself.`, { hint: 'Choose another, or leave it out.' });
  }
  return { ...network, address: given, gateway, name: network.name ?? 'eth0' };
}

export function planVeth(network: Veth, id: string, hasUserNamespace: boolean, disposables: (() => void)[]): VethPlan {
  if (!own().privileged) {
    throw new Failure('permission', 'An interface on the host can only be made by root.', {
      hint: 'Choose network.type "loopback" or "host", which an ordinary user can have; or restart the helper as root.',
    });
  }
  if (network.nat === true) checkForwarding();
  const [address = '', length = ''] = (network.address ?? '').split('/');
  const hostNamespace = fs.openSync('/proc/self/ns/net', fs.constants.O_RDONLY);
  disposables.push(() => fs.closeSync(hostNamespace));
  return {
    address: numberOf(address),
    gateway: numberOf(network.gateway ?? ''),
    prefixLength: Number(length),
    inside: network.name ?? 'eth0',
    outside: `iso${id.slice(0, 12)}`,
    hostNamespace,
    byHelper: hasUserNamespace,
    ...(network.nat === true ? { table: `isoscope_${id}` } : {}),
  };
}

/** It is a decision about the whole host, which is not the helper's to make. */
function checkForwarding(): void {
  if (fs.readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1') return;
  throw new Failure('unsupported', 'The host does not forward packets, so "network.nat" would reach nothing.', {
    hint: 'Allow it for the whole host (sysctl net.ipv4.ip_forward=1), or leave "nat" out.',
  });
}

/** Begins at a place of its own for every sandbox, so that two helpers seldom choose the same. */
function freeAddress(id: string, taken: readonly string[]): string {
  const used = new Set([...taken, ...addressesOfHost()].map((address) => numberOf(address) >>> 2));
  const start = Number.parseInt(id.slice(0, 4), 16) % POOL_PIECES;
  for (let count = 0; count < POOL_PIECES; count += 1) {
    const base = POOL + ((start + count) % POOL_PIECES) * 4;
    if (!used.has(base >>> 2)) return `${textOf(base + 2)}/${PIECE_PREFIX}`;
  }
  throw new Failure('busy', 'All of 10.77.0.0/16 is in use.', { hint: 'Choose "network.address" yourself.' });
}

function addressesOfHost(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  );
}

function numberOf(address: string): number {
  return address.split('.').reduce((all, part) => all * 256 + Number(part), 0);
}

export function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

export function maskOf(prefixLength: number): number {
  return (0xffff_ffff << (32 - prefixLength)) >>> 0;
}

/** For nft(8): what comes from inside leaves with the host's address. */
export function natRules({ table, address, outside }: VethPlan): string {
  return `table ip ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${textOf(address)} oifname != "${outside}" masquerade
  }
}
`;
}
