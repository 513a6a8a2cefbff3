/** Addresses of IPv6 that an interface can be given: read strictly, counted with, and written in their shortest form (RFC 5952). Pure. */
import net from 'node:net';
import { addressText } from '../../kernel/rtnetlink.ts';

export interface Prefixed6 {
  address: bigint;
  prefixLength: number;
}

const BITS = 128;
const ADDRESS_BYTES = 16;
const MAX_PREFIX = 127;

/** What an interface cannot have, or gets from the kernel itself. */
const UNUSABLE = new net.BlockList();
/** The unspecified address and loopback, and those of IPv4 in the old form. */
UNUSABLE.addSubnet('::', 96, 'ipv6');
/** Addresses of IPv4 as sockets of IPv6 see them. */
UNUSABLE.addSubnet('::ffff:0:0', 96, 'ipv6');
/** Link-local. */
UNUSABLE.addSubnet('fe80::', 10, 'ipv6');
/** Multicast. */
UNUSABLE.addSubnet('ff00::', 8, 'ipv6');

/** Undefined unless it is one address that an interface can be given, without a zone and without blanks. */
export function parseAddress6(text: string): bigint | undefined {
  // Node takes a zone (`fe80::1%eth0`) for part of an address.
  if (!net.isIPv6(text) || text.includes('%') || UNUSABLE.check(text, 'ipv6')) return undefined;
  return numberOf6(text);
}

/** Of any address without a zone. */
export function numberOf6(text: string): bigint {
  // The URL parser writes an embedded address of IPv4 as groups, too.
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = Array<string>(BITS / 16 - first.length - last.length).fill('0');
  const digits = [...first, ...zeros, ...last].map((group) => group.padStart(4, '0'));
  return BigInt(`0x${digits.join('')}`);
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

/**
 * An address that is one of its prefix, `fd00:77::2/64`. Undefined when it is not that; also for the prefix itself, which is that of
 * every router there (RFC 4291, 2.6.1) where the prefix is not one of a pair (RFC 6164).
 */
export function parsePrefixed6(text: string): Prefixed6 | undefined {
  const [, before = '', length = ''] = /^([^/]+)\/([1-9][0-9]{0,2})$/.exec(text) ?? [];
  const [address, prefixLength] = [parseAddress6(before), Number(length)];
  if (address === undefined || prefixLength < 1 || prefixLength > MAX_PREFIX) return undefined;
  const parsed = { address, prefixLength };
  return isOfHost(address, parsed) ? parsed : undefined;
}

/** Whether it is one of the prefix that a host can have. */
export function isOfHost(address: bigint, { address: other, prefixLength }: Prefixed6): boolean {
  const base = baseOf({ address: other, prefixLength });
  return baseOf({ address, prefixLength }) === base && (address !== base || prefixLength === MAX_PREFIX);
}

/** The lowest other one of the same prefix that a host can have. */
export function lowestOther(prefixed: Prefixed6): bigint {
  const base = baseOf(prefixed);
  const lowest = prefixed.prefixLength === MAX_PREFIX ? base : base + 1n;
  return lowest === prefixed.address ? lowest + 1n : lowest;
}

function baseOf({ address, prefixLength }: Prefixed6): bigint {
  const free = BigInt(BITS - prefixLength);
  return (address >> free) << free;
}

/** In network order. */
export function bytesOf6(address: bigint): Buffer {
  return Buffer.from(address.toString(16).padStart(ADDRESS_BYTES * 2, '0'), 'hex');
}

export function textOf6(address: bigint): string {
  return addressText(bytesOf6(address));
}

/** A private prefix of its own (RFC 4193) for whatever has this id, of at least 14 random hexadecimal digits. */
export function privatePrefix6(id: string): Prefixed6 {
  return { address: BigInt(`0xfd${id.slice(0, 14)}0000000000000002`), prefixLength: 64 };
}
