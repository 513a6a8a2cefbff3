/** Reads what engines note of layers, on a reader thread: roles.ts asks for it. */
import type { JobTable } from '../../reading/answering.ts';
import { describeContainerdLayers } from '../engines/containerdLayers.ts';
import { describeContainersLayers } from '../engines/containersLayers.ts';
import { dataRoots } from '../engines/docker.ts';
import { DockerLayers } from '../engines/dockerLayers.ts';
import { DataRoots, DescribeStacks, type LayerStorage, NOTHING, type Stack } from './roles.ts';

export function answerLayerRoles(jobs: JobTable): void {
  jobs.on(DataRoots, ({ daemons }) =>
    [...dataRoots(undefined, daemons)].map((root) => ({ root, layers: new DockerLayers(root).folder })),
  );
  jobs.on(DescribeStacks, ({ roots, stacks }) => {
    const docker = roots.map(({ root }) => new DockerLayers(root));
    return stacks.map((stack) => describeStack(stack, docker));
  });
}

function describeStack({ paths, hasUpper }: Stack, ofDocker: readonly DockerLayers[]): LayerStorage {
  for (const docker of ofDocker) {
    const known = docker.describe(paths, hasUpper);
    if (known !== undefined) return known;
  }
  return describeContainersLayers(paths, hasUpper) ?? describeContainerdLayers(paths, hasUpper) ?? NOTHING;
}
