/** The list of notifications, which the helper sends without being asked. */
import { CgroupsSampled } from './cgroups.ts';
import { HostChanged } from './host.ts';
import { LayersChanged, LayersMeasuring } from './layers.ts';
import type { Notification } from './message.ts';
import { SandboxesEnded } from './sandboxes.ts';

export const NOTIFICATIONS = [HostChanged, CgroupsSampled, LayersChanged, LayersMeasuring, SandboxesEnded];

type Listed = (typeof NOTIFICATIONS)[number];
export type NotificationMethod = Listed['method'];
/** What comes with one. */
export type Told<M extends NotificationMethod> =
  Extract<Listed, { readonly method: M }> extends Notification<M, infer P> ? P : never;
