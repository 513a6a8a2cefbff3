import type { LayerRole } from '../../protocol/layers.ts';

/** What is known of a layer beyond its directory. */
export interface KnownLayer {
  role?: LayerRole;
  digest?: string;
  createdBy?: string;
}
