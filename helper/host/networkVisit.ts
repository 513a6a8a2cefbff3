/** Netlink sockets in any network namespace, also in one that may only be entered from inside of its user namespace: by a launcher, from which they are taken. */
import { Failure, isSystemError } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { SyscallError } from '../kernel/libc.ts';
import { openNetlink } from '../kernel/netlink.ts';
import { CLONE_FLAGS } from '../kernel/nsfs.ts';
import { openPidfd, takeDescriptor } from '../kernel/pidfd.ts';
import { holdProcess } from '../launcher/holdProcess.ts';
import { integer } from '../launcher/program.ts';
import { Steps } from '../launcher/steps.ts';
import { enterOwner, ownerToEnter } from './ownerEntry.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const PATIENCE_SECONDS = 3;

/**
 * A socket of each protocol, for the caller to close; `namespace` is a descriptor, `undefined` for the helper's own. Throws a `Failure`,
 * `permission`, when neither this user nor their user namespaces have any power over it.
 */
export function openNetlinkIn(namespace: number | undefined, protocols: readonly number[]): number[] {
  try {
    return openNetlink(namespace, protocols);
  } catch (error) {
    if (namespace === undefined || !isSystemError(error) || error.code !== 'EPERM') throw error;
    return takenFromInside(namespace, protocols) ?? refuse();
  }
}

function refuse(): never {
  throw new Failure('permission', 'This network namespace belongs to a user namespace that you have no power over.', {
    errno: 'EPERM',
    syscall: 'setns',
    hint: 'Restart the helper as root.',
  });
}

function takenFromInside(namespace: number, protocols: readonly number[]): number[] | undefined {
  const owner = ownerToEnter(namespace);
  if (owner === undefined) return undefined;
  const steps = new Steps();
  enterOwner(steps, owner);
  const network = steps.descriptor(namespace, 'the network namespace');
  steps.call('setns', [network, integer(CLONE_FLAGS.net, 'CLONE_NEWNET')], 'enter the network namespace');
  const first = steps.count;
  for (const protocol of protocols) {
    const values = [
      integer(AF_NETLINK, 'AF_NETLINK'),
      integer(SOCK_RAW | SOCK_CLOEXEC, 'SOCK_RAW|SOCK_CLOEXEC'),
      integer(protocol),
    ];
    steps.call('socket', values, 'open a netlink socket there', { reportResult: true });
  }
  steps.add({ kind: 'sync', purpose: 'wait until they are taken' });
  using inside = holdProcess(steps.compiled(), PATIENCE_SECONDS);
  close(owner);
  if (inside === undefined) return undefined;
  return takeAll(
    inside.pid,
    protocols.map((_, at) => inside.results.get(first + at) ?? -1),
  );
}

function takeAll(pid: number, descriptors: readonly number[]): number[] | undefined {
  const taken: number[] = [];
  let pidfd = -1;
  try {
    pidfd = openPidfd(pid);
    for (const descriptor of descriptors) taken.push(takeDescriptor(pidfd, descriptor));
    return taken;
  } catch (error) {
    for (const descriptor of taken) close(descriptor);
    // A security module may forbid it (Yama's ptrace_scope).
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    if (pidfd >= 0) close(pidfd);
  }
}
