/** The part of the protocol about namespaces. Types and constants only. */
import type { Unknown } from './errors.ts';
import type { ListParams } from './lists.ts';
import { request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaceKinds.ts';
import type { IdMapping, ProcessRef } from './processes.ts';

export type { NamespaceKind, NamespaceRef } from './namespaceKinds.ts';

/** One reason for which a namespace is alive, beside the processes that are its members (namespaces(7), "Namespace lifetime"). */
export type Pin =
  /** A thread that differs from its process. */
  | { by: 'thread'; process: ProcessRef; tid: number; name: string }
  /** `pid_for_children` or `time_for_children` of a process. */
  | { by: 'forChildren'; process: ProcessRef; name: string }
  /** An open descriptor of a process, of an nsfs file. */
  | { by: 'descriptor'; process: ProcessRef; name: string; descriptor: number }
  /**
   * net: a socket that was made in it (`SIOCGSKNS`), or a descriptor of /dev/net/tun that was opened in it (`tun`), of a process that is in another. It is
   * the first of those of the process; `others` is how many more there are.
   */
  | { by: 'socket'; process: ProcessRef; name: string; descriptor: number; tun: boolean; others: number }
  /** A bind mount of the nsfs file. `mountNamespace` is the inode number of the mount namespace that has it. */
  | { by: 'bindMount'; mountNamespace: number; mountId: number; mountPoint: string }
  /** A child in the hierarchy of pid or user namespaces. */
  | { by: 'childNamespace'; namespace: NamespaceRef }
  /** A user namespace owns it. */
  | { by: 'ownedNamespace'; namespace: NamespaceRef }
  /** The kernel's own, made at boot. */
  | { by: 'initial' };

export interface Namespace extends NamespaceRef {
  /** True for the helper's own, that is the host's. */
  host: boolean;
  /** The user namespace that owns it (`NS_GET_USERNS`); for a user namespace its parent. `null`: out of sight, above the helper's own. */
  owner: NamespaceRef | null | Unknown;
  /** pid and user: the parent namespace (`NS_GET_PARENT`). `null`: the initial one, or out of sight. Absent for other kinds. */
  parent?: NamespaceRef | null | Unknown;
  /** user: uid of the creator (`NS_GET_OWNER_UID`). */
  ownerUid?: number | Unknown;
  /** user: the maps, outside ids as seen from the helper's user namespace. */
  uidMap?: IdMapping[] | Unknown;
  gidMap?: IdMapping[] | Unknown;
  /** Processes in it. */
  processCount: number;
  /** The member with the lowest pid (for pid namespaces its init). */
  leader?: ProcessRef & { name: string };
  /** `key` of the container that made it, as far as somebody of it is still in it: others only share it. Absent for the host's. */
  container?: string;
  /** All members; left out when asked with `members: false`. */
  members?: ProcessRef[];
  /** What pins it beside its members. */
  pins: Pin[];
  /** True when some process could not be examined, so pins or members may be missing from this answer. */
  incomplete: boolean;
}

export interface NamespacesListParams extends ListParams {
  kinds?: NamespaceKind[];
  /** False leaves `members` out; processes/list gives them already. */
  members?: boolean;
}

export interface NamespacesListResult {
  revision: number;
  namespaces: Namespace[];
  /** Processes whose namespaces could not be read: their namespaces may be missing here. */
  unreadable: { count: number; processes: ProcessRef[] };
  /**
   * Processes that are closed to root with all its capabilities, too, as some hosts close their init: nobody there can tell what they are in and what
   * they hold. No namespace is `incomplete` for their sake.
   */
  closed: { count: number; processes: ProcessRef[] };
  /**
   * Sockets of which it is not known in which net namespace they are, so that one that only they keep alive may be missing here, with its owner:
   * `pending` are asked soon, and then the client that watches is told; `refused` may not be known by this user.
   */
  unknownSockets: { pending: number; refused: number };
  /** Kinds that this kernel lacks. */
  unsupported: NamespaceKind[];
}

/** All namespaces that anything keeps alive, with what does. */
export const NamespacesList = request('namespaces/list')<NamespacesListParams, NamespacesListResult>();

/** One namespace, as in the list. */
export const NamespacesInspect = request('namespaces/inspect')<{ namespace: NamespaceRef }, Namespace>();
