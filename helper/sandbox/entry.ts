/** A program in a sandbox that runs: in its namespaces and root, and confined as the sandbox's own program is. */

import { Failure } from '../failure.ts';
import { O_DIRECTORY } from '../kernel/files.ts';
import { O_PATH } from '../kernel/numbers.ts';
import { holdCgroups } from '../programs/cgroups.ts';
import { Environment } from '../programs/environment.ts';
import { inPath, type Plan, SHELLS } from '../programs/plan.ts';
import { holdTarget } from '../programs/target.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { ProgramParams } from '../protocol/programs.ts';
import { said } from '../saying.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';

export interface Entered {
  sandbox: { name: string; process?: ProcessRef };
  plan: SandboxPlan;
}

/** Rejects with a `Failure` and holds nothing when it cannot be entered. */
export async function planEntry({ sandbox, plan }: Entered, params: ProgramParams, terminal: boolean): Promise<Plan> {
  if (sandbox.process === undefined) throw new Failure('gone', said('nothingRunsInSandbox', sandbox.name));
  const target = holdTarget({ process: sandbox.process }, () => {
    throw new Error('no namespace was named');
  });
  const disposables = [() => target.dispose()];
  const dispose = () => {
    for (const disposeOne of disposables.splice(0)) disposeOne();
  };
  try {
    const held = target.process!;
    const cgroups = plan.cgroups.length === 0 ? undefined : holdCgroups(held);
    if (cgroups !== undefined) disposables.push(() => cgroups.dispose());
    const root = {
      descriptor: await held.openLinked('root', O_PATH | O_DIRECTORY, said('theRootDirectory')),
      name: `/proc/${held.ref.pid}/root`,
    };
    const environment = environmentOf(plan, params, terminal);
    const candidates =
      params.command === undefined
        ? SHELLS.flatMap((shell) => inPath(environment, [shell]))
        : inPath(environment, params.command);
    const { identity, groups } = plan.user;
    return {
      target,
      identity: { ...identity, ...(groups === undefined ? {} : { groups }) },
      root,
      directory: params.directory ?? plan.spec.process.cwd,
      environment,
      candidates,
      command: params.command ?? candidates[0]!.arguments,
      shell: params.command === undefined,
      terminal,
      user: String(identity.uid),
      differences: [],
      seccomp: plan.seccomp === undefined ? [] : [plan.seccomp],
      ...(cgroups === undefined ? {} : { cgroups }),
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function environmentOf(plan: SandboxPlan, params: ProgramParams, terminal: boolean): Environment {
  const environment = new Environment();
  for (const entry of plan.environment.entries()) {
    const [name = '', ...value] = entry.toString('utf8').split('=');
    environment.set(name, value.join('='));
  }
  if (terminal) environment.set('TERM', 'xterm-256color');
  for (const [name, value] of Object.entries(params.environment ?? {})) environment.set(name, value);
  return environment;
}
