/** A failed step of a sandbox in words: what failed, what the errno means there, and what to do. */

import { Failure } from '../failure.ts';
import { EACCES, ENOENT, ENOEXEC } from '../kernel/numbers.ts';
import type { SyscallName } from '../kernel/syscalls.ts';
import { StepFailure } from '../launcher/launch.ts';
import type { Step } from '../launcher/program.ts';
import { own } from '../programs/identity.ts';
import type { ErrorData } from '../protocol/errors.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';

/** What it means that a step failed so. */
interface Meaning {
  /** System calls or kinds of steps; without it, every system call. */
  of?: readonly (SyscallName | Step['kind'])[];
  errno?: readonly string[];
  /** What else has to hold. */
  where?: (plan: SandboxPlan, failure: StepFailure) => boolean;
  /** The failure's own without it. */
  reason?: ErrorData['reason'];
  /** What failed, where that says more than the purpose of the step. */
  what?: (plan: SandboxPlan) => Said;
  /** What the errno means there. */
  why?: Said;
  hint?: Said | ((plan: SandboxPlan) => Said);
}

/** Of those that fit the first counts. */
const MEANINGS: readonly Meaning[] = [
  {
    of: ['fork', 'init'],
    errno: ['EAGAIN'],
    reason: 'busy',
    why: said('whyProcessLimitReached'),
    hint: said('raiseProcessLimit'),
  },
  {
    of: ['fork', 'init'],
    errno: ['ENOMEM'],
    reason: 'gone',
    why: said('whyPidNamespaceEnded'),
    hint: said('choosePidNamespaceInUse'),
  },
  { where: isOfCgroup, hint: said('leaveLimitOutOrLookAbove') },
  {
    of: ['unshare'],
    errno: ['ENOSPC', 'EUSERS'],
    reason: 'busy',
    why: said('whyNamespaceLimitReached'),
    hint: said('raiseNamespaceLimit'),
  },
  {
    of: ['unshare'],
    errno: ['EINVAL'],
    reason: 'unsupported',
    why: said('whyKindsLacking'),
  },
  {
    of: ['unshare'],
    errno: ['EPERM'],
    where: ({ fresh }) => fresh.has('user'),
    reason: 'permission',
    why: said('whyUserNamespacesForbidden'),
    hint: said('restartAsRootOrAllow'),
  },
  { of: ['unshare'], reason: 'permission', hint: said('restartAsRootOrNewUser') },
  {
    of: ['openat2'],
    errno: ['ELOOP'],
    reason: 'invalid',
    why: said('whyLinkOrGone'),
    hint: said('nameWhereLinkLeads'),
  },
  {
    of: ['openat2'],
    errno: ['ENOENT'],
    reason: 'notFound',
    why: said('whyNotInRoot'),
    hint: hintForLacking,
  },
  {
    of: ['bind'],
    reason: 'unsupported',
    why: said('whyNotGiven'),
    hint: said('ipv6MayBeOff'),
  },
  {
    of: ['chdir'],
    errno: ['ENOENT', 'EACCES'],
    what: ({ spec }) => said('couldNotUseDirectory', spec.process.cwd),
    hint: said('chooseAnotherCwd'),
  },
  { of: ['fsopen'], errno: ['ENODEV'], reason: 'unsupported', why: said('whyNoFileSystem') },
  {
    of: ['fsconfig'],
    errno: ['EINVAL'],
    where: ({ root, fresh }) => root.type === 'overlay' && fresh.has('user'),
    reason: 'unsupported',
    why: said('whyMountsLocked'),
    hint: said('chooseDirectoryWithoutMounts'),
  },
  {
    of: ['fsconfig', 'fsmount'],
    errno: ['EINVAL'],
    reason: 'invalid',
    why: said('whyOptionNotTaken'),
  },
  {
    of: ['fsmount'],
    errno: ['EPERM'],
    reason: 'permission',
    why: said('whyMaskedByMounts'),
    hint: said('chooseNoneInContainer'),
  },
  { errno: ['ENOSPC'], reason: 'busy', why: said('whyNoRoomLeft'), hint: hintForRoom },
  { errno: ['ENOSYS'], reason: 'unsupported', why: said('whyKernelTooOld') },
  { where: (_, { reason }) => reason === 'permission', hint: hintForPermission },
];

