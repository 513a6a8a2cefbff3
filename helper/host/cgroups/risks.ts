/**
 * Ways out of a container by way of a v1 cgroup: whoever may write `release_agent` of a hierarchy names a program that the kernel runs as root of
 * the host when a cgroup with `notify_on_release` empties (cgroups(7), "Cgroup release notification"; CVE-2022-0492). The kernel demands
 * `CAP_SYS_ADMIN` in the initial user namespace for it since 5.17; before, being root was enough.
 */

import os from 'node:os';
import { close, openDirectory, readNamespaceLink, readText } from '../../kernel/files.ts';
import { AT_FDCWD, EINVAL, ENOENT, ESRCH } from '../../kernel/numbers.ts';
import { capabilityNames } from '../../proc/capabilities.ts';
import { parseMountinfo } from '../../proc/mountinfo.ts';
import { parseStat } from '../../proc/stat.ts';
import { parseStatus } from '../../proc/status.ts';
import type { CgroupRisk } from '../../protocol/cgroups.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { tableOfNamespace, tableThrough } from '../namespaceRoot.ts';
import type { Owner } from './ownCgroups.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** So many processes of one cgroup or container are looked at. */
const MAX_MEMBERS = 200;
/** No event tells of mounts in the namespaces of others. */
const MOST_HOLD_MILLIS = 5000;
/** Of the start time of a process, on every architecture (`USER_HZ`). */
const TICK_MILLIS = 10;
const hostUser = ownNamespaces().user?.ino;

/** What a process of a container could do to cgroups. */
export interface CgroupReach {
  /** `CAP_SYS_ADMIN` over the host, not over a user namespace of its own. Undefined when that may not be read. */
  isHostAdmin: boolean | undefined;
  /** Writable mounts of v1 hierarchies in its mount namespace, which a zombie is in no more. Undefined when they may not be read. */
  writable: { mountPoint: string; hierarchy: string }[] | undefined;
  /** Whether nothing but capabilities decides what it mounts: no seccomp filter, no security module. Undefined when one may have a say. */
  mayMount: boolean | undefined;
}

const UNREADABLE: CgroupReach = { isHostAdmin: undefined, writable: undefined, mayMount: undefined };
const known = new Map<string, { until: number; reach: CgroupReach | undefined }>();

/** Undefined when it has ended. */
function reachOf(process: ProcessRef): CgroupReach | undefined {
  const id = `${process.pid}:${process.startTime}`;
  const before = known.get(id);
  if (before !== undefined && performance.now() < before.until) return before.reach;
  if (known.size > 2000) known.clear();
  const reach = readReach(process);
  const age = os.uptime() * 1000 - process.startTime * TICK_MILLIS;
  known.set(id, { until: performance.now() + Math.min(Math.max(age, 0), MOST_HOLD_MILLIS), reach });
  return reach;
}

function readReach({ pid, startTime }: ProcessRef): CgroupReach | undefined {
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) return isGone(directory) ? undefined : UNREADABLE;
  try {
    const [stat, status] = ['stat', 'status'].map((file) => readText(directory, file, MAX_BYTES));
    if (stat === undefined || isGone(stat)) return undefined;
    if (typeof stat === 'string' && parseStat(stat)?.startTime !== startTime) return undefined;
    return {
      isHostAdmin: typeof status === 'string' ? isHostAdmin(status, directory) : undefined,
      writable: writableHierarchies(directory),
      mayMount: typeof status === 'string' ? mayMountV1(status, directory) : undefined,
    };
  } finally {
    close(directory);
  }
}

function isGone(result: number | string): boolean {
  return result === -ENOENT || result === -ESRCH;
}

/** Everybody may read the capabilities, but of which user namespace they are only who may trace the process (proc(5)). */
function isHostAdmin(status: string, directory: number): boolean | undefined {
  if (!capabilityNames(parseStatus(status).capabilities.effective).includes('CAP_SYS_ADMIN')) return false;
  const ino = readNamespaceLink(directory, 'ns/user');
  return ino < 0 || hostUser === undefined ? undefined : ino === hostUser;
}

