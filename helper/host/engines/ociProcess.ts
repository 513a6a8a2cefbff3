/** What an OCI runtime was told of a container's process: `process` in the bundle's config.json (github.com/opencontainers/runtime-spec, config.md). */
import * as v from 'valibot';
import { capabilityBit } from '../../proc/capabilities.ts';
import { jsonOf } from '../../proc/json.ts';

/** Sets of capabilities as masks: capabilities(7). */
export interface CapabilityMasks {
  inheritable: bigint;
  permitted: bigint;
  effective: bigint;
  bounding: bigint;
  ambient: bigint;
}

/** The process of a container as its engine configured it; every program that the engine starts in there later begins with the same. */
export interface OciProcess {
  /** `NAME=value`. */
  environment: string[];
  /** Ids as they are in the container. `groups` are the supplementary ones. */
  user: { uid: number; gid: number; groups: number[] };
  capabilities: CapabilityMasks;
}

const id = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_fffe));
const names = v.optional(v.array(v.string()), []);
const Config = v.object({
  process: v.object({
    env: v.nullish(v.array(v.string())),
    user: v.object({ uid: id, gid: id, additionalGids: v.nullish(v.pipe(v.array(id), v.maxLength(65_536))) }),
    capabilities: v.nullish(
      v.object({ bounding: names, effective: names, inheritable: names, permitted: names, ambient: names }),
    ),
  }),
});

/** Undefined when the text is not of that shape. Capabilities that this list does not know are left out. */
export function parseOciProcess(text: string): OciProcess | undefined {
  const config = v.safeParse(Config, jsonOf(text));
  if (!config.success) return undefined;
  const { env, user, capabilities } = config.output.process;
  return {
    environment: (env ?? []).filter((entry) => entry.indexOf('=') > 0 && !entry.includes('\0')),
    user: { uid: user.uid, gid: user.gid, groups: user.additionalGids ?? [] },
    capabilities: {
      bounding: maskOf(capabilities?.bounding),
      effective: maskOf(capabilities?.effective),
      inheritable: maskOf(capabilities?.inheritable),
      permitted: maskOf(capabilities?.permitted),
      ambient: maskOf(capabilities?.ambient),
    },
  };
}

function maskOf(list: readonly string[] = []): bigint {
  return list.reduce((mask, name) => {
    const bit = capabilityBit(name);
    return bit === undefined ? mask : mask | (1n << BigInt(bit));
  }, 0n);
}
