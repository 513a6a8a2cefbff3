/** `programs/explain`: the very syscall program that would run, as text, and nsenter(1)'s way to do the same. */

import { lineOf, shellWord } from '../launcher/text.ts';
import { NAMESPACE_OPTIONS } from '../protocol/namespaceKinds.ts';
import type { ProgramParams, ProgramsExplainResult } from '../protocol/programs.ts';
import { compile } from './compile.ts';
import { own } from './identity.ts';
import { makePlan, type Plan } from './plan.ts';
import type { OpenNamespace } from './target.ts';

export async function explainProgram(
  { terminal = false, ...params }: ProgramParams & { terminal?: boolean },
  openNamespace: OpenNamespace,
): Promise<ProgramsExplainResult> {
  return explainPlanned(await makePlan(params, { terminal, openNamespace, isShown: true }));
}

/** Disposes of the plan. */
export function explainPlanned(plan: Plan): ProgramsExplainResult {
  try {
    const { program, dispose } = compile(plan);
    dispose();
    return {
      command: plan.command,
      user: plan.user,
      syscalls: program.steps.map(lineOf).join('\n'),
      nsenter: nsenterLine(plan),
      differences: [...plan.differences, ...nsenterDifferences(plan)],
    };
  } finally {
    plan.dispose();
  }
}

function nsenterLine(plan: Plan): string {
  const { process } = plan.target;
  const words = process === undefined ? [] : ['--target', String(process.ref.pid)];
  for (const { kind, name } of plan.target.namespaces) {
    words.push(name.startsWith('/') ? NAMESPACE_OPTIONS[kind] : `${NAMESPACE_OPTIONS[kind]}=${shellWord(`<path of ${name}>`)}`);
  }
  if (plan.root !== undefined) words.push('--root', '--wd');
  if (plan.identity.uid !== undefined) words.push('--setuid', String(plan.identity.uid));
  if (plan.identity.gid !== undefined) words.push('--setgid', String(plan.identity.gid));
  const prefix = own().uid === 0 ? 'nsenter' : 'sudo nsenter';
  const command = plan.directory === undefined ? plan.command : ['env', '-C', plan.directory, ...plan.command];
  return [prefix, ...words, '--', ...command.map(shellWord)].join(' ');
}

/** What the nsenter line leaves out of what the program does. */
function nsenterDifferences({ identity, seccomp, cgroups, root, target }: Plan): string[] {
  const differences: string[] = [];
  const says = (condition: boolean, text: string) => {
    if (condition) differences.push(text);
  };
  says(cgroups !== undefined, 'nsenter leaves the program in your own cgroups.');
  says(identity.capabilities !== undefined, 'nsenter keeps capabilities that the process does not have.');
  says(identity.noNewPrivileges, 'nsenter does not set no_new_privs.');
  says(seccomp.length > 0, 'nsenter loads no seccomp filter.');
  says(identity.label !== undefined, "nsenter does not take the security module's label of the process.");
  says(root !== undefined, 'nsenter passes on your own environment instead of that of the process.');
  const unnamed = target.namespaces.some(({ name }) => !name.startsWith('/'));
  says(unnamed, 'nsenter needs a path for each namespace that is not named through a process.');
  return differences;
}
