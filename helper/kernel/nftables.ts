/**
 * A table of nftables that belongs to a socket: the kernel removes it when the last descriptor of that is closed, however that comes about
 * (`NFT_TABLE_F_OWNER`, Linux 5.12; net/netfilter/nf_tables_api.c, linux/netfilter/nf_tables.h).
 */

import { close } from './files.ts';
import { attribute, netlinkMessage, openNetlink, sendBatch, textAttribute } from './netlink.ts';
import {
  IFNAMSIZ,
  NETLINK_NETFILTER,
  NF_DROP,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_REG_1,
  NFT_REG_VERDICT,
  NFT_TABLE_F_OWNER,
  NFTA_LIST_ELEM,
  NFTA_VERDICT_CODE,
  NLA_F_NESTED,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
} from './numbers.ts';

const NFT_MSG = { NEWTABLE: 0, NEWCHAIN: 3, NEWRULE: 6 } as const;

const NFTA_TABLE = { NAME: 1, FLAGS: 2 } as const;
const NFTA_CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, TYPE: 7 } as const;
const NFTA_HOOK = { HOOKNUM: 1, PRIORITY: 2 } as const;
const NFTA_RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const;
const NFTA_EXPR = { NAME: 1, DATA: 2 } as const;
const NFTA_META = { DREG: 1, KEY: 2 } as const;
const NFTA_CMP = { SREG: 1, OP: 2, DATA: 3 } as const;
const NFTA_PAYLOAD = { DREG: 1, BASE: 2, OFFSET: 3, LEN: 4 } as const;
const NFTA_IMMEDIATE = { DREG: 1, DATA: 2 } as const;
const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const NFT_META = { iifname: 6, oifname: 7, nfproto: 15 } as const;
const NFT_CMP = { '==': 0, '!=': 1 } as const;
const HOOKS = { forward: { number: 2, priority: 0 }, postrouting: { number: 4, priority: 100 } } as const;
/** Where the source address is, in the header of IPv4 and of IPv6; and the numbers of these for `nfproto`. */
const SOURCE = { ip: { offset: 12, bytes: 4, nfproto: 2 }, ip6: { offset: 8, bytes: 16, nfproto: 10 } } as const;

/** What a packet is asked, in the words of nft(8). */
export type NftMatch =
  | { interface: 'iifname' | 'oifname'; is: '==' | '!='; name: string }
  /** Every interface whose name begins so. */
  | { interface: 'iifname' | 'oifname'; is: '=='; prefix: string }
  | { source: Buffer; family: 'ip' | 'ip6' };

export interface NftRule {
  matches: readonly NftMatch[];
  verdict: 'drop' | 'masquerade';
}

/** A base chain at that hook: of the type filter at forward, of the type nat at postrouting. */
export interface NftChain {
  hook: keyof typeof HOOKS;
  rules: readonly NftRule[];
}

/** Of the family inet. */
export interface NftTable {
  name: string;
  chains: readonly NftChain[];
}

/**
 * Makes it in the helper's net namespace, whole or not at all. It lasts as long as the descriptor that this returns, or a copy of it, is open.
 * @throws NetlinkError, SyscallError
 */
export function openOwnedTable(table: NftTable): number {
  const [socket] = openNetlink(undefined, [NETLINK_NETFILTER]) as [number];
  try {
    sendBatch(socket, encodeTable(table));
    return socket;
  } catch (error) {
    close(socket);
    throw error;
  }
}

/** The messages of one transaction, each with a sequence number of its own; the last but one asks for an answer. */
export function encodeTable({ name, chains }: NftTable): Buffer[] {
  const parts: [type: number, flags: number, content: Buffer][] = [
    [
      NFT_MSG.NEWTABLE,
      NLM_F_EXCL,
      Buffer.concat([textAttribute(NFTA_TABLE.NAME, name), be32(NFTA_TABLE.FLAGS, NFT_TABLE_F_OWNER)]),
    ],
  ];
  for (const chain of chains) {
    parts.push([NFT_MSG.NEWCHAIN, NLM_F_EXCL, encodeChain(name, chain)]);
    for (const rule of chain.rules) parts.push([NFT_MSG.NEWRULE, NLM_F_APPEND, encodeRule(name, chain, rule)]);
  }
  const messages = parts.map(([type, flags, content], index) => {
    const isLast = index === parts.length - 1;
    const all = NLM_F_REQUEST | NLM_F_CREATE | flags | (isLast ? NLM_F_ACK : 0);
    const body = Buffer.concat([header(NFPROTO_INET, 0), content]);
    return netlinkMessage((NFNL_SUBSYS_NFTABLES << 8) | type, all, body, index + 1);
  });
  const batch = (type: number) => netlinkMessage(type, NLM_F_REQUEST, header(0, NFNL_SUBSYS_NFTABLES), 0);
  return [batch(NFNL_MSG_BATCH_BEGIN), ...messages, batch(NFNL_MSG_BATCH_END)];
}

