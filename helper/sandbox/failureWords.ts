/** A failed step of a sandbox in words: what failed, what the errno means there, and what to do. */

import { Failure } from '../failure.ts';
import { EACCES, ENOENT, ENOEXEC } from '../kernel/numbers.ts';
import { StepFailure } from '../launcher/launch.ts';
import { own } from '../programs/identity.ts';
import type { ErrorData } from '../protocol/errors.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';

export function inWords(plan: SandboxPlan, error: unknown): unknown {
  if (!(error instanceof StepFailure)) return error;
  const { step } = error;
  const data: Omit<ErrorData, 'reason'> = { ...error.data, step: error.index };
  const say = (reason: ErrorData['reason'], message: string, hint?: string) =>
    new Failure(reason, message, { ...data, ...(hint === undefined ? {} : { hint }) });
  if (step.kind === 'syscall' && step.name === 'execve') return execveInWords(plan, error, data);
  const { errno } = error.data;
  const what = `Could not ${step.purpose}: ${errno}`;
  if (step.kind === 'fork' || step.kind === 'init') {
    if (errno === 'EAGAIN')
      return say(
        'busy',
        `${what}: a limit on the number of processes is reached.`,
        'Raise pids.max or RLIMIT_NPROC, or end some processes.',
      );
    if (errno === 'ENOMEM')
      return say(
        'gone',
        `${what}: the first process of that pid namespace has ended.`,
        'Choose a pid namespace that is in use, or a new one.',
      );
  }
  if (step.kind !== 'syscall') return say(error.reason, `${what}.`);
  if (
    plan.cgroups.some(({ parent }) =>
      step.arguments.some((one) => one.type === 'string' && String(one.value).startsWith(parent)),
    )
  ) {
    return say(error.reason, `${what}.`, 'Leave the limit out, or see what the cgroup above allows.');
  }
  if (step.name === 'unshare') return unshareInWords(plan, what, errno!, say);
  if (step.name === 'openat2' && errno === 'ELOOP') {
    return say(
      'invalid',
      `${what}: it has a symbolic link where none may be, or did not have it a moment ago.`,
      'Name the place that the link leads to.',
    );
  }
  if (step.name === 'openat2' && errno === 'ENOENT') {
    return say('notFound', `${what}: it is not in the root, and could not be made there.`, hintForLacking(plan));
  }
  if (step.name === 'bind') {
    return say(
      'unsupported',
      `${what}: the kernel did not give it.`,
      'IPv6 may be off in new net namespaces (the kernel parameter ipv6.disable_ipv6): leave network.ipv6 and network.address6 out.',
    );
  }
  if (step.name === 'chdir' && (errno === 'ENOENT' || errno === 'EACCES')) {
    return say(
      error.reason,
      `The directory ${plan.spec.process.cwd} cannot be used in the sandbox: ${errno}.`,
      'Choose another "process.cwd", or mount something there.',
    );
  }
  if (step.name === 'fsopen' && errno === 'ENODEV') return say('unsupported', `${what}: this kernel has no such file system.`);
  if (step.name === 'fsconfig' && errno === 'EINVAL' && plan.root.type === 'overlay' && plan.fresh.has('user')) {
    return say(
      'unsupported',
      `${what}: other mounts lie on a layer, and in a new user namespace they are locked there.`,
      'Choose a directory on which nothing is mounted, root.access "readOnly", or restart the helper as root.',
    );
  }
  if ((step.name === 'fsconfig' || step.name === 'fsmount') && errno === 'EINVAL') {
    return say('invalid', `${what}: the file system does not take this option, or not with the others.`);
  }
  if (step.name === 'fsmount' && errno === 'EPERM') {
    return say(
      'permission',
      `${what}: the kernel allows it only where nothing of the host's is hidden by other mounts.`,
      'Inside a container, /proc and /sys have parts that are masked: choose "none" for it.',
    );
  }
  if (errno === 'ENOSPC') return say('busy', `${what}: there is no room left for it.`, hintForRoom(plan));
  if (errno === 'ENOSYS') return say('unsupported', `${what}: this kernel is too old; sandboxes need Linux 5.12.`);
  if (error.reason === 'permission') {
    return say(
      'permission',
      `${what}.`,
      own().privileged
        ? 'A security module, or the namespaces around the helper, may forbid it.'
        : 'Restart the helper as root, or set namespaces.user to "new".',
    );
  }
  return say(error.reason, `${what}.`);
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

type Say = (reason: ErrorData['reason'], message: string, hint?: string) => Failure;

function unshareInWords(plan: SandboxPlan, what: string, errno: string, say: Say): Failure {
  if (errno === 'ENOSPC' || errno === 'EUSERS') {
    return say(
      'busy',
      `${what}: the limit on the number of such namespaces is reached.`,
      'Raise it in /proc/sys/user (max_user_namespaces and the like).',
    );
  }
  if (errno === 'EINVAL') return say('unsupported', `${what}: this kernel has no namespaces of one of these kinds.`);
  if (errno === 'EPERM' && plan.fresh.has('user')) {
    return say(
      'permission',
      `${what}: this host does not let ordinary users make user namespaces.`,
      'Restart the helper as root, or have it allowed: sysctl kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns.',
    );
  }
  return say('permission', `${what}.`, 'Restart the helper as root, or set namespaces.user to "new".');
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
