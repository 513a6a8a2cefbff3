/** `sandboxes/explain`: the very program that would run, as text, and what other tools would be told. */
import type { Step } from '../../launcher/program.ts';
import { callOf, isAttempt, lineOf, printableSaid } from '../../launcher/text.ts';
import type { SandboxesExplainResult, SandboxStep } from '../../protocol/sandboxes.ts';
import { english } from '../../saying.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import { noteOf } from '../saved/runningNotes.ts';
import { compileSandbox } from '../steps/compileSandbox.ts';
import { equivalents } from './equivalents.ts';

/** Any descriptor will do: nothing is opened, and nothing runs. */
const NO_PIPE = -1;

export function explainSandbox(plan: SandboxPlan): SandboxesExplainResult {
  const table = plan.veth?.rules === undefined ? {} : { table: NO_PIPE - 2 };
  const note = plan.cgroups.length === 0 ? {} : { note: noteOf(plan.id, NO_PIPE - 3) };
  const { program, fork, init } = compileSandbox(plan, { statusPipe: NO_PIPE, memoryPipe: NO_PIPE - 1, ...table, ...note });
  const by = (index: number): SandboxStep['by'] => {
    if (index <= fork) return 'parent';
    return init !== undefined && index <= init ? 'init' : 'child';
  };
  return {
    spec: plan.spec,
    steps: program.steps.map((step, index) => describe(step, by(index))),
    syscalls: program.steps.map((step) => english(lineOf(step))).join('\n'),
    equivalents: equivalents(plan),
    notes: plan.notes,
    weaker: plan.weaker,
  };
}

function describe(step: Step, by: SandboxStep['by']): SandboxStep {
  return {
    call: callOf(step),
    purpose: printableSaid(step.purpose),
    by,
    optional: (step.ignoreError ?? step.ignoreLacking ?? step.condition !== undefined) && !isAttempt(step),
  };
}
