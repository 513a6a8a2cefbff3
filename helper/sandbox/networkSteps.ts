/** Steps that make and set up interfaces: rtnetlink(7), netdevice(7), and removing a table of nftables. */
import { netlinkMessage, textAttribute } from '../kernel/netlink.ts';
import { NLM_F_EXCL_CREATE, RTM_NEWLINK, vethPairBody } from '../kernel/vethPair.ts';
import { type Argument, bytes, integer } from '../launcher/program.ts';
import type { Steps } from '../launcher/steps.ts';
import { maskOf, textOf, type VethPlan } from './network.ts';

const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;

const SIOCADDRT = 0x890b;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFADDR = 0x8916;
const SIOCSIFNETMASK = 0x891c;
const IFF_UP = 0x1;
const IFREQ_BYTES = 40;
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
/** struct rtentry of a 64-bit machine: destination at 8, gateway at 24, mask at 40, flags at 56. */
const RTENTRY_BYTES = 120;

const NLM_F_REQUEST = 0x1;

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_DELTABLE = 2;
const NFTA_TABLE_NAME = 1;
const NFPROTO_IPV4 = 2;

function openSocket(steps: Steps, [family, name]: [number, string], type: number, protocol: number, purpose: string): Argument {
  const kind = integer(type | SOCK_CLOEXEC, `${type === SOCK_RAW ? 'SOCK_RAW' : 'SOCK_DGRAM'}|SOCK_CLOEXEC`);
  return steps.call('socket', [integer(family, name), kind, integer(protocol)], purpose);
}

/** A socket by which interfaces of the present net namespace are set up, wherever its holder goes. */
export function openControl(steps: Steps, purpose: string): Argument {
  return openSocket(steps, [AF_INET, 'AF_INET'], SOCK_DGRAM, 0, purpose);
}

/** struct ifreq: the name, 16 bytes, then the flags. */
export function bringUp(steps: Steps, control: Argument, name: string): void {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name, 0);
  request.writeUInt16LE(IFF_UP, 16);
  const text = `{ifr_name="${name}", ifr_flags=IFF_UP}`;
  steps.call('ioctl', [control, integer(SIOCSIFFLAGS, 'SIOCSIFFLAGS'), bytes(request, text)], `bring up ${name}`);
}

/** To be made inside; `host` is a control socket of the host's namespace, `inside` one of the new. */
export function makeVeth(steps: Steps, plan: VethPlan, host: Argument, inside: Argument): void {
  const purpose = `make the interfaces ${plan.inside} and ${plan.outside}`;
  const link = openSocket(steps, [AF_NETLINK, 'AF_NETLINK'], SOCK_RAW, 0, purpose);
  const hostNamespace = steps.descriptor(plan.hostNamespace, '/proc/self/ns/net');
  const body = vethPairBody(plan.inside, plan.outside, hostNamespace.type === 'descriptor' ? hostNamespace.value : -1);
  const message = netlinkMessage(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_EXCL_CREATE, body);
  const text = `{RTM_NEWLINK, {${plan.inside}, "veth", peer={${plan.outside}, IFLA_NET_NS_FD=the host's}}}`;
  send(steps, link, message, text, purpose);
  steps.call('close', [link], purpose);
  setAddress(steps, host, plan.outside, plan.gateway, plan.prefixLength);
  bringUp(steps, host, plan.outside);
  setUpInside(steps, plan, inside);
}

/** What the helper does while the program waits there: root of another user namespace may make nothing on the host. */
export const MAKE_INTERFACES = 'let the helper make the interfaces';

/** The same where the net namespace belongs to a user namespace of its own. */
export function awaitVeth(steps: Steps, plan: VethPlan, inside: Argument): void {
  steps.add({ kind: 'sync', purpose: `${MAKE_INTERFACES} ${plan.inside} and ${plan.outside}, and set up the latter` });
  setUpInside(steps, plan, inside);
}

function setUpInside(steps: Steps, plan: VethPlan, control: Argument): void {
  setAddress(steps, control, plan.inside, plan.address, plan.prefixLength);
  bringUp(steps, control, plan.inside);
  addDefaultRoute(steps, control, plan.gateway);
}

/** The kernel answers errors by a message that nobody reads; the next step then finds no such interface. */
function send(steps: Steps, socket: Argument, message: Buffer, text: string, purpose: string, ignoreError = false): void {
  const none = integer(0, 'NULL');
  steps.call('sendto', [socket, bytes(message, text), integer(message.length), integer(0), none, integer(0)], purpose, {
    ignoreError,
  });
}

function setAddress(steps: Steps, control: Argument, name: string, address: number, prefixLength: number): void {
  const set = (request: number, requestName: string, value: number, purpose: string) => {
    const ifreq = Buffer.alloc(IFREQ_BYTES);
    ifreq.write(name, 0);
    writeAddress(ifreq, 16, value);
    const text = `{ifr_name="${name}", ${textOf(value)}}`;
    steps.call('ioctl', [control, integer(request, requestName), bytes(ifreq, text)], purpose);
  };
  set(SIOCSIFADDR, 'SIOCSIFADDR', address, `give ${name} the address ${textOf(address)}`);
  set(SIOCSIFNETMASK, 'SIOCSIFNETMASK', maskOf(prefixLength), `give ${name} the prefix length ${prefixLength}`);
}

function addDefaultRoute(steps: Steps, control: Argument, gateway: number): void {
  const entry = Buffer.alloc(RTENTRY_BYTES);
  writeAddress(entry, 8, 0);
  writeAddress(entry, 24, gateway);
  writeAddress(entry, 40, 0);
  entry.writeUInt16LE(RTF_UP | RTF_GATEWAY, 56);
  const text = `{default via ${textOf(gateway)}}`;
  steps.call(
    'ioctl',
    [control, integer(SIOCADDRT, 'SIOCADDRT'), bytes(entry, text)],
    `route everything through ${textOf(gateway)}`,
  );
}

/** struct sockaddr_in: family, port, address in network order. */
function writeAddress(into: Buffer, offset: number, address: number): void {
  into.writeUInt16LE(AF_INET, offset);
  into.writeUInt32BE(address >>> 0, offset + 4);
}

/** A transaction of nftables, in the present net namespace. Does nothing when there is no such table. */
export function removeTable(steps: Steps, table: string): void {
  const purpose = `remove the table ${table} of nftables`;
  const family = (value: number, resource: number) => Buffer.of(value, 0, resource >> 8, resource & 0xff);
  const batch = (type: number, sequence: number) =>
    netlinkMessage(type, NLM_F_REQUEST, family(0, NFNL_SUBSYS_NFTABLES), sequence);
  const content = Buffer.concat([family(NFPROTO_IPV4, 0), textAttribute(NFTA_TABLE_NAME, table)]);
  const remove = netlinkMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE, NLM_F_REQUEST, content, 1);
  const message = Buffer.concat([batch(NFNL_MSG_BATCH_BEGIN, 0), remove, batch(NFNL_MSG_BATCH_END, 2)]);
  const flags = { ignoreError: true };
  const kind = integer(SOCK_RAW | SOCK_CLOEXEC, 'SOCK_RAW|SOCK_CLOEXEC');
  const netfilter = integer(NETLINK_NETFILTER, 'NETLINK_NETFILTER');
  const socket = steps.call('socket', [integer(AF_NETLINK, 'AF_NETLINK'), kind, netfilter], purpose, flags);
  send(steps, socket, message, `{NFT_MSG_DELTABLE, {"${table}"}}`, purpose, true);
}
