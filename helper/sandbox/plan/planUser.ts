/** As whom the program runs, and with what: ids, groups, capabilities, limits. */

import { Failure, inField } from '../../failure.ts';
import type { CapabilityMasks } from '../../host/engines/ociProcess.ts';
import { leastOf } from '../../lists.ts';
import { capabilityBit } from '../../proc/capabilities.ts';
import { RESOURCE_NAMES, RLIM_INFINITY } from '../../proc/limits.ts';
import { type Identity, own } from '../../programs/identity.ts';
import type { NamespaceChoice, SandboxCapabilities } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { type IdMaps, outsideOf } from '../idMaps/idMaps.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

export interface UserPlan {
  identity: Identity & { uid: number; gid: number; capabilities: CapabilityMasks };
  /** Undefined: groups cannot be changed, and stay the user's own. */
  groups?: NonNullable<Identity['groups']>;
}

export function planUser({ process, namespaces }: ResolvedSpec, idMaps: IdMaps | undefined, notes: Said[]): UserPlan {
  const mine = own();
  const uid = process.user?.uid ?? defaultUid(namespaces.user, idMaps);
  const gid = process.user?.gid ?? (process.user === undefined ? defaultGid(namespaces.user, idMaps) : uid);
  checkIds(uid, gid, idMaps);
  const inside = namespaces.user !== 'host';
  const mayChangeIds = inside || mine.privileged;
  if (!mayChangeIds && (uid !== mine.uid || gid !== mine.gid)) {
    throw new Failure('permission', said('onlyRootRunsAsUser', uid, gid), {
      field: ['user'],
      hint: said('newUserOrRestartAsRoot'),
    });
  }
  const capabilities = inField(['capabilities'], () => {
    const masks = masksOf(process.capabilities ?? [], uid);
    checkCapabilities(masks, inside);
    return masks;
  });
  const all = (1n << BigInt(mine.lastCapability + 1)) - 1n;
  const hostUid = idMaps === undefined ? (inside ? undefined : uid) : outsideOf(idMaps.uid, uid);
  const identity: UserPlan['identity'] = {
    uid,
    gid,
    ...(hostUid === undefined ? {} : { hostUid }),
    capabilities,
    droppedBounding: mayChangeIds ? (inside ? all : mine.status.capabilities.bounding) & ~capabilities.bounding : 0n,
    noNewPrivileges: process.noNewPrivileges,
    umask: process.user?.umask ?? 0o022,
    limits: inField(['rlimits'], () => limitsOf(process.rlimits ?? [])),
    differences: [],
    ...(process.oomScoreAdj === undefined ? {} : { oomScoreAdjustment: String(process.oomScoreAdj) }),
  };
  const groups = groupsOf(process.user?.additionalGids, namespaces.user, idMaps, notes);
  return groups === undefined ? { identity } : { identity, groups };
}

function defaultUid(choice: unknown, idMaps: IdMaps | undefined): number {
  if (idMaps !== undefined) return lowest(idMaps.uid);
  return choice === 'host' ? own().uid : 0;
}

function defaultGid(choice: unknown, idMaps: IdMaps | undefined): number {
  if (idMaps !== undefined) return lowest(idMaps.gid);
  return choice === 'host' ? own().gid : 0;
}

function lowest(mappings: IdMaps['uid']): number {
  return leastOf(mappings.map(({ containerID }) => containerID));
}

function checkIds(uid: number, gid: number, idMaps: IdMaps | undefined): void {
  if (idMaps === undefined) return;
  const check = (mappings: IdMaps['uid'], id: number, what: 'user' | 'group') => {
    if (outsideOf(mappings, id) !== undefined) return;
    throw new Failure('invalid', said('idIsNotMapped', said(what), id), {
      field: ['user', what === 'user' ? 'uid' : 'gid'],
      hint: said('widenIdMappings'),
    });
  };
  check(idMaps.uid, uid, 'user');
  check(idMaps.gid, gid, 'group');
}

