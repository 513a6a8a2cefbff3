/** The folder of the stream socket, and who removes it when the helper is killed. */

import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { isSystemError } from '../failure.ts';
import { close } from '../kernel/files.ts';
import { openPipe } from '../kernel/pipe.ts';
import { launch } from '../launcher/launch.ts';
import { bytes, descriptor, integer, named, type SyscallProgram, string } from '../launcher/program.ts';
import { said } from '../saying.ts';

export interface SocketFolder {
  /** Path of the socket, not made yet. */
  socket: string;
  /** Hands folder and socket over to this user. */
  giveTo(uid: number): void;
  remove(): void;
}

const SOCKET_NAME = 'stream';

/**
 * Makes a fresh folder of mode 0700. A guard is started before: a process that waits for the end of a pipe whose other end
 * only the helper holds, and then removes socket and folder, however the helper ended.
 */
export async function makeSocketFolder(): Promise<SocketFolder> {
  const folder = path.join(runtimeFolder(), `isoscope-${crypto.randomBytes(8).toString('hex')}`);
  const socket = path.join(folder, SOCKET_NAME);
  await startGuard(folder, socket);
  fs.mkdirSync(folder, { mode: 0o700 });
  return {
    socket,
    giveTo: (uid) => {
      // The folder last: until then nobody but the helper can exchange what is in it.
      fs.lchownSync(socket, uid, -1);
      fs.lchownSync(folder, uid, -1);
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

const FOLDER_NAME = /^isoscope-[0-9a-f]{16}$/;
/** One that has no socket yet may be of a helper that begins. */
const BEGINNING_MILLIS = 60_000;

/**
 * Removes the folders of helpers that were killed together with their guards. Nobody listens at such a socket, and no other than a helper has a folder
 * of that name, mode and owner there.
 */
export async function removeDeadFolders(): Promise<void> {
  const place = runtimeFolder();
  for (const name of fs.readdirSync(place).filter((one) => FOLDER_NAME.test(one))) {
    const folder = path.join(place, name);
    try {
      if (isHelpers(folder, place) && (await isDead(folder))) fs.rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
  }
}

/** In a folder of its own a helper of root may have given it to its client. */
function isHelpers(folder: string, place: string): boolean {
  const stat = fs.lstatSync(folder);
  const mine = process.geteuid!();
  const isMine = stat.uid === mine || (mine === 0 && isUsable(place, 0));
  return stat.isDirectory() && isMine && (stat.mode & 0o077) === 0;
}

function isDead(folder: string): Promise<boolean> {
  const { ctimeMs } = fs.lstatSync(folder);
  return new Promise((resolve) => {
    const connection = net.connect(path.join(folder, SOCKET_NAME));
    connection.once('connect', () => {
      connection.destroy();
      resolve(false);
    });
    connection.once('error', (error: NodeJS.ErrnoException) => {
      const isOld = Date.now() - ctimeMs > BEGINNING_MILLIS;
      resolve(error.code === 'ECONNREFUSED' || (error.code === 'ENOENT' && isOld));
    });
  });
}

/** A folder that no other user can exchange: of root, of the user itself, or with the sticky bit. */
export function runtimeFolder(): string {
  if (process.geteuid!() === 0) return isUsable('/run', 0) ? '/run' : os.tmpdir();
  const runtime = process.env.XDG_RUNTIME_DIR;
  return runtime !== undefined && path.isAbsolute(runtime) && isUsable(runtime, process.geteuid!()) ? runtime : os.tmpdir();
}

/** Whether it is there, and nobody else's: in a place that everybody can write to, somebody else may have made it. */
export function isOwnFolder(directory: string): boolean {
  const stat = fs.lstatSync(directory, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.geteuid!() && (stat.mode & 0o077) === 0;
}

function isUsable(folder: string, uid: number): boolean {
  const stat = fs.statSync(folder, { throwIfNoEntry: false });
  // A socket's path has at most 107 bytes (unix(7)); what follows here has 32.
  return stat?.isDirectory() === true && stat.uid === uid && (stat.mode & 0o022) === 0 && Buffer.byteLength(folder) < 70;
}

/** Resolves when the guard waits. The pipe's other end is never closed on purpose: the end of the helper closes it. */
function startGuard(folder: string, socket: string): Promise<void> {
  const pipe = openPipe();
  return new Promise((resolve, reject) => {
    const program = guardProgram(folder, socket);
    const { started } = launch({
      program,
      stdio: ['ignore', 'ignore', 'ignore'],
      descriptors: [pipe.read],
      onSync: () => {
        resolve();
        return undefined;
      },
    });
    close(pipe.read);
    started.then(() => undefined, reject);
  });
}

function guardProgram(folder: string, socket: string): SyscallProgram {
  const everySignal = bytes(Buffer.alloc(8, 0xff), '~[]');
  const here = named('AT_FDCWD');
  return {
    descriptors: 5,
    steps: [
      { kind: 'syscall', name: 'setsid', arguments: [], purpose: said('leaveHelpersSession') },
      {
        kind: 'syscall',
        name: 'rt_sigprocmask',
        arguments: [named('SIG_BLOCK'), everySignal, integer(0, 'NULL'), integer(8)],
        purpose: said('outliveWhatEndsHelper'),
      },
      { kind: 'sync', purpose: said('letHelperMakeFolder') },
      {
        kind: 'syscall',
        name: 'read',
        arguments: [descriptor(4, "the helper's life"), bytes(Buffer.alloc(8), '…'), integer(1)],
        purpose: said('waitForEndOfHelper'),
        ignoreError: true,
      },
      // Also when the helper ends before it has said to go on: it may have made the folder by then.
      { kind: 'finally', purpose: said('howeverHelperEnded') },
      {
        kind: 'syscall',
        name: 'unlinkat',
        arguments: [here, string(socket), integer(0)],
        purpose: said('removeSocket'),
        ignoreError: true,
      },
      {
        kind: 'syscall',
        name: 'unlinkat',
        arguments: [here, string(folder), named('AT_REMOVEDIR')],
        purpose: said('removeFolder'),
        ignoreError: true,
      },
    ],
  };
}
