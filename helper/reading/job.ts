/**
 * Work that reads file systems which may never answer (FUSE, NFS, one that is frozen), and so is done on a reader thread: its name, and the shapes
 * of what is asked, answered and told meanwhile. A job is a constant that both threads share.
 */
import { Failure, isSystemError } from '../failure.ts';
import { SyscallError } from '../kernel/libc.ts';
import type { DeafDevice } from './deafDevices.ts';

/** `params`, `result` and what is told are cloned from thread to thread: data, no functions. */
export interface Job<P, R, T = never> {
  readonly name: string;
  /** Only types. */
  readonly shapes?: { params: P; result: R; told: T };
}

export function job<P, R, T = never>(name: string): Job<P, R, T> {
  return { name };
}

/** To a reader thread. */
export type Order =
  | {
      kind: 'begin';
      id: number;
      job: string;
      params: unknown;
      descriptors: readonly number[];
      deaf: readonly DeafDevice[];
    }
  | { kind: 'cancel'; id: number }
  | { kind: 'end' };

/** From a reader thread. `descriptors` are of this process, and the receiver's to close. */
export type Report =
  | { kind: 'ready'; threadId: number }
  | { kind: 'told'; id: number; told: unknown }
  | { kind: 'done'; id: number; result: unknown; descriptors: readonly number[] }
  | { kind: 'failed'; id: number; error: SentError };

/** What both threads see at once: words of a shared array. */
export const CURRENT_JOB = 0;
/** Not 0: nobody waits for the thread any more, and what it was given it only closes. */
export const ABANDONED = 1;
export const SHARED_WORDS = 2;

/** An error as it goes from thread to thread, where it would lose its class. */
export type SentError =
  | { kind: 'failure'; data: Failure['data'] }
  | { kind: 'syscall'; syscall: string; errno: number; path?: string }
  | { kind: 'system'; message: string; code: string; syscall?: string; path?: string }
  | { kind: 'unforeseen'; message: string; stack?: string };

export function sentError(error: unknown): SentError {
  if (error instanceof Failure) return { kind: 'failure', data: error.data };
  if (error instanceof SyscallError) {
    const { syscall, errno, path } = error;
    return { kind: 'syscall', syscall, errno, ...(path === undefined ? {} : { path }) };
  }
  if (isSystemError(error)) {
    const { message, code, syscall, path } = error;
    return {
      kind: 'system',
      message,
      code,
      ...(syscall === undefined ? {} : { syscall }),
      ...(path === undefined ? {} : { path }),
    };
  }
  if (!(error instanceof Error)) return { kind: 'unforeseen', message: String(error) };
  return { kind: 'unforeseen', message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

export function receivedError(sent: SentError): Error {
  switch (sent.kind) {
    case 'failure':
      return new Failure(sent.data.reason, sent.data.text, sent.data);
    case 'syscall':
      return new SyscallError(sent.syscall, sent.errno, sent.path);
    case 'system': {
      const { kind: _, message, ...details } = sent;
      return Object.assign(new Error(message), details);
    }
    case 'unforeseen':
      return Object.assign(new Error(sent.message), sent.stack === undefined ? {} : { stack: sent.stack });
  }
}