function groupsOf(
  asked: number[] | undefined,
  choice: NamespaceChoice,
  idMaps: IdMaps | undefined,
  notes: Said[],
): UserPlan['groups'] {
  const ids = asked ?? [];
  if (own().privileged) return { ids, when: typeof choice === 'object' ? 'beforeUserNamespace' : 'afterUserNamespace' };
  if (idMaps?.writtenBy === 'newuidmap') return { ids, when: 'afterUserNamespace' };
  if (ids.length > 0) {
    throw new Failure('permission', said('groupsCannotBeSet'), {
      field: ['user', 'additionalGids'],
      hint: said('leaveGroupsOut'),
    });
  }
  notes.push(said('noteGroupsStay'));
  return undefined;
}

function maskOf(names: string[]): bigint {
  let mask = 0n;
  for (const [index, name] of names.entries()) {
    const bit = capabilityBit(name);
    if (bit === undefined || bit > own().lastCapability) {
      throw new Failure('invalid', said('noSuchCapability', name), {
        field: [index],
        hint: said('capabilitiesAreNamed'),
      });
    }
    mask |= 1n << BigInt(bit);
  }
  return mask;
}

function masksOf(given: string[] | SandboxCapabilities, uid: number): CapabilityMasks {
  if (Array.isArray(given)) {
    const mask = maskOf(given);
    // Without these, a user other than root would lose them at execve(2).
    const kept = uid === 0 ? 0n : mask;
    return { bounding: mask, permitted: mask, effective: mask, inheritable: kept, ambient: kept };
  }
  const maskIn = (set: keyof SandboxCapabilities) => inField([set], () => maskOf(given[set] ?? []));
  return {
    bounding: maskIn('bounding'),
    permitted: maskIn('permitted'),
    effective: maskIn('effective'),
    inheritable: maskIn('inheritable'),
    ambient: maskIn('ambient'),
  };
}

/** What capabilities it may ever have. Throws a `Failure` when one is not known. */
export function boundingOf({ process }: Pick<ResolvedSpec, 'process'>): bigint {
  return inField(['capabilities'], () => masksOf(process.capabilities ?? [], 0).bounding);
}

/** What capset(2) and prctl(2) would refuse, said with the field's name. */
function checkCapabilities(masks: CapabilityMasks, inside: boolean): void {
  const within = (part: bigint, whole: bigint, text: Said) => {
    if ((part & ~whole) !== 0n) throw new Failure('invalid', said('capabilitiesDoNotFit', text));
  };
  within(masks.effective, masks.permitted, said('effectiveOfPermitted'));
  within(masks.ambient, masks.permitted & masks.inheritable, said('ambientOfPermitted'));
  within(masks.inheritable, masks.bounding | masks.permitted, said('inheritableOfBounding'));
  if (!inside && (masks.permitted & ~own().status.capabilities.permitted) !== 0n) {
    throw new Failure('permission', said('helperLacksCapabilities'), {
      hint: said('restartAsRootOrNewUser'),
    });
  }
}

function limitsOf(given: { type: string; soft: number | 'unlimited'; hard: number | 'unlimited' }[]): Identity['limits'] {
  const value = (limit: number | 'unlimited') => (limit === 'unlimited' ? RLIM_INFINITY : BigInt(limit));
  return given.map(({ type, soft, hard }, index) => {
    const resource = RESOURCE_NAMES.indexOf(type);
    if (resource === -1) {
      throw new Failure('invalid', said('noSuchResource', type), {
        field: [index, 'type'],
        hint: said('resourcesAre', RESOURCE_NAMES),
      });
    }
    if (value(soft) > value(hard)) throw new Failure('invalid', said('softLimitAboveHard', type), { field: [index, 'soft'] });
    return { resource, soft: value(soft), hard: value(hard) };
  });
}
