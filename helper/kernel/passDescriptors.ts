/** Handing descriptors to another process over a Unix socket, and hearing its answer: `SCM_RIGHTS` of unix(7), sendmsg(2), recv(2). */

import { addressOf, checked, lastErrno, libcFunction } from './libc.ts';
import { EINTR, MSG_NOSIGNAL, MSG_WAITALL, SCM_RIGHTS, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET } from './numbers.ts';

const sendmsgCall = libcFunction('intptr_t sendmsg(int socket, const uint8_t *message, int flags)');
const recvCall = libcFunction('intptr_t recv(int socket, _Out_ uint8_t *buffer, size_t length, int flags)');
const recvIntoCall = libcFunction('intptr_t recv(int socket, void *buffer, size_t length, int flags)');
const setsockopt = libcFunction('int setsockopt(int socket, int level, int name, const uint8_t *value, uint32_t length)');

/** What one message can carry: `SCM_MAX_FD` of the kernel. */
const MAX_DESCRIPTORS = 253;
/** `struct cmsghdr`: length, level, type. */
const CONTROL_HEADER_BYTES = 16;

/** What one message may say beside its descriptors. */
const MAX_BYTES = 256;
/** Where `struct iovec`, `struct msghdr` and the control data lie, after the bytes. */
const VECTOR = MAX_BYTES;
const MESSAGE = VECTOR + 16;
const CONTROL = MESSAGE + 64;

/** All in one buffer: V8 moves what is in arrays of up to 64 bytes, and these hold addresses of each other. */
const memory = Buffer.alloc(CONTROL + CONTROL_HEADER_BYTES + 4 * MAX_DESCRIPTORS + 4);
const vector = memory.subarray(VECTOR);
const message = memory.subarray(MESSAGE);
const control = memory.subarray(CONTROL);
const start = addressOf(memory);
vector.writeBigUInt64LE(start, 0);
message.writeBigUInt64LE(start + BigInt(VECTOR), 16);
message.writeBigUInt64LE(1n, 24);
message.writeBigUInt64LE(start + BigInt(CONTROL), 32);
control.writeInt32LE(SOL_SOCKET, 8);
control.writeInt32LE(SCM_RIGHTS, 12);

/**
 * Sends 1 to 256 bytes (more are left out) with copies of 1 to 253 descriptors. Throws a `SyscallError`: `EPIPE` when nobody is there.
 */
export function sendDescriptors(socket: number, descriptors: readonly number[], bytes: Uint8Array): void {
  memory.set(bytes.subarray(0, MAX_BYTES));
  vector.writeBigUInt64LE(BigInt(Math.min(bytes.length, MAX_BYTES)), 8);
  const length = CONTROL_HEADER_BYTES + 4 * descriptors.length;
  control.writeBigUInt64LE(BigInt(length), 0);
  for (const [at, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CONTROL_HEADER_BYTES + 4 * at);
  // Aligned as CMSG_SPACE has it.
  message.writeBigUInt64LE(BigInt(Math.ceil(length / 8) * 8), 40);
  checked('sendmsg', Number(sendmsgCall(socket, message, MSG_NOSIGNAL)));
}

/** Makes `sendDescriptors` and `receiveBytes` give up after so long, with `EAGAIN`. */
export function setTimeouts(socket: number, seconds: number): void {
  const timeval = Buffer.alloc(16);
  timeval.writeBigInt64LE(BigInt(seconds), 0);
  for (const name of [SO_RCVTIMEO, SO_SNDTIMEO]) {
    checked('setsockopt', setsockopt(socket, SOL_SOCKET, name, timeval, timeval.length));
  }
}

/** Waits for so many bytes from the other end; undefined when that has closed it. Throws a `SyscallError`. */
export function receiveBytes(socket: number, length: number): Buffer | undefined {
  const buffer = Buffer.alloc(length);
  for (;;) {
    const received = Number(recvCall(socket, buffer, length, MSG_WAITALL));
    // With a timeout a signal interrupts it, SIGCHLD above all.
    if (received === -1 && lastErrno() === EINTR) continue;
    return checked('recv', received) === length ? buffer : undefined;
  }
}

/** Waits for up to as many bytes as `buffer` has; of how many, 0 when the other end has closed. Throws a `SyscallError`. */
export function receiveSome(socket: number, buffer: Buffer): number {
  for (;;) {
    const received = Number(recvIntoCall(socket, buffer, buffer.length, 0));
    if (received === -1 && lastErrno() === EINTR) continue;
    return checked('recv', received);
  }
}
