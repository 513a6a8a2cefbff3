/**
 * Starting a program without copying this process: posix_spawn(3) shares the memory until execve, where Node's own spawn
 * forks and copies page tables, for longer than all the rest of a launch takes. And the ends of such programs: wait(2).
 */

import os from 'node:os';
import { checked, libcFunction, SyscallError } from './libc.ts';
import { AF_UNIX, F_DUPFD_CLOEXEC, SOCK_CLOEXEC, SOCK_STREAM, WNOHANG } from './numbers.ts';

const fcntl = libcFunction('int fcntl(int descriptor, int command, int argument)');
const closeCall = libcFunction('int close(int descriptor)');
const socketpairCall = libcFunction('int socketpair(int domain, int type, int protocol, _Out_ int32_t *ends)');
// posix_spawn_file_actions_t is of the C library; it has 80 bytes in glibc and in musl. It points into memory of its own.
const initActions = libcFunction('int posix_spawn_file_actions_init(_Inout_ uint8_t *actions)');
const addDup2 = libcFunction('int posix_spawn_file_actions_adddup2(_Inout_ uint8_t *actions, int from, int to)');
const destroyActions = libcFunction('int posix_spawn_file_actions_destroy(_Inout_ uint8_t *actions)');
const posixSpawn = libcFunction(
  'int posix_spawn(_Out_ int32_t *pid, const char *path, const uint8_t *actions, void *attributes, const char **argv, const char **envp)',
);
const waitpid = libcFunction('int waitpid(int pid, _Out_ int32_t *status, int options)');

const FILE_ACTIONS_BYTES = 256;

/** Two connected stream sockets, close-on-exec. */
export function openSocketPair(): { ours: number; theirs: number } {
  const ends = new Int32Array(2);
  checked('socketpair', socketpairCall(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  return { ours: ends[0]!, theirs: ends[1]! };
}

/**
 * Starts `path` with an empty environment, with `descriptors` as its 0, 1, 2, …; the close-on-exec ones of the others are closed.
 * Returns its pid, which stays its own until `waitForEnd` has told its end. Throws a `SyscallError`.
 */
export function spawn(path: string, argv: string[], descriptors: number[]): number {
  const actions = Buffer.alloc(FILE_ACTIONS_BYTES);
  const copies: number[] = [];
  checkedCode(initActions(actions));
  try {
    descriptors.forEach((descriptor, to) => {
      // One that lies where another is to go would be overwritten before its turn.
      const isInTheWay = descriptor < descriptors.length;
      const from = isInTheWay ? checked('fcntl', fcntl(descriptor, F_DUPFD_CLOEXEC, descriptors.length)) : descriptor;
      if (isInTheWay) copies.push(from);
      checkedCode(addDup2(actions, from, to));
    });
    const pid = new Int32Array(1);
    checkedCode(posixSpawn(pid, path, actions, null, [...argv, null], [null]), path);
    return pid[0]!;
  } finally {
    destroyActions(actions);
    for (const copy of copies) closeCall(copy);
  }
}

/** These functions return the errno, and do not set it. */
function checkedCode(errno: number, path?: string): void {
  if (errno !== 0) throw new SyscallError('posix_spawn', errno, path);
}

export interface End {
  /** Exit status, or the name of the signal that ended it. */
  code?: number;
  signal?: string;
}

const waited = new Map<number, (end: End) => void>();
const SIGNAL_NAMES = new Map(Object.entries(os.constants.signals).map(([name, number]) => [number, name]));

/** Calls back once, when the child has ended and its pid is free. To be called in the tick in which it was spawned. */
export function waitForEnd(pid: number, ended: (end: End) => void): void {
  // Several ends may come as one signal, and Node's own children are waited for by their pids: each of ours is asked about.
  if (waited.size === 0) process.on('SIGCHLD', reap);
  waited.set(pid, ended);
  // It may have ended before the first listener was there.
  setImmediate(reap);
}

function reap(): void {
  for (const [pid, ended] of waited) {
    const status = new Int32Array(1);
    if (waitpid(pid, status, WNOHANG) !== pid) continue;
    waited.delete(pid);
    ended(endOf(status[0]!));
  }
  if (waited.size === 0) process.off('SIGCHLD', reap);
}

/** Of a wait status: wait(2). */
export function endOf(status: number): End {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal: SIGNAL_NAMES.get(signal) ?? `signal ${signal}` };
}
