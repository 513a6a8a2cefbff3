/** A failed step of a sandbox in words: what failed, what the errno means there, and what to do. */

import { Failure } from '../failure.ts';
import { EACCES, ENOENT, ENOEXEC } from '../kernel/numbers.ts';
import type { SyscallName } from '../kernel/syscalls.ts';
import { StepFailure } from '../launcher/launch.ts';
import type { Step } from '../launcher/program.ts';
import { own } from '../programs/identity.ts';
import type { ErrorData } from '../protocol/errors.ts';
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
  what?: (plan: SandboxPlan) => string;
  /** What the errno means there. */
  why?: string;
  hint?: string | ((plan: SandboxPlan) => string);
}

/** Of those that fit the first counts. */
const MEANINGS: readonly Meaning[] = [
  {
    of: ['fork', 'init'],
    errno: ['EAGAIN'],
    reason: 'busy',
    why: 'a limit on the number of processes is reached',
    hint: 'Raise pids.max or RLIMIT_NPROC, or end some processes.',
  },
  {
    of: ['fork', 'init'],
    errno: ['ENOMEM'],
    reason: 'gone',
    why: 'the first process of that pid namespace has ended',
    hint: 'Choose a pid namespace that is in use, or a new one.',
  },
  { where: isOfCgroup, hint: 'Leave the limit out, or see what the cgroup above allows.' },
  {
    of: ['unshare'],
    errno: ['ENOSPC', 'EUSERS'],
    reason: 'busy',
    why: 'the limit on the number of such namespaces is reached',
    hint: 'Raise it in /proc/sys/user (max_user_namespaces and the like).',
  },
  {
    of: ['unshare'],
    errno: ['EINVAL'],
    reason: 'unsupported',
    why: 'this kernel has no namespaces of one of these kinds',
  },
  {
    of: ['unshare'],
    errno: ['EPERM'],
    where: ({ fresh }) => fresh.has('user'),
    reason: 'permission',
    why: 'this host does not let ordinary users make user namespaces',
    hint: 'Restart the helper as root, or have it allowed: sysctl kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns.',
  },
  { of: ['unshare'], reason: 'permission', hint: 'Restart the helper as root, or set namespaces.user to "new".' },
  {
    of: ['openat2'],
    errno: ['ELOOP'],
    reason: 'invalid',
    why: 'it has a symbolic link where none may be, or did not have it a moment ago',
    hint: 'Name the place that the link leads to.',
  },
  {
    of: ['openat2'],
    errno: ['ENOENT'],
    reason: 'notFound',
    why: 'it is not in the root, and could not be made there',
    hint: hintForLacking,
  },
  {
    of: ['bind'],
    reason: 'unsupported',
    why: 'the kernel did not give it',
    hint: 'IPv6 may be off in new net namespaces (the kernel parameter ipv6.disable_ipv6): leave network.ipv6 and network.address6 out.',
  },
  {
    of: ['chdir'],
    errno: ['ENOENT', 'EACCES'],
    what: ({ spec }) => `The directory ${spec.process.cwd} cannot be used in the sandbox`,
    hint: 'Choose another "process.cwd", or mount something there.',
  },
  { of: ['fsopen'], errno: ['ENODEV'], reason: 'unsupported', why: 'this kernel has no such file system' },
  {
    of: ['fsconfig'],
    errno: ['EINVAL'],
    where: ({ root, fresh }) => root.type === 'overlay' && fresh.has('user'),
    reason: 'unsupported',
    why: 'other mounts lie on a layer, and in a new user namespace they are locked there',
    hint: 'Choose a directory on which nothing is mounted, root.access "readOnly", or restart the helper as root.',
  },
  {
    of: ['fsconfig', 'fsmount'],
    errno: ['EINVAL'],
    reason: 'invalid',
    why: 'the file system does not take this option, or not with the others',
  },
  {
    of: ['fsmount'],
    errno: ['EPERM'],
    reason: 'permission',
    why: "the kernel allows it only where nothing of the host's is hidden by other mounts",
    hint: 'Inside a container, /proc and /sys have parts that are masked: choose "none" for it.',
  },
  { errno: ['ENOSPC'], reason: 'busy', why: 'there is no room left for it', hint: hintForRoom },
  { errno: ['ENOSYS'], reason: 'unsupported', why: 'this kernel is too old; sandboxes need Linux 5.12' },
  { where: (_, { reason }) => reason === 'permission', hint: hintForPermission },
];

