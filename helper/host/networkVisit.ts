/** Netlink sockets in any network namespace, also in one that may only be entered from inside of its user namespace: by a launcher, from which they are taken. */

import { Failure, isSystemError } from '../failure.ts';
import { close, openEach, readText } from '../kernel/files.ts';
import { SyscallError } from '../kernel/libc.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { CLONE_FLAGS } from '../kernel/nsfs.ts';
import { AT_FDCWD, SOCK_CLOEXEC, SOCK_RAW } from '../kernel/numbers.ts';
import { openPidfd, takeDescriptor } from '../kernel/pidfd.ts';
import { inNetNamespace } from '../kernel/setns.ts';
import { type HeldProcess, holdProcess } from '../launcher/holdProcess.ts';
import { integer, named } from '../launcher/program.ts';
import { Steps } from '../launcher/steps.ts';
import { said } from '../saying.ts';
import { enterOwner, ownerToEnter } from './ownerEntry.ts';
import { rootHint } from './rootHint.ts';

const PATIENCE_SECONDS = 3;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * A socket of each protocol, for the caller to close; `namespace` is a descriptor, `undefined` for the helper's own. Throws a `Failure`,
 * `permission`, when neither this user nor their user namespaces have any power over it.
 */
export function openNetlinkIn(namespace: number | undefined, protocols: readonly number[]): number[] {
  return (
    unlessForbidden(namespace, () => openNetlink(namespace, protocols)) ?? takenFromInside(namespace!, protocols) ?? refuse()
  );
}

/** The texts of files of `/proc/net` as that namespace has them; empty where one is not there, or cannot be read. */
export function readNetworkFiles(namespace: number | undefined, names: readonly string[]): string[] {
  const read = (directory: string) => names.map((name) => readText(AT_FDCWD, `${directory}/net/${name}`, MAX_FILE_BYTES));
  const texts =
    unlessForbidden(namespace, () => inNetNamespace(namespace, () => read('/proc/thread-self'))) ??
    readInside(namespace!, read) ??
    [];
  return names.map((_, at) => (typeof texts[at] === 'string' ? texts[at] : ''));
}

/** Undefined when it must be entered from inside of its user namespace. */
function unlessForbidden<T>(namespace: number | undefined, visit: () => T): T | undefined {
  try {
    return visit();
  } catch (error) {
    if (namespace === undefined || !isSystemError(error) || error.code !== 'EPERM') throw error;
    return undefined;
  }
}

function readInside<T>(namespace: number, read: (directory: string) => T): T | undefined {
  const owner = ownerToEnter(namespace);
  if (owner === undefined) return undefined;
  const steps = enteringSteps(namespace, owner);
  steps.add({ kind: 'sync', purpose: said('waitToBeLookedAt') });
  using inside = holdThenClose(steps, owner);
  return inside === undefined ? undefined : read(`/proc/${inside.pid}`);
}

function enteringSteps(namespace: number, owner: number): Steps {
  const steps = new Steps();
  enterOwner(steps, owner);
  const network = steps.descriptor(namespace, 'the network namespace');
  steps.call('setns', [network, integer(CLONE_FLAGS.net, 'CLONE_NEWNET')], said('enterNetworkNamespace'));
  return steps;
}

function refuse(): never {
  throw new Failure('permission', said('noPowerOverNetNamespace'), {
    errno: 'EPERM',
    syscall: 'setns',
    hint: rootHint(),
  });
}

function takenFromInside(namespace: number, protocols: readonly number[]): number[] | undefined {
  const owner = ownerToEnter(namespace);
  if (owner === undefined) return undefined;
  const steps = enteringSteps(namespace, owner);
  const first = steps.count;
  for (const protocol of protocols) {
    const values = [named('AF_NETLINK'), integer(SOCK_RAW | SOCK_CLOEXEC, 'SOCK_RAW|SOCK_CLOEXEC'), integer(protocol)];
    steps.call('socket', values, said('openNetlinkSocket'), { reportResult: true });
  }
  steps.add({ kind: 'sync', purpose: said('waitUntilTaken') });
  using inside = holdThenClose(steps, owner);
  if (inside === undefined) return undefined;
  return takeAll(
    inside.pid,
    protocols.map((_, at) => inside.results.get(first + at) ?? -1),
  );
}

/** The launcher has the descriptor from its start. */
function holdThenClose(steps: Steps, owner: number): HeldProcess | undefined {
  try {
    return holdProcess(steps.compiled(), PATIENCE_SECONDS);
  } finally {
    close(owner);
  }
}

function takeAll(pid: number, descriptors: readonly number[]): number[] | undefined {
  let pidfd = -1;
  try {
    pidfd = openPidfd(pid);
    return openEach(descriptors, (descriptor) => takeDescriptor(pidfd, descriptor));
  } catch (error) {
    // A security module may forbid it (Yama's ptrace_scope).
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    if (pidfd >= 0) close(pidfd);
  }
}
