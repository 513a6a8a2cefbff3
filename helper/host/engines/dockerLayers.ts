/** Docker's own account of the layers that its overlay2 driver keeps: moby, layer/filestore.go and image/store.go. */
import path from 'node:path';
import type { LayerRole } from '../../protocol/layers.ts';
import { parsedFile } from './boundedFile.ts';
import { directoriesIn } from './containerd.ts';
import { dockerContainer } from './docker.ts';
import { type ImageConfig, parseImageConfig, stepsOf } from './imageConfig.ts';

export interface DockerLayer {
  role?: LayerRole;
  digest?: string;
  createdBy?: string;
}

/** A container's layers as `image/overlay2/layerdb/mounts/ID` tells: names of folders of `overlay2`. */
interface ContainerMount {
  container: string;
  init: string | undefined;
  /** Chain id of the image's topmost layer. */
  parent: string | undefined;
}

const CHAIN = /^sha256:([0-9a-f]{64})$/;
/** Docker's limit is 127. */
const MAX_CHAIN = 1000;

/** Of one data root, for one listing. */
export class DockerLayers {
  /** Where the layers are, and from where their paths begin when they are relative. */
  readonly folder: string;
  private readonly root: string;
  private readonly database: string;
  private mounts: Map<string, ContainerMount> | undefined;

  constructor(root: string) {
    this.root = root;
    this.folder = path.join(root, 'overlay2');
    this.database = path.join(root, 'image/overlay2');
  }

  /** Undefined when the topmost layer is not one of these. */
  describe(directories: readonly string[], hasUpper: boolean): { layers: DockerLayer[]; image?: string } | undefined {
    const names = directories.map((directory) => this.nameOf(directory));
    const mount = names[0] === undefined || !hasUpper ? undefined : this.mountOf(names[0]);
    if (mount === undefined) return undefined;
    const chain = this.chainOf(mount.parent);
    const { config, name } = this.imageOf(mount.container);
    const steps =
      config === undefined ? new Map<number, string>() : stepsOf(config, [...chain.values()].map(({ diff }) => diff).reverse());
    const layers = names.map((folder, index): DockerLayer => {
      if (index === 0) return { role: 'readWrite' };
      if (folder !== undefined && folder === mount.init) return { role: 'init' };
      const known = folder === undefined ? undefined : chain.get(folder);
      if (known === undefined) return {};
      const createdBy = steps.get(known.fromBottom);
      return { role: 'image', digest: known.diff, ...(createdBy === undefined ? {} : { createdBy }) };
    });
    return { layers, ...(name === undefined ? {} : { image: name }) };
  }

  private nameOf(directory: string): string | undefined {
    const inside = directory.startsWith(`${this.folder}/`) ? directory.slice(this.folder.length + 1) : '';
    return /^([^/]+)\/diff$/.exec(inside)?.[1];
  }

  private mountOf(folder: string): ContainerMount | undefined {
    this.mounts ??= this.readMounts();
    return this.mounts.get(folder);
  }

  private readMounts(): Map<string, ContainerMount> {
    const mounts = new Map<string, ContainerMount>();
    const folder = path.join(this.database, 'layerdb/mounts');
    for (const container of directoriesIn(folder)) {
      const read = (name: string) => parsedFile(path.join(folder, container, name), textOf);
      const id = read('mount-id');
      if (id !== undefined) mounts.set(id, { container, init: read('init-id'), parent: read('parent') });
    }
    return mounts;
  }

  /** The image's layers by the names of their folders. */
  private chainOf(top: string | undefined): Map<string, { diff: string; fromBottom: number }> {
    const found: { folder: string; diff: string }[] = [];
    for (let chain = top; chain !== undefined && found.length < MAX_CHAIN; ) {
      const digest = CHAIN.exec(chain)?.[1];
      if (digest === undefined) break;
      const read = (name: string) => parsedFile(path.join(this.database, 'layerdb/sha256', digest, name), textOf);
      const [folder, diff] = [read('cache-id'), read('diff')];
      if (folder === undefined || diff === undefined || !CHAIN.test(diff)) break;
      found.push({ folder, diff });
      chain = read('parent');
    }
    return new Map(found.map(({ folder, diff }, index) => [folder, { diff, fromBottom: found.length - 1 - index }]));
  }

  private imageOf(container: string): { config: ImageConfig | undefined; name: string | undefined } {
    const told = dockerContainer(this.root, container);
    const digest = CHAIN.exec(told?.imageId ?? '')?.[1];
    const content = path.join(this.database, 'imagedb/content/sha256');
    const config = digest === undefined ? undefined : parsedFile(path.join(content, digest), parseImageConfig);
    return { config, name: told?.image };
  }
}

/** A file that holds one word. */
function textOf(text: string): string | undefined {
  const word = text.trim();
  return word === '' || word.length > 256 || word.includes('/') ? undefined : word;
}
