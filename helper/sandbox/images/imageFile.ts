/**
 * Images in files: an OCI layout, what `docker save` writes, the tar of a root file system. Their layers are unpacked into a file system in
 * memory that is mounted nowhere, so that it goes with the sandbox, or with the helper.
 */

import fs from 'node:fs';
import path from 'node:path';
import type tar from 'tar-stream';
import * as v from 'valibot';
import { Failure, isSystemError } from '../../failure.ts';
import { close, O_DIRECTORY, openAt, openEach } from '../../kernel/files.ts';
import { makeDetachedMount } from '../../kernel/newMount.ts';
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, O_PATH } from '../../kernel/numbers.ts';
import { append } from '../../lists.ts';
import { jsonOf } from '../../proc/json.ts';
import { own } from '../../programs/identity.ts';
import type { SandboxImage } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { type IdMaps, insideOf } from '../idMaps/idMaps.ts';
import { describedByConfig, type ImageFiles, parseConfig, type UnpackInside } from './imageDescription.ts';
import { LostOwners, OwnerMapping, OwnersToGive } from './imageOwners.ts';
import { contentOf } from './imageReading.ts';
import { type Content, decompressed, feed, type Ids, type LayerOptions, tarReader, unpackLayer } from './layerWriter.ts';

export type FileImage = Extract<SandboxImage, { path: string }>;

const MAX_JSON_BYTES = 8 * 1024 * 1024;
/** Of all that an archive holds of such, which is kept until its manifest is read. */
const MAX_TEXTS_BYTES = 8 * MAX_JSON_BYTES;
const MAX_LAYERS = 128;
const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));
const Descriptor = v.object({
  mediaType: v.optional(v.string()),
  digest,
  annotations: v.nullish(v.record(v.string(), v.string())),
  platform: v.nullish(v.object({ architecture: v.string(), os: v.string() })),
});
type Descriptor = v.InferOutput<typeof Descriptor>;
const Index = v.object({ manifests: v.pipe(v.array(Descriptor), v.minLength(1), v.maxLength(4096)) });
const Manifest = v.object({ config: Descriptor, layers: v.pipe(v.array(Descriptor), v.minLength(1), v.maxLength(MAX_LAYERS)) });
const SavedImages = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(MAX_LAYERS)),
  }),
);
const ARCHITECTURES: Partial<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const REFERENCE = 'org.opencontainers.image.ref.name';

/** What is known of an image before it is unpacked: its layers from the lowest on, by what names them in it, and its configuration. */
interface Contents {
  layers: string[];
  config?: ReturnType<typeof parseConfig>;
}

/** What the image says, without unpacking it; its layers are there in name only. */
export async function describeImageFile(image: FileImage, idMaps?: IdMaps): Promise<ImageFiles> {
  checkOwnId(idMaps);
  const { layers, config } = await contentsOf(image);
  const { described, ...said } = describedByConfig(config);
  const names = directoriesFor(image, layers, idMaps);
  return {
    layers: {
      descriptor: -1,
      names: names.reverse(),
      ...(own().privileged ? {} : { inside: unpackInside(image, layers, idMaps) }),
    },
    ...said,
    ...(described?.length === names.length ? { described } : {}),
  };
}

function directoriesFor(image: FileImage, layers: readonly string[], idMaps: IdMaps | undefined): string[] {
  return namesFor(idMaps === undefined ? layers : [image.path]);
}

/**
 * Unpacks it. With id maps everything belongs to whom they map the image's owners to, and is in one layer, since an overlay in a user namespace does not
 * know the deletions of others. The caller closes `layers.descriptor` when it is mounted, or not needed. Rejects with a `Failure`.
 */
