/** Machines of systemd-nspawn that are registered. */
import path from 'node:path';
import { parsedFile } from './boundedFile.ts';
import type { Description } from './engineFiles.ts';

/** What systemd-machined notes of a registered machine: the root directory stands for its image. */
export function describeMachine(id: string): Description | undefined {
  return parsedFile(path.join('/run/systemd/machines', path.basename(id)), (text) => parseMachine(text, id));
}

/** `NAME=value` lines, as in systemd's other runtime files. */
export function parseMachine(text: string, id: string): Description | undefined {
  const field = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.replace(/^"(.*)"$/, '$1');
  const root = field('ROOT');
  return { name: field('NAME') ?? id, ...(root === undefined ? {} : { image: root }) };
}
