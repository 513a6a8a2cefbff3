/** Names and images of Docker's containers, from the daemon's data directory. */
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import { homeOf } from '../userFile.ts';
import { parsedFile } from './boundedFile.ts';
import { absolutePaths, argumentsOf, type Daemon, option } from './daemons.ts';
import type { Description, EngineFiles } from './engineFiles.ts';

/** The part of `config.v2.json` that is used (moby: container/container.go). */
const Config = v.object({
  Name: v.string(),
  /** The digest of its configuration. */
  Image: v.optional(v.string()),
  Config: v.object({ Image: v.string(), Labels: v.nullish(v.record(v.string(), v.string())) }),
});
const DaemonFile = v.object({ 'data-root': v.optional(v.string()), graph: v.optional(v.string()) });

export interface DockerContainer extends Description {
  imageId?: string;
}

export function describeDocker(id: string, uid: number | undefined, place: EngineFiles): Description | undefined {
  for (const root of dataRoots(uid, place.daemons)) {
    place.tell(root);
    const config = dockerContainer(root, id);
    if (config !== undefined) return config;
  }
  return undefined;
}

export function dockerContainer(root: string, id: string): DockerContainer | undefined {
  return parsedFile(path.join(root, 'containers', id, 'config.v2.json'), parseConfig);
}

export function parseConfig(text: string): DockerContainer | undefined {
  const config = v.safeParse(Config, jsonOf(text));
  if (!config.success) return undefined;
  const { Name: name, Image: imageId, Config: told } = config.output;
  const labels = told.Labels ?? {};
  const pod = labels['io.kubernetes.pod.name'];
  const namespace = labels['io.kubernetes.pod.namespace'];
  return {
    name: labels['io.kubernetes.container.name'] ?? name.replace(/^\//, ''),
    image: told.Image,
    ...(imageId === undefined ? {} : { imageId }),
    ...(pod === undefined ? {} : { pod: { name: pod, ...(namespace === undefined ? {} : { namespace }) } }),
  };
}

/** Of every dockerd that runs, as it was told or configured; then the default ones. */
export function dataRoots(uid: number | undefined, daemons: readonly Daemon[]): Set<string> {
  const roots: (string | undefined)[] = [];
  for (const words of argumentsOf('dockerd', daemons, uid)) {
    const told = option(words, '--data-root') ?? option(words, '-g') ?? option(words, '--graph');
    roots.push(told ?? configuredRoot(option(words, '--config-file') ?? '/etc/docker/daemon.json'));
  }
  const home = uid === undefined ? undefined : homeOf(uid);
  return absolutePaths([...roots, '/var/lib/docker', ...(home === undefined ? [] : [path.join(home, '.local/share/docker')])]);
}

function configuredRoot(file: string): string | undefined {
  return parsedFile(file, (text) => {
    const daemon = v.safeParse(DaemonFile, jsonOf(text));
    return daemon.success ? (daemon.output['data-root'] ?? daemon.output.graph) : undefined;
  });
}
