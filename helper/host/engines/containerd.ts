/** Names of containerd's containers and Kubernetes' pods, from the OCI bundles that containerd keeps of running tasks. */
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import { parsedFile } from './boundedFile.ts';
import { absolutePaths, argumentsOf, type Daemon, option, tomlString } from './daemons.ts';
import type { Description, EngineFiles, Shim } from './engineFiles.ts';

/** containerd's own metadata is a database for itself alone; the bundle of each task has the annotations. In its `--state`: */
const TASKS = ['io.containerd.runtime.v2.task', 'io.containerd.runtime.v1.linux'];
/** Of containerd itself, k3s, k0s and MicroK8s. */
const STATES = ['/run/containerd', '/run/k3s/containerd', '/run/k0s/containerd', '/var/snap/microk8s/common/run/containerd'];

const Bundle = v.object({ annotations: v.optional(v.record(v.string(), v.string())), hostname: v.optional(v.string()) });

export function describeContainerd(id: string, place: EngineFiles): Description | undefined {
  for (const bundle of bundlesOf(id, place)) {
    const description = parsedFile(path.join(bundle, 'config.json'), (text) => parseBundle(text, id));
    if (description !== undefined) return description;
  }
  return undefined;
}

/** The annotations of the CRI plugin (containerd: pkg/cri/annotations) and of nerdctl. */
export function parseBundle(text: string, id: string): Description | undefined {
  const bundle = v.safeParse(Bundle, jsonOf(text));
  if (!bundle.success) return undefined;
  const notes = bundle.output.annotations ?? {};
  const cri = (name: string) => notes[`io.kubernetes.cri.${name}`];
  const podName = cri('sandbox-name');
  const isSandbox = cri('container-type') === 'sandbox';
  const name = isSandbox ? `${podName ?? id.slice(0, 12)} (pod)` : (cri('container-name') ?? notes['nerdctl/name']);
  const description: Description = { name: name ?? id.slice(0, 12) };
  const image = cri('image-name');
  if (image !== undefined) description.image = image;
  const namespace = cri('sandbox-namespace');
  if (podName !== undefined) description.pod = { name: podName, ...(namespace === undefined ? {} : { namespace }) };
  return description;
}

/** `TASKS/<containerd namespace>/<id>`: the namespace is found by looking. The id is from a cgroup's name, so it has no slash. */
function* bundlesOf(id: string, { daemons, tell }: EngineFiles): Generator<string> {
  for (const tasks of taskFolders(daemons)) {
    tell(tasks);
    for (const namespace of directoriesIn(tasks)) yield path.join(tasks, namespace, id);
  }
}

/** Of every containerd that runs, as it was told or configured, and where it usually is. */
function* taskFolders(daemons: readonly Daemon[]): Generator<string> {
  const told: (string | undefined)[] = [];
  for (const words of argumentsOf('containerd', daemons)) {
    const config = option(words, '--config') ?? option(words, '-c') ?? '/etc/containerd/config.toml';
    told.push(option(words, '--state') ?? parsedFile(config, (text) => tomlString(text, 'state')));
  }
  for (const state of absolutePaths([...told, ...STATES])) for (const tasks of TASKS) yield path.join(state, tasks);
}

/** For whom containerd's shim supervises that container: its namespace in containerd, `moby` of Docker. Undefined when that process is none. */
export function namespaceOfShim(shim: Shim | undefined, id: string): string | undefined {
  if (shim === undefined || shim.uid !== 0 || !shim.name.startsWith('containerd-shim') || !Array.isArray(shim.arguments))
    return undefined;
  return shim.arguments.includes(id) ? option(shim.arguments, '-namespace') : undefined;
}

/** The containers that containerd runs under names of their own choosing, by the pid of their first process. */
export function containerdTasks(daemons: readonly Daemon[]): Map<number, string> {
  const tasks = new Map<number, string>();
  for (const root of taskFolders(daemons)) {
    for (const namespace of directoriesIn(root)) {
      for (const id of directoriesIn(path.join(root, namespace))) {
        const pid = parsedFile(path.join(root, namespace, id, 'init.pid'), (text) => Number(text.trim()) || undefined);
        if (pid !== undefined) tasks.set(pid, id);
      }
    }
  }
  return tasks;
}

export function directoriesIn(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
