/** What the daemons of engines were told on their command lines. A container's process may call itself like one: what it names is only read, and shown. */
import path from 'node:path';
import type { HostModel } from '../hostModel.ts';
import type { ProcessRecord } from '../processRecord.ts';

const NAMES = ['dockerd', 'containerd'] as const;
type Daemon = (typeof NAMES)[number];

let found: { model: HostModel; revision: number; daemons: ProcessRecord[] } | undefined;

/** The arguments of every such process that runs as root, or as `uid`. */
export function* argumentsOf(name: Daemon, model: HostModel, uid?: number): Generator<readonly string[]> {
  for (const record of daemonsOf(model)) {
    if (record.name === name && Array.isArray(record.arguments) && (record.uid === 0 || record.uid === uid))
      yield record.arguments;
  }
}

/** Looked for once for all containers of one state of the host, which may have thousands of processes. */
function daemonsOf(model: HostModel): ProcessRecord[] {
  const { revision } = model;
  if (found?.model !== model || found.revision !== revision) {
    const isDaemon = ({ name }: ProcessRecord) => (NAMES as readonly string[]).includes(name);
    found = { model, revision, daemons: [...model.processes].filter(isDaemon) };
  }
  return found.daemons;
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
