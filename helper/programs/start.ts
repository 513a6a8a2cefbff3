/** Starts a planned program, and says in words what kept it from starting. */

import { Failure } from '../failure.ts';
import { E2BIG, EACCES, EAGAIN, ENOENT, ENOEXEC, ENOMEM } from '../kernel/numbers.ts';
import { type Launched, launch, StepFailure, type StepResult } from '../launcher/launch.ts';
import { withinDeadline } from '../reading/deadline.ts';
import { compile } from './compile.ts';
import { own } from './identity.ts';
import type { Candidate, Plan } from './plan.ts';

/** A file system or a paused container can keep a program from starting for ever. */
const START_DEADLINE_MILLIS = 30_000;

/**
 * Launches the program of `plan` with these descriptors as its standard input and outputs, which may be closed as soon as
 * this returns: the launcher runs then. `confirmed` resolves when execve has succeeded, and rejects with a `Failure`.
 */
export function start(
  plan: Plan,
  stdio: [number | 'ignore', number | 'ignore', number | 'ignore'],
): Launched & { confirmed: Promise<Candidate> } {
  const compiled = compile(plan);
  try {
    // What was opened must still be of the process that was asked for.
    plan.target.check();
    const launched = launch({ program: compiled.program, stdio, descriptors: compiled.descriptors });
    return { ...launched, confirmed: confirm(plan, launched) };
  } finally {
    compiled.dispose();
  }
}

async function confirm(plan: Plan, launched: Launched): Promise<Candidate> {
  const late = () => {
    launched.kill();
    return new Failure('busy', `The program did not start within ${START_DEADLINE_MILLIS / 1000} seconds.`, {
      hint: 'The container may be paused, or one of its file systems may not answer.',
    });
  };
  try {
    return candidateThatRuns(plan, await withinDeadline(launched.started, START_DEADLINE_MILLIS, late));
  } catch (error) {
    throw error instanceof StepFailure ? inWords(plan, error) : error;
  }
}

/** Each execve that failed was reported; the first that was not is the one that runs. */
function candidateThatRuns(plan: Plan, results: StepResult[]): Candidate {
  const failed = results.filter(({ value }) => value < 0).length;
  return plan.candidates[Math.min(failed, plan.candidates.length - 1)]!;
}

function inWords(plan: Plan, failure: StepFailure): Failure {
  const { step, errno } = failure;
  if (step.kind === 'fork') return forkInWords(failure);
  if (step.kind !== 'syscall') return failure;
  if (step.name === 'execve') return execveInWords(plan, failure);
  if (step.name === 'chdir' && plan.directory !== undefined && (errno === ENOENT || errno === EACCES)) {
    return new Failure(
      failure.reason,
      `The directory ${plan.directory} cannot be used there: ${failure.data.errno}.`,
      failure.data,
    );
  }
  if (failure.reason === 'permission') {
    const hint = own().privileged
      ? 'A security module or the namespaces around the helper may forbid it.'
      : permissionHint(plan);
    return new Failure('permission', failure.message, { ...failure.data, hint });
  }
  return failure;
}

function permissionHint(plan: Plan): string {
  const user = plan.target.namespaces.some(({ kind }) => kind === 'user');
  return user
    ? 'Restart the helper as root: these namespaces belong to another user.'
    : 'Restart the helper as root; or, for a container of your own, enter its user namespace as well.';
}

function forkInWords(failure: StepFailure): Failure {
  if (failure.errno === ENOMEM) {
    return new Failure(
      'gone',
      'Nothing can be started in that pid namespace any more: its first process has ended.',
      failure.data,
    );
  }
  if (failure.errno === EAGAIN) {
    return new Failure('busy', 'No further process may be started there: a limit on their number is reached.', {
      ...failure.data,
      hint: 'End some processes, raise pids.max of the cgroup, or enter without joining the cgroups.',
    });
  }
  if (failure.errno === EACCES) {
    return new Failure('permission', failure.message, {
      ...failure.data,
      hint: 'Between its cgroup and that of the helper is one that you may not change: enter without joining the cgroups, or restart the helper as root.',
    });
  }
  return failure;
}

function execveInWords(plan: Plan, failure: StepFailure): Failure {
  // Of several places the first in which there was something is worth telling about; EACCES may be that of a folder of PATH.
  const telling = failure.results.find(({ value }) => value < 0 && value !== -ENOENT && value !== -EACCES);
  const last = plan.candidates.length > 1 && failure.errno === EACCES ? ENOENT : failure.errno;
  const errno = telling === undefined || last !== ENOENT ? last : -telling.value;
  const name = plan.command[0]!;
  const details = { errno: failure.data.errno!, syscall: 'execve', path: name };
  if (plan.shell && [ENOENT, EACCES, ENOEXEC].includes(errno)) {
    return new Failure('notFound', 'There is no shell that can be run there.', {
      ...details,
      hint: "Enter its other namespaces without mnt to use the host's tools in them.",
    });
  }
  if (errno === ENOENT) {
    const where = name.includes('/') ? '' : ' in a folder of PATH from which it may be executed';
    return new Failure(
      'notFound',
      `${name} was not found there${where}, or the interpreter or loader that it needs was not.`,
      details,
    );
  }
  if (errno === E2BIG) {
    return new Failure('unsupported', `The environment of the process is larger than Linux lets ${name} have.`, {
      ...details,
      hint: 'A string may have 128 KiB, all together a quarter of the limit of the stack. Enter without the root directory of the process.',
    });
  }
  if (errno === EACCES) return new Failure('permission', `${name} may not be executed there.`, { ...details, errno: 'EACCES' });
  if (errno === ENOEXEC) {
    return new Failure('invalid', `${name} is not a program of this machine, nor a script.`, { ...details, errno: 'ENOEXEC' });
  }
  return failure;
}
