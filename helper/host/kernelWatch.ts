/** Waits for what the kernel tells only to one who sits in poll(2): process events and changed mounts. */

import fs from 'node:fs';
import { close } from '../kernel/files.ts';
import { POLLIN, POLLPRI } from '../kernel/numbers.ts';
import { openPipe, type Pipe } from '../kernel/pipe.ts';
import { closeProcessEvents, type ProcessEvents, receiveProcessEvents } from '../kernel/processEvents.ts';
import { waitForAny } from '../kernel/readiness.ts';

/** What happened since the last time. */
export interface KernelNews extends ProcessEvents {
  mounts: boolean;
}

export interface KernelWatchCallbacks {
  onNews(news: KernelNews): void;
  /** Nothing is told any more, though nobody stopped it. */
  onDeaf(error: unknown): void;
}

/** After news is told, more is gathered for so long: a storm of forks costs a few rounds, and a first event no delay. */
const GATHER_MILLIS = 20;

export class KernelWatch {
  private readonly callbacks: KernelWatchCallbacks;
  private readonly processEvents: number | undefined;
  private readonly mountinfo: number;
  private readonly stopPipe: Pipe;
  private stopped = false;
  private deaf = false;

  /** Takes over the socket of `openProcessEvents`, also when it throws; without one only mounts are watched. */
  constructor(processEvents: number | undefined, callbacks: KernelWatchCallbacks) {
    this.processEvents = processEvents;
    this.callbacks = callbacks;
    try {
      this.stopPipe = openPipe();
    } catch (error) {
      if (processEvents !== undefined) closeProcessEvents(processEvents);
      throw error;
    }
    try {
      this.mountinfo = fs.openSync('/proc/self/mountinfo', 'r');
    } catch (error) {
      for (const descriptor of [this.stopPipe.read, this.stopPipe.write]) close(descriptor);
      if (processEvents !== undefined) closeProcessEvents(processEvents);
      throw error;
    }
    this.run().catch((error: unknown) => {
      this.deaf = true;
      if (!this.stopped) callbacks.onDeaf(error);
    });
  }

  /** Whether it is told of processes, and not only of mounts. */
  get hearsProcesses(): boolean {
    return this.processEvents !== undefined && !this.deaf;
  }

  /** Tells at once what there is of processes, though more would be gathered: for an answer that is to hold all that happened before it. */
  drain(): void {
    if (!this.stopped) this.tell(false, true);
  }

  /** Nothing is told from now on. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    close(this.stopPipe.write);
  }

  private async run(): Promise<void> {
    const awaited = [
      { descriptor: this.stopPipe.read, events: POLLIN },
      { descriptor: this.mountinfo, events: POLLPRI },
      // poll(2) ignores a negative descriptor.
      { descriptor: this.processEvents ?? -1, events: POLLIN },
    ];
    try {
      while (!this.stopped) {
        const [, mounts, events] = await waitForAny(awaited);
        if (!this.stopped) this.tell(mounts !== 0, events !== 0);
        await new Promise((resolve) => setTimeout(resolve, this.stopped ? 0 : GATHER_MILLIS));
      }
    } finally {
      // Only now: a number that is given to another file must not be in poll(2) still.
      if (this.processEvents !== undefined) closeProcessEvents(this.processEvents);
      close(this.mountinfo);
      close(this.stopPipe.read);
    }
  }

  private tell(mounts: boolean, events: boolean): void {
    const news: KernelNews = { changed: new Set(), exited: new Set(), overflow: false, mounts };
    if (events && this.processEvents !== undefined) receiveProcessEvents(this.processEvents, news);
    if (mounts || news.overflow || news.changed.size > 0 || news.exited.size > 0) this.callbacks.onNews(news);
  }
}
