/** systemd-nspawn: machines by name, from the supervisor's arguments where no cgroup names one. */
import path from 'node:path';
import type { ProcessRecord } from '../processRecord.ts';
import { parsedFile } from './boundedFile.ts';
import type { Description } from './description.ts';

/**
 * The machine's name when `parent` is a systemd-nspawn process, which supervises one machine each. Without `--machine` it is
 * the last component of the directory or image (systemd-nspawn(1)).
 */
export function machineOfSupervisor(parent: ProcessRecord | undefined): string | undefined {
  if (parent?.name !== 'systemd-nspawn' || !Array.isArray(parent.arguments)) return undefined;
  const words = parent.arguments;
  const machine = optionValue(words, '--machine', '-M');
  if (machine !== undefined) return machine;
  const root = optionValue(words, '--directory', '-D') ?? optionValue(words, '--image', '-i');
  return root === undefined ? String(parent.pid) : path.basename(root).replace(/\.raw$/, '');
}

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

function optionValue(words: readonly string[], long: string, short: string): string | undefined {
  for (const [index, word] of words.entries()) {
    if (word.startsWith(`${long}=`)) return word.slice(long.length + 1);
    if (word === long || word === short) return words[index + 1];
    if (word.startsWith(short) && !word.startsWith('--') && word.length > 2) return word.slice(2);
  }
  return undefined;
}
