/**
 * What a stage of the tests leaves on the machine. Its processes are known by a variable of their environment, containers by a label; mounts,
 * cgroups and tables of nftables by their names, against what was there before. Whoever uses Isoscope beside the tests is left alone: what
 * comes and goes, or has a process in it, is not counted.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { findProgram } from './prerequisites.mjs';

const VARIABLE = 'ISOSCOPE_TEST_RUN';
const POLL_MILLIS = 100;
/** A helper ends with its standard input, a program that is asked to end may need as long. */
const END_MILLIS = 10_000;
const CGROUPS = '/sys/fs/cgroup';
/** Below it: the hierarchy, and one that was delegated. */
const CGROUP_DEPTH = 3;

/** @typedef {{ kind: string, name: string, remove: () => void }} Leftover */

export class Leftovers {
  #id = randomBytes(8).toString('hex');
  #before;

  /** @param {boolean} touchesKernel whether it makes anything but processes */
  constructor(touchesKernel) {
    this.#before = touchesKernel ? new Set(standing(undefined).map(keyOf)) : undefined;
  }

  /** Added to the environment of all that the stage starts. */
  get environment() {
    return { [VARIABLE]: this.#id };
  }

  /**
   * Waits until what ends by itself has ended, and removes what is still there.
   * @returns {Promise<string[]>} what had to be removed, or could not be
   */
  async remove() {
    const deadline = Date.now() + END_MILLIS;
    while (this.#processes().length > 0 && Date.now() < deadline) await sleep(POLL_MILLIS);
    const processes = this.#processes();
    const told = processes.map((pid) => `process ${pid} ${nameOf(pid)}`);
    await this.#end(processes);
    return [...told, ...(await this.#others()).map(removed)];
  }

  /** What stands for so long without a process. */
  async #others() {
    if (this.#before === undefined) return [];
    const look = () => standing(this.#id).filter((one) => !this.#before.has(keyOf(one)));
    let found = look();
    const deadline = Date.now() + END_MILLIS;
    while (found.length > 0 && Date.now() < deadline) {
      await sleep(POLL_MILLIS);
      const keys = new Set(look().map(keyOf));
      found = found.filter((one) => keys.has(keyOf(one)));
    }
    return found;
  }

  /** First asked, since a code-server or a dockerd has much to put away itself. */
  async #end(processes) {
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      for (const pid of this.#processes().filter((one) => processes.includes(one))) send(pid, signal);
      const deadline = Date.now() + END_MILLIS;
      while (this.#processes().length > 0 && Date.now() < deadline) await sleep(POLL_MILLIS);
    }
  }

  #processes() {
    const mark = `${VARIABLE}=${this.#id}`;
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid && read(`/proc/${pid}/environ`).split('\0').includes(mark));
  }
}

const keyOf = ({ kind, name }) => `${kind} ${name}`;

/** @returns {Leftover[]} */
function standing(id) {
  return [...mounts(), ...cgroups(), ...tables(), ...containers(id)];
}

/** The innermost first. */
function mounts() {
  return read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mountPoint) => mountPoint.includes('/isoscope-'))
    .reverse()
    .map((name) => ({ kind: 'mount', name, remove: () => quietly('umount', '--lazy', name) }));
}

function cgroups() {
  const empty = cgroupsBelow(CGROUPS, CGROUP_DEPTH).filter((name) => !isPopulated(name));
  return empty.map((name) => ({ kind: 'cgroup', name, remove: () => removeCgroup(name) }));
}

function cgroupsBelow(folder, depth) {
  if (depth === 0) return [];
  return foldersOf(folder).flatMap((one) => (one.includes('isoscope') ? [one] : cgroupsBelow(one, depth - 1)));
}

function foldersOf(folder) {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

function isPopulated(folder) {
  return read(`${folder}/cgroup.procs`) !== '' || foldersOf(folder).some(isPopulated);
}

function removeCgroup(folder) {
  for (const below of foldersOf(folder)) removeCgroup(below);
  rmdirSync(folder);
}

function tables() {
  return quietly('nft', 'list', 'tables')
    .split('\n')
    .map((line) => line.trim().split(' '))
    .filter(([, , name]) => name?.includes('isoscope'))
    .map(([, family, table]) => {
      return { kind: 'table', name: `${family} ${table}`, remove: () => quietly('nft', 'delete', 'table', family, table) };
    });
}

/** Those that the tests of this run have labelled: test/fixtures/docker.ts. */
function containers(id) {
  if (id === undefined) return [];
  return quietly('docker', 'ps', '--all', '--quiet', '--filter', `label=${VARIABLE}=${id}`)
    .split('\n')
    .filter(Boolean)
    .map((name) => ({ kind: 'container', name, remove: () => quietly('docker', 'rm', '--force', '--volumes', name) }));
}

/** @param {Leftover} leftover */
function removed({ kind, name, remove }) {
  try {
    remove();
    return `${kind} ${name}`;
  } catch (error) {
    return `${kind} ${name}, which cannot be removed: ${error.message}`;
  }
}

/** A program that is lacking, or fails, has nothing to tell. */
function quietly(program, ...args) {
  if (findProgram(program) === undefined) return '';
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: END_MILLIS });
  } catch {
    return '';
  }
}

function nameOf(pid) {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 200);
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

function sleep(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
