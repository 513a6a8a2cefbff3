/** Everything that isolates one process: the answer to `processes/inspect`, without what the lists say of it already. */

import { Failure } from '../failure.ts';
import { close, openDirectory, readLinkText, readText } from '../kernel/files.ts';
import { AT_FDCWD, EACCES, EINVAL, ENOENT } from '../kernel/numbers.ts';
import { capabilityNames } from '../proc/capabilities.ts';
import { parseCgroups } from '../proc/cgroup.ts';
import { parseIdMap } from '../proc/idMap.ts';
import { parseStatus, type Status } from '../proc/status.ts';
import { parseTimeOffsets } from '../proc/timensOffsets.ts';
import type { Unknown } from '../protocol/errors.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind, NamespaceRef } from '../protocol/namespaces.ts';
import type { CapabilitySets, Process, ProcessesInspectResult, ProcessRef, ThreadIsolation } from '../protocol/processes.ts';
import { said } from '../saying.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import type { NamespaceIndex } from './namespaceIndex.ts';
import { readProcessIn } from './processReader.ts';
import { namespaceOf, type ProcessRecord } from './processRecord.ts';
import { namespaceRef } from './relations.ts';
import { readRootView } from './rootView.ts';
import { unreadable } from './unreadable.ts';

/** What is known beside `/proc/PID` itself. */
export interface Surroundings {
  /** The process as the lists show it. */
  describe(record: ProcessRecord): Process;
  /** Who is in each namespace. */
  index: NamespaceIndex;
}

const MAX_STATUS_BYTES = 64 * 1024;
const MAX_ID_MAP_BYTES = 64 * 1024;
const MAX_CGROUP_BYTES = 32 * 1024;
const MAX_LABEL_BYTES = 4096;
const MAX_OFFSETS_BYTES = 4096;

const SECCOMP_MODES = ['disabled', 'strict', 'filter'] as const;
const UNSUPPORTED: Unknown = { unknown: 'unsupported' };

/**
 * Reads the process below one descriptor of its `/proc/PID`, which stays that process's when the pid is reused. Throws a
 * `Failure`: `gone` when it has ended, before or meanwhile, or when the pid is another's.
 */
export function inspectProcess({ pid, startTime }: ProcessRef, surroundings: Surroundings): ProcessesInspectResult {
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) throw gone(pid);
  try {
    const record = readProcessIn(directory);
    if (record?.startTime !== startTime) throw gone(pid);
    const result = inspect(directory, record, surroundings);
    // What ended meanwhile lacks files for that reason alone, which is not to be shown as a property of it.
    if (readProcessIn(directory) === undefined) throw gone(pid);
    return result;
  } finally {
    close(directory);
  }
}

function gone(pid: number): Failure {
  return new Failure('gone', said('processHasEnded', pid), { hint: said('refreshViewAndChooseAnotherProcess') });
}

function inspect(directory: number, record: ProcessRecord, surroundings: Surroundings): ProcessesInspectResult {
  return {
    ...surroundings.describe(record),
    executable: orUnknown(readLinkText(directory, 'exe')),
    workingDirectory: orUnknown(readLinkText(directory, 'cwd')),
    root: rootOf(directory, record, surroundings),
    ...statusFacts(directory),
    ...labelOf(directory),
    uidMap: parsed(directory, 'uid_map', MAX_ID_MAP_BYTES, parseIdMap),
    gidMap: parsed(directory, 'gid_map', MAX_ID_MAP_BYTES, parseIdMap),
    cgroups: parsed(directory, 'cgroup', MAX_CGROUP_BYTES, parseCgroups),
    isolation: isolationOf(record),
    ...forChildrenOf(record),
    differingThreads: threadsOf(record),
    ...timeOffsetsOf(directory, record),
  };
}

function rootOf(directory: number, record: ProcessRecord, surroundings: Surroundings): ProcessesInspectResult['root'] {
  const mountNamespace = namespaceOf(record, 'mnt');
  // A zombie has neither mount namespace nor root any more.
  if (typeof mountNamespace !== 'number') return unreadable(mountNamespace === null ? -EACCES : -ENOENT);
  const own = mountNamespace !== ownNamespaces().mnt?.ino;
  return readRootView({ directory, mountNamespace, others: surroundings.index.get(mountNamespace) }, own);
}

function orUnknown(result: string | number): string | Unknown {
  return typeof result === 'number' ? unreadable(result) : result;
}

