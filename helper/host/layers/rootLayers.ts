/**
 * The layers of overlays that the helper itself mounted, for a sandbox. Their mounts name them by a place that was detached at once, so the mount
 * table leads nowhere; whoever made them knows where they are, and what they are for.
 */
import type { OverlayOptions } from '../../proc/overlayOptions.ts';
import type { KnownLayer } from './knownLayer.ts';

export interface RootLayer extends KnownLayer {
  /** As the mount option has it. */
  given: string;
  dataOnly?: boolean;
  /** Of the host; below `base` when there is one. Absent when nothing leads to it any more. */
  path?: string;
  /** An open directory in a file system that is mounted nowhere. */
  base?: number;
}

/** Of each overlay from the top, of the sandbox whose mount namespace has this number. */
export type RootLayers = (mountNamespace: number) => Promise<readonly (readonly RootLayer[])[]>;

/** Whether it is that overlay: its processes may have mounted others. */
export function isRootOf(layers: readonly RootLayer[], { upper, lower }: OverlayOptions): boolean {
  const names = [...(upper === undefined ? [] : [upper]), ...lower.map(({ path }) => path)];
  return names.length === layers.length && names.every((name, index) => name === layers[index]!.given);
}
