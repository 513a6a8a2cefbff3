/**
 * What a program is to enter, held open. Everything of a process is read through one descriptor of its `/proc/PID`, which
 * stays that process's: when it has ended, reading fails, whoever has its pid by then.
 */

import fs from 'node:fs';
import { Failure } from '../failure.ts';
import { ownerToEnter } from '../host/ownerEntry.ts';
import { close, errorOf, O_DIRECTORY, openAt, readLinkText, readText } from '../kernel/files.ts';
import { AT_FDCWD, EACCES, ENOENT, EPERM, ESRCH, O_PATH, PF_KTHREAD } from '../kernel/numbers.ts';
import { hasEnded, openPidfd } from '../kernel/pidfd.ts';
import { parseStat } from '../proc/stat.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind, NamespaceRef } from '../protocol/namespaces.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { ProgramTarget } from '../protocol/programs.ts';
import type { Said } from '../protocol/sentences.ts';
import { openAtSlowly } from '../reading/openAt.ts';
import { said } from '../saying.ts';

export interface HeldNamespace {
  kind: NamespaceKind;
  /** `/proc/7/ns/net`, or `net:[4026532184]` for one that was named itself. */
  name: string;
  descriptor: number;
}

export interface HeldTarget {
  /** Absent when namespaces were named and no process. */
  readonly process?: HeldProcess;
  /** Those to enter: the ones asked for that are not the helper's own. */
  readonly namespaces: HeldNamespace[];
  /** Every kind in which the process differs from the helper is entered. */
  readonly complete: boolean;
  /** Throws `gone` when the process has ended since: until then nothing of it can have been mixed up. */
  check(): void;
  dispose(): void;
}

/** A process, held by its pidfd and by its directory in `/proc`. */
export class HeldProcess {
  readonly ref: ProcessRef;
  readonly pidfd: number;
  /** `/proc/PID`, opened with `O_PATH`. */
  readonly directory: number;
  private readonly opened: number[] = [];

