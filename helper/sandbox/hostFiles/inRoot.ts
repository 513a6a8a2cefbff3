/**
 * Where a path inside a root that is a directory of the host leads to. Only for planning: what it finds may change, so the
 * program resolves again, inside the root, in one step (openat2(2) with RESOLVE_IN_ROOT).
 */
import fs from 'node:fs';
import path from 'node:path';
import { isSystemError } from '../../failure.ts';

export interface InRoot {
  /** From the root, without symbolic links: `run/lock` for `/var/lock` on Debian. Empty for the root itself. */
  parts: string[];
  /** How many of them exist; infinitely many when it is known that all do, whatever was mounted there. */
  existing: number;
  /** What is there, when it exists. */
  kind?: 'directory' | 'file';
}

/** path_resolution(7). */
const MAX_LINKS = 40;

/** Symbolic links count from the root, and one whose target is lacking leads to where the target would be. */
export function resolveInRoot(root: string, inside: string): InRoot {
  let pending = split(inside);
  const parts: string[] = [];
  let links = 0;
  let existing = 0;
  let kind: InRoot['kind'] = 'directory';
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '..') {
      parts.pop();
      existing = Math.min(existing, parts.length);
      continue;
    }
    const isLacking = existing < parts.length;
    const stat = isLacking ? undefined : lstat(path.join([root, ...parts, part].join('/')));
    if (stat?.isSymbolicLink() && links < MAX_LINKS) {
      links += 1;
      const target = fs.readlinkSync(path.join([root, ...parts, part].join('/')));
      if (target.startsWith('/')) {
        parts.length = 0;
        existing = 0;
      }
      pending = [...split(target), ...pending];
      continue;
    }
    parts.push(part);
    if (stat === undefined) continue;
    existing = parts.length;
    kind = stat.isDirectory() ? 'directory' : 'file';
  }
  return existing === parts.length && kind !== undefined ? { parts, existing, kind } : { parts, existing };
}

export function split(inside: string): string[] {
  return inside.split('/').filter((part) => part !== '' && part !== '.');
}

function lstat(file: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(file);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
