/**
 * Changes of directories and files: inotify(7). An instance is told of by SIGIO (`O_ASYNC`, fcntl(2)) and so needs neither a
 * thread that waits in poll(2) nor a timer; while nothing changes it costs nothing.
 */

import { close } from './files.ts';
import { checked, lastErrno, libcFunction } from './libc.ts';
import { F_SETFL, F_SETOWN, IN_CLOEXEC, IN_NONBLOCK } from './numbers.ts';

const inotifyInit1 = libcFunction('int inotify_init1(int flags)');
const inotifyAddWatch = libcFunction('int inotify_add_watch(int instance, const char *path, uint32_t mask)');
const inotifyRmWatch = libcFunction('int inotify_rm_watch(int instance, int watch)');
const fcntl = libcFunction('int fcntl(int descriptor, int command, long argument)');
const readCall = libcFunction('intptr_t read(int descriptor, void *buffer, size_t count)');

/** FASYNC of asm-generic/fcntl.h, which x86-64 and arm64 share. */
const O_ASYNC = 0o20000;

/** struct inotify_event: wd 4, mask 4, cookie 4, len 4, then the name with NULs to the end. */
const HEADER_BYTES = 16;
/** After events are told, more is gathered for so long: a storm costs a few rounds, and a first event no delay. */
const GATHER_MILLIS = 20;

export interface InotifyEvent {
  /** As `add` returned it. */
  watch: number;
  /**
   * IN_Q_OVERFLOW, with the watch -1: events were lost, and everything may have changed. IN_IGNORED: the watch ended by itself, for what it watched is
   * gone or unmounted; its number is not given again.
   */
  mask: number;
  /** The name in a watched directory, as its bytes; empty when the event is about the watched file itself. */
  name: Buffer;
}

const buffer = Buffer.alloc(64 * 1024);

/** Instances that are open. One listener serves all, and stays: without any, a late SIGIO would end the process. */
const instances = new Set<Inotify>();
let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  process.on('SIGIO', () => {
    for (const instance of instances) instance.receive();
  });
}

/**
 * Watches a path for the events of `mask`: the number of the watch, the same for the same file again, or `-errno` (ENOSPC: the user has too many
 * watches). A descriptor is watched by its path, `/proc/self/fd/N`. Waits for the file system where that decides who may look.
 */
export function addWatch(instance: number, path: string, mask: number): number {
  const watch = inotifyAddWatch(instance, path, mask);
  return watch === -1 ? -lastErrno() : watch;
}

export class Inotify {
  private readonly onEvents: (events: InotifyEvent[]) => void;
  /** For `addWatch` on another thread. */
  readonly descriptor: number;
  private gathering: NodeJS.Timeout | undefined;

  /** `onEvents` gets what happened since the last time, in order. @throws SyscallError EMFILE when the user has too many */
  constructor(onEvents: (events: InotifyEvent[]) => void) {
    this.onEvents = onEvents;
    this.descriptor = checked('inotify_init1', inotifyInit1(IN_CLOEXEC | IN_NONBLOCK));
    listen();
    instances.add(this);
    fcntl(this.descriptor, F_SETOWN, process.pid);
    this.signalMe(true);
  }

  /** See `addWatch`. */
  add(path: string, mask: number): number {
    return addWatch(this.descriptor, path, mask);
  }

  /** A watch that has ended by itself is none to remove, and no error. */
  remove(watch: number): void {
    inotifyRmWatch(this.descriptor, watch);
  }

  /** Nothing is told from now on. */
  dispose(): void {
    if (!instances.delete(this)) return;
    clearTimeout(this.gathering);
    close(this.descriptor);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Tells what there is, then lets more gather. Called when the signal came. */
  receive(): void {
    if (this.gathering !== undefined) return;
    const events = this.read();
    if (events.length === 0) return;
    this.signalMe(false);
    this.gathering = setTimeout(() => {
      this.gathering = undefined;
      // First the signal, then the reading: an event in between is told twice about, and not never.
      this.signalMe(true);
      this.receive();
    }, GATHER_MILLIS);
    this.gathering.unref();
    this.onEvents(events);
  }

  /** Tells at once what there is, though more would be gathered: for an answer that is to hold all that happened before it. */
  drain(): void {
    const events = this.read();
    if (events.length > 0) this.onEvents(events);
  }

  private signalMe(wanted: boolean): void {
    fcntl(this.descriptor, F_SETFL, IN_NONBLOCK | (wanted ? O_ASYNC : 0));
  }

  private read(): InotifyEvent[] {
    const events: InotifyEvent[] = [];
    for (;;) {
      const length = Number(readCall(this.descriptor, buffer, buffer.length));
      // EAGAIN: that was all.
      if (length <= 0) return events;
      collect(Buffer.from(buffer.subarray(0, length)), events);
    }
  }
}

function collect(bytes: Buffer, events: InotifyEvent[]): void {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const nameBytes = bytes.readUInt32LE(at + 12);
    const name = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + nameBytes);
    const end = name.indexOf(0);
    events.push({
      watch: bytes.readInt32LE(at),
      mask: bytes.readUInt32LE(at + 4),
      name: end === -1 ? name : name.subarray(0, end),
    });
    at += HEADER_BYTES + nameBytes;
  }
}