  /** Throws a `Failure`: `gone` when it has ended or its pid is another's now, `invalid` for a kernel thread. */
  constructor(ref: ProcessRef) {
    this.ref = ref;
    this.directory = openAt(AT_FDCWD, `/proc/${ref.pid}`, O_PATH | O_DIRECTORY);
    if (this.directory < 0) throw this.gone();
    this.opened.push(this.directory);
    try {
      this.pidfd = this.openPidfd();
      this.verify();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** A file below `/proc/PID`, close-on-exec. Throws a `Failure` that names `what`. It lives until `dispose`. */
  open(path: string, flags: number, what: Said): number {
    const descriptor = openAt(this.directory, path, flags);
    if (descriptor < 0) throw this.failure(descriptor, path, what);
    this.opened.push(descriptor);
    return descriptor;
  }

  /** Likewise what a link there leads to, which may be on any file system. Rejects with a `Failure`, `busy`, when that does not answer. */
  async openLinked(link: 'root' | 'cwd', flags: number, what: Said): Promise<number> {
    const descriptor = await openAtSlowly(this.directory, link, flags);
    if (descriptor < 0) throw this.failure(descriptor, link, what);
    this.opened.push(descriptor);
    return descriptor;
  }

  /** The text of a file below `/proc/PID`, at most `limit` bytes. Throws a `Failure` that names `what`. */
  read(path: string, limit: number, what: Said): string {
    const text = readText(this.directory, path, limit);
    if (typeof text === 'number') throw this.failure(text, path, what);
    return text;
  }

  /** Like `read`, but undefined when it cannot be read. */
  tryRead(path: string, limit: number): string | undefined {
    const text = readText(this.directory, path, limit);
    return typeof text === 'number' ? undefined : text;
  }

  check(): void {
    if (hasEnded(this.pidfd)) throw this.gone();
  }

  dispose(): void {
    for (const descriptor of this.opened.splice(0)) close(descriptor);
  }

  private openPidfd(): number {
    let pidfd: number;
    try {
      pidfd = openPidfd(this.ref.pid);
    } catch (error) {
      throw error instanceof Error && (error as { code?: string }).code === 'ESRCH' ? this.gone() : error;
    }
    this.opened.push(pidfd);
    return pidfd;
  }

  /** The pidfd was opened after the directory, and the directory still answers: both are of one process. */
  private verify(): void {
    const text = readText(this.directory, 'stat', 4096);
    const stat = typeof text === 'number' ? undefined : parseStat(text);
    if (stat === undefined || stat.startTime !== this.ref.startTime) throw this.gone();
    if (stat.state === 'Z' || stat.state === 'X') {
      throw new Failure('gone', said('processIsZombie', this.ref.pid), {
        hint: said('chooseRunningProcess'),
      });
    }
    if ((stat.flags & PF_KTHREAD) !== 0) {
      throw new Failure('invalid', said('processIsKernelThread', this.ref.pid), {
        hint: said('chooseProcessWithProgram'),
      });
    }
  }

  private gone(): Failure {
    return new Failure('gone', said('processHasEnded', this.ref.pid), { hint: said('refreshViewAndChooseAnotherProcess') });
  }

  private failure(result: number, path: string, what: Said): Failure {
    const error = errorOf(result, 'openat', `/proc/${this.ref.pid}/${path}`);
    const details = { errno: error.code, syscall: error.syscall, path: error.path! };
    // A process that ends has no namespaces any more before it has no directory.
    if (result === -ESRCH || (result === -ENOENT && hasEnded(this.pidfd))) return this.gone();
    if (result === -EACCES || result === -EPERM) {
      return new Failure('permission', said('mayNotLookAt', what, this.ref.pid, error.code), {
        ...details,
        hint: said('restartHelperAsRoot'),
      });
    }
    return new Failure(
      result === -ENOENT ? 'unsupported' : 'kernel',
      said('errorOfProcess', what, this.ref.pid, error.code),
      details,
    );
  }
}

/** Opens a namespace wherever it is alive: a descriptor, close-on-exec. Throws a `Failure`, `gone` when nothing holds it. */
export type OpenNamespace = (ref: NamespaceRef) => number;

/** Holds what `target` names. Throws a `Failure` and holds nothing when any of it cannot be held. */
export function holdTarget(target: ProgramTarget, openNamespace: OpenNamespace): HeldTarget {
  const named = target.namespaces ?? [];
  if (target.process === undefined && named.length === 0) {
    throw new Failure('invalid', said('nothingNamed'), {
      field: ['process'],
      hint: said('nameProcessOrNamespace'),
    });
  }
  if (new Set(named.map(({ kind }) => kind)).size < named.length) {
    throw new Failure('invalid', said('twoOfOneKind'), {
      field: ['namespaces'],
    });
  }
  const disposables: (() => void)[] = [];
  const dispose = () => {
    for (const close of disposables.splice(0)) close();
  };
  try {
    const process = target.process === undefined ? undefined : new HeldProcess(target.process);
    if (process !== undefined) disposables.push(() => process.dispose());
    const kinds = kindsOf(target);
    const namespaces = process === undefined ? [] : openNamespacesOf(process, kinds);
    for (const ref of named) {
      const descriptor = openNamespace(ref);
      disposables.push(() => close(descriptor));
      namespaces.push({ kind: ref.kind, name: `${ref.kind}:[${ref.ino}]`, descriptor });
    }
    const owner = process === undefined ? ownerOf(namespaces) : undefined;
    if (owner !== undefined) {
      disposables.push(() => close(owner.descriptor));
      namespaces.push(owner);
    }
    const check = () => process?.check();
    check();
    const differing = namespaces.filter(({ kind, descriptor }) => !isOwnNamespace(kind, descriptor));
    if (differing.length === 0) refuseHost(target, process);
    return {
      ...(process === undefined ? {} : { process }),
      namespaces: differing,
      complete: process !== undefined && target.kinds === undefined && named.length === 0,
      check,
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The user namespace from inside of which alone an ordinary user may enter these, unless it was named. */
function ownerOf(namespaces: readonly HeldNamespace[]): HeldNamespace | undefined {
  if (namespaces.some(({ kind }) => kind === 'user')) return undefined;
  for (const { descriptor } of namespaces) {
    const owner = ownerToEnter(descriptor);
    if (owner !== undefined) return { kind: 'user', name: `user:[${fs.fstatSync(owner).ino}]`, descriptor: owner };
  }
  return undefined;
}

/**
 * Whoever asks to go inside must not find the host's prompt there. A process that only chroot(2) confines is elsewhere by its root, whose
 * link is a path in the mount namespace; and who asks for no kind at all means a program beside the process.
 */
function refuseHost({ kinds }: ProgramTarget, process: HeldProcess | undefined): void {
  if (kinds?.length === 0) return;
  if (process === undefined) throw new Failure('invalid', said('hostsOwnNamespaces'), { field: ['namespaces'] });
  if (kinds === undefined && readLinkText(process.directory, 'root') !== '/') return;
  const { pid } = process.ref;
  const message = kinds === undefined ? said('processIsOnHost', pid) : said('processSharesWithHost', pid, kinds);
  throw new Failure('invalid', message, {
    field: [kinds === undefined ? 'process' : 'kinds'],
    hint: said('useTerminalOfHost'),
  });
}

/** Of the process, those of the kinds asked for; none when only namespaces were, and never one that was named itself. */
function kindsOf(target: ProgramTarget): NamespaceKind[] {
  const named = (target.namespaces ?? []).map(({ kind }) => kind);
  const asked = target.kinds ?? (named.length > 0 ? [] : NAMESPACE_KINDS.filter(isSupported));
  const twice = asked.find((kind) => named.includes(kind));
  if (twice !== undefined) {
    throw new Failure('invalid', said('namespaceNamedTwice', twice), {
      field: ['namespaces', named.indexOf(twice)],
    });
  }
  const lacking = asked.find((kind) => !isSupported(kind));
  if (lacking !== undefined) throw new Failure('unsupported', said('kernelHasNoSuchNamespaces', lacking));
  return [...new Set(asked)];
}

function openNamespacesOf(process: HeldProcess, kinds: NamespaceKind[]): HeldNamespace[] {
  return kinds.map((kind) => ({
    kind,
    name: `/proc/${process.ref.pid}/ns/${kind}`,
    descriptor: process.open(`ns/${kind}`, 0, said('theNamespace', kind)),
  }));
}

interface FileId {
  dev: number;
  ino: number;
}

const own = new Map<NamespaceKind, FileId>();
for (const kind of NAMESPACE_KINDS) {
  const stat = fs.statSync(`/proc/self/ns/${kind}`, { throwIfNoEntry: false });
  if (stat !== undefined) own.set(kind, { dev: stat.dev, ino: stat.ino });
}

function isSupported(kind: NamespaceKind): boolean {
  return own.has(kind);
}

/** Whether an open namespace is the helper's own, which is not entered but kept. */
export function isOwnNamespace(kind: NamespaceKind, descriptor: number): boolean {
  const { dev, ino } = fs.fstatSync(descriptor);
  return own.get(kind)?.ino === ino && own.get(kind)?.dev === dev;
}
