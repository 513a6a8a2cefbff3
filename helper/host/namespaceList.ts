/** Every namespace of the host with who is in it, who owns it, and everything that keeps it alive. */

import { reasonOf } from '../failure.ts';
import { readText } from '../kernel/files.ts';
import { errnoName } from '../kernel/libc.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { parseIdMap } from '../proc/idMap.ts';
import type { Unknown } from '../protocol/errors.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { Namespace, NamespaceKind, NamespaceRef, NamespacesListResult, Pin } from '../protocol/namespaces.ts';
import type { IdMapping, ProcessRef } from '../protocol/processes.ts';
import type { ContainerTable } from './containers.ts';
import type { HostModel } from './hostModel.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import { isPrivileged } from './identity.ts';
import { isInitial } from './initialNamespaces.ts';
import type { MountPins } from './mountPins.ts';
import { type IndexedNamespace, leaderOf } from './namespaceIndex.ts';
import { SUPPORTED } from './processReader.ts';
import { type ProcessRecord, refOf } from './processRecord.ts';
import { namespaceRef, namespacesAbove, type Relations, type RelationTable } from './relations.ts';

export interface NamespaceQuery {
  kinds?: readonly NamespaceKind[] | undefined;
  members: boolean;
}

/** Of the processes that could not be read, so many are named; all are counted. */
const MAX_UNREADABLE = 1000;
const MAX_ID_MAP_BYTES = 64 * 1024;

/** What is gathered of one namespace before it is described. */
interface Node {
  kind: NamespaceKind;
  ino: number;
  indexed: IndexedNamespace | undefined;
  mounts: readonly Pin[];
  relations: Relations;
  /** What lives below it, and so pins it. */
  below: Pin[];
}

export class NamespaceLister {
  private readonly model: HostModel;
  private readonly mounts: MountPins;
  private readonly relations: RelationTable;
  private readonly own = ownNamespaces();
  private readonly isPrivileged = isPrivileged();
  private readonly refs = new Map<number, ProcessRef>();

  private readonly containers: ContainerTable;

  constructor(model: HostModel, mounts: MountPins, relations: RelationTable, containers: ContainerTable) {
    this.model = model;
    this.containers = containers;
    this.mounts = mounts;
    this.relations = relations;
  }

  list({ kinds, members }: NamespaceQuery): NamespacesListResult {
    const wanted = new Set<NamespaceKind>(kinds ?? NAMESPACE_KINDS);
    const nodes = this.gather();
    this.relations.forgetAllBut(nodes);
    const unknownSockets = this.model.unknownSockets;
    const incomplete = this.incompleteKinds(unknownSockets);
    const namespaces: Namespace[] = [];
    for (const node of nodes.values()) {
      if (wanted.has(node.kind)) namespaces.push(this.describe(node, members, incomplete.has(node.kind)));
    }
    this.refs.clear();
    const { unreadable, unexaminedProcesses } = this.model.namespaces;
    return {
      revision: this.model.revision,
      namespaces,
      unreadable: named(this.isPrivileged ? [] : unreadable.values()),
      closed: named(this.isPrivileged ? unexaminedProcesses.values() : []),
      unknownSockets,
      unsupported: NAMESPACE_KINDS.filter((_, index) => !SUPPORTED[index]),
    };
  }

  /**
   * The kinds of which there may be more, or more that keeps one alive, than is known. There is always a process 1; where it is not to be seen, `/proc` hides
   * those of others (hidepid, proc(5)). A socket may be in a net namespace that is not known of, which has an owner.
   */
  private incompleteKinds({ pending, refused }: NamespacesListResult['unknownSockets']): ReadonlySet<NamespaceKind> {
    const hides = this.model.process(1) === undefined;
    const hasUnread = !this.isPrivileged && this.model.namespaces.unexaminedProcesses.size > 0;
    if (hides || hasUnread || !this.mounts.complete) return new Set(NAMESPACE_KINDS);
    return new Set(pending + refused > 0 ? ['net', 'user'] : []);
  }

