/** Whether reading a descriptor would give something now: poll(2). */

import { lastErrno, libcFunction, SyscallError } from './libc.ts';
import { EINTR, POLLHUP, POLLIN, POLLRDHUP } from './numbers.ts';

const pollCall = libcFunction('int poll(_Inout_ uint8_t *descriptors, unsigned long count, int timeout)');

/** The events that a descriptor has now, of `events` and POLLHUP, POLLERR. For a tty, output on its way to it counts. */
export function pollOnce(descriptor: number, events: number): number {
  const polled = Buffer.alloc(8);
  polled.writeInt32LE(descriptor, 0);
  polled.writeInt16LE(events, 4);
  while (pollCall(polled, 1, 0) === -1) {
    const errno = lastErrno();
    if (errno !== EINTR) throw new SyscallError('poll', errno);
  }
  return polled.readUInt16LE(6);
}

export function hasInput(descriptor: number): boolean {
  return (pollOnce(descriptor, POLLIN) & POLLIN) !== 0;
}

/**
 * Sits in poll(2) until one of them has an event: the events of each, 0 for none. It takes one of the four threads of
 * libuv's pool for as long: for one watcher, not for many. (A Worker of its own would take 20 MB.) A wait under way keeps
 * the process from ending, so one of the descriptors must be such that its owner can make it ready.
 */
export function waitForAny(awaited: readonly { descriptor: number; events: number }[]): Promise<number[]> {
  const polled = Buffer.alloc(8 * awaited.length);
  awaited.forEach(({ descriptor, events }, at) => {
    polled.writeInt32LE(descriptor, 8 * at);
    polled.writeInt16LE(events, 8 * at + 4);
  });
  return new Promise((resolve) => {
    // A failure can only be a signal that came (EINTR): nothing has happened, and `polled` says so.
    pollCall.async(polled, awaited.length, -1, () => resolve(awaited.map((_, at) => polled.readUInt16LE(8 * at + 6))));
  });
}

export function isHungUp(descriptor: number): boolean {
  return (pollOnce(descriptor, POLLRDHUP) & (POLLRDHUP | POLLHUP)) !== 0;
}
