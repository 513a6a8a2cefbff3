/**
 * A launcher that waits to be forked: a process of a few pages, which makes another launcher in a tenth of the time that starting
 * the program takes. What it makes is a child of the helper and waited for like any other.
 */

import fs from 'node:fs';
import { close, readText } from '../kernel/files.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { receiveBytes, sendDescriptors, setTimeouts } from '../kernel/passDescriptors.ts';
import { openSocketPair, spawn, waitForEnd } from '../kernel/spawn.ts';
import { log } from '../log.ts';

/** Room for the arguments of what is forked, which the kernel takes from where those of the server lie: empty ones, each of one byte. */
const ROOM = new Array<string>(200).fill('');
/** Answering takes it a fraction of a millisecond; one that somebody stopped must not hold up the helper for long. */
const ANSWER_SECONDS = 1;
/** Some 16 hierarchies with a path each. */
const MAX_CGROUPS_BYTES = 128 * 1024;

/** As in launcher.c. */
export const MAX_PASSED = 128;

/** What launchers are called in ps(1), unless they are called something else. */
export const ARGV0 = 'isoscope-launcher';

export class ForkServer {
  private readonly executable: (count: number) => string;
  /** The helper's end of its socket: it ends when that is closed, at the latest with the helper. */
  private socket: number | undefined;
  /** The helper's cgroups when it was started, in which it and what it makes are. */
  private cgroups: string | number | undefined;

  /** `executable` tells the path of the launcher's program for a child with so many descriptors. */
  constructor(executable: (count: number) => string) {
    this.executable = executable;
  }

  /**
   * The pid of a new launcher with these arguments (of 200 bytes at most) and with `descriptors` as its 0, 1, 2, …, as `spawn` gives it.
   * Undefined when there is none to be had this way; the next time another server is tried. A helper that was moved to another cgroup gets
   * another one, since what is forked begins where the server is.
   */
  fork(argv: readonly string[], descriptors: readonly number[]): number | undefined {
    // A launcher with more is started in the other way.
    if (descriptors.length > MAX_PASSED) return undefined;
    try {
      const cgroups = readText(AT_FDCWD, '/proc/self/cgroup', MAX_CGROUPS_BYTES);
      if (cgroups !== this.cgroups) this.stop();
      this.cgroups = cgroups;
      this.socket ??= this.start();
      sendDescriptors(this.socket, descriptors, Buffer.from(`${argv.join('\0')}\0`));
      const pid = receiveBytes(this.socket, 4)?.readInt32LE(0);
      if (pid !== undefined && pid > 0) return pid;
      log('warn', `the launcher could not be forked: ${pid ?? 'it has ended'}`);
    } catch (error) {
      log('warn', `the launcher could not be forked: ${String(error)}`);
    }
    this.stop();
    return undefined;
  }

  private start(): number {
    const nothing = fs.openSync('/dev/null', fs.constants.O_RDWR);
    try {
      return this.startWith(nothing);
    } finally {
      close(nothing);
    }
  }

  private startWith(nothing: number): number {
    const { ours, theirs } = openSocketPair();
    try {
      setTimeouts(ours, ANSWER_SECONDS);
      const descriptors = [nothing, nothing, nothing, theirs];
      const pid = spawn(this.executable(descriptors.length), [ARGV0, ...ROOM], descriptors);
      waitForEnd(pid, () => undefined);
      return ours;
    } catch (error) {
      close(ours);
      throw error;
    } finally {
      close(theirs);
    }
  }

  private stop(): void {
    if (this.socket !== undefined) close(this.socket);
    this.socket = undefined;
  }
}
