/** As whom a program runs: what it has to be given so that it is like the process entered, or root of what is entered. */

import fs from 'node:fs';
import { Failure } from '../failure.ts';
import type { CapabilityMasks, OciProcess } from '../host/engines/ociProcess.ts';
import { readText } from '../kernel/files.ts';
import { AT_FDCWD } from '../kernel/numbers.ts';
import { leastOf } from '../lists.ts';
import { parseIdMap } from '../proc/idMap.ts';
import { parseLimits, type ResourceLimit } from '../proc/limits.ts';
import { parseStatus, type Status } from '../proc/status.ts';
import type { IdMapping } from '../protocol/processes.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import { OOM_SCORE_ADJUSTMENT, startingLimits } from './cleanStart.ts';
import { type HeldProcess, type HeldTarget, isOwnNamespace } from './target.ts';

export interface Identity {
  /** Ids as they are in the user namespace where the program runs; undefined: as the launcher has them. */
  uid?: number;
  gid?: number;
  /** The uid as the helper's user namespace has it; undefined when it cannot be known. */
  hostUid?: number;
  /** To be set before the user namespace is entered (then the helper's view of the ids holds), after it, or not at all. */
  groups?: { ids: number[]; when: 'beforeUserNamespace' | 'afterUserNamespace'; mayFail?: true };
  capabilities?: CapabilityMasks;
  /** The bits of the bounding set that have to be dropped. */
  droppedBounding: bigint;
  noNewPrivileges: boolean;
  /** What to write to `attr/exec` below `/proc/PID`, and in which file. */
  label?: { file: string; text: string };
  umask?: number;
  oomScoreAdjustment?: string;
  limits: ResourceLimit[];
  /** What cannot be made the same, in words for a person. */
  differences: Said[];
}

/** What the helper itself has. */
export interface OwnPrivilege {
  uid: number;
  gid: number;
  /** `CAP_SYS_ADMIN`: it may enter the namespaces of others. */
  privileged: boolean;
  status: Status;
  lastCapability: number;
}

const CAP_SYS_ADMIN = 1n << 21n;
const MAX_STATUS_BYTES = 64 * 1024;
/** A user namespace has at most 340 mappings (user_namespaces(7)). */
const MAX_MAP_BYTES = 16 * 1024;

let ownPrivilege: OwnPrivilege | undefined;

