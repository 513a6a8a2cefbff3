/**
 * Which addresses are not for a sandbox: those that no interface may have, and those that this host has or has a route to, which its
 * end would take away from it.
 */

import { Failure } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { openNetlink } from '../../kernel/netlink.ts';
import { AF_INET, AF_INET6, NETLINK_ROUTE } from '../../kernel/numbers.ts';
import { addresses, links, routes } from '../../kernel/rtnetlink.ts';
import { numberOf6 } from '../specification/ipv6.ts';

/** Numbers of 32 or 128 bits. */
export interface Prefix {
  address: bigint;
  length: number;
  bits: 32 | 128;
}

/** What an address may not be part of, and what that is, in words that follow "which". */
export interface TakenPrefix extends Prefix {
  text: string;
  /** The host has this very address. */
  isAddress: boolean;
  interface: string | undefined;
}

/**
 * Routes to more than this are ways to the rest of the world, like the default route: VPNs make two of a length of 1 (0.0.0.0/1 and
 * 128.0.0.0/1).
 */
const SHORTEST_ROUTE = 8;

const NEVER: readonly [prefix: string, is: string][] = [
  ['0.0.0.0/8', 'means this network (RFC 1122)'],
  ['127.0.0.0/8', 'is loopback'],
  ['169.254.0.0/16', 'is link-local (RFC 3927)'],
  ['224.0.0.0/4', 'is multicast'],
  ['240.0.0.0/4', 'is reserved, and has the broadcast address'],
  ['::/96', 'has loopback and the unspecified address'],
  ['::ffff:0:0/96', 'has the addresses of IPv4 as sockets of IPv6 see them'],
  ['fe80::/10', 'is link-local'],
  ['ff00::/8', 'is multicast'],
];

export function prefixOf(text: string): Prefix {
  const [address = '', length] = text.split('/');
  const bits = address.includes(':') ? 128 : 32;
  return { address: bits === 128 ? numberOf6(address) : numberOf4(address), length: Number(length ?? bits), bits };
}

function numberOf4(text: string): bigint {
  return text.split('.').reduce((all, part) => all * 256n + BigInt(part), 0n);
}

export function overlap(one: Prefix, other: Prefix): boolean {
  if (one.bits !== other.bits) return false;
  const free = BigInt(one.bits - Math.min(one.length, other.length));
  return one.address >> free === other.address >> free;
}

/** Of the net namespace of the helper, but for what is of the interface named `except`: that of the sandbox itself. */
export function prefixesOfHost(except: string): TakenPrefix[] {
  const [socket] = openNetlink(undefined, [NETLINK_ROUTE]) as [number];
  try {
    const names = new Map(links(socket).map(({ index, name }) => [index, name]));
    const own = addresses(socket).map(({ address, index, prefixLength }) => ({ text: address, index, prefixLength }));
    const taken = [
      ...own.map(({ text, index }) => ({ text, index, isAddress: true })),
      ...routes(socket)
        .filter(({ family, prefixLength }) => prefixLength >= SHORTEST_ROUTE && [AF_INET, AF_INET6].includes(family))
        .map(({ destination, prefixLength, index }) => ({ text: `${destination}/${prefixLength}`, index, isAddress: false })),
      ...own.map(({ text, index, prefixLength }) => ({ text: `${text}/${prefixLength}`, index, isAddress: false })),
    ];
    return taken
      .map(({ index, ...rest }) => ({ ...rest, interface: index === undefined ? undefined : names.get(index) }))
      .filter((one) => one.interface !== except)
      .map((one) => ({ ...one, ...prefixOf(one.text) }));
  } finally {
    close(socket);
  }
}

/** Throws a `Failure` that names the field of the network when the address, with the prefix of its interface, is not for a sandbox. */
export function refuseTaken(field: string, given: string, taken: readonly TakenPrefix[]): void {
  const prefix = prefixOf(given);
  const refused = { field: [field], hint: HINT };
  const [text = ''] = given.split('/');
  const never = NEVER.find(([one]) => overlap(prefixOf(one), prefix));
  if (never !== undefined) {
    throw new Failure('invalid', `"network.${field}": ${given} overlaps ${never[0]}, which ${never[1]}.`, refused);
  }
  const same = taken.find((one) => one.isAddress && one.bits === prefix.bits && one.address === prefix.address);
  if (same !== undefined) throw new Failure('busy', `"network.${field}": the host has ${text} itself.`, refused);
  const other = taken.find((one) => overlap(one, prefix));
  if (other === undefined) return;
  const where = other.interface === undefined ? '' : ` (${other.interface})`;
  const what = other.isAddress ? 'an address of the host' : 'to which the host has a route';
  throw new Failure('busy', `"network.${field}": ${given} overlaps ${other.text}, ${what}${where}.`, refused);
}

const HINT = 'Choose another, or leave it out.';
