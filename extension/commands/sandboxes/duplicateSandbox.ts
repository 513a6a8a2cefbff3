import type { CommandContribution } from '../../base/contributions.ts';
import type { SandboxTarget } from '../../model/commandTarget.ts';
import type { Sandboxes } from '../../model/liveSandboxes.ts';
import { specificationIn } from '../../programs/sandboxParams.ts';
import { sandboxOf } from '../../programs/sandboxTargets.ts';
import { makeSpecificationFile } from '../../programs/specificationFile.ts';

export const duplicateSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.duplicate',
  title: 'Duplicate Sandbox…',
  icon: 'copy',
  menus: {
    'view/item/context': [
      { group: '4_specification@4', when: [{ view: 'sandboxes' }, { row: 'sandbox' }] },
      { group: '4_specification@3', when: [{ view: 'sandboxes' }, { onlyRow: 'specification' }] },
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
