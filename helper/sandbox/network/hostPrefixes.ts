/**
 * Which addresses are not for a sandbox: those that no interface may have, and those that this host has or has a route to, which its
 * end would take away from it.
 */

import { Failure } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { openNetlink } from '../../kernel/netlink.ts';
import { AF_INET, AF_INET6, NETLINK_ROUTE } from '../../kernel/numbers.ts';
import { addresses, links, routes } from '../../kernel/rtnetlink.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
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
  interface: string | Said | undefined;
}

/**
 * Routes to more than this are ways to the rest of the world, like the default route: VPNs make two of a length of 1 (0.0.0.0/1 and
 * 128.0.0.0/1).
 */
const SHORTEST_ROUTE = 8;

const NEVER: readonly [prefix: string, is: Said][] = [
  ['0.0.0.0/8', said('prefixThisNetwork')],
  ['127.0.0.0/8', said('prefixLoopback')],
  ['169.254.0.0/16', said('prefixLinkLocal4')],
  ['224.0.0.0/4', said('prefixMulticast')],
  ['240.0.0.0/4', said('prefixReserved')],
  ['::/96', said('prefixUnspecified')],
  ['::ffff:0:0/96', said('prefixMapped')],
  ['fe80::/10', said('prefixLinkLocal6')],
  ['ff00::/8', said('prefixMulticast')],
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
    throw new Failure('invalid', said('prefixOverlapsNever', field, given, never[0], never[1]), refused);
  }
  const same = taken.find((one) => one.isAddress && one.bits === prefix.bits && one.address === prefix.address);
  if (same !== undefined) throw new Failure('busy', said('hostHasPrefix', field, text), refused);
  const other = taken.find((one) => overlap(one, prefix));
  if (other === undefined) return;
  const what = other.isAddress ? said('addressOfHost') : said('routeOfHost');
  const where = other.interface === undefined ? what : said('byInterface', what, other.interface);
  throw new Failure('busy', said('prefixOverlaps', field, given, other.text, where), refused);
}

const HINT = said('chooseAnotherPrefix');
