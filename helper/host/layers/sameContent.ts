/**
 * Whether files of one size and time have the same content. The time says little where images are made reproducibly: all files have one. Nor does anything
 * else that the kernel tells of a file, since copying it up makes another inode; so content is read, as far as that is bounded.
 */

import fs from 'node:fs';
import { linkBelow, openBelow, statusOf } from '../../kernel/directory.ts';
import { close } from '../../kernel/files.ts';
import { O_PATH, S_IFLNK, S_IFMT, S_IFREG } from '../../kernel/numbers.ts';
import type { ComparedBytes, Found, Stack } from './merged.ts';
import { openContent } from './openContent.ts';

/** Of a larger file only the beginning and the end are compared, which may tell that it is another one. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;
const SAMPLE_BYTES = 64 * 1024;
const { O_NOFOLLOW } = fs.constants;

const one = Buffer.allocUnsafeSlow(SAMPLE_BYTES);
const other = Buffer.allocUnsafeSlow(SAMPLE_BYTES);

/** Both as they were looked up, from the top, and of the same type and size. `unknown`: they cannot be read, or it would take too long. */
export function compareContents(
  stack: Stack,
  now: readonly Found[],
  before: readonly Found[],
): 'same' | 'different' | 'unknown' {
  const [mine, theirs] = [now[0]!, before[0]!];
  if (isSameInode(mine.status!, theirs.status!)) return 'same';
  switch (mine.status!.mode & S_IFMT) {
    case S_IFREG:
      // Its content was left where it was.
      if (mine.metacopy && mine.redirect === undefined) return 'same';
      return compareFiles(stack, now, before);
    case S_IFLNK:
      return compareLinks(stack, mine, theirs);
    default:
      return 'same';
  }
}

function isSameInode(
  mine: { device: string; inoHigh: number; inoLow: number },
  theirs: { device: string; inoHigh: number; inoLow: number },
): boolean {
  return mine.device === theirs.device && mine.inoHigh === theirs.inoHigh && mine.inoLow === theirs.inoLow;
}

function compareFiles(stack: Stack, now: readonly Found[], before: readonly Found[]): 'same' | 'different' | 'unknown' {
  if (now[0]!.status!.sizeBytes === 0 && before[0]!.status!.sizeBytes === 0) return 'same';
  const mine = openContent(stack, now);
  if (typeof mine !== 'number' || mine < 0) return 'unknown';
  try {
    const theirs = openContent(stack, before);
    if (typeof theirs !== 'number' || theirs < 0) return 'unknown';
    try {
      return compareOpened(stack.compared ?? { left: MAX_WHOLE_BYTES }, mine, theirs);
    } finally {
      close(theirs);
    }
  } finally {
    close(mine);
  }
}

function compareOpened(budget: ComparedBytes, mine: number, theirs: number): 'same' | 'different' | 'unknown' {
  const [status, expected] = [statusOf(mine), statusOf(theirs)];
  if (typeof status === 'number' || typeof expected === 'number') return 'unknown';
  if (isSameInode(status, expected)) return 'same';
  const { sizeBytes } = status;
  if (sizeBytes !== expected.sizeBytes) return 'different';
  const isWhole = sizeBytes <= MAX_WHOLE_BYTES;
  const wanted = isWhole ? sizeBytes : 2 * SAMPLE_BYTES;
  if (budget.left < wanted) return 'unknown';
  budget.left -= wanted;
  const places = isWhole ? placesUpTo(sizeBytes) : [0, sizeBytes - SAMPLE_BYTES];
  for (const offset of places) {
    const part = compareAt(mine, theirs, offset, Math.min(SAMPLE_BYTES, sizeBytes - offset));
    if (part !== 'same') return part;
  }
  return isWhole ? 'same' : 'unknown';
}

function placesUpTo(sizeBytes: number): number[] {
  return Array.from({ length: Math.ceil(sizeBytes / SAMPLE_BYTES) }, (_, at) => at * SAMPLE_BYTES);
}

function compareAt(mine: number, theirs: number, offset: number, length: number): 'same' | 'different' | 'unknown' {
  try {
    for (let done = 0; done < length; ) {
      const read = fs.readSync(mine, one, 0, length - done, offset + done);
      if (read === 0) return 'unknown';
      for (let found = 0; found < read; ) {
        const got = fs.readSync(theirs, other, found, read - found, offset + done + found);
        if (got === 0) return 'unknown';
        found += got;
      }
      if (one.compare(other, 0, read, 0, read) !== 0) return 'different';
      done += read;
    }
    return 'same';
  } catch {
    // A disk that fails, or a file system that does.
    return 'unknown';
  }
}

function compareLinks(stack: Stack, mine: Found, theirs: Found): 'same' | 'different' | 'unknown' {
  const [target, expected] = [targetOf(stack, mine), targetOf(stack, theirs)];
  if (typeof target === 'number' || typeof expected === 'number') return 'unknown';
  return target === expected ? 'same' : 'different';
}

/** Or `-errno`. */
function targetOf({ roots }: Stack, { layer, place, pathFromRoot }: Found): string | number {
  if (pathFromRoot === undefined) return linkBelow(place!.directory, place!.name);
  const link = openBelow(roots[layer]!.descriptor, pathFromRoot, O_PATH | O_NOFOLLOW);
  if (link < 0) return link;
  try {
    return linkBelow(link, '');
  } finally {
    close(link);
  }
}
