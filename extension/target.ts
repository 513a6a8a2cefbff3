import type { Container, Namespace, ProcessRef } from '../helper/protocol.ts';

/** What a command acts on: the node of a tree, or any object that names a process, a container or a namespace. */
export interface CommandTarget {
  process?: ProcessRef | undefined;
  container?: Container | undefined;
  namespace?: Namespace | undefined;
}
