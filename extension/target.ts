import type { CgroupRef } from '../helper/protocol/cgroups.ts';
import type { Container, Namespace, ProcessRef } from '../helper/protocol.ts';

/** What a command acts on: the node of a tree, or any object that names a process, a container, a namespace or cgroups. */
export interface CommandTarget {
  process?: ProcessRef | undefined;
  container?: Container | undefined;
  namespace?: Namespace | undefined;
  /** One cgroup, or those of one container in every hierarchy. */
  cgroups?: readonly CgroupRef[] | undefined;
}
