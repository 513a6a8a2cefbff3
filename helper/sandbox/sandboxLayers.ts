/** Where the layers of a sandbox's overlays are, for whoever looks at overlays: as overlaySteps.ts named them. */
import type { RootLayer } from '../host/layers/rootLayers.ts';
import type { RootPlan } from './plan/planRoot.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';
import type { HeldLayers } from './sandboxStart.ts';
import { layersOfMount, type MountedLayer } from './steps/overlaySteps.ts';

/** Of each overlay from the top: of the root, and of those that the specification mounts. */
export function rootLayersOf(plan: SandboxPlan, held: HeldLayers): RootLayer[][] {
  const mounted = plan.mounts.flatMap((mount, index) =>
    mount.what === 'new' && mount.type === 'overlay' ? [layersOfMount(mount.options, index).flatMap(asLayer)] : [],
  );
  return plan.root.type === 'overlay' ? [layersOf(plan.root, held), ...mounted] : mounted;
}

function asLayer({ option, name, dataOnly = false, path }: MountedLayer): RootLayer[] {
  if (option === 'workdir') return [];
  return [{ given: name, dataOnly, path, role: option === 'upperdir' ? 'readWrite' : 'host' }];
}

function layersOf(root: Extract<RootPlan, { type: 'overlay' }>, held: HeldLayers): RootLayer[] {
  const { lowers, image, upper } = root;
  const role = image === undefined ? 'host' : 'image';
  const told = (index: number) => ({ role, ...image?.[index] }) as const;
  const changes: RootLayer =
    upper === undefined
      ? { given: 'upper', role: 'readWrite', ...below(held.changes, 'upper') }
      : { given: 'upper', role: 'readWrite', path: `${upper}/upper` };
  const layers = Array.isArray(lowers)
    ? lowers.map((path, index): RootLayer => ({ given: `lower${index}`, path, ...told(index) }))
    : lowers.names.map((name, index): RootLayer => ({ given: `image/${name}`, ...below(held.image, name), ...told(index) }));
  return [changes, ...layers];
}

function below(base: number | undefined, path: string): Pick<RootLayer, 'base' | 'path'> {
  return base === undefined ? {} : { base, path };
}
