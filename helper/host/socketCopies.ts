/**
 * Asks sockets of other processes which net namespaces they are in, through copies of their descriptors (pidfd_getfd(2)).
 *
 * The copies are another process's, a launcher's, which ends with them. Who closes the last descriptor of a socket waits for what is still to be sent
 * (SO_LINGER, socket(7)), for as long as its owner likes, and the owner may close its own at any time: a process that ends does not wait. And
 * a copy that nobody else can exchange is looked at before it is asked, for an ioctl of another kind of file may be a file system's to answer.
 */

import { close, duplicate, linkBytes, openDirectory, readBytes, readLink } from '../kernel/files.ts';
import { SyscallError } from '../kernel/libc.ts';
import { AT_FDCWD, EINVAL, ENOENT, EPERM } from '../kernel/numbers.ts';
import { openPidfd, takeDescriptor } from '../kernel/pidfd.ts';
import { openNamespaceOfSocket } from '../kernel/socketNamespace.ts';
import { type HeldProcess, holdProcess } from '../launcher/holdProcess.ts';
import { type Argument, integer, named } from '../launcher/program.ts';
import { Steps } from '../launcher/steps.ts';
import { parseSocketLink } from '../proc/socketLink.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import { said } from '../saying.ts';
import { isNamespace } from './nsfsFile.ts';
import { readStartTime } from './processReader.ts';
import { TUN } from './processRecord.ts';

/** A descriptor of a process. */
export interface SocketPlace {
  process: ProcessRef;
  descriptor: number;
  /** The inode number of the socket that it is, `TUN` for one of the tun device; without it whichever it is by now. */
  ino?: number;
}

/** It takes a millisecond. */
const PATIENCE_SECONDS = 1;

/**
 * Calls `look` for each with a descriptor of its net namespace, which is closed afterwards; or with `-EPERM` when that may not be known, `-ENOENT` when
 * this socket is not there any more, and `-EINVAL` when it is none.
 */
export function askSockets(places: readonly SocketPlace[], look: (place: SocketPlace, namespace: number) => void): void {
  const { steps, copies } = copying(places);
  using holder = holdProcess(steps.compiled(), PATIENCE_SECONDS);
  if (holder === undefined) {
    for (const place of places) look(place, -EPERM);
    return;
  }
  using held = new Copies(holder);
  places.forEach((place, at) => {
    const namespace = held.namespaceOf(place, holder.results.get(copies[at]!) ?? -ENOENT);
    try {
      look(place, namespace);
    } finally {
      if (namespace >= 0) close(namespace);
    }
  });
}

function copying(places: readonly SocketPlace[]): { steps: Steps; copies: number[] } {
  const steps = new Steps();
  steps.call('prctl', [named('PR_SET_DUMPABLE'), integer(1)], said('letItsUserLook'));
  const pidfds = new Map<number, Argument>();
  const copies = places.map(({ process, descriptor }) => {
    let pidfd = pidfds.get(process.pid);
    if (pidfd === undefined) {
      pidfd = steps.call('pidfd_open', [integer(process.pid), integer(0)], said('holdProcess'), { ignoreError: true });
      pidfds.set(process.pid, pidfd);
    }
    const at = steps.count;
    const flags = { ignoreError: true, reportResult: true };
    steps.call('pidfd_getfd', [pidfd, integer(descriptor), integer(0)], said('copySocket'), flags);
    return at;
  });
  steps.add({ kind: 'sync', purpose: said('waitToBeLookedAt') });
  return { steps, copies };
}

/** What the launcher has. */
class Copies implements Disposable {
  private readonly directory: number;
  private readonly pidfd: number;

  constructor({ pid }: HeldProcess) {
    this.pidfd = openPidfd(pid);
    try {
      this.directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
    } catch (error) {
      close(this.pidfd);
      throw error;
    }
  }

  /** @param copy its number in the launcher, or `-errno` */
  namespaceOf(place: SocketPlace, copy: number): number {
    if (copy < 0) return copy === -EPERM ? -EPERM : -ENOENT;
    const other = this.otherThan(place, copy);
    if (other !== undefined) return other;
    let socket: number;
    try {
      socket = takeDescriptor(this.pidfd, copy);
    } catch (error) {
      // A security module may forbid it.
      if (error instanceof SyscallError) return -EPERM;
      throw error;
    }
    const namespace = openNamespaceOfSocket(socket);
    close(socket);
    // A kernel that does not tell leaves it unknown.
    return namespace < 0 ? -EPERM : namespace;
  }

  /** Why it is not what was asked for. */
  private otherThan({ process, ino }: SocketPlace, copy: number): number | undefined {
    const socket = parseSocketLink(linkBytes, readLink(this.directory, `fd/${copy}`));
    if (socket !== undefined) return ino === undefined || ino === socket ? undefined : -ENOENT;
    if ((ino !== undefined && ino !== TUN) || readStartTime(process.pid) !== process.startTime) return -ENOENT;
    return this.isTun(copy) ? undefined : -EINVAL;
  }

  /** `iff:` tells the interface of a descriptor of the tun device, and no other file has it (tun_chr_show_fdinfo()). */
  private isTun(copy: number): boolean {
    const bytes = readBytes(this.directory, `fdinfo/${copy}`);
    return typeof bytes !== 'number' && bytes.includes('\niff:');
  }

  [Symbol.dispose](): void {
    close(this.directory);
    close(this.pidfd);
  }
}

/** A descriptor of the net namespace with that number, by a socket in it, for the caller to close; or `-errno`. */
export function openNamespaceBySocket(place: SocketPlace, ino: number): number {
  let found = -ENOENT;
  askSockets([place], (_, namespace) => {
    if (namespace >= 0 && isNamespace(namespace, ino)) found = duplicate(namespace);
    else if (namespace < 0) found = namespace;
  });
  return found;
}
