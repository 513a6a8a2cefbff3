/** What an engine's files tell about a container. They are data of others: bounded, validated, and only ever shown. */
import type { CgroupClaim } from '../../proc/cgroupClaim.ts';
import type { Engine } from '../../protocol/containers.ts';
import { describeContainerd, namespaceOfShim } from './containerd.ts';
import { describeDocker } from './docker.ts';
import type { Description, EngineFiles, Shim } from './engineFiles.ts';
import { describeMachine } from './nspawn.ts';
import { describePodman } from './podman.ts';

/** A container by what its cgroup says, and what started it. */
export type Claimed = Pick<CgroupClaim, 'engine' | 'isGuess' | 'id' | 'uid'> & { shim?: Shim };

export interface Told {
  engine: Engine;
  found?: Description;
}

export function describeClaimed(claimed: Claimed, files: EngineFiles): Told {
  const engine = engineOf(claimed, files);
  const found = describeByEngine({ ...claimed, engine }, files);
  return { engine, ...(found === undefined ? {} : { found }) };
}

/** Where the name of the cgroup leaves it open: whose shim started the container, or who has files of it. */
function engineOf({ engine, isGuess, id, uid, shim }: Claimed, files: EngineFiles): Engine {
  if (isGuess === undefined || engine !== 'containerd') return engine;
  const owner = namespaceOfShim(shim, id);
  if (owner !== undefined) return owner === 'moby' ? 'docker' : engine;
  return describeDocker(id, uid, files) === undefined ? engine : 'docker';
}

function describeByEngine({ engine, id, uid }: Claimed, files: EngineFiles): Description | undefined {
  switch (engine) {
    case 'docker':
      return describeDocker(id, uid, files);
    case 'podman':
    case 'cri-o':
      return describePodman(id, uid, files);
    case 'containerd':
      return describeContainerd(id, files);
    case 'kubernetes':
      // The kubelet's cgroups do not say which engine is below it.
      return describeContainerd(id, files) ?? describePodman(id, undefined, files) ?? describeDocker(id, undefined, files);
    case 'systemd-nspawn':
      return describeMachine(id);
    default:
      return undefined;
  }
}
