/** The part of the protocol about the host as a whole: the first request, and what of it changes. Types and constants only. */
import type { CgroupHierarchy } from './cgroups.ts';
import { notification, request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaceKinds.ts';

/** The protocol's version: raised when a method or a field changes its meaning, not when one is added. */
export const PROTOCOL_VERSION = 1;

export interface InitializeParams {
  /** The client's protocol version; the helper refuses another with `unsupported`. */
  protocolVersion?: number;
}

export interface InitializeResult {
  protocolVersion: number;
  /** The helper's own version, as in package.json. */
  version: string;
  pid: number;
  /** `uname -r`. */
  kernelRelease: string;
  architecture: string;
  hostname: string;
  /** Effective user id. */
  uid: number;
  user: string;
  /** Names of the effective capabilities: `CAP_SYS_ADMIN`. */
  capabilities: string[];
  /** `privileged` with `CAP_SYS_ADMIN` and `CAP_SYS_PTRACE` in the initial user namespace. */
  mode: 'privileged' | 'unprivileged';
  cgroups: { mode: 'v1' | 'v2' | 'hybrid' | 'none'; hierarchies: CgroupHierarchy[] };
  /** The helper's own namespaces, which stand for "the host's". A kind the kernel lacks is absent. */
  namespaces: Partial<Record<NamespaceKind, NamespaceRef>>;
  /** Clock ticks per second, the unit of `startTime`. */
  clockTicks: number;
  /** Boot time in milliseconds since the Unix epoch. */
  bootTimeMillis: number;
  /** Path of the stream socket for terminals. */
  streamSocket: string;
  /** How changes are noticed: by events of the kernel, or by scanning while a view is visible. */
  changes: 'events' | 'scan';
}

/** The first request: who the helper is, what it may do, and what this host is like. */
export const Initialize = request('initialize')<InitializeParams, InitializeResult>();

export type HostPart = 'processes' | 'namespaces' | 'containers' | 'network' | 'cgroups' | 'mounts' | 'sandboxes';

export interface HostChangedParams {
  /** Which parts changed since the last notification. */
  parts: HostPart[];
}

/** Something changed; at most five of these a second. Ask the lists again with `since`. */
export const HostChanged = notification('host/changed')<HostChangedParams>();

export interface HostWatchParams {
  /** The parts that something visible shows. Empty: nothing is visible, so nothing is watched and nothing runs. */
  parts: HostPart[];
}

/** Tells the helper what is visible. Until the first call nothing is watched, and lists are read afresh. */
export const HostWatch = request('host/watch')<HostWatchParams, Record<string, never>>();
