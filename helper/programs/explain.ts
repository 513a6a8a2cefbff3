/** `programs/explain`: the very syscall program that would run, as text, and nsenter(1)'s way to do the same. */

import { lineOf, shellWord } from '../launcher/text.ts';
import { NAMESPACE_OPTIONS } from '../protocol/namespaceKinds.ts';
import type { ProgramParams, ProgramsExplainResult } from '../protocol/programs.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
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
      syscalls: program.steps.map(lineOf),
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
function nsenterDifferences({ identity, seccomp, cgroups, root, target }: Plan): Said[] {
  const differences: Said[] = [];
  const says = (condition: boolean, text: Said) => {
    if (condition) differences.push(text);
  };
  says(cgroups !== undefined, said('nsenterLeavesCgroups'));
  says(identity.capabilities !== undefined, said('nsenterKeepsCapabilities'));
  says(identity.noNewPrivileges, said('nsenterSetsNoNoNewPrivs'));
  says(seccomp.length > 0, said('nsenterLoadsNoFilter'));
  says(identity.label !== undefined, said('nsenterTakesNoLabel'));
  says(root !== undefined, said('nsenterPassesEnvironment'));
  const unnamed = target.namespaces.some(({ name }) => !name.startsWith('/'));
  says(unnamed, said('nsenterNeedsPaths'));
  return differences;
}
