/** systemd-nspawn: a machine's name from its supervisor's arguments, where no cgroup names it. */
import path from 'node:path';
import type { ProcessRecord } from '../processRecord.ts';

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

function optionValue(words: readonly string[], long: string, short: string): string | undefined {
  for (const [index, word] of words.entries()) {
    if (word.startsWith(`${long}=`)) return word.slice(long.length + 1);
    if (word === long || word === short) return words[index + 1];
    if (word.startsWith(short) && !word.startsWith('--') && word.length > 2) return word.slice(2);
  }
  return undefined;
}
