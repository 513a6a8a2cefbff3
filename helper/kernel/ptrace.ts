/** Looking at the seccomp filters of a process: ptrace(2), PTRACE_SECCOMP_GET_FILTER; kernel/seccomp.c. */

import { setTimeout as sleep } from 'node:timers/promises';
import { checked, lastErrno, libcFunction, SyscallError } from './libc.ts';
import {
  __WALL,
  EBUSY,
  EINTR,
  ENOENT,
  PTRACE_DETACH,
  PTRACE_EVENT_STOP,
  PTRACE_INTERRUPT,
  PTRACE_SECCOMP_GET_FILTER,
  PTRACE_SECCOMP_GET_METADATA,
  PTRACE_SEIZE,
  WNOHANG,
} from './numbers.ts';

const ptrace = libcFunction('long ptrace(int request, int pid, intptr_t address, intptr_t data)');
const ptraceInto = libcFunction('long ptrace(int request, int pid, intptr_t address, _Out_ uint8_t *data)');
const waitpid = libcFunction('int waitpid(int pid, _Out_ int32_t *status, int options)');
const usleep = libcFunction('int usleep(uint32_t micros)');

const INSTRUCTION_BYTES = 8;

/** It stops within a fraction of a millisecond, and then is let go in the same tick; unless the kernel holds it up. */
const AT_ONCE_MICROS = 2000;
const PAUSE_MICROS = 50;
const PATIENCE_MILLIS = 2000;
/** How often one that did not stop at once is looked for. */
const LOOK_MILLIS = 4;
/** The kernel allows a process filters of 32,768 instructions together, and takes four more for each (MAX_INSNS_PER_PATH). */
const MAX_FILTERS = 32_768 / 5;

/** A filter as it was loaded. */
export interface LoadedFilter {
  /** `struct sock_filter`, 8 bytes each. */
  instructions: Buffer;
  /** SECCOMP_FILTER_FLAG_LOG, if it has that; the kernel tells of no other. */
  flags: number;
}

/**
 * Of a process's first thread, the oldest first. It is stopped for a fraction of a millisecond, and goes on whatever becomes of this process: the
 * kernel detaches what a tracer leaves. On this thread throughout, since only the one that attached may ask. Rejects with a `SyscallError`: `EPERM` for who may not
 * trace it or when it is traced already, `EACCES` without CAP_SYS_ADMIN or when this process has filters itself, `EBUSY` when it does not stop,
 * `ESRCH` when it is gone, `EIO` on a kernel without CONFIG_CHECKPOINT_RESTORE, `EMEDIUMTYPE` for a filter that is none of these.
 */
export function readFilters(pid: number): Promise<LoadedFilter[]> {
  // A second tracer would be refused.
  let reading = underWay.get(pid);
  if (reading === undefined) {
    reading = readAlone(pid).finally(() => underWay.delete(pid));
    underWay.set(pid, reading);
  }
  return reading;
}

const underWay = new Map<number, Promise<LoadedFilter[]>>();

async function readAlone(pid: number): Promise<LoadedFilter[]> {
  checked('ptrace', Number(ptrace(PTRACE_SEIZE, pid, 0, 0)));
  checked('ptrace', Number(ptrace(PTRACE_INTERRUPT, pid, 0, 0)));
  for (let waited = 0; waited < AT_ONCE_MICROS; waited += PAUSE_MICROS) {
    const filters = ifStopped(pid, filtersOfStopped);
    if (filters !== undefined) return filters;
    usleep(PAUSE_MICROS);
  }
  for (let waited = 0; waited < PATIENCE_MILLIS; waited += LOOK_MILLIS) {
    await sleep(LOOK_MILLIS);
    const filters = ifStopped(pid, filtersOfStopped);
    if (filters !== undefined) return filters;
  }
  void release(pid);
  throw new SyscallError('ptrace', EBUSY);
}

/** When it has stopped at last, nobody else would let it go on. */
async function release(pid: number): Promise<void> {
  try {
    while (ifStopped(pid, () => true) === undefined) await sleep(LOOK_MILLIS, undefined, { ref: false });
  } catch {
    // It has ended.
  }
}

/** What `look` finds in it, and lets it go on. Undefined when it has not stopped. Throws when it has ended. */
function ifStopped<T>(pid: number, look: (pid: number) => T): T | undefined {
  const signal = stopOf(pid);
  if (signal === undefined) return undefined;
  try {
    return look(pid);
  } finally {
    // It may have been killed meanwhile.
    ptrace(PTRACE_DETACH, pid, 0, signal);
  }
}

/** The signal with which it is to go on, 0 for none; undefined when it has not stopped. */
function stopOf(pid: number): number | undefined {
  const status = new Int32Array(1);
  const got = Number(waitpid(pid, status, WNOHANG | __WALL));
  if (got === -1 && lastErrno() !== EINTR) throw new SyscallError('waitpid', lastErrno());
  if (got !== pid || (status[0]! & 0xff) !== 0x7f) return undefined;
  // Stopped by us, or with its group; or on its way to take a signal, which it must not lose.
  return status[0]! >> 16 === PTRACE_EVENT_STOP ? 0 : (status[0]! >> 8) & 0xff;
}

function filtersOfStopped(pid: number): LoadedFilter[] {
  const filters: LoadedFilter[] = [];
  for (let index = 0; index < MAX_FILTERS; index += 1) {
    const length = Number(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, 0));
    if (length === -1 && lastErrno() === ENOENT) break;
    const instructions = Buffer.alloc(checked('ptrace', length) * INSTRUCTION_BYTES);
    checked('ptrace', Number(ptraceInto(PTRACE_SECCOMP_GET_FILTER, pid, index, instructions)));
    filters.push({ instructions, flags: flagsOf(pid, index) });
  }
  return filters;
}

/** `struct seccomp_metadata`: u64 filter_off, u64 flags. Linux 4.16. */
function flagsOf(pid: number, index: number): number {
  const metadata = Buffer.alloc(16);
  metadata.writeBigUInt64LE(BigInt(index), 0);
  const known = Number(ptraceMetadata(PTRACE_SECCOMP_GET_METADATA, pid, metadata.length, metadata));
  return known === -1 ? 0 : Number(metadata.readBigUInt64LE(8));
}

const ptraceMetadata = libcFunction('long ptrace(int request, int pid, intptr_t address, _Inout_ uint8_t *data)');
