/** layers/readFile: bytes of a regular file. Nothing else is ever opened, for opening a device or a pipe has effects of its own. */

import fs from 'node:fs';
import { Failure } from '../../failure.ts';
import { openBelow, statusOf } from '../../kernel/directory.ts';
import { close, errorOf, O_DIRECTORY } from '../../kernel/files.ts';
import { EXDEV, O_PATH } from '../../kernel/numbers.ts';
import { said } from '../../saying.ts';
import { closeUnlessRoot, directoryAt } from './descent.ts';
import { unknownOf } from './directory.ts';
import { missing, namesOf, notFound, relativePath, whereOf } from './layerPath.ts';
import { closeFound, lookUp, type Part, type Stack } from './merged.ts';
import { openContent, openPlace, openRegular } from './openContent.ts';

/** Opens the file at `path` of a layer or of the merged view; throws a `Failure` when it is none. */
export function openFile(stack: Stack, layer: number | 'merged', path: string): number {
  const names = namesOf(path);
  const opened = layer === 'merged' ? openOfMerged(stack, names, path) : openOfLayer(stack, layer, names);
  return checkOpened(opened, layer, path);
}

function checkOpened(opened: number | 'irregular' | 'elsewhere', layer: number | 'merged', path: string): number {
  if (opened === 'irregular') {
    throw new Failure('invalid', said('isNoRegularFileIn', path, whereOf(layer)), {
      path,
      field: ['path'],
    });
  }
  if (opened === 'elsewhere') throw contentBelow(path, layer);
  if (opened >= 0) return opened;
  const error = errorOf(opened, 'openat2', path);
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) throw notFound(path, whereOf(layer));
  throw error;
}

function contentBelow(path: string, layer: number | 'merged'): Failure {
  return new Failure('unsupported', said('hasNoContentOfItsOwn', path, whereOf(layer)), {
    path,
    hint: said('readInMergedView'),
  });
}

function openOfLayer(stack: Stack, layer: number, names: readonly string[]): number | 'irregular' | 'elsewhere' {
  const root = stack.roots[layer]!;
  if (root.descriptor < 0) return root.descriptor;
  const directory = openBelow(root.descriptor, relativePath(names.slice(0, -1)), O_PATH | O_DIRECTORY);
  if (directory < 0) return directory;
  try {
    const [found] = lookUp(stack, [{ ...root, descriptor: directory }], names.at(-1) ?? '.');
    if (found?.part !== undefined) close(found.part.descriptor);
    if (found?.metacopy) return 'elsewhere';
    return openRegular(directory, names.at(-1) ?? '.');
  } finally {
    close(directory);
  }
}

/** As the mount gives it; by way of the layers where it cannot be had or another mount covers the file. */
function openOfMerged(stack: Stack, names: readonly string[], path: string): number | 'irregular' | 'elsewhere' {
  const mounted = stack.merged === undefined ? -EXDEV : openRegular(stack.merged, relativePath(names));
  if (mounted !== -EXDEV) return mounted;
  const parents = names.slice(0, -1);
  const directory = directoryAt(stack, 'merged', path, parents);
  try {
    const parts: Part[] = [...(directory.own === undefined ? [] : [directory.own]), ...directory.merged];
    const found = lookUp(stack, parts, names.at(-1) ?? '.');
    closeFound(found);
    const unread = found.find(({ what }) => what === 'unknown');
    if (unread !== undefined && found[0] === unread) throw missing(path, 'merged', unknownOf(unread.result!));
    if (found.every(({ what }) => what !== 'present')) throw missing(path, 'merged', undefined);
    return openContent(stack, found);
  } finally {
    closeUnlessRoot(directory, parents);
  }
}

/** At most `length` bytes from `offset`. */
export function readFile(stack: Stack, layer: number | 'merged', path: string, offset: number, length: number): Content {
  return contentOf(openFile(stack, layer, path), path, offset, length);
}

interface Content {
  base64: string;
  sizeBytes: number;
  modifiedMillis: number;
}

/** As `readFile`, of what a mount shows in the place of the overlay's file: `seen` is an `O_PATH` descriptor of that. */
export function readSeen(seen: number, path: string, offset: number, length: number): Content {
  return contentOf(checkOpened(openPlace(seen), 'merged', path), path, offset, length);
}

/** Closes the descriptor. */
function contentOf(descriptor: number, path: string, offset: number, length: number): Content {
  try {
    const status = statusOf(descriptor);
    if (typeof status === 'number') throw errorOf(status, 'statx', path);
    const wanted = Math.max(0, Math.min(length, status.sizeBytes - offset));
    const buffer = Buffer.allocUnsafe(wanted);
    const bytesRead = wanted === 0 ? 0 : fs.readSync(descriptor, buffer, 0, wanted, offset);
    return {
      base64: buffer.toString('base64', 0, bytesRead),
      sizeBytes: status.sizeBytes,
      modifiedMillis: status.modifiedSeconds * 1000 + Math.floor(status.modifiedNanos / 1_000_000),
    };
  } finally {
    close(descriptor);
  }
}