export function own(): OwnPrivilege {
  if (ownPrivilege === undefined) {
    const status = parseStatus(fs.readFileSync('/proc/self/status', 'utf8'));
    ownPrivilege = {
      uid: process.geteuid!(),
      gid: process.getegid!(),
      privileged: (status.capabilities.effective & CAP_SYS_ADMIN) !== 0n,
      status,
      lastCapability: Number(fs.readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')),
    };
  }
  return ownPrivilege;
}

/**
 * As whom: `root`; `target`, the process as it is; or `configured`, what the engine of its container recorded, as whom it starts every
 * program in there. `inside`: root in the process's own root directory, who gets what root of the container has, and no more.
 */
export type Who =
  | { who: 'root' }
  | { who: 'target' }
  | { who: 'configured'; recorded: OciProcess }
  | { who: 'inside'; recorded: OciProcess | undefined; groups: number[] };

export function identityOf(as: Who, target: HeldTarget): Identity {
  if (as.who === 'root') return rootIdentity(target);
  if (target.process === undefined) {
    throw new Failure('invalid', said('noProcessForIdentity'), {
      field: ['identity'],
      hint: said('nameProcessOrRoot'),
    });
  }
  return processIdentity(as, target, target.process);
}

/** Whether the program will be in the user namespace of the process, where its capabilities count. */
export function runsInUserNamespaceOf(target: HeldTarget, process: HeldProcess): boolean {
  return entersUserNamespace(target) || isInOwnUserNamespace(process);
}

function isInOwnUserNamespace(process: HeldProcess): boolean {
  return isOwnNamespace('user', process.open('ns/user', 0, said('userNamespace')));
}

function entersUserNamespace(target: HeldTarget): boolean {
  return target.namespaces.some(({ kind }) => kind === 'user');
}

/** Uid 0 of the user namespace entered, and no group but its own; the helper as it is when none is entered. */
function rootIdentity(target: HeldTarget): Identity {
  const identity: Identity = { droppedBounding: 0n, noNewPrivileges: false, limits: [], differences: [] };
  if (entersUserNamespace(target)) {
    const maps = target.process === undefined ? undefined : mapsOf(target.process);
    identity.uid = rootOf(maps?.uid, 'user', identity.differences);
    const hostUid = outsideOf(maps?.uid ?? [], identity.uid);
    if (hostUid !== undefined) identity.hostUid = hostUid;
    identity.gid = rootOf(maps?.gid, 'group', identity.differences);
  }
  setGroups(identity, target, []);
  return identity;
}

function rootOf(map: IdMapping[] | undefined, what: 'user' | 'group', differences: Said[]): number {
  if (map === undefined || map.some(({ inside }) => inside === 0)) return 0;
  const lowest = leastOf(map.map(({ inside }) => inside));
  if (!Number.isFinite(lowest)) {
    throw unmapped(what);
  }
  differences.push(said('differsUnmappedId', said(what), lowest));
  return lowest;
}

/**
 * Supplementary groups. A privileged helper sets them before it enters the user namespace, where it may, whatever
 * `/proc/PID/setgroups` says; an unprivileged one can only do so inside, and not where that says "deny", which without a process in there
 * is found out by trying.
 */
function setGroups(identity: Identity, target: HeldTarget, outside: number[]): void {
  if (own().privileged) {
    identity.groups = { ids: outside, when: 'beforeUserNamespace' };
    return;
  }
  if (!entersUserNamespace(target)) return;
  if (target.process?.tryRead('setgroups', 16)?.startsWith('deny')) {
    identity.differences.push(said('differsGroupsKept'));
    return;
  }
  if (target.process === undefined) {
    identity.differences.push(said('differsGroupsMayBeKept'));
    identity.groups = { ids: [], when: 'afterUserNamespace', mayFail: true };
    return;
  }
  const map = mapsOf(target.process).gid;
  const ids = outside.map((gid) => insideOf(map, gid)).filter((gid) => gid !== undefined);
  if (ids.length < outside.length) identity.differences.push(said('differsUnmappedGroups'));
  identity.groups = { ids, when: 'afterUserNamespace' };
}

function mapsOf(process: HeldProcess): { uid: IdMapping[]; gid: IdMapping[] } {
  return {
    uid: parseIdMap(process.read('uid_map', MAX_MAP_BYTES, said('theUidMap'))),
    gid: parseIdMap(process.read('gid_map', MAX_MAP_BYTES, said('theGidMap'))),
  };
}

function insideOf(map: IdMapping[], outside: number): number | undefined {
  const mapping = map.find((range) => outside >= range.outside && outside - range.outside < range.count);
  return mapping === undefined ? undefined : mapping.inside + (outside - mapping.outside);
}

function outsideOf(map: IdMapping[], inside: number): number | undefined {
  const mapping = map.find((range) => inside >= range.inside && inside - range.inside < range.count);
  return mapping === undefined ? undefined : mapping.outside + (inside - mapping.inside);
}

/** Ids as they are where the program runs, and capabilities as before its execve(2), which recomputes them from these. */
interface Credentials {
  uid: number;
  gid: number;
  groups: number[];
  capabilities: CapabilityMasks;
}

/** Everything but the credentials is the process's: limits, label, umask and the like, which an engine gives each program of the container alike. */
function processIdentity(as: Exclude<Who, { who: 'root' }>, target: HeldTarget, process: HeldProcess): Identity {
  const text = process.read('status', MAX_STATUS_BYTES, said('theIdentity'));
  const status = parseStatus(text);
  const identity: Identity = {
    droppedBounding: 0n,
    noNewPrivileges: status.noNewPrivileges === true,
    limits: differingLimits(process),
    differences: [],
  };
  const umask = /^Umask:\s*([0-7]+)$/m.exec(text)?.[1];
  if (umask !== undefined) identity.umask = Number.parseInt(umask, 8);
  setOutOfMemoryScore(identity, process);
  setLabel(identity, process);
  const inside = entersUserNamespace(target);
  if (inside || own().privileged) {
    const maps = inside ? mapsOf(process) : undefined;
    const { uid, gid, groups, capabilities } = credentialsOf(as, status, maps, identity.differences);
    identity.uid = uid;
    const hostUid = maps === undefined ? uid : outsideOf(maps.uid, uid);
    if (hostUid !== undefined) identity.hostUid = hostUid;
    identity.gid = gid;
    const outside = groups.map((group) => (maps === undefined ? group : outsideOf(maps.gid, group)));
    setGroups(identity, target, [...new Set(outside.filter((group) => group !== undefined))]);
    setCapabilities(identity, capabilities, inside, process);
  } else if (status.uid[1] !== own().uid) {
    throw new Failure('permission', said('runsAsAnotherUser', process.ref.pid), {
      hint: said('restartHelperAsRoot'),
    });
  }
  return identity;
}

function credentialsOf(
  as: Exclude<Who, { who: 'root' }>,
  status: Status,
  maps: { uid: IdMapping[]; gid: IdMapping[] } | undefined,
  differences: Said[],
): Credentials {
  if (as.who === 'configured') return { ...as.recorded.user, capabilities: as.recorded.capabilities };
  if (as.who === 'inside') {
    return {
      uid: rootOf(maps?.uid, 'user', differences),
      gid: rootOf(maps?.gid, 'group', differences),
      groups: as.groups,
      capabilities: as.recorded?.capabilities ?? ofRoot(status.capabilities),
    };
  }
  return {
    uid: idInside(status.uid[1], maps?.uid, 'user'),
    gid: idInside(status.gid[1], maps?.gid, 'group'),
    groups: status.groups.map((gid) => (maps === undefined ? gid : insideOf(maps.gid, gid))).filter((gid) => gid !== undefined),
    capabilities: status.capabilities,
  };
}

/** The status shows ids as the helper's user namespace has them. */
function idInside(outside: number, map: IdMapping[] | undefined, what: 'user' | 'group'): number {
  const id = map === undefined ? outside : insideOf(map, outside);
  if (id !== undefined) return id;
  if (map === undefined || map.length === 0) throw unmapped(what);
  throw new Failure('unsupported', said('runsAsUnmapped', said(what)), {
    hint: said('enterAsRootInstead'),
  });
}

/** Nobody can be anybody in there; but its namespaces can be entered by who has power over them from outside, which is root. */
function unmapped(what: 'user' | 'group'): Failure {
  return new Failure('unsupported', said('userNamespaceHasNoMap', said(what)), {
    hint: own().privileged ? said('enterWithoutUserNamespace') : said('writeItsMapFirst', what === 'user' ? 'uid' : 'gid'),
  });
}

/** A process that gave its capabilities up has still the bounding set of its container, which is what root gets by execve(2) there. */
function ofRoot({ bounding }: CapabilityMasks): CapabilityMasks {
  return { bounding, permitted: bounding, effective: bounding, inheritable: 0n, ambient: 0n };
}

/**
 * Capabilities count in the process's own user namespace. When that is not where the program runs, they are worth nothing
 * there, and none is given. Securebits cannot be seen from outside of a process; engines leave them at 0, as the launcher has them.
 */
function setCapabilities(identity: Identity, masks: CapabilityMasks, inside: boolean, process: HeldProcess): void {
  const { lastCapability, status: mine } = own();
  const all = (1n << BigInt(lastCapability + 1)) - 1n;
  const available = inside ? all : mine.capabilities.permitted;
  const theirs = inside || isInOwnUserNamespace(process);
  const limit = theirs ? available : 0n;
  const { inheritable, permitted, effective, bounding, ambient } = masks;
  if (theirs && (permitted & ~available) !== 0n) {
    identity.differences.push(said('differsCapabilitiesLacking'));
  }
  // What capset(2) and prctl(2) refuse, an engine's record could have and no process can: sets that are not part of each other.
  const kept = permitted & limit;
  const inherited = inheritable & bounding & limit;
  identity.capabilities = {
    inheritable: inherited,
    permitted: kept,
    effective: effective & kept,
    bounding: bounding & limit,
    ambient: ambient & inherited & kept,
  };
  identity.droppedBounding = (inside ? all : mine.capabilities.bounding) & ~(bounding & limit);
}

function differingLimits(process: HeldProcess): ResourceLimit[] {
  const mine = new Map(startingLimits().map((limit) => [limit.resource, limit]));
  return parseLimits(process.tryRead('limits', 8192) ?? '').filter(({ resource, soft, hard }) => {
    const same = mine.get(resource);
    return same === undefined || same.soft !== soft || same.hard !== hard;
  });
}

function setOutOfMemoryScore(identity: Identity, process: HeldProcess): void {
  const theirs = process.tryRead('oom_score_adj', 16)?.trim();
  if (theirs !== undefined && /^-?[0-9]{1,4}$/.test(theirs) && theirs !== OOM_SCORE_ADJUSTMENT)
    identity.oomScoreAdjustment = theirs;
}

/** Of the security modules, AppArmor and SELinux give labels that a process can ask for at its next execve. */
function setLabel(identity: Identity, process: HeldProcess): void {
  const theirs = labelOf(process.tryRead('attr/current', 4096));
  const mine = labelOf(fileText('/proc/self/attr/current'));
  if (theirs === undefined || theirs === mine || theirs === 'unconfined') return;
  const modules = fileText('/sys/kernel/security/lsm') ?? '';
  if (modules.includes('apparmor') || fileText('/sys/module/apparmor/parameters/enabled')?.startsWith('Y')) {
    const file = fs.existsSync('/proc/self/attr/apparmor/exec') ? 'attr/apparmor/exec' : 'attr/exec';
    identity.label = { file, text: `exec ${theirs.replace(/ \([a-z]+\)$/, '')}` };
  } else {
    identity.label = { file: 'attr/exec', text: theirs };
  }
}

function labelOf(text: string | undefined): string | undefined {
  const label = text?.replace(/[\0\n]+$/, '');
  return label === '' ? undefined : label;
}

function fileText(path: string): string | undefined {
  const text = readText(AT_FDCWD, path, 4096);
  return typeof text === 'number' ? undefined : text;
}
