/** Starts a planned program, and says in words what kept it from starting. */

import { Failure } from '../failure.ts';
import { E2BIG, EACCES, EAGAIN, ENOENT, ENOEXEC, ENOMEM } from '../kernel/numbers.ts';
import { type Launched, launch, StepFailure, type StepResult } from '../launcher/launch.ts';
import type { Said } from '../protocol/sentences.ts';
import { withinDeadline } from '../reading/deadline.ts';
import { said } from '../saying.ts';
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
    return new Failure('busy', said('programDidNotStart', START_DEADLINE_MILLIS / 1000), {
      hint: said('containerMayBePaused'),
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
    return new Failure(failure.reason, said('directoryCannotBeUsedThere', plan.directory, failure.data.errno!), failure.data);
  }
  if (failure.reason === 'permission') {
    const hint = own().privileged ? said('maybeForbidden') : permissionHint(plan);
    return new Failure('permission', failure.text, { ...failure.data, hint });
  }
  return failure;
}

function permissionHint(plan: Plan): Said {
  const user = plan.target.namespaces.some(({ kind }) => kind === 'user');
  return user ? said('restartAsRootOtherOwner') : said('restartAsRootOrEnterUser');
}

function forkInWords(failure: StepFailure): Failure {
  if (failure.errno === ENOMEM) {
    return new Failure('gone', said('pidNamespaceHasEnded'), failure.data);
  }
  if (failure.errno === EAGAIN) {
    return new Failure('busy', said('tasksLimitIsReachedThere'), {
      ...failure.data,
      hint: said('endProcessesOrRaiseLimit'),
    });
  }
  if (failure.errno === EACCES) {
    return new Failure('permission', failure.text, {
      ...failure.data,
      hint: said('cgroupBetweenIsClosed'),
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
    return new Failure('notFound', said('noShellThere'), {
      ...details,
      hint: said('enterWithoutMnt'),
    });
  }
  if (errno === ENOENT) {
    return new Failure('notFound', said(name.includes('/') ? 'programWasNotFound' : 'programWasNotFoundInPath', name), details);
  }
  if (errno === E2BIG) {
    return new Failure('unsupported', said('environmentIsTooLarge', name), {
      ...details,
      hint: said('environmentLimits'),
    });
  }
  if (errno === EACCES) return new Failure('permission', said('mayNotBeExecutedThere', name), { ...details, errno: 'EACCES' });
  if (errno === ENOEXEC) {
    return new Failure('invalid', said('isNoProgramOfMachine', name), { ...details, errno: 'ENOEXEC' });
  }
  return failure;
}
