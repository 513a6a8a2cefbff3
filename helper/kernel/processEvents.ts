/**
 * The process events connector: a message for every fork, exec and exit on the host (linux/cn_proc.h, linux/connector.h,
 * netlink(7)). Only in the initial pid, user and net namespaces; before Linux 6.6 only with CAP_NET_ADMIN.
 */

import { close } from './files.ts';
import { checked, lastErrno, libcFunction } from './libc.ts';
import {
  AF_NETLINK,
  CN_IDX_PROC,
  ENOBUFS,
  MSG_DONTWAIT,
  NETLINK_CONNECTOR,
  PROC_CN_MCAST_IGNORE,
  PROC_CN_MCAST_LISTEN,
  PROC_EVENT_COMM,
  PROC_EVENT_EXEC,
  PROC_EVENT_EXIT,
  PROC_EVENT_FORK,
  PROC_EVENT_NONE,
  PROC_EVENT_UID,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from './numbers.ts';

const socketCall = libcFunction('int socket(int domain, int type, int protocol)');
const bindCall = libcFunction('int bind(int socket, const void *address, uint32_t length)');
const sendCall = libcFunction('intptr_t send(int socket, const void *buffer, size_t length, int flags)');
const recvCall = libcFunction('intptr_t recv(int socket, void *buffer, size_t length, int flags)');
const setsockoptCall = libcFunction('int setsockopt(int socket, int level, int name, const int *value, uint32_t length)');

/** proc_event.what */
const WANTED = PROC_EVENT_FORK | PROC_EVENT_EXEC | PROC_EVENT_UID | PROC_EVENT_COMM | PROC_EVENT_EXIT;

/** struct nlmsghdr 16, struct cn_msg 20, then struct proc_event: what 4, cpu 4, timestamp 8, data. */
const CN_MSG = 16;
const PROC_EVENT = CN_MSG + 20;
const DATA = PROC_EVENT + 16;

/** Room for some thousand events between two readings. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

const buffer = Buffer.alloc(16 * 1024);

/** Processes, not threads, that something happened to, by pid. */
export interface ProcessEvents {
  /** Forked, or executed a program, or changed their name or owner. */
  changed: Set<number>;
  exited: Set<number>;
  /** Events were lost: everything may have changed. */
  overflow: boolean;
}

/** A socket that receives the events, or undefined where this kernel or user gets none. */
export function openProcessEvents(): number | undefined {
  const socket = socketCall(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
  if (socket === -1) return undefined;
  try {
    checked('bind', bindCall(socket, netlinkAddress(CN_IDX_PROC), 12));
    const size: [number] = [RECEIVE_BUFFER_BYTES];
    if (setsockoptCall(socket, SOL_SOCKET, SO_RCVBUFFORCE, size, 4) === -1)
      setsockoptCall(socket, SOL_SOCKET, SO_RCVBUF, size, 4);
    control(socket, PROC_CN_MCAST_LISTEN);
    if (isAcknowledged(socket)) {
      // Since Linux 6.6 the kernel leaves out what is not wanted; older ones ignore this second message.
      control(socket, PROC_CN_MCAST_LISTEN, WANTED);
      return socket;
    }
  } catch {
    // Not allowed, or no such group: the caller scans instead.
  }
  close(socket);
  return undefined;
}

/** Kernels before 6.6 count listeners and do not notice when one closes. */
export function closeProcessEvents(socket: number): void {
  try {
    control(socket, PROC_CN_MCAST_IGNORE);
  } finally {
    close(socket);
  }
}

/** Everything received by now, added to `events`. Does not wait. */
export function receiveProcessEvents(socket: number, events: ProcessEvents): void {
  for (;;) {
    const length = Number(recvCall(socket, buffer, buffer.length, MSG_DONTWAIT));
    if (length === -1) {
      const errno = lastErrno();
      if (errno !== ENOBUFS) return;
      events.overflow = true;
      continue;
    }
    if (length >= DATA + 8) note(events);
  }
}

/** Thread and process ids are the kernel's `pid` and `tgid`; only what concerns a whole process is kept. */
function note(events: ProcessEvents): void {
  const what = buffer.readUInt32LE(PROC_EVENT);
  const [tid, pid] = what === PROC_EVENT_FORK ? [DATA + 8, DATA + 12] : [DATA, DATA + 4];
  const process = buffer.readUInt32LE(pid);
  if (what === PROC_EVENT_NONE || buffer.readUInt32LE(tid) !== process) return;
  if (what === PROC_EVENT_EXIT) events.exited.add(process);
  else events.changed.add(process);
}

/** The answer is there when send(2) returns; events of others may have come before it, and prove as much. */
function isAcknowledged(socket: number): boolean {
  const length = Number(recvCall(socket, buffer, buffer.length, MSG_DONTWAIT));
  if (length < DATA + 4) return false;
  return buffer.readUInt32LE(PROC_EVENT) !== PROC_EVENT_NONE || buffer.readUInt32LE(DATA) === 0;
}

function netlinkAddress(groups: number): Buffer {
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  return address;
}

function control(socket: number, operation: number, eventTypes?: number): void {
  const data = Buffer.alloc(eventTypes === undefined ? 4 : 8);
  data.writeUInt32LE(operation, 0);
  if (eventTypes !== undefined) data.writeUInt32LE(eventTypes >>> 0, 4);
  const message = Buffer.alloc(PROC_EVENT + data.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(3, 4); // NLMSG_DONE, as linux/connector.h wants it
  message.writeUInt32LE(CN_IDX_PROC, CN_MSG);
  message.writeUInt32LE(1, CN_MSG + 4); // CN_VAL_PROC
  message.writeUInt16LE(data.length, CN_MSG + 16);
  data.copy(message, PROC_EVENT);
  checked('send', Number(sendCall(socket, message, message.length, 0)));
}
