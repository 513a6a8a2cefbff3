/** What each layer is for, as the files of the engine that made it tell: image layers with their digests and build steps. */
import { Failure } from '../../failure.ts';
import { job } from '../../reading/job.ts';
import { readers } from '../../reading/readers.ts';
import type { Daemon } from '../engines/daemons.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import type { KnownLayer } from './knownLayer.ts';
import type { LayerDirectory } from './layerDirectories.ts';

export interface LayerStorage {
  /** By the layer's index. */
  layers: readonly KnownLayer[];
  image?: string;
}

/** A data directory of Docker's, and where in it the layers are. */
export interface DockerRoot {
  root: string;
  layers: string;
}

/** The layers of an overlay, from the top. Paths are of the host; empty where nothing is known of one. */
export interface Stack {
  paths: readonly string[];
  hasUpper: boolean;
}

/** Where Docker keeps its data. */
export const DataRoots = job<{ daemons: readonly Daemon[] }, DockerRoot[]>('dataRoots');
export const DescribeStacks = job<{ roots: readonly DockerRoot[]; stacks: readonly Stack[] }, LayerStorage[]>('describeStacks');

const OWN = ownNamespaces().mnt?.ino;
export const NOTHING: LayerStorage = { layers: [] };
/** What engines call the directory of their layers. */
const STORAGE = /^(.+?)\/(?:overlay2|overlay|io\.containerd\.snapshotter\.v1\.overlayfs)\//;

/** For one listing. */
export class LayerRoles {
  private readonly roots: readonly DockerRoot[];

  private constructor(roots: readonly DockerRoot[]) {
    this.roots = roots;
  }

  static async of(daemons: readonly Daemon[]): Promise<LayerRoles> {
    return new LayerRoles((await answered(readers.ask(DataRoots, () => ({ params: { daemons } })))) ?? []);
  }

  /** Directories from which the engines name their layers when the paths would be too long. */
  get bases(): string[] {
    return this.roots.map(({ layers }) => layers);
  }

  /** In the order of the overlays. A storage that does not answer says nothing, and keeps nothing of the others. */
  async storagesOf(
    overlays: readonly { directories: readonly LayerDirectory[]; hasUpper: boolean }[],
  ): Promise<LayerStorage[]> {
    const stacks = overlays.map(({ directories, hasUpper }): Stack => ({ paths: pathsOf(directories), hasUpper }));
    const byStorage = new Map<string, number[]>();
    for (const [index, { paths }] of stacks.entries()) {
      const storage = STORAGE.exec(paths[0] ?? '')?.[1];
      if (storage !== undefined) byStorage.set(storage, [...(byStorage.get(storage) ?? []), index]);
    }
    const found = stacks.map(() => NOTHING);
    const reading = [...byStorage].map(async ([storage, indices]) => {
      const params = { roots: this.roots, stacks: indices.map((index) => stacks[index]!) };
      const told = await answered(readers.ask(DescribeStacks, () => ({ params, paths: [storage] })));
      for (const [at, index] of indices.entries()) found[index] = told?.[at] ?? NOTHING;
    });
    await Promise.all(reading);
    return found;
  }
}

/** Nothing is known of layers in another mount namespace: the engine's files would be those of that one. */
function pathsOf(directories: readonly LayerDirectory[]): string[] {
  return directories.map(({ resolved, mountNamespace }) => (mountNamespace === OWN ? resolved : ''));
}

/** Undefined when a file system does not answer, which the log names. */
async function answered<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Failure && error.reason === 'busy') return undefined;
    throw error;
  }
}