function parsed<T>(directory: number, path: string, limit: number, parse: (text: string) => T): T | Unknown {
  const text = readText(directory, path, limit);
  return typeof text === 'number' ? unreadable(text) : parse(text);
}

type StatusFacts = Pick<ProcessesInspectResult, 'credentials' | 'capabilities' | 'noNewPrivileges' | 'seccomp'>;

/** All four come from one reading, so they are of one moment. */
function statusFacts(directory: number): StatusFacts {
  const text = readText(directory, 'status', MAX_STATUS_BYTES);
  if (typeof text === 'number') {
    const why = unreadable(text);
    return { credentials: why, capabilities: why, noNewPrivileges: why, seccomp: why };
  }
  const status = parseStatus(text);
  return {
    credentials: { uid: status.uid, gid: status.gid, groups: status.groups },
    capabilities: capabilitySets(status),
    noNewPrivileges: status.noNewPrivileges ?? UNSUPPORTED,
    seccomp: seccompOf(status),
  };
}

function capabilitySets({ capabilities }: Status): CapabilitySets {
  return {
    inheritable: capabilityNames(capabilities.inheritable),
    permitted: capabilityNames(capabilities.permitted),
    effective: capabilityNames(capabilities.effective),
    bounding: capabilityNames(capabilities.bounding),
    ambient: capabilityNames(capabilities.ambient),
  };
}

function seccompOf({ seccompMode, seccompFilters }: Status): ProcessesInspectResult['seccomp'] {
  const mode = seccompMode === undefined ? undefined : SECCOMP_MODES[seccompMode];
  if (mode === undefined) return UNSUPPORTED;
  return { mode, ...(seccompFilters === undefined ? {} : { filters: seccompFilters }) };
}

/** Without a security module that labels processes the file is lacking, or reading it is `EINVAL`. */
function labelOf(directory: number): Pick<ProcessesInspectResult, 'securityLabel'> {
  const text = readText(directory, 'attr/current', MAX_LABEL_BYTES);
  if (typeof text === 'string') {
    // SELinux ends the label with a NUL, AppArmor with a newline.
    const label = text.replace(/[\0\n]+$/, '');
    return label === '' ? {} : { securityLabel: label };
  }
  return text === -EINVAL || text === -ENOENT ? {} : { securityLabel: unreadable(text) };
}

function isolationOf(record: ProcessRecord): ProcessesInspectResult['isolation'] {
  const host = ownNamespaces();
  const isolation: ProcessesInspectResult['isolation'] = [];
  for (const kind of NAMESPACE_KINDS) {
    const ino = namespaceOf(record, kind);
    if (typeof ino === 'number') isolation.push({ namespace: namespaceRef(kind, ino), host: host[kind]?.ino === ino });
  }
  return isolation;
}

function forChildrenOf(record: ProcessRecord): Pick<ProcessesInspectResult, 'pidForChildren' | 'timeForChildren'> {
  const pid = heldForChildren(record, 'pid');
  const time = heldForChildren(record, 'time');
  return { ...(pid === undefined ? {} : { pidForChildren: pid }), ...(time === undefined ? {} : { timeForChildren: time }) };
}

function heldForChildren({ forChildren }: ProcessRecord, kind: NamespaceKind): NamespaceRef | undefined {
  const held = forChildren.find((namespace) => namespace.kind === kind);
  return held === undefined ? undefined : namespaceRef(kind, held.ino);
}

function threadsOf({ differingThreads }: ProcessRecord): ThreadIsolation[] | Unknown {
  if (differingThreads === undefined) return { unknown: 'permission', errno: 'EACCES' };
  return differingThreads.map(({ tid, name, namespaces }) => ({
    tid,
    name,
    namespaces: Object.fromEntries(namespaces.map(({ kind, ino }) => [kind, ino])),
  }));
}

/**
 * The file shows the offsets of `time_for_children` (proc_timens_show_offsets() in kernel/time/namespace.c): those of the
 * process itself only while both are one namespace.
 */
function timeOffsetsOf(directory: number, record: ProcessRecord): Pick<ProcessesInspectResult, 'timeOffsets'> {
  const text = readText(directory, 'timens_offsets', MAX_OFFSETS_BYTES);
  if (text === -ENOENT) return {};
  if (typeof text === 'number') return { timeOffsets: unreadable(text) };
  if (heldForChildren(record, 'time') !== undefined) return { timeOffsets: UNSUPPORTED };
  return { timeOffsets: parseTimeOffsets(text) };
}