/** `struct nfgenmsg`. */
function header(family: number, resource: number): Buffer {
  return Buffer.of(family, 0, resource >> 8, resource & 0xff);
}

function encodeChain(table: string, { hook }: NftChain): Buffer {
  const { number, priority } = HOOKS[hook];
  return Buffer.concat([
    textAttribute(NFTA_CHAIN.TABLE, table),
    textAttribute(NFTA_CHAIN.NAME, hook),
    nested(NFTA_CHAIN.HOOK, be32(NFTA_HOOK.HOOKNUM, number), be32(NFTA_HOOK.PRIORITY, priority)),
    textAttribute(NFTA_CHAIN.TYPE, hook === 'postrouting' ? 'nat' : 'filter'),
  ]);
}

function encodeRule(table: string, { hook }: NftChain, { matches, verdict }: NftRule): Buffer {
  const expressions = [...matches.flatMap(encodeMatch), verdict === 'drop' ? drop() : expression('masq')];
  return Buffer.concat([
    textAttribute(NFTA_RULE.TABLE, table),
    textAttribute(NFTA_RULE.CHAIN, hook),
    // biome-ignore lint/plugin: a rule has a few
    nested(NFTA_RULE.EXPRESSIONS, ...expressions),
  ]);
}

function encodeMatch(match: NftMatch): Buffer[] {
  if ('source' in match) {
    const { offset, bytes, nfproto } = SOURCE[match.family];
    const place = [be32(NFTA_PAYLOAD.BASE, NFT_PAYLOAD_NETWORK_HEADER), be32(NFTA_PAYLOAD.OFFSET, offset)];
    return [
      meta('nfproto'),
      compare('==', Buffer.of(nfproto)),
      // biome-ignore lint/plugin: two
      expression('payload', be32(NFTA_PAYLOAD.DREG, NFT_REG_1), ...place, be32(NFTA_PAYLOAD.LEN, bytes)),
      compare('==', match.source),
    ];
  }
  const value = 'prefix' in match ? Buffer.from(match.prefix) : Buffer.alloc(IFNAMSIZ, match.name.padEnd(IFNAMSIZ, '\0'));
  return [meta(match.interface), compare(match.is, value)];
}

function meta(key: keyof typeof NFT_META): Buffer {
  return expression('meta', be32(NFTA_META.KEY, NFT_META[key]), be32(NFTA_META.DREG, NFT_REG_1));
}

function compare(is: keyof typeof NFT_CMP, value: Buffer): Buffer {
  const data = nested(NFTA_CMP.DATA, attribute(NFTA_DATA.VALUE, value));
  return expression('cmp', be32(NFTA_CMP.SREG, NFT_REG_1), be32(NFTA_CMP.OP, NFT_CMP[is]), data);
}

function drop(): Buffer {
  const verdict = nested(NFTA_DATA.VERDICT, be32(NFTA_VERDICT_CODE, NF_DROP));
  return expression('immediate', be32(NFTA_IMMEDIATE.DREG, NFT_REG_VERDICT), nested(NFTA_IMMEDIATE.DATA, verdict));
}

function expression(name: string, ...data: Buffer[]): Buffer {
  // biome-ignore lint/plugin: an expression has a few
  return nested(NFTA_LIST_ELEM, textAttribute(NFTA_EXPR.NAME, name), nested(NFTA_EXPR.DATA, ...data));
}

function nested(type: number, ...parts: Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(parts));
}

/** nf_tables has numbers in network order. */
function be32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return attribute(type, bytes);
}

/** As nft(8) would list it. */
export function textOfTable({ name, chains }: NftTable, addressText: (bytes: Buffer) => string): string {
  const matchText = (match: NftMatch) => {
    if ('source' in match) return `${match.family} saddr ${addressText(match.source)}`;
    const is = match.is === '==' ? '' : '!= ';
    return `${match.interface} ${is}"${'prefix' in match ? `${match.prefix}*` : match.name}"`;
  };
  const ruleText = ({ matches, verdict }: NftRule) => `${[...matches.map(matchText), verdict].join(' ')};`;
  const chainText = ({ hook, rules }: NftChain) => `chain ${hook} { ${rules.map(ruleText).join(' ')} }`;
  return `table inet ${name} { flags owner; ${chains.map(chainText).join(' ')} }`;
}
