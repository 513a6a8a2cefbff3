/** The part of the protocol about programs and terminals inside. Types and constants only. */
import { request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaces.ts';
import type { ProcessRef } from './processes.ts';
import type { Said } from './sentences.ts';

/** Where a program is to run. */
export interface ProgramTarget {
  /** In its namespaces. */
  process?: ProcessRef;
  /** Only in those of these kinds. Default: all that differ from the helper's. */
  kinds?: NamespaceKind[];
  /** Instead of `process`: namespaces that may come from anywhere (a bind mount, a descriptor, another process). */
  namespaces?: NamespaceRef[];
  /** Id or name of a sandbox: its first process, confined as its program is. Instead of `process` and `namespaces`. */
  sandbox?: string;
}

export interface ProgramParams extends ProgramTarget {
  /** Program and arguments; the first is looked up in PATH of the environment when it has no slash. Left out: the user's shell. */
  command?: string[];
  /**
   * Whose identity: `root` (uid 0 of the user namespace entered; in the root directory of the process with the capabilities of its container) or
   * `target` (uid, gid, groups, capabilities, no_new_privs of the process). Default for a whole container: what its engine recorded that programs
   * in there are to have, as docker-exec(1) takes it, and without such a record `target`; otherwise `root`.
   */
  identity?: 'root' | 'target';
  /** Take the root directory, working directory and environment of the process. Default: true when `mnt` is entered. */
  root?: boolean;
  /**
   * `none`: without the seccomp filters of the process. By default what takes the identity of a process or of its container has them; where they cannot
   * be had the request is refused as `unfiltered`.
   */
  seccomp?: 'none';
  /** Join the process's cgroups. Default: true when every kind is entered (no `kinds`). */
  cgroup?: boolean;
  /** Working directory inside; default that of the process when its root is taken, else `/`. */
  directory?: string;
  /** Set in addition to the environment. */
  environment?: Record<string, string>;
}

export interface ProgramsRunParams extends ProgramParams {
  command: string[];
  /** Standard input, base64. Default: empty. */
  stdin?: string;
  /** Milliseconds after which it is killed. Default 60,000. */
  timeoutMillis?: number;
  /** Bytes of standard output and of standard error that are kept. Default 1 MiB. */
  outputLimitBytes?: number;
}

/** How a program ended. */
export interface ExitStatus {
  /** Exit status 0–255, absent when a signal ended it. */
  code?: number;
  /** Name of the signal: `SIGKILL`. */
  signal?: string;
  timedOut?: boolean;
}

export interface ProgramsRunResult {
  /** UTF-8 text, or base64 when it is not valid UTF-8. */
  stdout: string;
  stderr: string;
  encoding: 'utf8' | 'base64';
  truncated: boolean;
  exit: ExitStatus;
}

/** Runs a program to its end. Cancelling the request kills it. */
export const ProgramsRun = request('programs/run')<ProgramsRunParams, ProgramsRunResult>();

export interface TerminalsOpenParams extends ProgramParams {
  columns?: number;
  rows?: number;
}

export interface TerminalsOpenResult {
  /** The stream socket, and the one-time token (64 hexadecimal digits) that attaches to this terminal within 30 s. */
  streamSocket: string;
  token: string;
  /** The command that was found to run, with the user it runs as. */
  command: string[];
  user: string;
}

/** Makes a pseudoterminal for a program, which starts when a client attaches to it over the stream socket. */
export const TerminalsOpen = request('terminals/open')<TerminalsOpenParams, TerminalsOpenResult>();

export interface ProgramsExplainResult {
  /** The command found, or why there is none. */
  command: string[];
  user: string;
  /** The syscall program, a step a line: strace-like, and what the step is for. */
  syscalls: Said[];
  /** The equivalent nsenter(1) command line, and what it leaves out. */
  nsenter: string;
  differences: Said[];
}

/** What a terminal or program would do, without doing it. */
export const ProgramsExplain = request('programs/explain')<ProgramParams & { terminal?: boolean }, ProgramsExplainResult>();
