/** What is known of an image, wherever it is: its layers, and what its configuration says of them and of its process. */
import * as v from 'valibot';
import { type ImageConfig, parseImageConfig, stepsOf } from '../../host/engines/imageConfig.ts';
import { jsonOf } from '../../proc/json.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';

export interface ImageFiles {
  /** In lookup order: directories of the host, or below the root of a file system that is mounted nowhere. */
  layers: string[] | UnpackedLayers;
  /** What is known of each layer, in the same order; absent when the image does not tell of each. */
  described?: { digest: string; createdBy?: string }[];
  /** What the image says about the process. */
  process: { args?: string[]; env: Record<string, string>; cwd?: string };
  notes: Said[];
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
  unpack(into: number, userNamespace: number): Promise<Said[]>;
}

export const DOCKER_ROOT = '/var/lib/docker';
export const PODMAN_ROOT = '/var/lib/containers/storage';
/** overlayfs takes at most 500 (fs/overlayfs/params.c). */
export const MAX_LAYERS = 500;
const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/));

/** Where an engine keeps its images. */
export function storageOf(engine: 'docker' | 'podman'): string {
  return engine === 'docker' ? DOCKER_ROOT : PODMAN_ROOT;
}

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
  const notes = config?.User ? [said('noteImageUser', config.User)] : [];
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
