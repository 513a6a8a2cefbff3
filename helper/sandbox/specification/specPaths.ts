/** Where a specification names paths of the host: the one place where they are found in it. Nothing is looked up. */
import path from 'node:path';
import { Failure, type FieldPath, inField } from '../../failure.ts';
import { parseOverlayOptions } from '../../proc/overlayOptions.ts';
import type { SandboxSpec } from '../../protocol/sandboxes.ts';
import { said } from '../../saying.ts';

/** Options of an overlay that name directories. */
export const LAYER_OPTIONS = /^(lowerdir|upperdir|workdir)$/;

type MapPath = (given: string, field: string) => string;

/** A copy in which each path of the host is replaced; a refusal of one names its field. A program without a slash in its name is none. */
export function mapHostPaths(spec: SandboxSpec, mapOne: MapPath): SandboxSpec {
  const copy = structuredClone(spec);
  const at = (field: FieldPath, given: string, name = field.join('.')) => inField(field, () => mapOne(given, name));
  const { root } = copy;
  if (root?.type === 'directory') root.path = at(['root', 'path'], root.path);
  if (root?.type === 'image' && 'path' in root.image) root.image.path = at(['root', 'image', 'path'], root.image.path);
  if (root !== undefined && 'upper' in root && root.upper !== undefined) root.upper = at(['root', 'upper'], root.upper);
  if (root?.type === 'programs') {
    root.programs = root.programs.map((program, index) =>
      program.includes('/') ? at(['root', 'programs', index], program, 'root.programs') : program,
    );
  }
  for (const [index, mount] of (copy.mounts ?? []).entries()) {
    if (mount.source !== undefined) mount.source = at(['mounts', index, 'source'], mount.source, 'mounts');
    if (mount.type === 'overlay' && mount.options !== undefined)
      mount.options = mount.options.map((option, which) =>
        inField(['mounts', index, 'options', which], () => mapLayers(option, mapOne)),
      );
  }
  return copy;
}

/** Of an option like `lowerdir=a:b`, in which a backslash is before each colon of a path. */
export function mapLayers(option: string, map: MapPath): string {
  const name = option.slice(0, option.indexOf('='));
  if (!LAYER_OPTIONS.test(name)) return option;
  const { lower, upper, work } = parseOverlayOptions([option]);
  const mapped = (given: string) => map(given, `mounts: ${name}`).replaceAll(/[\\:,]/g, '\\$&');
  const layers = lower.map(({ path: given, dataOnly }, index) => {
    return `${index === 0 ? '' : dataOnly ? '::' : ':'}${mapped(given)}`;
  });
  return `${name}=${name === 'lowerdir' ? layers.join('') : mapped(upper ?? work ?? '')}`;
}

/** Relative paths begin at `folder`. Throws a `Failure` when there is none. */
export function withAbsolutePaths(spec: SandboxSpec, folder: string | undefined): SandboxSpec {
  return mapHostPaths(spec, (given) => absolutePath(given, folder));
}

export function absolutePath(given: string, folder: string | undefined): string {
  // Of an option without a value.
  if (given === '') return given;
  if (given.startsWith('/')) return path.resolve(given);
  if (folder !== undefined) return path.join(folder, given);
  throw new Failure('invalid', said('pathIsRelative', given), {
    hint: said('giveAbsolutePath'),
  });
}
