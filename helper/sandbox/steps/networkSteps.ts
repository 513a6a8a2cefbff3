/** Steps that make and set up interfaces: rtnetlink(7), netdevice(7). */

import fs from 'node:fs';
import { NETLINK_HEADER_BYTES, netlinkMessage } from '../../kernel/netlink.ts';
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  IFF_UP,
  NLM_F_REQUEST,
  O_CLOEXEC,
  RTF_GATEWAY,
  RTF_UP,
  RTM_NEWADDR,
  RTM_NEWLINK,
  SIOCSIFADDR,
  SIOCSIFNETMASK,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
} from '../../kernel/numbers.ts';
import { ADDRESS_INDEX_AT, addressBody, NLM_F_EXCL_CREATE, vethPairBody } from '../../kernel/vethPair.ts';
import { type Argument, bytes, integer, named, string, vectors } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { advertisementsOf, HOST_SETTINGS, maskOf, textOf, type VethPlan } from '../network/sandboxNetwork.ts';
import { bytesOf6, type Prefixed6, textOf6 } from '../specification/ipv6.ts';
import { awaitHelper } from './awaits.ts';

const IFREQ_BYTES = 40;
/** After the name. */
const IFREQ_VALUE_AT = 16;
const INDEX_BYTES = 4;
/** struct rtentry of a 64-bit machine: destination at 8, gateway at 24, mask at 40, flags at 56. */
const RTENTRY_BYTES = 120;
/** struct in6_rtmsg of a 64-bit machine: gateway at 32, flags at 72. */
const IN6_RTMSG_BYTES = 80;
const SOCKADDR_IN6_BYTES = 28;

function openSocket(steps: Steps, [family, name]: [number, string], type: number, protocol: number, purpose: Said): Argument {
  const kind = integer(type | SOCK_CLOEXEC, `${type === SOCK_RAW ? 'SOCK_RAW' : 'SOCK_DGRAM'}|SOCK_CLOEXEC`);
  return steps.call('socket', [integer(family, name), kind, integer(protocol)], purpose);
}

/** By which interfaces of one net namespace are set up, wherever their holder goes. */
export interface NetworkSockets {
  control: Argument;
  ipv6?: { control: Argument; link: Argument };
}

/** Those of the present net namespace. */
export function openSockets(steps: Steps, hasIpv6: boolean, purpose: Said): NetworkSockets {
  const control = openSocket(steps, [AF_INET, 'AF_INET'], SOCK_DGRAM, 0, purpose);
  if (!hasIpv6) return { control };
  const ipv6 = openSocket(steps, [AF_INET6, 'AF_INET6'], SOCK_DGRAM, 0, purpose);
  return { control, ipv6: { control: ipv6, link: openSocket(steps, [AF_NETLINK, 'AF_NETLINK'], SOCK_RAW, 0, purpose) } };
}

export function closeSockets(steps: Steps, { control, ipv6 }: NetworkSockets): void {
  for (const socket of ipv6 === undefined ? [control] : [control, ipv6.control, ipv6.link])
    steps.call('close', [socket], said('closeIt'));
}

/** struct ifreq: the name, 16 bytes, then the flags. */
export function bringUp(steps: Steps, { control }: NetworkSockets, name: string): void {
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name, 0);
  request.writeUInt16LE(IFF_UP, IFREQ_VALUE_AT);
  const text = `{ifr_name="${name}", ifr_flags=IFF_UP}`;
  steps.call('ioctl', [control, named('SIOCSIFFLAGS'), bytes(request, text)], said('bringUpInterface', name));
}

/** To be made inside; `host` are sockets of the host's namespace, `inside` those of the new. */
export function makeVeth(steps: Steps, plan: VethPlan, host: NetworkSockets, inside: NetworkSockets): void {
  const purpose = said('makeInterfaces', plan.inside, plan.outside);
  const link = openSocket(steps, [AF_NETLINK, 'AF_NETLINK'], SOCK_RAW, 0, purpose);
  const hostNamespace = steps.descriptor(plan.hostNamespace, '/proc/self/ns/net');
  const body = vethPairBody(plan.inside, plan.outside, hostNamespace.type === 'descriptor' ? hostNamespace.value : -1);
  const message = netlinkMessage(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_EXCL_CREATE, body);
  const text = `{RTM_NEWLINK, {${plan.inside}, "veth", peer={${plan.outside}, IFLA_NET_NS_FD=the host's}}}`;
  send(steps, link, message, text, purpose);
  steps.call('close', [link], purpose);
  ignoreAdvertisements(steps, plan);
  setAddress(steps, host, plan.outside, plan.gateway, plan.prefixLength);
  bringUp(steps, host, plan.outside);
  if (plan.ipv6 !== undefined) {
    setAddress6(steps, host, plan.outside, { address: plan.ipv6.gateway, prefixLength: plan.ipv6.prefixLength });
  }
  setUpInside(steps, plan, inside);
}

/** The directory is that of the host's net namespace, wherever it is looked into from. It may be read-only, in a container. */
function ignoreAdvertisements(steps: Steps, plan: VethPlan): void {
  if (plan.hostSettings === undefined) return;
  const purpose = said('heedNoRouterAdvertisementsFrom', plan.inside);
  const flags = { ignoreError: true };
  const directory = steps.descriptor(plan.hostSettings, HOST_SETTINGS);
  const mode = integer(fs.constants.O_WRONLY | O_CLOEXEC, 'O_WRONLY|O_CLOEXEC');
  const file = steps.call('openat', [directory, string(advertisementsOf(plan)), mode], purpose, flags);
  steps.call('write', [file, string('0'), integer(1)], purpose, flags);
  steps.call('close', [file], purpose, flags);
}

