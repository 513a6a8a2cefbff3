/** What an open file of nsfs is: which namespace. */
import fs from 'node:fs';
import type { NamespaceRef } from '../protocol/namespaces.ts';

/** The device of nsfs, one for all namespaces. */
export const nsfsDevice = fs.statSync('/proc/self/ns/mnt').dev;

/** Whether a descriptor is of the namespace with that number. */
export function isNamespace(descriptor: number, ino: number): boolean {
  const stat = fs.fstatSync(descriptor);
  return stat.dev === nsfsDevice && stat.ino === ino;
}

export function refOfDescriptor(descriptor: number, kind: NamespaceRef['kind']): NamespaceRef {
  const { dev, ino } = fs.fstatSync(descriptor);
  return { kind, dev, ino };
}