export function inWords(plan: SandboxPlan, error: unknown): unknown {
  if (!(error instanceof StepFailure)) return error;
  const { step } = error;
  const data: Omit<ErrorData, 'reason'> = { ...error.data, step: error.index };
  if (step.kind === 'syscall' && step.name === 'execve') return execveInWords(plan, error, data);
  const meaning: Meaning = MEANINGS.find((one) => fits(one, plan, error)) ?? {};
  const what = meaning.what?.(plan) ?? `Could not ${step.purpose}`;
  const why = meaning.why === undefined ? '' : `: ${meaning.why}`;
  const hint = typeof meaning.hint === 'function' ? meaning.hint(plan) : meaning.hint;
  return new Failure(meaning.reason ?? error.reason, `${what}: ${error.data.errno}${why}.`, {
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

function hintForPermission(): string {
  return own().privileged
    ? 'A security module, or the namespaces around the helper, may forbid it.'
    : 'Restart the helper as root, or set namespaces.user to "new".';
}

function hintForLacking({ root }: SandboxPlan): string {
  return root.type === 'bind' && root.readOnly
    ? 'The root is read-only: make the directory in it beforehand, set root.access to "overlay", or leave the mount out.'
    : 'Make it beforehand; or let the user that the sandbox runs as write in the directory of the root.';
}

function hintForRoom({ spec: { root } }: SandboxPlan): string {
  const isOfMemory = root.type === 'programs' || root.type === 'tmpfs';
  return isOfMemory ? 'Give "root.size" more, or leave some of it out.' : 'Make room there, or leave some of it out.';
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
    const missing = plan.shell ? 'No shell was' : `${name}: not found. It was not`;
    return new Failure('notFound', `${missing} found in the sandbox${describeRoot(plan)}.`, {
      ...details,
      errno: 'ENOENT',
      hint: hintForProgram(plan, name),
    });
  }
  if (errno === EACCES) {
    return new Failure(
      'permission',
      `${name} may not be executed in the sandbox: it is not executable, or is on a file system mounted noexec.`,
      { ...details, errno: 'EACCES' },
    );
  }
  if (errno === ENOEXEC)
    return new Failure('invalid', `${name} is not a program of this machine, nor a script.`, { ...details, errno: 'ENOEXEC' });
  return new Failure(failure.reason, failure.message, details);
}

function isExecve(_plan: SandboxPlan, failure: StepFailure, step: number): boolean {
  return step > failure.index - _plan.candidates.length;
}

function describeRoot({ spec, root }: SandboxPlan): string {
  if (spec.root.type === 'tmpfs') return ', whose root is an empty tmpfs: there is no program in it, not even ls';
  if (spec.root.type === 'programs') return `, whose root has only ${spec.root.programs.join(', ')}`;
  if (root.type === 'bind' && root.path !== '/')
    return `, whose root is ${root.path}, nor in a folder of its PATH; or its loader or interpreter is lacking there`;
  return ', nor in a folder of its PATH; or its loader or interpreter is lacking';
}

function hintForProgram({ spec, shell }: SandboxPlan, name: string): string {
  const program = shell ? 'bash' : name;
  if (spec.root.type === 'programs') return `Add "${program}" to root.programs.`;
  return `Take the root "programs" and name ${program}: it brings the program with its loader and libraries, and nothing else.`;
}
