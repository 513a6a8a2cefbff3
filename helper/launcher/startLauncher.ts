/** A launcher, which waits for its program. */

import fs from 'node:fs';
import path from 'node:path';
import { isSystemError } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { moveAbove, sealedExecutable } from '../kernel/memfd.ts';
import { cloneMounts, makeDetachedMount, makeReadOnly } from '../kernel/newMount.ts';
import { MOUNT_ATTR_RDONLY } from '../kernel/numbers.ts';
import { spawn } from '../kernel/spawn.ts';
import { ARGV0, ForkServer } from './forkServer.ts';
import { MAX_DESCRIPTORS } from './program.ts';

/** Above every descriptor that a program may name, so that the spawn never puts one of them in the executable's place. */
const LOWEST_EXECUTABLE = MAX_DESCRIPTORS + 1;
const PROGRAM_NAME = 'launcher';

let executable: number | undefined;
let forkServer: ForkServer | undefined;
let nullDevice: number | undefined;

/**
 * The launcher, read once from beside the helper's own program and sealed, for a child that is to have `count` descriptors: they must not take
 * its place. It is moved above them only when it must be. For a descriptor of 64 or more the kernel makes a larger table, and waits for all
 * processors before that counts (expand_fdtable() in fs/file.c, synchronize_rcu()): 10 to 20 ms, in which nothing is answered.
 */
function launcherExecutable(count: number): string {
  executable ??= readExecutable();
  if (executable < count) executable = moveAbove(executable, LOWEST_EXECUTABLE);
  return `/proc/self/fd/${executable}`;
}

function readExecutable(): number {
  const file = path.join(path.dirname(fs.realpathSync(process.argv[1]!)), PROGRAM_NAME);
  return sealedExecutable(PROGRAM_NAME, fs.readFileSync(file));
}

/**
 * Its pid, which is to be waited for. `stdio` become its standard input and outputs, `socket` its end of the one on which it takes its
 * program, and the others 4, 5, …; `argv` is what ps(1) shows of it.
 */
export function startLauncher(
  socket: number,
  descriptors: readonly number[],
  stdio: readonly (number | 'ignore')[] = ['ignore', 'ignore', 'ignore'],
  argv: string[] = [ARGV0],
): number {
  const standard = stdio.map((descriptor) => (descriptor === 'ignore' ? openNull() : descriptor));
  const all = [...standard, socket, ...descriptors];
  forkServer ??= new ForkServer(launcherExecutable);
  return forkServer.fork(argv, all) ?? spawn(launcherExecutable(all.length), argv, all);
}

function openNull(): number {
  nullDevice ??= openDevice('null');
  return nullDevice;
}

/**
 * Through a read-only mount: root in a container or a sandbox that was given a node of the host could change its mode for all by fchmod(2). Without privilege
 * no mount can be made, and nobody who is started that way owns it.
 */
function openDevice(name: string): number {
  for (const mounted of [readOnlyDevices, newReadOnlyDevices]) {
    let devices: number;
    try {
      devices = mounted();
    } catch (error) {
      if (isSystemError(error)) continue;
      throw error;
    }
    try {
      return fs.openSync(`/proc/self/fd/${devices}/${name}`, fs.constants.O_RDWR);
    } finally {
      close(devices);
    }
  }
  return fs.openSync(`/dev/${name}`, fs.constants.O_RDWR);
}

function readOnlyDevices(): number {
  const devices = cloneMounts('/dev');
  try {
    makeReadOnly(devices);
    return devices;
  } catch (error) {
    close(devices);
    throw error;
  }
}

/** Before Linux 5.12 only a new mount can be made read-only at once; it shows the same devices. */
function newReadOnlyDevices(): number {
  return makeDetachedMount('devtmpfs', [], MOUNT_ATTR_RDONLY);
}
