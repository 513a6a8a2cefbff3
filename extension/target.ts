import type { LayerEntry, LayerPath, Overlay } from '../helper/protocol/layers.ts';
import type { Container, Namespace, ProcessRef } from '../helper/protocol.ts';

/** What a command acts on: the node of a tree, or any object that names a process, a container or a namespace. */
export interface CommandTarget {
  process?: ProcessRef | undefined;
  container?: Container | undefined;
  namespace?: Namespace | undefined;
}

/** What a command on layers acts on: an overlay, or a layer of it, or a file or directory in one. */
export interface LayerTarget {
  overlay?: Overlay | undefined;
  /** `/` for the layer itself. */
  place?: LayerPath | undefined;
  entry?: LayerEntry | undefined;
}
