/** Figures and states of cgroups in people's words, the same in the tree, on the page and in messages. Pure functions. */
import { l10n } from 'vscode';
import type { Cgroup, CgroupBadge, CgroupChange, CgroupRef, CpusetPartition, Lacking } from '../../helper/protocol/cgroups.ts';
import { type ContainerUse, nameOfCgroup } from '../model/cgroupModel.ts';
import { oneLine } from '../plain/plainText.ts';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

/** The kernel's own period of CPU limits, and that of every engine. */
export const USUAL_PERIOD_MICROS = 100_000;

/** "2,000". */
export function numberText(value: number): string {
  return whole.format(value);
}

const BYTE_UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** "64 MiB", "1.5 GiB", "512 bytes". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? l10n.t('1 byte') : l10n.t('{0} bytes', bytes);
  let value = bytes / 1024;
  let unit = 0;
  // What would be rounded to 1,024 of a unit is one of the next.
  while (value >= 1023.95 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${oneDecimal.format(value)} ${BYTE_UNITS[unit]}`;
}

/** "212 MiB": as near as a row needs that is drawn again whenever its text changes. */
function roughBytesText(bytes: number): string {
  const unit = 1024 ** Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1024));
  return bytesText(bytes < 10 * unit ? bytes : Math.round(bytes / unit) * unit);
}

/** "0.4", "0.02", "12": of `cores` CPUs, for the same. */
function roughCoresText(cores: number): string {
  return (cores < 0.095 ? twoDecimals : cores < 9.95 ? oneDecimal : whole).format(cores);
}

/** "2 %": of `cores` CPUs, as a share of one. */
export function percentText(cores: number): string {
  const percent = cores * 100;
  return `${(percent < 1 ? twoDecimals : percent < 10 ? oneDecimal : whole).format(percent)} %`;
}

/** "2 % of one CPU", "1.5 CPUs". */
export function cpuText(cores: number): string {
  if (cores < 1) return l10n.t('{0} of one CPU', percentText(cores));
  return cores === 1 ? l10n.t('one CPU') : l10n.t('{0} CPUs', twoDecimals.format(cores));
}

/** "2 % of one CPU (2,000 µs of every 100,000 µs)". */
export function bandwidthText(quotaMicros: number, periodMicros: number): string {
  const raw = l10n.t('{0} µs of every {1} µs', numberText(quotaMicros), numberText(periodMicros));
  return `${cpuText(quotaMicros / periodMicros)} (${raw})`;
}

/** "1.2 s", "35 ms", "2 h 3 min". */
export function durationText(micros: number): string {
  if (micros < 1000) return `${numberText(micros)} µs`;
  if (micros < 1e6) return `${oneDecimal.format(micros / 1000)} ms`;
  const seconds = micros / 1e6;
  if (seconds < 60) return `${oneDecimal.format(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${numberText(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** "3 tasks". A task is a thread. */
export function tasksText(count: number): string {
  return count === 1 ? l10n.t('1 task') : l10n.t('{0} tasks', numberText(count));
}

export function lackingText({ lacking }: Lacking): string {
  const words: Record<Lacking['lacking'], string> = {
    version: l10n.t('this version of cgroups has no such thing'),
    kernel: l10n.t('this kernel has no such thing'),
    controller: l10n.t('its controller does not act on this cgroup'),
    root: l10n.t('the root has none'),
  };
  return words[lacking];
}

export function badgeText(badge: CgroupBadge): string {
  const words: Record<CgroupBadge, string> = {
    nearLimit: l10n.t('near its limit'),
    throttled: l10n.t('throttled'),
    invalidPartition: l10n.t('CPU partition not in effect'),
    oomKilled: l10n.t('killed when out of memory'),
    frozen: l10n.t('frozen'),
    empty: l10n.t('empty'),
    delegated: l10n.t('delegated'),
    escapeRisk: l10n.t('a way out of the container'),
    escapeUnknown: l10n.t('ways out unknown'),
  };
  return words[badge];
}

/** Below this a cgroup is at rest: its row need not count. */
export const IDLE_CORES = 0.0005;

/** What a container's row says of how it is doing: "0.4 CPU", "212 MiB of 512 MiB". What is not known is left out. */
export function useTexts({ coresUsed, memoryBytes, memoryLimitBytes }: ContainerUse): string[] {
  const cpu = coresUsed === undefined ? undefined : l10n.t('{0} CPU', roughCoresText(coresUsed));
  return [cpu, memoryUse(memoryBytes, memoryLimitBytes)].filter((text) => text !== undefined);
}

/** The same, for who hears it. */
export function spokenUse({ coresUsed, memoryBytes, memoryLimitBytes }: ContainerUse): string[] {
  const memory = memoryUse(memoryBytes, memoryLimitBytes);
  return [
    coresUsed === undefined ? undefined : l10n.t('{0} CPUs used', roughCoresText(coresUsed)),
    memory === undefined ? undefined : l10n.t('{0} of memory used', memory),
  ].filter((text) => text !== undefined);
}

function memoryUse(usedBytes: number | undefined, limitBytes: number | undefined): string | undefined {
  if (usedBytes === undefined) return undefined;
  return limitBytes === undefined
    ? roughBytesText(usedBytes)
    : l10n.t('{0} of {1}', roughBytesText(usedBytes), bytesText(limitBytes));
}

/** What is wrong with how a container is doing now, worst first. */
const ALARMS: readonly CgroupBadge[] = ['escapeRisk', 'nearLimit', 'throttled'];

export function alarmsOf(cgroups: readonly Cgroup[]): CgroupBadge[] {
  return ALARMS.filter((alarm) => cgroups.some(({ badges }) => badges.includes(alarm)));
}

/** What a row says of a cgroup: its limits with what is used of them, its use where nothing limits it, and its badges. */
export function figuresText(cgroup: Cgroup, coresUsed?: number): string[] {
  const figures = [cpuFigure(cgroup, coresUsed), memoryFigure(cgroup), tasksFigure(cgroup)];
  return [...figures, partitionFigure(cgroup), dyingFigure(cgroup), ...badgeTexts(cgroup)].filter((text) => text !== undefined);
}

function cpuFigure({ figures }: Cgroup, coresUsed = 0): string | undefined {
  const using = coresUsed < IDLE_CORES ? undefined : percentText(coresUsed);
  if (figures.cpuLimitCores === undefined) return using === undefined ? undefined : l10n.t('{0} CPU', using);
  const limit = cpuText(figures.cpuLimitCores);
  return using === undefined ? limit : l10n.t('{0}, using {1}', limit, using);
}

function memoryFigure({ figures }: Cgroup): string | undefined {
  if (figures.memoryBytes === undefined || figures.memoryBytes === 0) {
    return figures.memoryLimitBytes === undefined ? undefined : l10n.t('at most {0}', bytesText(figures.memoryLimitBytes));
  }
  if (figures.memoryLimitBytes === undefined) return bytesText(figures.memoryBytes);
  const [used, limit] = [bytesText(figures.memoryBytes), bytesText(figures.memoryLimitBytes)];
  if (figures.workingSetBytes === undefined || figures.workingSetBytes > figures.memoryBytes / 2)
    return l10n.t('{0} of {1}', used, limit);
  return l10n.t('{0} of {1}, {2} without cache', used, limit, bytesText(figures.workingSetBytes));
}

function tasksFigure({ figures }: Cgroup): string | undefined {
  if (figures.tasks === undefined) return undefined;
  if (figures.tasksLimit !== undefined) return l10n.t('{0} of {1}', numberText(figures.tasks), tasksText(figures.tasksLimit));
  return figures.tasks === 0 ? undefined : tasksText(figures.tasks);
}

/** A badge tells of one that is not in effect. */
function partitionFigure({ partition }: Cgroup): string | undefined {
  return partition?.invalid === undefined ? partitionText(partition) : undefined;
}

/** What is divided off, and why it is not, where it is to be. */
export function partitionText(partition: CpusetPartition | undefined): string | undefined {
  if (partition === undefined) return undefined;
  const kinds: Record<string, string> = {
    member: l10n.t('none'),
    root: l10n.t('CPUs of its own'),
    isolated: l10n.t('CPUs of its own, without load balancing'),
  };
  const kind = Object.hasOwn(kinds, partition.kind) ? kinds[partition.kind]! : oneLine(partition.kind, 40);
  if (partition.invalid === undefined) return kind;
  const why = partition.invalid === '' ? l10n.t('the kernel does not say why') : oneLine(partition.invalid, 200);
  return l10n.t('{0}, not in effect: {1}', kind, why);
}

/** Fewer come and go all the time, and cost little. */
const MANY_DYING = 100;

function dyingFigure({ dyingDescendants = 0 }: Cgroup): string | undefined {
  return dyingDescendants < MANY_DYING ? undefined : l10n.t('{0} removed but kept', numberText(dyingDescendants));
}

/** "in 990 of 1,000 periods", since it was made; undefined where nothing is counted. */
export function throttledSoFar({ figures: { throttledPeriods, periods } }: Cgroup): string | undefined {
  if (throttledPeriods === undefined || periods === undefined) return undefined;
  return l10n.t('in {0} of {1} periods', numberText(throttledPeriods), numberText(periods));
}

function badgeTexts({ badges, delegatedUid, figures }: Cgroup): string[] {
  return badges.map((badge) => {
    if (badge === 'delegated' && delegatedUid !== undefined) return l10n.t('delegated to uid {0}', delegatedUid);
    if (badge === 'oomKilled' && figures.oomKills !== undefined && figures.oomKills > 1)
      return l10n.t('{0} killed when out of memory', numberText(figures.oomKills));
    return badgeText(badge);
  });
}

/** "v1 · cpu, cpuacct" has no name for people; this is what a hierarchy is called: "cpu,cpuacct", "systemd (named)", "Unified". */
export function hierarchyTitle(hierarchy: string): string {
  if (hierarchy === 'unified') return l10n.t('Unified');
  const named = /^name=(.*)$/.exec(hierarchy)?.[1];
  return named === undefined ? hierarchy.replaceAll(',', ', ') : named;
}

/** docker's own length for shortened ids. */
const SHORT_ID = 12;

/** A text in which each id of 64 digits is cut to what people know of it: `3f2a1b4c5d6e…`. */
export function shortIds(text: string): string {
  return text.replace(/[0-9a-f]{64}/g, (id) => `${id.slice(0, SHORT_ID)}…`);
}

/** A path or name on one line: `/docker/3f2a1b4c5d6e…`. */
export function shortPath(path: string): string {
  return oneLine(shortIds(path));
}

/** What a row and a title call it: the container's or unit's name, else its own. */
export function cgroupTitle(cgroup: Cgroup | (CgroupRef & { title?: string })): string {
  if (cgroup.title !== undefined) return oneLine(cgroup.title, 60);
  return cgroup.path === '/' ? hierarchyTitle(cgroup.hierarchy) : shortPath(nameOfCgroup(cgroup));
}

/** What a change does, as the title of the question: "Set the CPU limit to 50 % of one CPU". */
export function changeTitle(change: CgroupChange): string {
  switch (change.kind) {
    case 'cpuLimit':
      if (change.quotaMicros === null) return l10n.t('Remove the CPU limit');
      return l10n.t('Set the CPU limit to {0}', cpuText(change.quotaMicros / (change.periodMicros ?? USUAL_PERIOD_MICROS)));
    case 'cpuWeight':
      return l10n.t('Set the CPU weight to {0}', numberText(change.weight));
    case 'memoryLimit':
      if (change.limitBytes === null) return l10n.t('Remove the memory limit');
      return l10n.t('Set the memory limit to {0}', bytesText(change.limitBytes));
    case 'memoryHigh':
      if (change.limitBytes === null) return l10n.t('Remove the memory throttle');
      return l10n.t('Set the memory throttle to {0}', bytesText(change.limitBytes));
    case 'swapLimit':
      if (change.limitBytes === null) return l10n.t('Remove the swap limit');
      return l10n.t('Set the swap limit to {0}', bytesText(change.limitBytes));
    case 'tasksLimit':
      if (change.limit === null) return l10n.t('Remove the limit of tasks');
      return l10n.t('Set the limit of tasks to {0}', numberText(change.limit));
    case 'ioLimit':
      return l10n.t('Set the I/O limit of device {0}', change.device);
    case 'freeze':
      return change.frozen ? l10n.t('Freeze every process') : l10n.t('Let every process go on');
    case 'kill':
      return l10n.t('Kill every process');
    case 'create':
      return l10n.t('Create the cgroup {0}', oneLine(change.name, 60));
    case 'remove':
      return l10n.t('Remove the cgroup');
    case 'move':
      return l10n.t('Move process {0} here', change.process.pid);
    case 'controller':
      return change.enabled
        ? l10n.t('Enable {0} for the children', change.controller)
        : l10n.t('Disable {0} for the children', change.controller);
    case 'write':
      return l10n.t('Write {0}', change.file);
  }
}

/** What holds after a change: "CPU limit: 50 % of one CPU (50,000 µs of every 100,000 µs)". */
export function changeOutcome(change: CgroupChange): string {
  switch (change.kind) {
    case 'cpuLimit':
      if (change.quotaMicros === null) return l10n.t('no CPU limit');
      return l10n.t('CPU limit {0}', cpuText(change.quotaMicros / (change.periodMicros ?? USUAL_PERIOD_MICROS)));
    case 'cpuWeight':
      return l10n.t('CPU weight {0}', numberText(change.weight));
    case 'memoryLimit':
      return change.limitBytes === null ? l10n.t('no memory limit') : l10n.t('memory limit {0}', bytesText(change.limitBytes));
    case 'memoryHigh':
      return change.limitBytes === null
        ? l10n.t('no memory throttle')
        : l10n.t('throttled above {0}', bytesText(change.limitBytes));
    case 'swapLimit':
      return change.limitBytes === null ? l10n.t('no swap limit') : l10n.t('swap limit {0}', bytesText(change.limitBytes));
    case 'tasksLimit':
      return change.limit === null ? l10n.t('no limit of tasks') : l10n.t('at most {0}', tasksText(change.limit));
    case 'ioLimit':
      return l10n.t('I/O limit of device {0} changed', change.device);
    case 'freeze':
      // v1 says FREEZING until each process has noticed.
      return change.frozen ? l10n.t('told to freeze') : l10n.t('told to go on');
    case 'kill':
      return l10n.t('every process killed');
    case 'create':
      return l10n.t('created {0}', oneLine(change.name, 60));
    case 'remove':
      return l10n.t('removed');
    case 'move':
      return l10n.t('process {0} moved here', change.process.pid);
    case 'controller':
      return change.enabled
        ? l10n.t('{0} enabled for the children', change.controller)
        : l10n.t('{0} disabled for the children', change.controller);
    case 'write':
      return l10n.t('{0} written', change.file);
  }
}
