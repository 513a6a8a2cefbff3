/** The configuration of an OCI or Docker image, of which the build steps are taken: OCI image-spec, config.md. */
import * as v from 'valibot';
import { jsonOf } from '../../proc/json.ts';

const Config = v.object({
  rootfs: v.object({ diff_ids: v.array(v.string()) }),
  history: v.nullish(
    v.array(
      v.object({ created_by: v.nullish(v.string()), empty_layer: v.nullish(v.boolean()), comment: v.nullish(v.string()) }),
    ),
  ),
});

export interface ImageConfig {
  /** Digests of the uncompressed layers, the lowest first. */
  diffIds: string[];
  /** The steps that made them, one each. */
  steps: string[];
}

/** As much of a build step as anybody reads. */
const MAX_STEP_CHARACTERS = 4096;

export function parseImageConfig(text: string): ImageConfig | undefined {
  const config = v.safeParse(Config, jsonOf(text));
  if (!config.success) return undefined;
  const history = config.output.history ?? [];
  const steps = history.filter(({ empty_layer }) => empty_layer !== true);
  return {
    diffIds: config.output.rootfs.diff_ids,
    steps: steps.map(({ created_by, comment }) => wordsOf(created_by || (comment ?? '')).slice(0, MAX_STEP_CHARACTERS)),
  };
}

/** Steps by the layer's number, 0 the lowest. None when the image is of other layers, or its history does not tell of each. */
export function stepsOf({ diffIds, steps }: ImageConfig, layers: readonly string[]): Map<number, string> {
  const isThis = diffIds.length === layers.length && diffIds.every((diff, index) => diff === layers[index]);
  if (!isThis || steps.length !== diffIds.length) return new Map();
  return new Map([...steps.entries()].filter(([, step]) => step !== ''));
}

/** The classic builder writes a step as the shell was given it: `/bin/sh -c apt-get …`, and what is no command after `#(nop)`. */
function wordsOf(step: string): string {
  const nop = /^\/bin\/sh -c #\(nop\)\s+(.*)$/s.exec(step);
  if (nop !== null) return nop[1]!;
  const run = /^(?:RUN )?\/bin\/sh -c (.*)$/s.exec(step.replace(/\s+# buildkit$/, ''));
  return run === null ? step.replace(/\s+# buildkit$/, '') : `RUN ${run[1]}`;
}
