/** `programs/explain`: the very syscall program that would run, as text, and nsenter(1)'s way to do the same. */
import type { Argument, Step } from '../launcher/program.ts';
import type { NamespaceKind, ProgramParams, ProgramsExplainResult } from '../protocol.ts';
import { compile } from './compile.ts';
import { own } from './identity.ts';
import { makePlan, type Plan } from './plan.ts';
import type { OpenNamespace } from './target.ts';

/** Of an argument that is a list, or a long text. */
const MAX_SHOWN = 80;
const COMMENT_COLUMN = 68;

export async function explainProgram(
  { terminal = false, ...params }: ProgramParams & { terminal?: boolean },
  openNamespace: OpenNamespace,
): Promise<ProgramsExplainResult> {
  const plan = await makePlan(params, { terminal, openNamespace });
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

function lineOf(step: Step): string {
  const call = callOf(step);
  const ignored = step.ignoreError && !isAttempt(step) ? ', if that is possible' : '';
  return `${call.padEnd(COMMENT_COLUMN)} # ${printable(step.purpose)}${ignored}`;
}

/** One of several places that a program is looked for in. */
function isAttempt(step: Step): boolean {
  return step.kind === 'syscall' && step.name === 'execve';
}

function callOf(step: Step): string {
  switch (step.kind) {
    case 'syscall':
      return `${step.name}(${step.arguments.map(textOf).join(', ')})`;
    case 'fork':
    case 'init':
      return step.cgroup === undefined
        ? 'fork()'
        : `clone3({flags=CLONE_INTO_CGROUP, exit_signal=SIGCHLD, cgroup=${textOf(step.cgroup)}})`;
    case 'sync':
      return 'read(3, 1)';
    case 'tether':
      return `prctl(PR_SET_PDEATHSIG, ${step.signal === 9 ? 'SIGKILL' : step.signal})`;
  }
}

function textOf(argument: Argument): string {
  switch (argument.type) {
    case 'integer':
      return argument.text ?? String(argument.value);
    case 'descriptor':
      return `${argument.value}<${printable(argument.text)}>`;
    case 'string':
      return quoted(argument.value);
    case 'strings':
      return listOf(argument.values);
    case 'bytes':
      return argument.text;
    case 'result':
      return `result of step ${argument.step + 1}`;
  }
}

function listOf(values: (string | Buffer)[]): string {
  const text = `[${values.map(quoted).join(', ')}]`;
  // An environment may hold secrets, and is long; strace shows its length as well.
  const isEnvironment = values.some((value) => Buffer.isBuffer(value));
  return isEnvironment || text.length > MAX_SHOWN ? `[/* ${values.length} strings */]` : text;
}

function quoted(value: string | Buffer): string {
  const text = typeof value === 'string' ? value : value.toString('utf8');
  return `"${printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text).replaceAll('"', '\\"')}"`;
}

/** A line stays a line, whatever a hostile name put in it. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

const NSENTER_OPTIONS: Record<NamespaceKind, string> = {
  user: '--user',
  mnt: '--mount',
  pid: '--pid',
  net: '--net',
  ipc: '--ipc',
  uts: '--uts',
  cgroup: '--cgroup',
  time: '--time',
};

function nsenterLine(plan: Plan): string {
  const { process } = plan.target;
  const words = process === undefined ? [] : ['--target', String(process.ref.pid)];
  for (const { kind, name } of plan.target.namespaces) {
    words.push(name.startsWith('/') ? NSENTER_OPTIONS[kind] : `${NSENTER_OPTIONS[kind]}=${shellWord(`<path of ${name}>`)}`);
  }
  if (plan.root !== undefined) words.push('--root', '--wd');
  if (plan.identity.uid !== undefined) words.push('--setuid', String(plan.identity.uid));
  if (plan.identity.gid !== undefined) words.push('--setgid', String(plan.identity.gid));
  const prefix = own().uid === 0 ? 'nsenter' : 'sudo nsenter';
  const command = plan.directory === undefined ? plan.command : ['env', '-C', plan.directory, ...plan.command];
  return [prefix, ...words, '--', ...command.map(shellWord)].join(' ');
}

function shellWord(text: string): string {
  const shown = printable(text);
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}

/** What the nsenter line leaves out of what the program does. */
function nsenterDifferences({ identity, cgroups, root, target }: Plan): string[] {
  const differences: string[] = [];
  const says = (condition: boolean, text: string) => {
    if (condition) differences.push(text);
  };
  says(cgroups !== undefined, 'nsenter leaves the program in your own cgroups.');
  says(identity.capabilities !== undefined, 'nsenter keeps capabilities that the process does not have.');
  says(identity.noNewPrivileges, 'nsenter does not set no_new_privs.');
  says(identity.label !== undefined, "nsenter does not take the security module's label of the process.");
  says(root !== undefined, 'nsenter passes on your own environment instead of that of the process.');
  const unnamed = target.namespaces.some(({ name }) => !name.startsWith('/'));
  says(unnamed, 'nsenter needs a path for each namespace that is not named through a process.');
  return differences;
}
