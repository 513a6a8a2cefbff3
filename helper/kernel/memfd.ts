/**
 * Files in memory, memfd_create(2). An executable is sealed (fcntl(2), "File Sealing"), so that nobody can change it after it was
 * checked.
 */

import fs from 'node:fs';
import { checked, libcFunction } from './libc.ts';
import {
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
} from './numbers.ts';

const memfdCreate = libcFunction('int memfd_create(const char *name, unsigned int flags)');
const fcntl = libcFunction('int fcntl(int descriptor, int command, int argument)');
const fsetxattr = libcFunction('int fsetxattr(int descriptor, const char *name, const uint8_t *value, size_t size, int flags)');

/** A descriptor of `content` in sealed memory, to be executed as `/proc/self/fd/N`. */
export function sealedExecutable(name: string, content: Buffer): number {
  const memory = createMemory(name);
  try {
    fs.writeFileSync(memory, content);
    checked('fcntl', fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    return memory;
  } catch (error) {
    fs.closeSync(memory);
    throw error;
  }
}

/** Closes `descriptor`; what it was of has one of `lowest` or above from then on, which is returned. */
export function moveAbove(descriptor: number, lowest: number): number {
  const moved = checked('fcntl', fcntl(descriptor, F_DUPFD_CLOEXEC, lowest));
  fs.closeSync(descriptor);
  return moved;
}

let keepsUserAttributes: boolean | undefined;

/** Whether files of a tmpfs can have `user.*` attributes, as they can since Linux 6.6: what memfd_create makes is in one. */
export function tmpfsKeepsUserAttributes(): boolean {
  keepsUserAttributes ??= triesUserAttribute();
  return keepsUserAttributes;
}

function triesUserAttribute(): boolean {
  const memory = createMemory('attribute');
  try {
    return fsetxattr(memory, 'user.isoscope', Buffer.from('y'), 1, 0) === 0;
  } finally {
    fs.closeSync(memory);
  }
}

/** Kernels from 6.3 want to be told that it will be executed (vm.memfd_noexec); earlier ones refuse the flag. */
function createMemory(name: string): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const memory = memfdCreate(name, flags | MFD_EXEC);
  return memory !== -1 ? memory : checked('memfd_create', memfdCreate(name, flags));
}
