/** What the daemons of engines were told on their command lines. A container's process may call itself like one: what it names is only read, and shown. */
import path from 'node:path';
import type { HostModel } from '../hostModel.ts';

const NAMES = ['dockerd', 'containerd'] as const;

/** A process of that name. */
export interface Daemon {
  name: (typeof NAMES)[number];
  uid: number;
  arguments: readonly string[];
}

let found: { model: HostModel; revision: number; daemons: Daemon[] } | undefined;

/** Looked for once for all containers of one state of the host, which may have thousands of processes. */
export function daemonsOf(model: HostModel): readonly Daemon[] {
  const { revision } = model;
  if (found?.model !== model || found.revision !== revision) {
    const daemons: Daemon[] = [];
    for (const { name, uid, arguments: words } of model.processes) {
      const known = NAMES.find((one) => one === name);
      if (known !== undefined && Array.isArray(words)) daemons.push({ name: known, uid, arguments: words });
    }
    found = { model, revision, daemons };
  }
  return found.daemons;
}

/** The arguments of every such process that runs as root, or as `uid`. */
export function* argumentsOf(name: Daemon['name'], daemons: readonly Daemon[], uid?: number): Generator<readonly string[]> {
  for (const daemon of daemons) {
    if (daemon.name === name && (daemon.uid === 0 || daemon.uid === uid)) yield daemon.arguments;
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
