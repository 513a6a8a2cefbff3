/** A process that is not a child of this helper: held by a pidfd, so that nobody else is ever meant. */

import { close, readText } from '../../kernel/files.ts';
import { AT_FDCWD, POLLIN } from '../../kernel/numbers.ts';
import { hasEnded, openPidfd, sendSignal } from '../../kernel/pidfd.ts';
import { waitForAny } from '../../kernel/readiness.ts';
import { parseStat } from '../../proc/stat.ts';
import type { ProcessRef } from '../../protocol/processes.ts';

export class OtherProcess {
  /** Resolves when `look` or `wait` found that it has ended. */
  readonly ended: Promise<void>;
  private readonly pidfd: number;
  private resolve: () => void = () => undefined;
  private isOver = false;
  private waiting: Promise<void> | undefined;

  private constructor(pidfd: number) {
    this.pidfd = pidfd;
    this.ended = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  /** Undefined when this very process has ended. */
  static hold({ pid, startTime }: ProcessRef): OtherProcess | undefined {
    let pidfd: number;
    try {
      pidfd = openPidfd(pid);
    } catch {
      return undefined;
    }
    if (refOfPid(pid)?.startTime === startTime && !hasEnded(pidfd)) return new OtherProcess(pidfd);
    close(pidfd);
    return undefined;
  }

  /** Whether it has ended. */
  look(): boolean {
    if (!this.isOver && hasEnded(this.pidfd)) this.release();
    return this.isOver;
  }

  /** It is not to be known any more. */
  release(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.resolve();
    // A number that is given to another file must not be in poll(2) still.
    void (this.waiting ?? Promise.resolve()).then(() => close(this.pidfd));
  }

  /** Waits for its end on a thread of libuv's pool: for one that was told to end. */
  wait(): Promise<void> {
    this.waiting ??= this.sitInPoll();
    return this.waiting;
  }

  private async sitInPoll(): Promise<void> {
    while (!this.look()) await waitForAny([{ descriptor: this.pidfd, events: POLLIN }]);
  }

  signal(signal: number): void {
    if (!this.look()) sendSignal(this.pidfd, signal);
  }
}

/** The process that has this pid now, unless it has ended. */
export function refOfPid(pid: number): ProcessRef | undefined {
  const text = readText(AT_FDCWD, `/proc/${pid}/stat`, 4096);
  const stat = typeof text === 'number' ? undefined : parseStat(text);
  return stat === undefined || stat.state === 'Z' ? undefined : { pid, startTime: stat.startTime };
}

export function isSameProcess(one: ProcessRef, other: ProcessRef): boolean {
  return one.pid === other.pid && one.startTime === other.startTime;
}
