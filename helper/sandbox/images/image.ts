/** Images in the storage of an engine on this host, read from its files and not asked from the engine: their layers, as directories. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { Failure, isSystemError } from '../../failure.ts';
import { parsedFile, readBounded } from '../../host/engines/boundedFile.ts';
import { jsonOf } from '../../proc/json.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { SandboxImage, StoredImage } from '../../protocol/sandboxes.ts';
import { said } from '../../saying.ts';
import { DOCKER_ROOT, describedByConfig, type ImageFiles, MAX_LAYERS, PODMAN_ROOT, parseConfig } from './imageDescription.ts';

const DOCKER_NAMES = path.join(DOCKER_ROOT, 'image/overlay2/repositories.json');
const PODMAN_NAMES = path.join(PODMAN_ROOT, 'overlay-images/images.json');
/** What describes layers to people reads the same files for something else. */
const OWN_READING = 'sandbox';
const HEXADECIMAL = /^[0-9a-f]{64}$/;
const hexadecimal = v.pipe(v.string(), v.regex(HEXADECIMAL));
/** More than a person chooses from. */
const MAX_IMAGES = 5000;

/** By repository, and in it by whole reference. */
const Repositories = v.object({ Repositories: v.record(v.string(), v.record(v.string(), v.string())) });
const PodmanImages = v.array(
  v.object({ id: hexadecimal, layer: v.optional(hexadecimal), names: v.nullish(v.array(v.string())) }),
);
const PodmanLayers = v.array(v.object({ id: hexadecimal, parent: v.optional(v.string()) }));

/** Those with a name first; each name once. Names may be anything: they are for people to choose from, and for `findImage`. */
export function listImages(engine: 'docker' | 'podman'): StoredImage[] | Unknown {
  const images = engine === 'docker' ? imagesOfDocker() : imagesOfPodman();
  if (images !== undefined) return images.toSorted(byName).slice(0, MAX_IMAGES);
  return whyUnread(engine === 'docker' ? DOCKER_NAMES : PODMAN_NAMES);
}

function byName(one: StoredImage, other: StoredImage): number {
  const nameless = Number(one.reference === one.id) - Number(other.reference === other.id);
  return nameless || (one.reference < other.reference ? -1 : 1);
}

/** Names by digest, `debian@sha256:…`, lead to what another name leads to. */
function imagesOfDocker(): StoredImage[] | undefined {
  const names = dockerNames();
  if (names === undefined) return undefined;
  return Object.entries(names).flatMap(([reference, of]) => {
    const id = of.replace(/^sha256:/, '');
    return HEXADECIMAL.test(id) && !reference.includes('@') ? [{ reference, id }] : [];
  });
}

function imagesOfPodman(): StoredImage[] | undefined {
  return podmanImages()?.flatMap(({ id, names }) => {
    const references = (names ?? []).filter((name) => !name.includes('@'));
    return (references.length === 0 ? [id] : references).map((reference) => ({ reference, id }));
  });
}

/** A storage that is not there has no images; one that may not be looked at may have any. */
function whyUnread(file: string): StoredImage[] | Unknown {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    return { unknown: 'unsupported' };
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return [];
    return { unknown: 'permission', ...(isSystemError(error) ? { errno: error.code } : {}) };
  }
}

/** Throws a `Failure`: `notFound` when there is no such image, or its layers are not where they should be. */
export function findImage({ format, reference }: Extract<SandboxImage, { format: 'docker' | 'podman' }>): ImageFiles {
  return format === 'docker' ? findInDocker(reference) : findInPodman(reference);
}

function findInDocker(reference: string): ImageFiles {
  const database = path.join(DOCKER_ROOT, 'image/overlay2');
  const id = dockerImageId(database, reference);
  const config = parsedFile(path.join(database, 'imagedb/content/sha256', id), parseConfig, OWN_READING);
  if (config === undefined) throw notFound('Docker', reference);
  const layers = chainIds(config.rootfs.diff_ids).map((chain) => {
    const cache = readBounded(path.join(database, 'layerdb/sha256', chain, 'cache-id'))?.text.trim() ?? '';
    return existing(HEXADECIMAL.test(cache) ? path.join(DOCKER_ROOT, 'overlay2', cache, 'diff') : undefined, reference);
  });
  return { layers: layers.reverse(), ...describedByConfig(config) };
}

