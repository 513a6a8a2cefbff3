/** The root directory of a sandbox: where its files come from. */
import fs from 'node:fs';
import { Failure, inField } from '../../failure.ts';
import { tmpfsKeepsUserAttributes } from '../../kernel/memfd.ts';
import { append } from '../../lists.ts';
import type { SandboxRoot } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { plainDirectory, plainUpper, realPath } from '../hostFiles/hostPath.ts';
import { type ProgramFiles, programFiles } from '../hostFiles/programFiles.ts';
import type { HeldTree, HeldTrees } from '../idMaps/heldTrees.ts';
import type { ImageFiles } from '../images/imageDescription.ts';
import { bytesOf } from '../specification/size.ts';
import type { Option } from './plannedMounts.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

export type RootPlan =
  /** Not built: the root of the namespace, or a directory below it. `path` is of the host. */
  | { type: 'asItIs'; path?: string }
  /** Mounts of the host from this directory on. */
  | { type: 'bind'; path: string; readOnly: boolean; held?: HeldTree }
  /**
   * Layers in lookup order, what is known of them when they are an image's, and where changes go: a directory of the host, or nowhere for
   * long.
   */
  | {
      type: 'overlay';
      lowers: ImageFiles['layers'];
      image?: NonNullable<ImageFiles['described']>;
      upper?: string;
      held?: HeldTree[];
      /** The helper mounts it, for a new user namespace: mappedLayers.ts. */
      mapped?: true;
    }
  /** With the files of a minimal root, if any. */
  | { type: 'tmpfs'; options: Option[]; files?: ProgramFiles; copied?: boolean };

export interface RootContext {
  image?: ImageFiles;
  trees: HeldTrees;
  notes: Said[];
  /** That the specification lies in. */
  folder?: string;
}

export function planRoot(spec: ResolvedSpec, context: RootContext): RootPlan {
  const root = planned(spec, context);
  const isMadeInside = root.type === 'overlay' && root.mapped === undefined && spec.namespaces.user !== 'host';
  if (isMadeInside && root.upper === undefined && !tmpfsKeepsUserAttributes()) {
    context.notes.push(said('noteTmpfsUpper'));
  }
  return root;
}

function planned(spec: ResolvedSpec, context: RootContext): RootPlan {
  const { root } = spec;
  const { folder } = context;
  const directory = (given: string) => inField(['path'], () => plainDirectory(given, 'root.path', folder));
  if (spec.namespaces.mnt !== 'new') {
    return root.type === 'directory' ? { type: 'asItIs', path: directory(root.path) } : { type: 'asItIs' };
  }
  switch (root.type) {
    case 'host':
      return ofHost('/', root, context);
    case 'directory':
      return ofHost(directory(root.path), root, context);
    case 'tmpfs':
      return { type: 'tmpfs', options: tmpfsOptions(root) };
    case 'programs':
      return ofPrograms(root);
    case 'image': {
      const { layers, notes: ofImage, described = [] } = context.image!;
      if (typeof spec.namespaces.user === 'object') {
        throw new Failure('unsupported', said('ownersNeedNewUserNamespace'), { hint: said('setUserNamespaceOrUnpack') });
      }
      append(context.notes, ofImage);
      const mapped = spec.namespaces.user === 'new' && Array.isArray(layers) ? ({ mapped: true } as const) : {};
      const upper = root.upper === undefined ? {} : { upper: upperOf(root.upper, folder) };
      return { type: 'overlay', lowers: layers, image: described, ...upper, ...mapped };
    }
  }
}

function upperOf(given: string, folder: string | undefined): string {
  return inField(['upper'], () => plainUpper(given, folder));
}

/** The loader and the libraries are found, and nothing is run for it. */
function ofPrograms({ programs, files = 'bind', size }: Extract<SandboxRoot, { type: 'programs' }>): RootPlan {
  const found = inField(['programs'], () => programFiles(programs));
  return { type: 'tmpfs', options: tmpfsOptions(size === undefined ? {} : { size }), files: found, copied: files === 'copy' };
}

function ofHost(
  path: string,
  root: Extract<SandboxRoot, { type: 'host' | 'directory' }>,
  { trees, notes, folder }: RootContext,
): RootPlan {
  const hold = (directory: string) =>
    inField(root.idmap ? ['idmap'] : [], () => trees.takeIfNeeded(directory, root.idmap ? 'one' : undefined));
  if (root.access !== 'overlay') {
    const held = hold(path);
    return { type: 'bind', path, readOnly: root.access === 'readOnly', ...(held === undefined ? {} : { held }) };
  }
  if (path === '/') notes.push(said('noteOverlayCoversOne'));
  const upper = root.upper === undefined ? undefined : upperOf(root.upper, folder);
  const held = [path, ...(upper === undefined ? [] : [upper])].flatMap((one) => hold(one) ?? []);
  return { type: 'overlay', lowers: [path], held, ...(upper === undefined ? {} : { upper }) };
}

/**
 * Where the root of a chroot is mounted: below the old root, as chroot(2) is used everywhere else, so that the sandbox is as
 * open or shut as any other chroot. Of a directory on itself.
 */
export function chrootPlace(root: RootPlan): string {
  if (root.type === 'bind' && root.path !== '/') return root.path;
  const folder = ['/mnt', '/media', '/srv', '/tmp'].find((one) => fs.statSync(one, { throwIfNoEntry: false })?.isDirectory());
  if (folder !== undefined) return realPath(folder, 'changeRoot').path;
  throw new Failure('unsupported', said('hostHasNoMnt'), {
    field: ['changeRoot'],
    hint: said('makeMntOrPivot'),
  });
}

export function tmpfsOptions({ size, mode = 0o755 }: { size?: number | string; mode?: number }): Option[] {
  const options: Option[] = [['mode', `0${mode.toString(8)}`]];
  if (size !== undefined) options.push(['size', String(bytesOf(size))]);
  return options;
}
