/** What an engine's files tell about a container. They are data of others: bounded, validated, and only ever shown. */
import type { CgroupClaim } from '../../proc/cgroupClaim.ts';
import type { Container, Engine } from '../../protocol.ts';
import type { HostModel } from '../hostModel.ts';
import type { ProcessRecord } from '../processRecord.ts';
import { sandboxOf } from '../sandboxGroups.ts';
import { describeContainerd, namespaceOfShim } from './containerd.ts';
import { describeDocker } from './docker.ts';
import { describeMachine } from './nspawn.ts';
import { describePodman } from './podman.ts';

export interface Description {
  name: string;
  image?: string;
  pod?: Omit<NonNullable<Container['pod']>, 'uid'>;
}

/** As long as `docker ps` shows. */
const SHORT_ID = 12;

/** Always a name: its shortened id, or its leader's command, when no file tells one. */
export function describeContainer(
  claim: CgroupClaim,
  leader: ProcessRecord,
  model: HostModel,
): Pick<Container, 'engine' | 'name' | 'image'> & { pod: Container['pod'] | undefined } {
  const engine = engineOf(claim, leader, model);
  const found = describeByEngine({ ...claim, engine }, leader, model);
  const description = { engine, name: fallbackName(claim, leader), ...found };
  return claim.pod === undefined
    ? { ...description, pod: undefined }
    : { ...description, pod: { ...claim.pod, ...found?.pod } };
}

/** Where the name of the cgroup leaves it open: whose shim started the container, or who has files of it. */
function engineOf({ engine, isGuess, id, uid }: CgroupClaim, leader: ProcessRecord, model: HostModel): Engine {
  if (isGuess === undefined || engine !== 'containerd') return engine;
  const owner = namespaceOfShim(model.process(leader.parentPid), id);
  if (owner !== undefined) return owner === 'moby' ? 'docker' : engine;
  return describeDocker(id, uid, model) === undefined ? engine : 'docker';
}

function describeByEngine({ engine, id, uid }: CgroupClaim, leader: ProcessRecord, model: HostModel): Description | undefined {
  switch (engine) {
    case 'docker':
      return describeDocker(id, uid, model);
    case 'podman':
    case 'cri-o':
      return describePodman(id, uid);
    case 'containerd':
      return describeContainerd(id, model);
    case 'kubernetes':
      // The kubelet's cgroups do not say which engine is below it.
      return describeContainerd(id, model) ?? describePodman(id, undefined) ?? describeDocker(id, undefined, model);
    case 'systemd-nspawn':
      return describeMachine(id);
    case 'isoscope':
      return describeSandbox(id, leader, model);
    default:
      return undefined;
  }
}

function describeSandbox(id: string, leader: ProcessRecord, model: HostModel): Description | undefined {
  const title = sandboxOf(leader, model);
  return title?.id === id ? { name: title.name } : undefined;
}

function fallbackName({ engine, id, name }: CgroupClaim, leader: ProcessRecord): string {
  if (name !== undefined) return name;
  if (engine === 'unnamed') return leader.name;
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, SHORT_ID) : id;
}