/** Ids by name. Undefined when they cannot be read. */
function dockerNames(): Record<string, string> | undefined {
  return parsedFile(
    DOCKER_NAMES,
    (text) => {
      const parsed = v.safeParse(Repositories, jsonOf(text));
      return parsed.success ? Object.fromEntries(Object.values(parsed.output.Repositories).flatMap(Object.entries)) : undefined;
    },
    OWN_READING,
  );
}

/** A name, `latest` of it when no tag is given; an id, or the beginning of one. */
function dockerImageId(database: string, reference: string): string {
  const known = dockerNames();
  const names = Object.keys(known ?? {});
  const found = names.find((name) => name === reference) ?? names.find((name) => name === `${reference}:latest`);
  const id = found === undefined ? undefined : known![found]?.replace(/^sha256:/, '');
  if (id !== undefined && HEXADECIMAL.test(id)) return id;
  return onlyId(fileNames(path.join(database, 'imagedb/content/sha256')), reference) ?? notFoundIn('Docker', reference);
}

function podmanImages(): v.InferOutput<typeof PodmanImages> | undefined {
  return parsedFile(
    PODMAN_NAMES,
    (text) => {
      const parsed = v.safeParse(PodmanImages, jsonOf(text));
      return parsed.success ? parsed.output : undefined;
    },
    OWN_READING,
  );
}

function findInPodman(reference: string): ImageFiles {
  const images = podmanImages();
  const wanted = [
    reference,
    `${reference}:latest`,
    `localhost/${reference}`,
    `localhost/${reference}:latest`,
    `docker.io/library/${reference}:latest`,
  ];
  const byName = images?.find(({ names }) => names?.some((name) => wanted.includes(name)));
  const id = byName?.id ?? onlyId(images?.map((image) => image.id) ?? [], reference);
  const image = images?.find((one) => one.id === id);
  if (image?.layer === undefined) throw notFound('podman', reference);
  const config = parsedFile(podmanConfig(image.id), parseConfig, OWN_READING);
  if (config === undefined) throw notFound('podman', reference);
  return { layers: podmanLayers(image.layer, reference), ...describedByConfig(config) };
}

/** Files of an image are kept by names that are base64 of theirs where they have characters that are not safe. */
function podmanConfig(id: string): string {
  return path.join(PODMAN_ROOT, 'overlay-images', id, `=${Buffer.from(`sha256:${id}`).toString('base64')}`);
}

function podmanLayers(top: string, reference: string): string[] {
  const parents = parsedFile(
    path.join(PODMAN_ROOT, 'overlay-layers/layers.json'),
    (text) => {
      const parsed = v.safeParse(PodmanLayers, jsonOf(text));
      return parsed.success ? new Map(parsed.output.map(({ id, parent }) => [id, parent ?? ''])) : undefined;
    },
    OWN_READING,
  );
  const layers: string[] = [];
  for (let id = top; id !== '' && layers.length < MAX_LAYERS; id = parents?.get(id) ?? '') {
    layers.push(existing(HEXADECIMAL.test(id) ? path.join(PODMAN_ROOT, 'overlay', id, 'diff') : undefined, reference));
  }
  return layers;
}

/** OCI image-spec, config.md, "Layer ChainID": the names of the layers on top of each other, without `sha256:`. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(
      below === undefined ? diffId : `sha256:${crypto.createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`,
    );
  }
  return chain.map((id) => id.slice('sha256:'.length));
}

function onlyId(ids: readonly string[], beginning: string): string | undefined {
  if (!/^[0-9a-f]{4,64}$/.test(beginning)) return undefined;
  const matching = ids.filter((id) => HEXADECIMAL.test(id) && id.startsWith(beginning));
  return matching.length === 1 ? matching[0] : undefined;
}

function fileNames(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function existing(directory: string | undefined, reference: string): string {
  if (directory !== undefined && fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return directory;
  throw new Failure('notFound', said('layerOfImageIsLacking', reference), {
    hint: said('knownStorageDrivers'),
  });
}

function notFound(engine: string, reference: string): Failure {
  return new Failure('notFound', said('engineHasNoImage', engine, reference), {
    hint: said('engineListsImages', engine === 'podman' ? 'podman' : 'docker'),
  });
}

function notFoundIn(engine: string, reference: string): never {
  throw notFound(engine, reference);
}
