/** The part of the protocol about containers. Types and constants only. */
import type { ListParams } from './lists.ts';
import { request } from './message.ts';
import type { NamespaceKind } from './namespaceKinds.ts';
import type { ProcessRef } from './processes.ts';
import type { Said } from './sentences.ts';

export const ENGINES = [
  'docker',
  'podman',
  'containerd',
  'kubernetes',
  'cri-o',
  'lxc',
  'systemd-nspawn',
  'systemd',
  'snap',
  'flatpak',
  'isoscope',
  'unnamed',
] as const;

/** `isoscope`: sandboxes, of this helper or another. `unnamed`: processes with namespaces of their own that no engine claims (bubblewrap, unshare, browsers' sandboxes). */
export type Engine = (typeof ENGINES)[number];

export interface Container {
  /** Unique and stable: engine, owner's uid when rootless, and id. */
  key: string;
  engine: Engine;
  /** The engine's id: 64 hexadecimal digits, a unit's name, a machine's name, the id of a sandbox; for an unnamed one `pid-startTime` of its leader. */
  id: string;
  /** The engine's name for it, else the shortened id or the leader's command. */
  name: string;
  /** The image by name, when the engine's files say. */
  image?: string;
  /** Why name and image are those that were known before, or none: the engine's files are on a file system that does not answer, which it names. */
  unanswered?: Said;
  state: 'running' | 'paused' | 'unknown';
  /** The oldest process inside, never one that supervises from outside, as long as there is one inside. */
  leader: ProcessRef;
  processCount: number;
  /** Uid of the owner when it runs rootless. */
  rootlessUid?: number;
  pod?: { uid: string; name?: string; namespace?: string };
  /** `key` of the container that it runs in: Docker in Docker, kind, bubblewrap in a container. */
  outer?: string;
  /** Cgroup paths by hierarchy, as seen from each hierarchy's root. */
  cgroups: { hierarchy: string; path: string }[];
  /** The leader's namespaces; those equal to the host's are shared with it. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
  /** A systemd service with every namespace of the host is listed but isolates nothing. */
  isolated: boolean;
}

export interface ContainersListResult {
  revision: number;
  containers: Container[];
}

/** What runs in namespaces, cgroups or a root directory of its own, whoever made it. */
export const ContainersList = request('containers/list')<ListParams, ContainersListResult>();