export async function unpackImageFile(image: FileImage, idMaps?: IdMaps): Promise<ImageFiles> {
  if (!own().privileged) return describeImageFile(image, idMaps);
  const { layers, config } = await contentsOf(image);
  const descriptor = makeFileSystem();
  try {
    const names = directoriesFor(image, layers, idMaps);
    const directories = openEach(names, (name) => {
      fs.mkdirSync(`/proc/self/fd/${descriptor}/${name}`, { mode: 0o755 });
      return openAt(descriptor, name, O_PATH | O_DIRECTORY);
    });
    const { process, notes, described } = describedByConfig(config);
    const mapping = idMaps === undefined ? undefined : new OwnerMapping(idMaps);
    const options: LayerOptions = mapping === undefined ? {} : { onTop: true, owner: (ids) => mapping.map(ids) };
    let leftOut = 0;
    try {
      if (mapping !== undefined) {
        const { uid, gid } = mapping.map({ uid: 0, gid: 0 });
        fs.chownSync(`/proc/self/fd/${directories[0]}/.`, uid, gid);
      }
      for (const [index, layer] of layers.entries()) {
        leftOut += await unpack(image, layer, directories[idMaps === undefined ? index : 0]!, options);
      }
    } finally {
      for (const directory of directories) close(directory);
    }
    append(notes, [...notesOnLeftOut(leftOut), ...(mapping?.notes() ?? [])]);
    return {
      layers: { descriptor, names: names.reverse() },
      process,
      notes,
      ...(described?.length === names.length ? { described } : {}),
    };
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

function checkOwnId(idMaps: IdMaps | undefined): void {
  const { uid, gid, privileged } = own();
  if (privileged || idMaps === undefined) return;
  if (insideOf(idMaps.uid, uid) !== undefined && insideOf(idMaps.gid, gid) !== undefined) return;
  throw new Failure('permission', said('imageNeedsMappedIds'), {
    hint: said('chooseIdMappingsForImage'),
  });
}

/** Into a file system of a user namespace, in which the user outside may write. */
function unpackInside(image: FileImage, layers: readonly string[], idMaps: IdMaps | undefined): UnpackInside {
  if (idMaps?.writtenBy !== 'newuidmap') return { unpack: (into) => unpackAsOwn(image, layers, into) };
  const { uid, gid } = own();
  return {
    writer: { uid: insideOf(idMaps.uid, uid)!, gid: insideOf(idMaps.gid, gid)! },
    unpack: (into, userNamespace) => unpackMapped(image, layers, { into, userNamespace, idMaps }),
  };
}

/** Everything is to belong to the one user who is mapped. */
async function unpackAsOwn(image: FileImage, layers: readonly string[], into: number): Promise<Said[]> {
  const { uid, gid } = own();
  const lost = new LostOwners();
  const owner = (ids: Ids) => {
    if (ids.uid !== 0 || ids.gid !== 0) lost.add(ids.uid || undefined, ids.gid || undefined);
    return { uid, gid };
  };
  const leftOut = await unpackAll(image, layers, into, { owner });
  return [...notesOnLeftOut(leftOut), ...(lost.files === 0 ? [] : [said('noteOtherOwners', lost.files, String(lost))])];
}

/** Everything belongs to the user until all of it is there: in the directories of others no layer could be put on top. */
async function unpackMapped(
  image: FileImage,
  layers: readonly string[],
  { into, userNamespace, idMaps }: { into: number; userNamespace: number; idMaps: IdMaps },
): Promise<Said[]> {
  const mapping = new OwnerMapping(idMaps);
  const owners = new OwnersToGive();
  const options: LayerOptions = { owner: (ids) => mapping.map(ids), later: (stat, wanted) => owners.note(stat, wanted) };
  const leftOut = await unpackAll(image, layers, into, options, (directory) => owners.give(directory, idMaps, userNamespace));
  return [...notesOnLeftOut(leftOut), ...mapping.notes()];
}

/** Into one directory, which belongs to root of the image until a layer says otherwise. How many files had to be left out. */
async function unpackAll(
  image: FileImage,
  layers: readonly string[],
  into: number,
  options: LayerOptions,
  then?: (directory: number) => Promise<void>,
): Promise<number> {
  const [name] = namesFor([image.path]);
  fs.mkdirSync(`/proc/self/fd/${into}/${name}`, { mode: 0o755 });
  const directory = openAt(into, name!, O_PATH | O_DIRECTORY);
  let leftOut = 0;
  try {
    const root = options.owner?.({ uid: 0, gid: 0 });
    if (root !== undefined) options.later?.(fs.statSync(`/proc/self/fd/${directory}/.`), root);
    for (const layer of layers) leftOut += await unpack(image, layer, directory, { ...options, onTop: true, searchable: true });
    await then?.(directory);
  } finally {
    close(directory);
  }
  return leftOut;
}

function notesOnLeftOut(leftOut: number): Said[] {
  return leftOut === 0 ? [] : [said('noteDevicesLeftOut', leftOut)];
}

function namesFor(layers: readonly string[]): string[] {
  return layers.map((_, index) => `layer${index}`);
}

function makeFileSystem(): number {
  try {
    return makeDetachedMount('tmpfs', [['mode', '0755']], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure('permission', said('onlyRootUnpacks', error.code), {
      errno: error.code,
      hint: said('restartOrUnpackYourself'),
    });
  }
}

async function contentsOf(image: FileImage): Promise<Contents> {
  switch (image.format) {
    case 'tar':
      return { layers: [image.path] };
    case 'oci':
      return ociContents(image);
    case 'dockerArchive':
      return archiveContents(image);
  }
}

/** How many files had to be left out. */
async function unpack(image: FileImage, layer: string, into: number, options: LayerOptions): Promise<number> {
  if (image.format === 'dockerArchive') return unpackFromArchive(image, layer, into, options);
  const [file, name] =
    image.format === 'tar' ? [contentOf(image.path), path.basename(layer)] : [contentOf(image.path, blobName(layer)), layer];
  return (await unpackLayer(file, into, name, options)).leftOut;
}

// ---------------------------------------------------------------------------------------------------------------------
// OCI image layout

function blobName(name: string): string {
  return path.join('blobs/sha256', name.slice('sha256:'.length));
}

async function ociContents(image: FileImage): Promise<Contents> {
  const index = await parsedJson('index.json', Index, image);
  let chosen = chooseManifest(index.manifests, image);
  if (chosen.mediaType?.includes('index') || chosen.mediaType?.includes('manifest.list')) {
    chosen = chooseManifest((await parsedJson(blobName(chosen.digest), Index, image)).manifests, {
      ...image,
      reference: undefined,
    });
  }
  const manifest = await parsedJson(blobName(chosen.digest), Manifest, image);
  const config = parseConfig((await readAll(contentOf(image.path, blobName(manifest.config.digest)), image)).toString('utf8'));
  return { layers: manifest.layers.map((layer) => layer.digest), config };
}

function chooseManifest(manifests: readonly Descriptor[], image: { path: string; reference?: string | undefined }): Descriptor {
  const { reference } = image;
  const named =
    reference === undefined ? manifests : manifests.filter(({ annotations }) => annotations?.[REFERENCE] === reference);
  const ours = named.filter(({ platform }) => platform == null || platform.architecture === ARCHITECTURES[process.arch]);
  if (ours.length === 1) return ours[0]!;
  const known = manifests.map(({ annotations }) => annotations?.[REFERENCE]).filter((name) => name !== undefined);
  throw notOne(image, ours.length, known);
}

async function parsedJson<T>(name: string, schema: v.GenericSchema<unknown, T>, image: FileImage): Promise<T> {
  const parsed = v.safeParse(schema, jsonOf((await readAll(contentOf(image.path, name), image)).toString('utf8')));
  if (parsed.success) return parsed.output;
  const file = path.join(image.path, name);
  throw new Failure('invalid', said('isNotOfImage', file), { path: file });
}

async function readAll(stream: AsyncIterable<Buffer>, image: FileImage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > MAX_JSON_BYTES) throw tooLong(image);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLong(image: FileImage): Failure {
  return new Failure('invalid', said('imageDescriptionTooLong', image.path), { path: image.path });
}

function notOne(
  { path: file, reference }: { path: string; reference?: string | undefined },
  count: number,
  known: string[],
): Failure {
  const what = reference === undefined ? said('anImageForMachine') : said('imageNamedForMachine', reference);
  return new Failure(count === 0 ? 'notFound' : 'invalid', said(count === 0 ? 'hasNone' : 'hasSeveral', file, what), {
    path: file,
    hint: known.length === 0 ? said('giveNoReference') : said('giveOneAsReference', known.slice(0, 20)),
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// docker save

/** The configurations and the manifest are small, and in no certain order: a first pass over the whole file. */
async function archiveContents(image: FileImage): Promise<Contents> {
  const texts = new Map<string, string>();
  const links = new Map<string, string>();
  let bytes = 0;
  await eachEntry(image, async ({ name, size = 0, type, linkname }, content) => {
    // A layer that another image in the file has, too, is there once.
    if (type === 'symlink' && links.size < 10_000) links.set(name, path.join(path.dirname(name), linkname ?? ''));
    if (
      type !== 'file' ||
      size > MAX_JSON_BYTES ||
      texts.size >= 10_000 ||
      !/(\.json|^blobs\/sha256\/[0-9a-f]{64})$/.test(name)
    )
      return;
    const text = await readAll(content, image);
    // A layer may be small as well, and is not wanted here.
    if (text[0] !== 0x7b && text[0] !== 0x5b) return;
    bytes += text.length;
    if (bytes > MAX_TEXTS_BYTES) throw tooLong(image);
    texts.set(name, text.toString('utf8'));
  });
  const images = v.safeParse(SavedImages, jsonOf(texts.get('manifest.json') ?? ''));
  if (!images.success) throw new Failure('invalid', said('isNoDockerArchive', image.path), { path: image.path });
  const { reference } = image as { reference?: string };
  const tags = (given: { RepoTags?: string[] | null | undefined }) => given.RepoTags ?? [];
  const wanted = images.output.filter(
    (one) => reference === undefined || tags(one).some((tag) => tag === reference || tag === `${reference}:latest`),
  );
  if (wanted.length !== 1)
    throw notOne(image as { path: string; reference?: string }, wanted.length, images.output.flatMap(tags));
  const [{ Config, Layers }] = wanted as [(typeof wanted)[0]];
  return { layers: Layers.map((name) => links.get(name) ?? name), config: parseConfig(texts.get(Config) ?? '') };
}

/** Layers lie in no certain order in it, so that it is read once for each. */
async function unpackFromArchive(image: FileImage, layer: string, into: number, options: LayerOptions): Promise<number> {
  let leftOut: number | undefined;
  await eachEntry(image, async ({ name, type }, content) => {
    if (name !== layer || type !== 'file' || leftOut !== undefined) return;
    leftOut = (await unpackLayer(content, into, name, options)).leftOut;
  });
  if (leftOut !== undefined) return leftOut;
  throw new Failure('invalid', said('lacksLayer', image.path, layer), { path: image.path });
}

async function eachEntry(image: FileImage, take: (header: tar.Header, content: Content) => Promise<void>): Promise<void> {
  const extract = tarReader();
  const taken = (async () => {
    for await (const entry of extract) {
      await take(entry.header, entry as unknown as Content);
      entry.resume();
    }
  })();
  taken.catch(() => undefined);
  try {
    await Promise.all([feed(await decompressed(contentOf(image.path), path.basename(image.path)), extract), taken]);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('invalid', said('isNoTar', image.path, error instanceof Error ? error.message : String(error)), {
      path: image.path,
    });
  }
}
