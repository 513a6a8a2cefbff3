/** What a change would do, in the words of the kernel's files, without doing it. */
import type { CgroupsChangeParams, CgroupsExplainResult } from '../../protocol/cgroups.ts';
import { freezerOf, hasFile } from './changes.ts';
import { type OpenCgroup, openCgroup } from './directory.ts';
import { membersBelow } from './members.ts';
import { planChange } from './plan.ts';
import type { Step } from './steps.ts';
import { warningsOf } from './warnings.ts';

type ExplainedStep = CgroupsExplainResult['steps'][number];

/** Throws the `Failure` that the change itself would, where that can be known. */
export async function explainChange({ cgroup: ref, change }: CgroupsChangeParams): Promise<CgroupsExplainResult> {
  using cgroup = openCgroup(ref);
  const steps = await planChange(cgroup, change);
  return { steps: steps.flatMap((step) => explainStep(cgroup, step)), warnings: warningsOf(cgroup, steps) };
}

function explainStep(cgroup: OpenCgroup, step: Step): ExplainedStep[] {
  const { directory } = cgroup;
  switch (step.do) {
    case 'write':
      return [{ do: 'write', file: `${directory}/${step.file}`, text: step.text, before: step.before }];
    case 'mkdir':
      return [{ do: 'mkdir', directory: `${directory}/${step.name}` }];
    case 'rmdir':
      return [{ do: 'rmdir', directory }];
    case 'move':
      return [writeOnly(cgroup, 'cgroup.procs', String(step.process.pid))];
    case 'kill':
      return explainKill(cgroup);
  }
}

/** The kernel signals by itself when `cgroup.kill` is written; else the helper does, between freezing and thawing where that can be. */
function explainKill(cgroup: OpenCgroup): ExplainedStep[] {
  const signal: ExplainedStep = { do: 'signal', signal: 'SIGKILL', processes: membersBelow(cgroup.fd).pids.size };
  if (hasFile(cgroup, 'cgroup.kill')) return [writeOnly(cgroup, 'cgroup.kill', '1'), signal];
  if (freezerOf(cgroup) === undefined) return [signal];
  const [file, frozen, thawed] =
    cgroup.version === 2 ? (['cgroup.freeze', '1', '0'] as const) : (['freezer.state', 'FROZEN', 'THAWED'] as const);
  return [writeOnly(cgroup, file, frozen), signal, writeOnly(cgroup, file, thawed)];
}

/** A file whose text is an order: what stands there says nothing about what would be replaced. */
function writeOnly({ directory }: OpenCgroup, file: string, text: string): ExplainedStep {
  return { do: 'write', file: `${directory}/${file}`, text, before: { unknown: 'unsupported' } };
}
