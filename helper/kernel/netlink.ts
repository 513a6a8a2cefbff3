/**
 * Netlink sockets (netlink(7)), also in network namespaces that the helper is not in: a socket stays in the namespace in
 * which it was opened, so a visit is setns(2), socket(2), setns(2) back, all in one turn of the main thread.
 */

import { openEach } from './files.ts';
import { checked, libcFunction } from './libc.ts';
import {
  AF_NETLINK,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from './numbers.ts';
import { inNetNamespace } from './setns.ts';

const socket = libcFunction('int socket(int domain, int type, int protocol)');
const setsockopt = libcFunction('int setsockopt(int socket, int level, int name, const void *value, uint32_t length)');
const send = libcFunction('intptr_t send(int socket, const void *buffer, size_t length, int flags)');
const recv = libcFunction('intptr_t recv(int socket, void *buffer, size_t length, int flags)');

/** The kernel answers a dump within the call that asks for it; this only bounds a mistake. */
const RECEIVE_SECONDS = 2;

export const NETLINK_HEADER_BYTES = 16;
/** A table that changes while it is dumped is asked for again, so often. */
const MAX_TRIES = 5;

const buffer = Buffer.alloc(64 * 1024);

/** The kernel's answer to a request was an error. */
export class NetlinkError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`netlink: errno ${errno}`);
    this.errno = errno;
  }
}

/**
 * Opens netlink sockets of these protocols in the network namespace behind the descriptor, `undefined` for the helper's own.
 * @throws SyscallError EPERM when the caller may not enter it
 */
export function openNetlink(namespace: number | undefined, protocols: readonly number[]): number[] {
  return inNetNamespace(namespace, () => openEach(protocols, openSocket));
}

function openSocket(protocol: number): number {
  const descriptor = checked('socket', socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(BigInt(RECEIVE_SECONDS), 0);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
  return descriptor;
}

/** One message's payload, after its 16-byte header. */
export interface NetlinkMessage {
  type: number;
  payload: Buffer;
}

/** Everything of one kind: the payloads of a dump. @throws NetlinkError, SyscallError */
export function dump(descriptor: number, type: number, body: Buffer): NetlinkMessage[] {
  for (let tries = 1; ; tries += 1) {
    const { messages, interrupted } = exchange(descriptor, type, NLM_F_REQUEST | NLM_F_DUMP, body);
    if (!interrupted || tries === MAX_TRIES) return messages;
  }
}

/** The answer to one request. @throws NetlinkError, SyscallError */
export function ask(descriptor: number, type: number, body: Buffer): NetlinkMessage | undefined {
  return exchange(descriptor, type, NLM_F_REQUEST, body).messages[0];
}

/** Asks for a change, and waits until it is made; `flags` beside those of every request. @throws NetlinkError, SyscallError */
export function change(descriptor: number, type: number, flags: number, body: Buffer): void {
  exchange(descriptor, type, NLM_F_REQUEST | NLM_F_ACK | flags, body);
}

/**
 * Sends messages that the kernel carries out together or not at all, and waits for the answer to the last of them that asks for one. Their
 * sequence numbers are the caller's. @throws NetlinkError, SyscallError
 */
export function sendBatch(descriptor: number, messages: readonly Buffer[]): void {
  const last = messages.findLast((message) => (message.readUInt16LE(6) & NLM_F_ACK) !== 0)?.readUInt32LE(8);
  const whole = Buffer.concat(messages);
  checked('send', Number(send(descriptor, whole, whole.length, 0)));
  for (;;) {
    const length = checked('recv', Number(recv(descriptor, buffer, buffer.length, 0)));
    for (const message of messagesOf(Buffer.from(buffer.subarray(0, length)))) {
      if (message.type !== NLMSG_ERROR) continue;
      throwIfRefused(message.payload);
      if (message.sequence === last) return;
    }
  }
}

let sequence = 0;

function exchange(
  descriptor: number,
  type: number,
  flags: number,
  body: Buffer,
): { messages: NetlinkMessage[]; interrupted: boolean } {
  sequence = (sequence + 1) >>> 0;
  const request = netlinkMessage(type, flags, body, sequence);
  checked('send', Number(send(descriptor, request, request.length, 0)));
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  for (;;) {
    const length = checked('recv', Number(recv(descriptor, buffer, buffer.length, 0)));
    for (const message of messagesOf(Buffer.from(buffer.subarray(0, length)))) {
      if (message.sequence !== sequence) continue;
      interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
      if (endsAnswer(message)) return { messages, interrupted };
      messages.push(message);
      if ((flags & NLM_F_DUMP) === 0) return { messages, interrupted };
    }
  }
}

/** Whether it says that nothing more comes, and is no part of the answer itself. @throws NetlinkError when it says why there is none */
function endsAnswer({ type, payload }: NetlinkMessage): boolean {
  if (type === NLMSG_ERROR) throwIfRefused(payload);
  if (type === NLMSG_DONE) throwIfBroken(payload);
  return type === NLMSG_ERROR || type === NLMSG_DONE;
}

/** `struct nlmsgerr`, whose error is 0 when the request was carried out. */
function throwIfRefused(payload: Buffer): void {
  const errno = -payload.readInt32LE(0);
  if (errno !== 0) throw new NetlinkError(errno);
}

/** A dump that could not be made ends with why. */
function throwIfBroken(payload: Buffer): void {
  const errno = payload.length < 4 ? 0 : -payload.readInt32LE(0);
  if (errno > 0) throw new NetlinkError(errno);
}

function* messagesOf(bytes: Buffer): Generator<NetlinkMessage & { flags: number; sequence: number }> {
  for (let at = 0; at + NETLINK_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < NETLINK_HEADER_BYTES || at + length > bytes.length) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + NETLINK_HEADER_BYTES, at + length),
    };
    at += aligned(length);
  }
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

/** The attributes (`struct rtattr`) from `offset` to the end, by type. The flags in the type's upper bits are dropped. */
export function attributes(payload: Buffer, offset: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = offset; at + 4 <= payload.length; ) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    found.set(payload.readUInt16LE(at + 2) & 0x3fff, payload.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** A whole message, `struct nlmsghdr` before its body. */
export function netlinkMessage(type: number, flags: number, body: Buffer, number = 0): Buffer {
  const header = Buffer.alloc(NETLINK_HEADER_BYTES);
  header.writeUInt32LE(NETLINK_HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(number, 8);
  return Buffer.concat([header, body]);
}

/** Encodes one attribute, `struct nlattr`, padded to 4 bytes. */
export function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, value, Buffer.alloc(aligned(value.length) - value.length)]);
}

/** Encodes one that holds a 32-bit number, signed or not. */
export function attribute32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value | 0);
  return attribute(type, bytes);
}

/** Encodes one that holds a C string. */
export function textAttribute(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`));
}

/** A C string attribute: without its final NUL. */
export function attributeText(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