  private gather(): Map<number, Node> {
    const nodes = new Map<number, Node>();
    this.relations.forget(this.model.namespaces.takeAppeared());
    for (const indexed of this.model.namespaces.namespaces) this.addNode(nodes, indexed.kind, indexed.ino, indexed);
    for (const { kind, ino } of this.mounts.namespaces()) this.addNode(nodes, kind, ino, undefined);
    // Nodes added while this runs are visited too: the whole way up.
    for (const node of nodes.values()) this.addAbove(nodes, node);
    return nodes;
  }

  private addNode(nodes: Map<number, Node>, kind: NamespaceKind, ino: number, indexed: IndexedNamespace | undefined): Node {
    const existing = nodes.get(ino);
    if (existing !== undefined) return existing;
    const mounts = this.mounts.pinsOf(ino);
    const relations = this.relations.lookUp(kind, ino, this.mounts.allPlacesOf(ino), () => this.mounts.openByVisit(ino));
    const node: Node = { kind, ino, indexed, mounts, relations, below: [] };
    nodes.set(ino, node);
    return node;
  }

  private addAbove(nodes: Map<number, Node>, node: Node): void {
    const { kind, relations } = node;
    const self = namespaceRef(kind, node.ino);
    for (const above of namespacesAbove(relations)) {
      const upper = this.addNode(nodes, above.kind, above.ino, this.model.namespaces.get(above.ino));
      const isParent = above.kind === kind;
      upper.below.push({ by: isParent ? 'childNamespace' : 'ownedNamespace', namespace: self });
      // The parent of a user namespace is its owner too: one pin.
      if (kind === 'user') return;
    }
  }

  private describe(node: Node, withMembers: boolean, incomplete: boolean): Namespace {
    const { kind, ino, indexed, relations } = node;
    const leader = indexed && leaderOf(indexed);
    const host = this.own[kind]?.ino === ino;
    const container = host ? undefined : this.containers.makerOf(ino);
    return {
      ...namespaceRef(kind, ino),
      host,
      owner: relations.owner,
      ...(relations.parent === undefined ? {} : { parent: relations.parent }),
      ...(relations.ownerUid === undefined ? {} : { ownerUid: relations.ownerUid }),
      ...(kind === 'user' ? { uidMap: this.idMap(indexed, 'uid_map'), gidMap: this.idMap(indexed, 'gid_map') } : {}),
      processCount: indexed?.members.size ?? 0,
      ...(leader === undefined ? {} : { leader: { ...refOf(leader), name: leader.name } }),
      ...(container === undefined ? {} : { container }),
      ...(withMembers ? { members: this.members(indexed) } : {}),
      pins: pinsOf(node),
      incomplete,
    };
  }

  private members(indexed: IndexedNamespace | undefined): ProcessRef[] {
    return Array.from(indexed?.members.values() ?? [], (member) => this.sharedRef(member));
  }

  /** A process is a member of one namespace of each kind: one object for all eight. */
  private sharedRef(record: ProcessRecord): ProcessRef {
    let ref = this.refs.get(record.pid);
    if (ref === undefined) {
      ref = refOf(record);
      this.refs.set(record.pid, ref);
    }
    return ref;
  }

  /** Only a process that is in a user namespace shows its maps. */
  private idMap(indexed: IndexedNamespace | undefined, file: string): IdMapping[] | Unknown {
    let why: Unknown = { unknown: 'notFound' };
    for (const pid of indexed?.members.keys() ?? []) {
      const text = readText(AT_FDCWD, `/proc/${pid}/${file}`, MAX_ID_MAP_BYTES);
      if (typeof text === 'string') return parseIdMap(text);
      why = { unknown: reasonOf(errnoName(-text)), errno: errnoName(-text) };
      if (why.unknown === 'permission') break;
    }
    return why;
  }
}

function named(records: Iterable<ProcessRecord>): NamespacesListResult['unreadable'] {
  const all = [...records];
  return { count: all.length, processes: all.slice(0, MAX_UNREADABLE).map(refOf) };
}

function pinsOf({ kind, ino, indexed, mounts, below }: Node): Pin[] {
  const initial: Pin[] = isInitial({ kind, ino }) ? [{ by: 'initial' }] : [];
  return [...initial, ...[...(indexed?.pins.values() ?? [])].flat(), ...mounts, ...below];
}

export function sameNamespace(one: NamespaceRef, other: NamespaceRef): boolean {
  return one.ino === other.ino && one.kind === other.kind && one.dev === other.dev;
}