export function inWords(plan: SandboxPlan, error: unknown): unknown {
  if (!(error instanceof StepFailure)) return error;
  const { step } = error;
  const data: Omit<ErrorData, 'reason'> = { ...error.data, step: error.index };
  if (step.kind === 'syscall' && step.name === 'execve') return execveInWords(plan, error, data);
  const meaning: Meaning = MEANINGS.find((one) => fits(one, plan, error)) ?? {};
  const what = meaning.what?.(plan) ?? said('couldNot', step.purpose);
  const hint = typeof meaning.hint === 'function' ? meaning.hint(plan) : meaning.hint;
  const errno = error.data.errno!;
  const text = meaning.why === undefined ? said('becauseOf', what, errno) : said('becauseOfWhy', what, errno, meaning.why);
  return new Failure(meaning.reason ?? error.reason, text, {
    ...data,
    ...(hint === undefined ? {} : { hint }),
  });
}

function fits({ of, errno, where }: Meaning, plan: SandboxPlan, failure: StepFailure): boolean {
  const { step, data } = failure;
  const isOfStep = of === undefined ? step.kind === 'syscall' : of.includes(step.kind === 'syscall' ? step.name : step.kind);
  return isOfStep && (errno?.includes(data.errno!) ?? true) && (where?.(plan, failure) ?? true);
}

/** Whether it was about a file of a cgroup that the sandbox has for its limits. */
function isOfCgroup({ cgroups }: SandboxPlan, { step }: StepFailure): boolean {
  if (step.kind !== 'syscall') return false;
  return cgroups.some(({ parent }) =>
    step.arguments.some((one) => one.type === 'string' && String(one.value).startsWith(parent)),
  );
}

function hintForPermission(): Said {
  return own().privileged ? said('maybeForbiddenAround') : said('restartAsRootOrNewUser');
}

function hintForLacking({ root }: SandboxPlan): Said {
  return root.type === 'bind' && root.readOnly ? said('rootIsReadOnly') : said('makeItBeforehand');
}

function hintForRoom({ spec: { root } }: SandboxPlan): Said {
  const isOfMemory = root.type === 'programs' || root.type === 'tmpfs';
  return isOfMemory ? said('giveRootMoreSize') : said('makeRoomThere');
}

function execveInWords(plan: SandboxPlan, failure: StepFailure, data: Omit<ErrorData, 'reason'>): Failure {
  // Of several places the first in which there was something tells; EACCES may be that of a folder of PATH.
  const telling = failure.results.find(({ step, value }) => {
    return value < 0 && value !== -ENOENT && value !== -EACCES && isExecve(plan, failure, step);
  });
  const last = plan.candidates.length > 1 && failure.errno === EACCES ? ENOENT : failure.errno;
  const errno = telling === undefined || last !== ENOENT ? last : -telling.value;
  const name = plan.command[0]!;
  const details = { ...data, path: name };
  if (errno === ENOENT) {
    return new Failure('notFound', notFoundText(plan, name), {
      ...details,
      errno: 'ENOENT',
      hint: hintForProgram(plan, name),
    });
  }
  if (errno === EACCES) {
    return new Failure('permission', said('mayNotBeExecutedInSandbox', name), { ...details, errno: 'EACCES' });
  }
  if (errno === ENOEXEC) return new Failure('invalid', said('isNoProgramOfMachine', name), { ...details, errno: 'ENOEXEC' });
  return new Failure(failure.reason, failure.text, details);
}

function isExecve(_plan: SandboxPlan, failure: StepFailure, step: number): boolean {
  return step > failure.index - _plan.candidates.length;
}

function notFoundText({ spec, root, shell }: SandboxPlan, name: string): Said {
  const { root: asked } = spec;
  if (asked.type === 'tmpfs') return shell ? said('noShellInEmptyRoot') : said('notInEmptyRoot', name);
  if (asked.type === 'programs') {
    return shell ? said('noShellAmongPrograms', asked.programs) : said('notAmongPrograms', name, asked.programs);
  }
  if (root.type === 'bind' && root.path !== '/') {
    return shell ? said('noShellInRoot', root.path) : said('notInRoot', name, root.path);
  }
  return shell ? said('noShellInSandbox') : said('notInSandbox', name);
}

function hintForProgram({ spec, shell }: SandboxPlan, name: string): Said {
  const program = shell ? 'bash' : name;
  if (spec.root.type === 'programs') return said('addToPrograms', program);
  return said('takeRootOfPrograms', program);
}
