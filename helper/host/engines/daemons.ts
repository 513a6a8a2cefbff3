/** What the daemons of engines were told on their command lines. A container's process may call itself like one: what it names is only read, and shown. */
import path from 'node:path';
import type { ProcessRecord } from '../processRecord.ts';

/** The arguments of every process by that name that runs as root, or as `uid`. */
export function* argumentsOf(name: string, processes: Iterable<ProcessRecord>, uid?: number): Generator<readonly string[]> {
  for (const record of processes) {
    if (record.name === name && Array.isArray(record.arguments) && (record.uid === 0 || record.uid === uid))
      yield record.arguments;
  }
}

/** The value of `--name=value` or `--name value`. */
export function option(words: readonly string[], name: string): string | undefined {
  const joined = words.find((word) => word.startsWith(`${name}=`));
  if (joined !== undefined) return joined.slice(name.length + 1);
  const index = words.indexOf(name);
  return index === -1 ? undefined : words[index + 1];
}

/** The value of `key = "value"` in TOML, of a key that stands in the file's main table or in one where it means the same. */
export function tomlString(text: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s*=\\s*["']([^"'\\n]+)["']`, 'm').exec(text)?.[1];
}

/** Of these, those that are paths from the root. */
export function absolutePaths(paths: Iterable<string | undefined>): Set<string> {
  return new Set([...paths].filter((one) => one !== undefined && path.isAbsolute(one)) as string[]);
}
