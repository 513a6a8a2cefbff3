/** Removing the cgroups of a sandbox, and those that it has made in them. */

import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, isSystemError } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { SIGKILL } from '../../kernel/numbers.ts';
import { openPidfd, sendSignal } from '../../kernel/pidfd.ts';
import { said } from '../../saying.ts';

const REMOVAL_TRIES = 100;
const REMOVAL_PAUSE_MILLIS = 20;
/** Far deeper than anybody needs; each level takes a descriptor while it is looked at. */
const MAX_DEPTH = 256;

/**
 * Kills what is still in them, and removes them with all that was made in them. Resolves when they are gone; rejects when they cannot be
 * removed.
 */
export async function removeCgroups(cgroups: readonly { parent: string; name: string }[]): Promise<void> {
  for (const { parent, name } of cgroups) await remove(path.join(parent, name));
}

async function remove(directory: string): Promise<void> {
  for (let tries = 0; tries < REMOVAL_TRIES; tries += 1) {
    if (removeTree(Buffer.from(directory), MAX_DEPTH)) return;
    killTree(Buffer.from(directory), MAX_DEPTH);
    await sleep(REMOVAL_PAUSE_MILLIS);
  }
  throw new Failure('busy', said('cgroupCouldNotBeRemoved', directory), { path: directory });
}

/** From below, since one that has others is not removed. False when something is still in one of them. */
function removeTree(directory: Buffer, depth: number): boolean {
  if (tryRemove(directory)) return true;
  const isEmpty = withBelow(directory, depth, (below) => {
    let areRemoved = true;
    for (const one of below) areRemoved = removeTree(one, depth - 1) && areRemoved;
    return areRemoved;
  });
  return isEmpty && tryRemove(directory);
}

function tryRemove(directory: Buffer): boolean {
  try {
    fs.rmdirSync(directory);
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return true;
    if (isSystemError(error) && error.code === 'EBUSY') return false;
    throw error;
  }
}

/** Named from a descriptor of the directory: what a sandbox has made may have a longer path than the kernel takes, and names that are not UTF-8. */
function withBelow<T>(directory: Buffer, depth: number, use: (below: Iterable<Buffer>) => T): T {
  if (depth === 0) return use([]);
  let descriptor: number;
  try {
    descriptor = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return use([]);
    throw error;
  }
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true, encoding: 'buffer' });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return use(names.map((name) => Buffer.concat([Buffer.from(`/proc/self/fd/${descriptor}/`), name])));
  } finally {
    close(descriptor);
  }
}

function killTree(directory: Buffer, depth: number): void {
  // Version 2, Linux 5.14: all at once, whatever they start meanwhile.
  if (tryWrite(fileIn(directory, 'cgroup.kill'), '1')) return;
  killMembers(fileIn(directory, 'cgroup.procs'));
  withBelow(directory, depth, (below) => {
    for (const one of below) killTree(one, depth - 1);
  });
}

function fileIn(directory: Buffer, name: string): Buffer {
  return Buffer.concat([directory, Buffer.from(`/${name}`)]);
}

function tryWrite(file: Buffer, text: string): boolean {
  try {
    const descriptor = fs.openSync(file, fs.constants.O_WRONLY);
    try {
      fs.writeSync(descriptor, text);
      return true;
    } finally {
      close(descriptor);
    }
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** A pid that is still listed once it is held by a pidfd is not another's. */
function killMembers(file: Buffer): void {
  for (const pid of membersIn(file)) {
    try {
      const pidfd = openPidfd(Number(pid));
      if (membersIn(file).includes(pid)) sendSignal(pidfd, SIGKILL);
      close(pidfd);
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'ESRCH') throw error;
    }
  }
}

function membersIn(file: Buffer): string[] {
  try {
    const pids = fs.readFileSync(file, 'utf8').split(/\s+/);
    return pids.filter((pid) => pid !== '' && pid !== '0');
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}
