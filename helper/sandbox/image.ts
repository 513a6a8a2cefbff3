/** Images in the storage of an engine on this host, read from its files and not asked from the engine: their layers, as directories. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { Failure, isSystemError } from '../failure.ts';
import { jsonOf, parsedFile, readBounded } from '../host/engines/boundedFile.ts';
import { type ImageConfig, parseImageConfig, stepsOf } from '../host/engines/imageConfig.ts';
import type { SandboxImage, StoredImage } from '../protocol/sandboxes.ts';
import type { Unknown } from '../protocol.ts';

export interface ImageFiles {
  /** In lookup order: directories of the host, or below the root of a file system that is mounted nowhere. */
  layers: string[] | UnpackedLayers;
  /** What is known of each layer, in the same order; absent when the image does not tell of each. */
  described?: { digest: string; createdBy?: string }[];
  /** What the image says about the process. */
  process: { args?: string[]; env: Record<string, string>; cwd?: string };
  notes: string[];
}

export interface UnpackedLayers {
  descriptor: number;
  names: string[];
  /** Instead of the descriptor: they come into a file system that the sandbox makes in its user namespace. */
  inside?: UnpackInside;
}

export interface UnpackInside {
  /**
   * Where files get the owners that the image gives them: whose the file system is, as the user namespace has the ids, for the helper to write
   * there. Absent where everything belongs to the one user.
   */
  writer?: { uid: number; gid: number };
  /** Into that file system of that user namespace, open descriptors. Resolves with what a person should know; rejects with a `Failure`. */
  unpack(into: number, userNamespace: number): Promise<string[]>;
}

const DOCKER_ROOT = '/var/lib/docker';
const PODMAN_ROOT = '/var/lib/containers/storage';
const DOCKER_NAMES = path.join(DOCKER_ROOT, 'image/overlay2/repositories.json');
const PODMAN_NAMES = path.join(PODMAN_ROOT, 'overlay-images/images.json');
/** What describes layers to people reads the same files for something else. */
const OWN_READING = 'sandbox';
const HEXADECIMAL = /^[0-9a-f]{64}$/;
const hexadecimal = v.pipe(v.string(), v.regex(HEXADECIMAL));
const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
/** overlayfs takes at most 500 (fs/overlayfs/params.c). */
const MAX_LAYERS = 500;
/** More than a person chooses from. */
const MAX_IMAGES = 5000;

/** OCI image-spec, config.md; Docker's is a superset. */
const Config = v.object({
  rootfs: v.object({ diff_ids: v.pipe(v.array(digest), v.minLength(1), v.maxLength(MAX_LAYERS)) }),
  config: v.nullish(
    v.object({
      Env: v.nullish(v.array(v.string())),
      Entrypoint: v.nullish(v.array(v.string())),
      Cmd: v.nullish(v.array(v.string())),
      WorkingDir: v.nullish(v.string()),
      User: v.nullish(v.string()),
    }),
  ),
});
type Config = v.InferOutput<typeof Config> & { layers?: ImageConfig };
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

export function parseConfig(text: string): Config | undefined {
  const config = v.safeParse(Config, jsonOf(text));
  const layers = parseImageConfig(text);
  return config.success ? { ...config.output, ...(layers === undefined ? {} : { layers }) } : undefined;
}

/** In lookup order. */
function describeLayers(config: ImageConfig): NonNullable<ImageFiles['described']> {
  const steps = stepsOf(config, config.diffIds);
  const described = config.diffIds.map((digest, index) => {
    const createdBy = steps.get(index);
    return { digest, ...(createdBy === undefined ? {} : { createdBy }) };
  });
  return described.reverse();
}

export function describedByConfig(of: Config | undefined): Pick<ImageFiles, 'process' | 'notes' | 'described'> {
  const config = of?.config;
  const args = [...(config?.Entrypoint ?? []), ...(config?.Cmd ?? [])];
  const variables = (config?.Env ?? []).flatMap((entry): [string, string][] => {
    const equals = entry.indexOf('=');
    return equals > 0 && !entry.includes('\0') ? [[entry.slice(0, equals), entry.slice(equals + 1)]] : [];
  });
  const cwd = config?.WorkingDir;
  const notes = config?.User ? [`The image asks for the user "${config.User}"; set process.user to run as that.`] : [];
  return {
    process: {
      env: Object.fromEntries(variables),
      ...(args.length === 0 ? {} : { args }),
      ...(cwd?.startsWith('/') ? { cwd } : {}),
    },
    notes,
    ...(of?.layers === undefined ? {} : { described: describeLayers(of.layers) }),
  };
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
  throw new Failure('notFound', `A layer of the image ${reference} is not in the storage of the engine.`, {
    hint: 'Only the storage drivers overlay2 of Docker and overlay of podman are known.',
  });
}

function notFound(engine: string, reference: string): Failure {
  return new Failure('notFound', `${engine} has no image ${reference} on this host, or its storage may not be read.`, {
    hint: `"${engine === 'podman' ? 'podman' : 'docker'} images" lists them; only root may read them.`,
  });
}

function notFoundIn(engine: string, reference: string): never {
  throw notFound(engine, reference);
}
