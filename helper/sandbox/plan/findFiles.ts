/**
 * The part of a plan that files of the host decide: id maps, the root, the mounts, what covers them, and what weakens the sandbox. Any of these
 * files may lie on a file system that does not answer, so all of it is one job of a reader thread.
 */
import { Failure } from '../../failure.ts';
import { append } from '../../lists.ts';
import { NAMESPACE_KINDS } from '../../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { IdMappings, SandboxSpec } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { job } from '../../reading/job.ts';
import { readers } from '../../reading/readers.ts';
import type { HeldTree } from '../idMaps/heldTrees.ts';
import type { IdMaps } from '../idMaps/idMaps.ts';
import type { ImageFiles } from '../images/imageDescription.ts';
import { mapHostPaths } from '../specification/specPaths.ts';
import type { CoverPlan } from './planCovers.ts';
import type { Place, PlannedMount } from './plannedMounts.ts';
import type { RootPlan } from './planRoot.ts';
import type { UserPlan } from './planUser.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';
import type { Weakness } from './weaknesses.ts';

export interface FilesAsked {
  /** With absolute paths, and every default. */
  spec: ResolvedSpec;
  /** As it came: with the paths that it was written with. */
  given: SandboxSpec;
  directory?: string;
  /** Its layers in name only, when they are unpacked. */
  image?: ImageFiles;
  joined: readonly { name: string }[];
  /** It runs already, in the cgroups that it has. */
  isRunning: boolean;
}

export interface FilesFound {
  spec: ResolvedSpec;
  idMaps?: IdMaps;
  user: UserPlan;
  root: RootPlan;
  /** Of the host, where the root of a chroot is mounted. */
  chrootPlace?: string;
  /** Where the old root is kept. */
  oldRoot?: Place;
  mounts: PlannedMount[];
  covers: CoverPlan;
  /** Of the root and the mounts, those that the helper takes. */
  trees: readonly HeldTree[];
  /** `major:minor` by the path of each block device that is limited. */
  devices: ReadonlyMap<string, string>;
  notes: Said[];
  /** Paths that lead out of the folder of the specification. */
  leaving: Said[];
  weaknesses: Weakness[];
}

/** Of namespaces, those that are made for it. */
export function freshKinds({ namespaces }: ResolvedSpec): Set<NamespaceKind> {
  return new Set(NAMESPACE_KINDS.filter((kind) => namespaces[kind] === 'new'));
}

export const PlanFiles = job<FilesAsked, FilesFound>('planFiles');

/** With the descriptors that it holds, for the caller to close. Rejects with a `Failure`, `busy` when a file system does not answer. */
export type FindFiles = (asked: FilesAsked) => Promise<{ found: FilesFound; descriptors: readonly number[] }>;

export const findFiles: FindFiles = async (asked) => {
  const { image, ...others } = asked;
  const params = image === undefined ? others : { ...others, image: inNameOnly(image) };
  let descriptors: readonly number[] = [];
  const take = (taken: readonly number[]) => {
    descriptors = taken;
  };
  const paths = pathsOf(asked);
  const ask = () => readers.ask(PlanFiles, () => ({ params, paths }), { take });
  const found = await ask().catch((error: unknown) => {
    // What it is made of answers: then it was something beside that, which is left alone by now.
    if (!(error instanceof Failure) || error.reason !== 'busy' || readers.whyDeafOnTheWay(paths) !== undefined) throw error;
    return ask();
  });
  // What unpacks it is of this thread.
  if (image !== undefined && found.root.type === 'overlay') found.root.lowers = image.layers;
  return { found, descriptors };
};

function inNameOnly(image: ImageFiles): ImageFiles {
  const { layers } = image;
  return Array.isArray(layers) ? image : { ...image, layers: { descriptor: layers.descriptor, names: layers.names } };
}

/** Of the host, as far as the specification names them. */
function pathsOf({ spec, image }: FilesAsked): string[] {
  const paths = (spec.resources?.blockIO ?? []).map(({ device }) => device).filter((device) => device.startsWith('/'));
  if (image !== undefined && Array.isArray(image.layers)) append(paths, image.layers);
  mapHostPaths(spec, (path) => {
    paths.push(path);
    return path;
  });
  return paths;
}

export const PlanIdMaps = job<{ asked: IdMappings }, IdMaps>('planIdMaps');

/** Those of a new user namespace. Rejects with a `Failure`. */
export function findIdMaps(asked: IdMappings): Promise<IdMaps> {
  return readers.ask(PlanIdMaps, () => ({ params: { asked }, paths: ['/etc/subuid', '/etc/subgid'] }));
}
