/** Where the layers of a sandbox's root are, for whoever looks at overlays: as rootSteps.ts mounted them. */
import type { RootLayer } from '../host/layers/rootLayers.ts';
import type { SandboxPlan } from './plan.ts';
import type { HeldLayers } from './start.ts';

/** From the top. Undefined when the root is no overlay. */
export function rootLayersOf({ root }: SandboxPlan, held: HeldLayers): RootLayer[] | undefined {
  if (root.type !== 'overlay') return undefined;
  const { lowers, image, upper } = root;
  const role = image === undefined ? 'host' : 'image';
  const told = (index: number) => ({ role, ...image?.[index] }) as const;
  const changes: RootLayer =
    upper === undefined
      ? { given: 'upper', role: 'readWrite', ...below(held.changes, 'upper') }
      : { given: 'changes/upper', role: 'readWrite', path: `${upper}/upper` };
  const layers = Array.isArray(lowers)
    ? lowers.map((path, index): RootLayer => ({ given: `lower${index}`, path, ...told(index) }))
    : lowers.names.map((name, index): RootLayer => ({ given: `image/${name}`, ...below(held.image, name), ...told(index) }));
  return [changes, ...layers];
}

function below(base: number | undefined, path: string): Pick<RootLayer, 'base' | 'path'> {
  return base === undefined ? {} : { base, path };
}