/** False where the kernel has no v1 at all. */
function mayMountV1(status: string, directory: number): boolean | undefined {
  const types = readText(AT_FDCWD, '/proc/filesystems', MAX_BYTES);
  if (typeof types === 'string' && !/\tcgroup$/m.test(types)) return false;
  if (parseStatus(status).seccompMode !== 0) return undefined;
  const label = readText(directory, 'attr/current', MAX_BYTES);
  // EINVAL: no module gives one. SELinux without a policy calls everything by what the kernel began with.
  if (label === -EINVAL) return true;
  return typeof label === 'string' && /^(unconfined|kernel)?[\0\n]*$/.test(label) ? true : undefined;
}

/** Those above the root of a process that chroot(2) confines count: it can climb out to them. */
function writableHierarchies(directory: number): CgroupReach['writable'] {
  const mountNamespace = readNamespaceLink(directory, 'ns/mnt');
  const table = mountNamespace < 0 ? tableThrough(directory) : tableOfNamespace({ directory, mountNamespace });
  if (typeof table === 'number') return table === -EINVAL ? [] : undefined;
  if ('unknown' in table) return table.errno === 'EINVAL' ? [] : undefined;
  const found = parseMountinfo(table.mountinfo)
    .filter(({ type, options, superOptions }) => type === 'cgroup' && options.includes('rw') && superOptions.includes('rw'))
    .map(({ mountPoint, superOptions }) => ({
      mountPoint,
      hierarchy: superOptions.filter((word) => word !== 'rw').join(),
    }));
  return found.length === 0 && !table.complete ? undefined : found;
}

/** The `key`s of those that could use it now, and of those of which that is not known. */
export function containersAtRisk(owners: Iterable<Owner>): { escaping: Set<string>; unknown: Set<string> } {
  const escaping = new Set<string>();
  const unknown = new Set<string>();
  for (const owner of owners) {
    if (!owner.isContainer) continue;
    const found = [owner.leader, ...owner.entered.slice(0, MAX_MEMBERS)].map((process) => canEscape(reachOf(process)));
    if (found.includes(true)) escaping.add(owner.key);
    else if (found.includes(undefined) || owner.entered.length > MAX_MEMBERS) unknown.add(owner.key);
  }
  return { escaping, unknown };
}

/** Undefined when that is not known. */
function canEscape(reach: CgroupReach | undefined): boolean | undefined {
  if (reach === undefined || reach.isHostAdmin === false) return false;
  if (reach.isHostAdmin === undefined || reach.writable === undefined) return reach.writable?.length === 0 ? false : undefined;
  // Who has none mounted mounts one, as the best-known form of the escape does.
  return reach.writable.length > 0 || reach.mayMount;
}

interface Furthest {
  process: ProcessRef;
  reach: CgroupReach | undefined;
  /** Those of which it is not known how far they reach, and how many that entered were not looked at. */
  unknown: ProcessRef[];
  others: number;
}

/** The process of a container that reaches furthest: one that was started in it later may have more privilege than the first. */
function furthest({ leader, entered }: Owner, members: readonly ProcessRef[]): Furthest {
  const looked = new Map<number, ProcessRef>();
  for (const process of [leader, ...entered.slice(0, MAX_MEMBERS), ...members.slice(0, MAX_MEMBERS)]) {
    if (!looked.has(process.pid)) looked.set(process.pid, process);
  }
  const all = [...looked.values()];
  const process = all.find((one) => canEscape(reachOf(one)) === true) ?? leader;
  return {
    process,
    reach: reachOf(process),
    unknown: all.filter((one) => canEscape(reachOf(one)) === undefined),
    others: Math.max(0, entered.length - MAX_MEMBERS),
  };
}

/** What is set in the hierarchy of a v1 cgroup. */
export interface ReleaseSettings {
  /** Of the root of the hierarchy; undefined when it may not be read. */
  releaseAgent: string | undefined;
  notifyOnRelease: boolean | undefined;
  /** Who owns that file and its permission bits; undefined when that is not known. */
  agentFile?: { uid: number; mode: number } | undefined;
  hierarchy: string;
  path: string;
}

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;

/** Who but root may open `release_agent` for writing; undefined when nobody. */
function othersWhoMayWrite({ uid, mode }: { uid: number; mode: number }, userName: (uid: number) => string): Said | undefined {
  if ((mode & OTHERS_WRITE) !== 0) return said('everybody');
  if ((mode & GROUP_WRITE) !== 0) return said('itsGroup');
  return uid === 0 ? undefined : said('userWhoOwnsIt', userName(uid));
}