/** What the helper does while the program waits there: root of another user namespace may make nothing on the host. */

/** The same where the net namespace belongs to a user namespace of its own. */
export function awaitVeth(steps: Steps, plan: VethPlan, inside: NetworkSockets): void {
  awaitHelper(steps, 'interfaces', said('letHelperMakeInterfaces', plan.inside, plan.outside));
  setUpInside(steps, plan, inside);
}

function setUpInside(steps: Steps, plan: VethPlan, sockets: NetworkSockets): void {
  setAddress(steps, sockets, plan.inside, plan.address, plan.prefixLength);
  bringUp(steps, sockets, plan.inside);
  addDefaultRoute(steps, sockets, plan.gateway);
  if (plan.ipv6 === undefined) return;
  setAddress6(steps, sockets, plan.inside, plan.ipv6);
  addDefaultRoute6(steps, sockets, plan.ipv6.gateway);
}

/** The kernel answers errors by a message that nobody reads; the next step then finds no such interface. */
function send(steps: Steps, socket: Argument, message: Buffer, text: string, purpose: Said, ignoreError = false): void {
  const none = integer(0, 'NULL');
  steps.call('sendto', [socket, bytes(message, text), integer(message.length), integer(0), none, integer(0)], purpose, {
    ignoreError,
  });
}

function setAddress(steps: Steps, { control }: NetworkSockets, name: string, address: number, prefixLength: number): void {
  const set = (request: number, requestName: string, value: number, purpose: Said) => {
    const ifreq = Buffer.alloc(IFREQ_BYTES);
    ifreq.write(name, 0);
    writeAddress(ifreq, IFREQ_VALUE_AT, value);
    const text = `{ifr_name="${name}", ${textOf(value)}}`;
    steps.call('ioctl', [control, integer(request, requestName), bytes(ifreq, text)], purpose);
  };
  set(SIOCSIFADDR, 'SIOCSIFADDR', address, said('giveAddress', name, textOf(address)));
  set(SIOCSIFNETMASK, 'SIOCSIFNETMASK', maskOf(prefixLength), said('givePrefixLength', name, prefixLength));
}

/**
 * By rtnetlink(7), as ioctl(2) cannot leave out the search for another who has the address. That the kernel took it is seen by
 * bind(2), which finds only an address that can be used.
 */
function setAddress6(
  steps: Steps,
  { control, ipv6 }: NetworkSockets,
  name: string,
  { address, prefixLength }: Prefixed6,
): void {
  if (ipv6 === undefined) return;
  const text = textOf6(address);
  const purpose = said('giveAddress', name, text);
  const ifreq = Buffer.alloc(IFREQ_BYTES);
  ifreq.write(name, 0);
  const index = bytes(ifreq, `{ifr_name="${name}"}`);
  steps.call('ioctl', [control, named('SIOCGIFINDEX'), index], purpose);
  const body = addressBody(0, { bytes: bytesOf6(address), prefixLength });
  const message = netlinkMessage(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_EXCL_CREATE, body);
  const at = NETLINK_HEADER_BYTES + ADDRESS_INDEX_AT;
  const rest = at + INDEX_BYTES;
  const parts = [
    { buffer: message, offset: 0, length: at },
    { buffer: ifreq, offset: IFREQ_VALUE_AT, length: INDEX_BYTES },
    { buffer: message, offset: rest, length: message.length - rest },
  ];
  const shown = `{RTM_NEWADDR, {${name}, ${text}/${prefixLength}, IFA_F_NODAD}}`;
  steps.call('writev', [ipv6.link, vectors(parts, shown), integer(parts.length)], purpose);
  const own = Buffer.alloc(SOCKADDR_IN6_BYTES);
  own.writeUInt16LE(AF_INET6, 0);
  bytesOf6(address).copy(own, 8);
  const size = integer(SOCKADDR_IN6_BYTES, 'sizeof(struct sockaddr_in6)');
  steps.call('bind', [ipv6.control, bytes(own, `{AF_INET6, ${text}}`), size], said('useAddressOf', text, name));
}

function addDefaultRoute6(steps: Steps, { ipv6 }: NetworkSockets, gateway: bigint): void {
  if (ipv6 === undefined) return;
  const message = Buffer.alloc(IN6_RTMSG_BYTES);
  bytesOf6(gateway).copy(message, 32);
  message.writeUInt32LE(RTF_UP | RTF_GATEWAY, 72);
  const text = textOf6(gateway);
  const route = bytes(message, `{default via ${text}}`);
  steps.call('ioctl', [ipv6.control, named('SIOCADDRT'), route], said('routeIpv6Through', text));
}

function addDefaultRoute(steps: Steps, { control }: NetworkSockets, gateway: number): void {
  const entry = Buffer.alloc(RTENTRY_BYTES);
  writeAddress(entry, 8, 0);
  writeAddress(entry, 24, gateway);
  writeAddress(entry, 40, 0);
  entry.writeUInt16LE(RTF_UP | RTF_GATEWAY, 56);
  const text = `{default via ${textOf(gateway)}}`;
  steps.call('ioctl', [control, named('SIOCADDRT'), bytes(entry, text)], said('routeThrough', textOf(gateway)));
}

/** struct sockaddr_in: family, port, address in network order. */
function writeAddress(into: Buffer, offset: number, address: number): void {
  into.writeUInt16LE(AF_INET, offset);
  into.writeUInt32BE(address >>> 0, offset + 4);
}
