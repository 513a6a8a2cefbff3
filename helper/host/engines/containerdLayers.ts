/** containerd's account of the layers of its overlayfs snapshotter: snapshots/storage/bolt.go, metadata/buckets.go and the content store. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';
import { BoltBucket, readBolt } from './boltDatabase.ts';
import { parsedFile, versionOfFile } from './boundedFile.ts';
import type { DockerLayer } from './dockerLayers.ts';
import { type ImageConfig, parseImageConfig, stepsOf } from './imageConfig.ts';

/** The root may be containerd's own, Docker's or that of k3s. */
const DIRECTORY = /^(.+)\/io\.containerd\.snapshotter\.v1\.overlayfs\/snapshots\/([0-9]+)\/fs$/;
const DIGEST = /^sha256:([0-9a-f]{64})$/;
/** Platforms of one image that are looked through. */
const MAX_MANIFESTS = 64;

const Manifest = v.object({
  config: v.optional(v.object({ digest: v.string() })),
  manifests: v.optional(v.array(v.object({ digest: v.string() }))),
});

interface Snapshot {
  /** containerd's own, such as `k8s.io`. */
  namespace: string;
  /** The chain id of an image's layers up to this one, or the name of what a container writes to. */
  name: string;
}

interface Image {
  name: string;
  digest: string | undefined;
}

/** Undefined when the topmost layer is not such a snapshot. */
export function describeContainerdLayers(
  directories: readonly string[],
  hasUpper: boolean,
): { layers: DockerLayer[]; image?: string } | undefined {
  const [, root, top] = DIRECTORY.exec(directories[0] ?? '') ?? [];
  if (root === undefined || top === undefined) return undefined;
  const snapshots = cached(path.join(root, 'io.containerd.snapshotter.v1.overlayfs/metadata.db'), snapshotsOf);
  const own = snapshots?.get(top);
  if (snapshots === undefined || own === undefined) return undefined;
  const image = hasUpper ? imageOf(root, own) : undefined;
  const known = image?.digest === undefined ? new Map<string, DockerLayer>() : layersByChain(root, image.digest);
  const layers = directories.map((directory, index): DockerLayer => {
    if (index === 0 && hasUpper) return { role: 'readWrite' };
    const name = snapshots.get(DIRECTORY.exec(directory)?.[2] ?? '')?.name ?? '';
    return DIGEST.test(name) ? { role: 'image', ...known.get(name) } : {};
  });
  return { layers, ...(image === undefined ? {} : { image: image.name }) };
}

/** Read again only when the database changed. */
const cache = new Map<string, { version: string; value: unknown }>();
const MAX_CACHED = 100;

function cached<T>(file: string, look: (root: BoltBucket) => T | undefined): T | undefined {
  const version = versionOfFile(file);
  if (version === undefined) return undefined;
  const known = cache.get(file);
  if (known?.version === version) return known.value as T | undefined;
  const value = readBolt(file, look);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(file, { version, value });
  return value;
}

/** By the number that its directory is called by. A key is `NAMESPACE/NUMBER/NAME`. */
function snapshotsOf(root: BoltBucket): Map<string, Snapshot> {
  const snapshots = new Map<string, Snapshot>();
  for (const [key, snapshot] of bucketsIn(root.bucket('v1')?.bucket('snapshots'))) {
    const [, namespace, name] = /^([^/]*)\/[0-9]+\/(.*)$/s.exec(key) ?? [];
    if (namespace === undefined || name === undefined) continue;
    for (const [field, value] of snapshot.entries()) {
      if (field === 'id' && value instanceof Buffer) snapshots.set(String(uvarint(value)), { namespace, name });
    }
  }
  return snapshots;
}

/** encoding/binary's Uvarint. */
function uvarint(bytes: Buffer): number {
  let number = 0;
  for (const [index, byte] of bytes.subarray(0, 7).entries()) {
    number += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return number;
}

/** Of the container that writes to the snapshot. */
function imageOf(root: string, { namespace, name }: Snapshot): Image | undefined {
  const file = path.join(root, 'io.containerd.metadata.v1.bolt/meta.db');
  return cached(file, imagesBySnapshot)?.get(`${namespace}/${name}`);
}

/** By containerd's namespace and the name of the snapshot that a container of the image writes to. */
function imagesBySnapshot(root: BoltBucket): Map<string, Image> {
  const found = new Map<string, Image>();
  for (const [namespace, own] of bucketsIn(root.bucket('v1'))) {
    const digests = new Map<string, string | undefined>();
    for (const [name, image] of bucketsIn(own.bucket('images'))) digests.set(name, image.bucket('target')?.text('digest'));
    for (const [, container] of bucketsIn(own.bucket('containers'))) {
      const [snapshot, name] = [container.text('snapshotKey'), container.text('image')];
      if (snapshot !== undefined && name) found.set(`${namespace}/${snapshot}`, { name, digest: digests.get(name) });
    }
  }
  return found;
}

function* bucketsIn(bucket: BoltBucket | undefined): Generator<[string, BoltBucket]> {
  for (const [key, value] of bucket?.entries() ?? []) if (value instanceof BoltBucket) yield [key, value];
}

/** Digest and build step of each layer, by the chain id of the layers up to it (OCI image-spec, config.md). */
function layersByChain(root: string, digest: string): Map<string, DockerLayer> {
  const layers = new Map<string, DockerLayer>();
  for (const config of configsOf(root, digest)) {
    const steps = stepsOf(config, config.diffIds);
    let chain = '';
    for (const [index, diff] of config.diffIds.entries()) {
      chain = index === 0 ? diff : `sha256:${createHash('sha256').update(`${chain} ${diff}`).digest('hex')}`;
      const createdBy = steps.get(index);
      layers.set(chain, { digest: diff, ...(createdBy === undefined ? {} : { createdBy }) });
    }
  }
  return layers;
}

/** Of every platform that was fetched. */
function configsOf(root: string, digest: string): ImageConfig[] {
  const manifest = blob(root, digest, parseManifest);
  const manifests = manifest?.manifests?.slice(0, MAX_MANIFESTS).map((one) => blob(root, one.digest, parseManifest));
  return [manifest, ...(manifests ?? [])].flatMap((one) => {
    const config = one?.config === undefined ? undefined : blob(root, one.config.digest, parseImageConfig);
    return config === undefined ? [] : [config];
  });
}

function parseManifest(text: string): v.InferOutput<typeof Manifest> | undefined {
  const manifest = v.safeParse(Manifest, jsonOf(text));
  return manifest.success ? manifest.output : undefined;
}

function blob<T>(root: string, digest: string, parse: (text: string) => T | undefined): T | undefined {
  const name = DIGEST.exec(digest)?.[1];
  if (name === undefined) return undefined;
  return parsedFile(path.join(root, 'io.containerd.content.v1.content/blobs/sha256', name), parse, parse.name);
}
