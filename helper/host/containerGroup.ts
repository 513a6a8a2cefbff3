/** The processes that make up one container, and which of them stands for it. */
import type { CgroupClaim } from '../proc/cgroupClaim.ts';
import type { ProcessRecord } from './processRecord.ts';

export interface ContainerGroup {
  key: string;
  claim: CgroupClaim;
  leader: ProcessRecord;
  processes: ProcessRecord[];
  /** `key` of the container that it was started in. */
  outer?: string;
}

const keys = new WeakMap<CgroupClaim, string>();

export function keyOfClaim(claim: CgroupClaim): string {
  let key = keys.get(claim);
  if (key === undefined) {
    const { engine, uid, id, unique = id } = claim;
    key = uid === undefined ? `${engine}:${unique}` : `${engine}:${uid}:${unique}`;
    keys.set(claim, key);
  }
  return key;
}

/** The first that started leads: programs run in a container later have their parents outside too. A zombie leads nobody. */
export function leadsBefore(one: ProcessRecord, other: ProcessRecord): boolean {
  if ((one.state === 'Z') !== (other.state === 'Z')) return other.state === 'Z';
  return one.startTime - other.startTime < 0 || (one.startTime === other.startTime && one.pid < other.pid);
}
