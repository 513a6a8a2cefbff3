/** What each layer is for, as the files of the engine that made it tell: image layers with their digests and build steps. */
import type { LayerRole } from '../../protocol/layers.ts';
import { describeContainerdLayers } from '../engines/containerdLayers.ts';
import { describeContainersLayers } from '../engines/containersLayers.ts';
import { dataRoots } from '../engines/docker.ts';
import { DockerLayers } from '../engines/dockerLayers.ts';
import type { HostModel } from '../hostModel.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import type { LayerDirectory } from './layerDirectories.ts';

/** What is known of a layer beyond its directory. */
export interface KnownLayer {
  role?: LayerRole;
  digest?: string;
  createdBy?: string;
}

export interface LayerStorage {
  /** By the layer's index. */
  layers: readonly KnownLayer[];
  image?: string;
}

const OWN = ownNamespaces().mnt?.ino;

/** For one listing. */
export class LayerRoles {
  private readonly docker: DockerLayers[];

  constructor(model: HostModel) {
    this.docker = [...dataRoots(undefined, model)].map((root) => new DockerLayers(root));
  }

  /** Directories from which the engines name their layers when the paths would be too long. */
  get bases(): string[] {
    return this.docker.map(({ folder }) => folder);
  }

  /** Nothing is known of layers in another mount namespace: the engine's files would be those of that one. */
  storageOf(directories: readonly LayerDirectory[], hasUpper: boolean): LayerStorage {
    const paths = directories.map(({ resolved, mountNamespace }) => (mountNamespace === OWN ? resolved : ''));
    for (const docker of this.docker) {
      const known = docker.describe(paths, hasUpper);
      if (known !== undefined) return known;
    }
    return describeContainersLayers(paths, hasUpper) ?? describeContainerdLayers(paths, hasUpper) ?? { layers: [] };
  }
}