/** That it is not known whether a container has a way out; undefined when it is. */
function unknownRisk({ name }: Owner, found: Furthest): CgroupRisk | undefined {
  if (found.unknown.length === 0 && found.others === 0) return undefined;
  const pids = found.unknown.slice(0, 5).map(({ pid }) => pid);
  const more = found.unknown.length - pids.length + found.others;
  const which = [...pids, ...(more > 0 ? [said('moreOfThem', more)] : [])];
  return {
    kind: 'writableByContainer',
    severity: 'unknown',
    evidence:
      found.unknown.length > 0 ? said('escapeUnknownMayNotBeRead', name, which) : said('escapeUnknownTooMany', name, which),
    fix: found.unknown.length > 0 ? said('restartHelperToRead') : said('inspectOneByOne'),
  };
}

/** The risks of a cgroup; `owner` is the container that it belongs to, `members` the processes in it. */
export function risksOf(
  settings: ReleaseSettings,
  owner: Owner | undefined,
  userName: (uid: number) => string,
  members: readonly ProcessRef[] = [],
): CgroupRisk[] {
  const ofContainer = owner?.isContainer === true ? containerRisk(owner, furthest(owner, members)) : undefined;
  return [ofContainer, setAgentRisk(settings), openAgentRisk(settings, userName)].filter((risk) => risk !== undefined);
}

function containerRisk(owner: Owner, found: Furthest): CgroupRisk | undefined {
  return mountedRisk(owner, found) ?? mountingRisk(owner, found) ?? unknownRisk(owner, found);
}

/** That a container has a hierarchy mounted writable. */
function mountedRisk({ name, leader }: Owner, { process, reach }: Furthest): CgroupRisk | undefined {
  const { isHostAdmin, writable = [] } = reach ?? UNREADABLE;
  if (isHostAdmin === undefined || writable.length === 0) return undefined;
  const where = writable.map(({ mountPoint, hierarchy }) => `${mountPoint} (${hierarchy})`);
  return {
    kind: 'writableByContainer',
    severity: isHostAdmin ? 'danger' : 'note',
    evidence: said(
      isHostAdmin ? 'writableByAdmin' : 'writableWithoutAdmin',
      name,
      where,
      calledIn(leader, process),
      process.pid,
    ),
    fix: said('mountCgroupsReadOnly'),
  };
}

/** That a container without such a mount may be able to make one. */
function mountingRisk({ name, leader }: Owner, { process, reach }: Furthest): CgroupRisk | undefined {
  if (reach?.isHostAdmin !== true || reach.writable === undefined || reach.mayMount === false) return undefined;
  const holds = said('holdsSysAdminWithoutMount', calledIn(leader, process), name, process.pid);
  return {
    kind: 'writableByContainer',
    severity: reach.mayMount ? 'danger' : 'note',
    evidence: reach.mayMount ? said('canMakeMount', holds) : said('mayMakeMount', holds),
    fix: said('takeSysAdmin'),
  };
}

function calledIn(leader: ProcessRef, { pid }: ProcessRef): Said {
  return said(pid === leader.pid ? 'firstProcess' : 'aProcess');
}

/** That a program is set. */
function setAgentRisk({ releaseAgent, notifyOnRelease, hierarchy, path }: ReleaseSettings): CgroupRisk | undefined {
  if (releaseAgent === undefined || releaseAgent === '') return undefined;
  return {
    kind: 'releaseAgent',
    severity: 'note',
    evidence: said(
      notifyOnRelease === undefined ? 'releaseAgentMayRun' : notifyOnRelease ? 'releaseAgentRuns' : 'releaseAgentDoesNotRun',
      hierarchy,
      JSON.stringify(releaseAgent),
      path,
    ),
    fix: said('makeSureOfReleaseAgent'),
  };
}

/** That others than root may open the file in which it is set. */
function openAgentRisk({ agentFile, hierarchy }: ReleaseSettings, userName: (uid: number) => string): CgroupRisk | undefined {
  const others = agentFile === undefined ? undefined : othersWhoMayWrite(agentFile, userName);
  if (others === undefined) return undefined;
  return {
    kind: 'releaseAgent',
    severity: 'note',
    evidence: said('releaseAgentIsWritable', hierarchy, others),
    fix: said('giveReleaseAgentToRoot'),
  };
}
