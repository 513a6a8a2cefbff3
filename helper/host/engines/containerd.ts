/** Names of containerd's containers and Kubernetes' pods, from the OCI bundles that containerd keeps of running tasks. */
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf, parsedFile } from './boundedFile.ts';
import type { Description } from './description.ts';

/** containerd's own metadata is a database for itself alone; the bundle of each task has the annotations. */
const TASKS = [
  '/run/containerd/io.containerd.runtime.v2.task',
  '/run/k3s/containerd/io.containerd.runtime.v2.task',
  '/var/run/containerd/io.containerd.runtime.v1.linux',
];

const Bundle = v.object({ annotations: v.optional(v.record(v.string(), v.string())), hostname: v.optional(v.string()) });

export function describeContainerd(id: string): Description | undefined {
  for (const bundle of bundlesOf(id)) {
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
function* bundlesOf(id: string): Generator<string> {
  for (const tasks of TASKS) for (const namespace of directoriesIn(tasks)) yield path.join(tasks, namespace, id);
}

/** The containers that containerd runs under names of their own choosing, by the pid of their first process. */
export function containerdTasks(): Map<number, string> {
  const tasks = new Map<number, string>();
  for (const root of TASKS) {
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
