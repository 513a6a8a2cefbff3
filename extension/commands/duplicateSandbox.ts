import type { CommandContribution } from '../contributions.ts';
import type { Sandboxes } from '../host/sandboxes.ts';
import { specificationIn } from '../programs/sandboxSpec.ts';
import { sandboxOf } from '../programs/sandboxTargets.ts';
import { makeSpecificationFile } from '../programs/specificationFile.ts';
import type { SandboxTarget } from '../target.ts';

export const duplicateSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.duplicate',
  title: 'Duplicate Sandbox…',
  icon: 'copy',
  menus: {
    'view/item/context': [
      { group: '3_specification@1', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
      { group: '3_specification@3', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
    ],
  },
};

/** Writes the specification of a sandbox, or of a file, to a new file under another name. */
export async function duplicateSandbox(sandboxes: Sandboxes, target: SandboxTarget = {}): Promise<void> {
  const spec =
    target.file === undefined ? (await sandboxOf(sandboxes, target))?.spec : (await specificationIn(target.file)).spec;
  if (spec === undefined) return;
  const name = `${spec.name ?? 'sandbox'}-copy`;
  await makeSpecificationFile({ ...spec, name }, name);
}
