/** Names and images of podman's and CRI-O's containers, from the storage that both keep (containers/storage). */
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import { homeOf } from '../userFile.ts';
import { parsedFile } from './boundedFile.ts';
import { tomlString } from './daemons.ts';
import type { Description, EngineFiles } from './engineFiles.ts';

/** The storage drivers; each has its own list of containers. */
const DRIVERS = ['overlay', 'vfs', 'btrfs', 'zfs'];

const Containers = v.array(
  v.object({ id: v.string(), names: v.nullish(v.array(v.string())), metadata: v.optional(v.string()) }),
);
/** What podman and CRI-O note of each in `metadata`, as JSON within the JSON. */
const Metadata = v.object({
  'image-name': v.optional(v.string()),
  name: v.optional(v.string()),
  'metadata-name': v.optional(v.string()),
  'pod-name': v.optional(v.string()),
  namespace: v.optional(v.string()),
});

/** `uid` is the owner's when it runs rootless: its storage is in the owner's home then. */
export function describePodman(id: string, uid: number | undefined, { tell }: EngineFiles): Description | undefined {
  for (const root of storageRoots(uid)) {
    tell(root);
    for (const driver of DRIVERS) {
      const found = parsedFile(path.join(root, `${driver}-containers`, 'containers.json'), parseContainers)?.get(id);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Every container of a `containers.json`, by id; undefined when the text is not of that shape. */
export function parseContainers(text: string): Map<string, Description> | undefined {
  const containers = v.safeParse(Containers, jsonOf(text));
  if (!containers.success) return undefined;
  return new Map(containers.output.map(({ id, names, metadata }) => [id, describe(id, names ?? [], metadata)]));
}

function describe(id: string, names: string[], metadata: string | undefined): Description {
  const parsed = v.safeParse(Metadata, jsonOf(metadata ?? '{}'));
  const known: v.InferOutput<typeof Metadata> = parsed.success ? parsed.output : {};
  const description: Description = { name: known['metadata-name'] ?? names[0] ?? known.name ?? id.slice(0, 12) };
  if (known['image-name']) description.image = known['image-name'];
  if (known['pod-name'] !== undefined) {
    description.pod = { name: known['pod-name'], ...(known.namespace === undefined ? {} : { namespace: known.namespace }) };
  }
  return description;
}

function storageRoots(uid: number | undefined): string[] {
  if (uid === undefined || uid === 0) {
    return withConfigured('/etc/containers/storage.conf', 'graphroot', '/var/lib/containers/storage');
  }
  const home = homeOf(uid);
  if (home === undefined) return [];
  return withConfigured(
    path.join(home, '.config/containers/storage.conf'),
    'graphroot',
    path.join(home, '.local/share/containers/storage'),
  );
}

/** One line of a TOML file is all that matters here: `graphroot = "/srv/containers"`. */
function withConfigured(file: string, key: string, usual: string): string[] {
  const configured = parsedFile(file, (text) => tomlString(text, key));
  return configured !== undefined && path.isAbsolute(configured) ? [configured, usual] : [usual];
}
