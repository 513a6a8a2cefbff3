/**
 * The part of the protocol about sandboxes: what can be done with one. Types and constants only. What one is made of is in sandboxSpec.ts, and defined in
 * helper/sandbox/specification/spec.ts.
 */
import type { Unknown } from './errors.ts';
import { notification, request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaces.ts';
import type { ProcessRef } from './processes.ts';
import type { ExitStatus, TerminalsOpenResult } from './programs.ts';
import type { SandboxSpec } from './sandboxSpec.ts';
import type { Said } from './sentences.ts';

export type * from './sandboxSpec.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Explaining

/** One step of the syscall program. Its index is what `ErrorData.step` counts. */
export interface SandboxStep {
  /** strace-like: `mount("proc", "/proc", "proc", MS_NOSUID, NULL)`. One line, safe to show. */
  call: string;
  /** Completes "could not …": `mount proc on /proc`. */
  purpose: Said;
  /** Who does it: the process that stays outside and waits, the pid 1 that reaps, or the one that becomes the program. */
  by: 'parent' | 'init' | 'child';
  /** It may fail, and the program goes on. */
  optional: boolean;
}

export interface SandboxEquivalent {
  tool: 'unshare' | 'bwrap' | 'runc';
  /** For a shell; of several lines where it needs a file. */
  command: string;
  /** What it does not do, or does otherwise. */
  differences: Said[];
}

export interface SandboxesExplainResult {
  /** The specification with every default filled in. */
  spec: SandboxSpec;
  steps: SandboxStep[];
  /** The same as text for a terminal, a step a line with its purpose as a comment, in English. */
  syscalls: string;
  equivalents: SandboxEquivalent[];
  /** What a person should know: a lesser protection, a choice that has no effect here. */
  notes: Said[];
  /** Of these, those by which it protects less than the sandbox of an empty specification. */
  weaker: Said[];
}

/** Checks and explains without running anything. `directory`: what relative paths of the host in the specification begin at. */
export const SandboxesExplain = request('sandboxes/explain')<SandboxParams, SandboxesExplainResult>();

/** An image that a sandbox's root can be made of, as `SandboxImage` refers to it. */
export interface StoredImage {
  /** Its name, or the id of one that has none. */
  reference: string;
  /** Without `sha256:`. */
  id: string;
}

/** The images in the storage of an engine on this host, by name, from the engine's files. Empty where there is no such storage. */
export const SandboxesImages = request('sandboxes/images')<
  { engine: 'docker' | 'podman' },
  { images: StoredImage[] | Unknown }
>();

// ---------------------------------------------------------------------------------------------------------------------
// Life

export interface SandboxParams {
  spec: SandboxSpec;
  /** Absolute; relative paths of the host in the specification begin here. Without it they are refused. */
  directory?: string;
}

/** How a sandbox ended. */
export interface SandboxExit extends ExitStatus {
  reason: 'exit' | 'signal' | 'oom' | 'timeout' | 'stopped';
  /** One sentence for a person. */
  message: Said;
}

export interface Sandbox {
  /** Sixteen hexadecimal digits. */
  id: string;
  name: string;
  spec: SandboxSpec;
  /** `ended`: only of persistent ones, which stay until they are removed. */
  state: 'running' | 'ended';
  /** The process that the namespaces are shown by: pid 1 of the new pid namespace, or the program. Absent once ended. */
  process?: ProcessRef;
  /** Its own namespaces, of the kinds that are not the host's. */
  namespaces: Partial<Record<NamespaceKind, NamespaceRef>>;
  /** Its own cgroups, as seen from the root of each hierarchy. Empty when it has none of its own. */
  cgroups: { hierarchy: string; path: string }[];
  persistent: boolean;
  /** What a person should know of it, as `sandboxes/explain` says it. Empty once it has ended. */
  notes: Said[];
  /** Milliseconds since the Unix epoch. */
  createdMillis: number;
  exit?: SandboxExit;
}

export interface SandboxesCreateParams extends SandboxParams {
  columns?: number;
  rows?: number;
}

export interface SandboxesCreateResult {
  sandbox: Sandbox;
  /** How to attach to its terminal, unless it has none. */
  terminal?: TerminalsOpenResult;
  notes: Said[];
}

/** Makes a sandbox and starts it. When a step fails nothing of it is left, and `ErrorData.step` tells which. */
export const SandboxesCreate = request('sandboxes/create')<SandboxesCreateParams, SandboxesCreateResult>();

export interface SandboxesRunParams extends SandboxParams {
  /** Standard input, base64. Default: empty. */
  stdin?: string;
  /** Bytes of standard output and of standard error that are kept. Default 1 MiB. */
  outputLimitBytes?: number;
}

export interface SandboxesRunResult {
  stdout: string;
  stderr: string;
  encoding: 'utf8' | 'base64';
  truncated: boolean;
  exit: SandboxExit;
  notes: Said[];
}

/** Makes one, runs its program to the end with pipes, and removes it. */
export const SandboxesRun = request('sandboxes/run')<SandboxesRunParams, SandboxesRunResult>();

/** All sandboxes of this user. `host/changed` with `sandboxes` says when to ask again. */
export const SandboxesList = request('sandboxes/list')<Record<string, never>, { sandboxes: Sandbox[] }>();

export interface SandboxesStopParams {
  sandbox: string;
  /** Asks with SIGTERM first, and kills after this time. Default 0: kills at once. */
  graceMillis?: number;
}

/** Ends a sandbox, and answers when nothing runs in it any more. One that is not persistent is removed with it. */
export const SandboxesStop = request('sandboxes/stop')<SandboxesStopParams, Record<string, never>>();

/** Stops a sandbox and removes all that is left of it, but what the specification says to keep. */
export const SandboxesRemove = request('sandboxes/remove')<{ sandbox: string }, Record<string, never>>();

/** Stops a sandbox and makes it again from its specification, under the same id and name. */
export const SandboxesRestart = request('sandboxes/restart')<
  { sandbox: string; columns?: number; rows?: number },
  SandboxesCreateResult
>();

export interface SandboxesEndedParams {
  id: string;
  name: string;
  exit: SandboxExit;
}

/** A sandbox has ended, with how. Sent once, whether or not anybody watches. */
export const SandboxesEnded = notification('sandboxes/ended')<SandboxesEndedParams>();
