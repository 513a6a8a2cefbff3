/** The account that podman, buildah and CRI-O keep of their layers: containers/storage, layers.go, images.go and containers.go. */
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import { parsedFile } from './boundedFile.ts';
import type { DockerLayer } from './dockerLayers.ts';
import { parseImageConfig, stepsOf } from './imageConfig.ts';

const Layers = v.array(v.object({ id: v.string(), parent: v.optional(v.string()), 'diff-digest': v.optional(v.string()) }));
const Images = v.array(v.object({ id: v.string(), names: v.nullish(v.array(v.string())), layer: v.optional(v.string()) }));
const Containers = v.array(v.object({ id: v.string(), layer: v.string(), image: v.optional(v.string()) }));

interface StoredLayer {
  parent: string | undefined;
  digest: string | undefined;
}

interface StoredImage {
  id: string;
  name: string | undefined;
}

/** `STORAGE/overlay/ID/diff`: the storage may be anybody's, anywhere, and tells only of its own layers. */
const DIRECTORY = /^(.+)\/overlay\/([0-9a-f]{64})\/diff$/;
const MAX_CHAIN = 1000;

/** Undefined when the topmost layer is not in such a storage. */
export function describeContainersLayers(
  directories: readonly string[],
  hasUpper: boolean,
): { layers: DockerLayer[]; image?: string } | undefined {
  const [, storage, top] = DIRECTORY.exec(directories[0] ?? '') ?? [];
  if (storage === undefined || top === undefined) return undefined;
  const stored = parsedFile(path.join(storage, 'overlay-layers/layers.json'), parseLayers, 'layers');
  if (stored === undefined) return undefined;
  const image = imageOf(storage, hasUpper ? top : undefined);
  const ids = chainOf(stored, hasUpper ? stored.get(top)?.parent : top);
  const steps = stepsOfChain(storage, image, ids, stored);
  const depths = new Map(ids.map((id, index) => [id, index]));
  const layers = directories.map((directory, index): DockerLayer => {
    if (index === 0 && hasUpper) return { role: 'readWrite' };
    const id = DIRECTORY.exec(directory)?.[2] ?? '';
    const { digest } = stored.get(id) ?? {};
    const depth = depths.get(id);
    const createdBy = depth === undefined ? undefined : steps.get(ids.length - 1 - depth);
    return {
      ...(stored.has(id) ? { role: 'image' } : {}),
      ...(digest === undefined ? {} : { digest }),
      ...(createdBy === undefined ? {} : { createdBy }),
    };
  });
  return { layers, ...(image?.name === undefined ? {} : { image: image.name }) };
}

export function parseLayers(text: string): Map<string, StoredLayer> | undefined {
  const layers = v.safeParse(Layers, jsonOf(text));
  if (!layers.success) return undefined;
  return new Map(layers.output.map(({ id, parent, 'diff-digest': digest }) => [id, { parent: parent || undefined, digest }]));
}

/** Image layers from the top. */
function chainOf(stored: ReadonlyMap<string, StoredLayer>, top: string | undefined): string[] {
  const ids: string[] = [];
  for (let id = top; id !== undefined && ids.length < MAX_CHAIN; id = stored.get(id)?.parent) ids.push(id);
  return ids;
}

/** The image of the container whose own layer this is. */
function imageOf(storage: string, layer: string | undefined): StoredImage | undefined {
  const containers = parsedFile(path.join(storage, 'overlay-containers/containers.json'), parseImagesOfContainers, 'images');
  const id = layer === undefined ? undefined : containers?.get(layer);
  if (id === undefined) return undefined;
  const names = parsedFile(path.join(storage, 'overlay-images/images.json'), parseNames, 'names');
  return { id, name: names?.get(id) };
}

function parseImagesOfContainers(text: string): Map<string, string> | undefined {
  const containers = v.safeParse(Containers, jsonOf(text));
  if (!containers.success) return undefined;
  return new Map(containers.output.flatMap(({ layer, image }) => (image === undefined ? [] : [[layer, image]])));
}

function parseNames(text: string): Map<string, string> | undefined {
  const images = v.safeParse(Images, jsonOf(text));
  if (!images.success) return undefined;
  return new Map(images.output.flatMap(({ id, names }) => (names?.[0] === undefined ? [] : [[id, names[0]]])));
}

function stepsOfChain(
  storage: string,
  image: StoredImage | undefined,
  ids: readonly string[],
  stored: ReadonlyMap<string, StoredLayer>,
): Map<number, string> {
  // The id goes into a path.
  if (image === undefined || !/^[0-9a-f]{64}$/.test(image.id)) return new Map();
  const file = `=${Buffer.from(`sha256:${image.id}`).toString('base64')}`;
  const config = parsedFile(path.join(storage, 'overlay-images', image.id, file), parseImageConfig);
  if (config === undefined) return new Map();
  return stepsOf(config, ids.map((id) => stored.get(id)?.digest ?? '').reverse());
}
