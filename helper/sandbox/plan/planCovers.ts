/** What is covered in a sandbox: of the kernel's own file systems wherever they are mounted, and the paths that the specification names. */

import { Failure, inField } from '../../failure.ts';
import { MOUNT_ATTR_RDONLY, MS_SHARED } from '../../kernel/numbers.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { HostMounts } from '../hostFiles/hostMounts.ts';
import { type Cover, coversOfHost, coversOfNew, pathOf, withoutWrites } from '../hostFiles/systemPaths.ts';
import { isWithin } from '../hostFiles/within.ts';
import type { BindMount, PlannedMount } from './plannedMounts.ts';
import type { RootPlan } from './planRoot.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

export interface CoverPlan {
  /** Of what comes with the root, and with the old root where that is kept. */
  root: readonly Cover[];
  oldRoot: readonly Cover[];
  /** Absolute paths of the specification, looked for when the root is built. */
  masked: readonly string[];
  readonly: readonly string[];
  /** No link may lead to these: it could lead to a mount of which the host has what is mounted on it. */
  strict: boolean;
  /** Absolute paths that are hidden or read-only in what comes by itself, for other tools. */
  paths: { masked: string[]; readonly: string[] };
}

interface CoverContext {
  hostMounts: HostMounts;
  spec: ResolvedSpec;
  notes: Said[];
}

const NO_COVERS: CoverPlan = {
  root: [],
  oldRoot: [],
  masked: [],
  readonly: [],
  strict: false,
  paths: { masked: [], readonly: [] },
};

/** Gives each mount the covers of what comes with it. */
export function planCovers(mounts: PlannedMount[], root: RootPlan, context: CoverContext): CoverPlan {
  const { spec, hostMounts } = context;
  if (spec.namespaces.mnt !== 'new') return NO_COVERS;
  const unmasked = spec.systemPaths === 'unmasked';
  const paths: CoverPlan['paths'] = { masked: [], readonly: [] };
  const known = (covers: readonly Cover[], where: string) => {
    for (const cover of covers) paths[cover.how === 'mask' ? 'masked' : 'readonly'].push(pathOf(cover, where));
    return covers;
  };
  for (const mount of mounts) {
    const covers = mount.what === 'new' ? ofNew(mount, context) : mount.what === 'bind' ? ofBind(mount, context) : [];
    if (covers.length > 0) Object.assign(mount, { covers: known(covers, mount.place.destination) });
  }
  const isBuried = ({ mount: below }: Cover) =>
    mounts.some(({ place }) => place.strict && isWithin(`/${below}`, place.destination));
  const ofRoot =
    root.type === 'bind' ? coversOfHost(root.path, hostMounts, { unmasked }).filter((cover) => !isBuried(cover)) : [];
  const masked = checkedPaths(spec, 'maskedPaths');
  const readonly = checkedPaths(spec, 'readonlyPaths');
  const shared = mounts.filter((mount) => mount.what === 'bind' && mount.propagation === MS_SHARED);
  for (const { place } of shared) {
    const inside = [...masked, ...readonly].find(
      (path) => isWithin(path, `/${place.parts.join('/')}`) || isWithin(path, place.destination),
    );
    if (inside !== undefined) throw propagates(inside, place.destination, spec);
  }
  return {
    root: known(root.type === 'bind' && root.readOnly ? withoutWrites(ofRoot) : ofRoot, '/'),
    oldRoot: spec.oldRoot === undefined ? [] : known(coversOfHost('/', hostMounts, { unmasked }), spec.oldRoot),
    masked,
    readonly,
    strict: shared.length > 0,
    paths,
  };
}

/** Of a cgroup namespace of its own a sandbox sees its own cgroups. */
function ofNew(mount: Extract<PlannedMount, { what: 'new' }>, { spec, notes }: CoverContext): Cover[] {
  const isOwn = mount.type === 'cgroup2' && spec.namespaces.cgroup === 'new';
  if (isOwn || spec.systemPaths === 'unmasked') return [];
  return ofWritable(coversOfNew(mount.type), mount.attributes, mount.place.destination, notes);
}

function ofBind(mount: BindMount, context: CoverContext): Cover[] {
  const { hostMounts, spec, notes } = context;
  const { source, place, set, propagation, isDirectory } = mount;
  const unmasked = spec.systemPaths === 'unmasked';
  const covers = ofWritable(coversOfHost(source, hostMounts, { unmasked, isDirectory }), set, place.destination, notes);
  if (covers.length > 0 && propagation === MS_SHARED) throw propagates(source, place.destination, spec);
  return covers;
}

function ofWritable(covers: Cover[], attributes: number, destination: string, notes: Said[]): Cover[] {
  if ((attributes & MOUNT_ATTR_RDONLY) !== 0) return withoutWrites(covers);
  const all = covers
    .filter(({ path, how, ofDevices }) => path === '' && how === 'readOnly' && !ofDevices)
    .map((cover) => pathOf(cover, destination));
  if (all.length > 0) notes.push(said('noteReadOnlyOfKernel', all));
  return covers;
}

/** Each once. */
function checkedPaths(spec: ResolvedSpec, field: 'maskedPaths' | 'readonlyPaths'): string[] {
  return [...new Set(spec[field].map((path, index) => inField([field, index], () => checked(path))))];
}

/** As `/a/b`. */
function checked(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Failure('invalid', said('coverHasParent', path));
  if (parts.length === 0) throw new Failure('invalid', said('coverIsRoot', path));
  return `/${parts.join('/')}`;
}

function propagates(what: string, destination: string, { mounts }: ResolvedSpec): Failure {
  const index = mounts.findIndex((mount) => mount.destination === destination);
  return new Failure('invalid', said('coverWouldPropagate', what, destination), {
    field: ['mounts', index, 'options'],
    hint: said('choosePropagation'),
  });
}
