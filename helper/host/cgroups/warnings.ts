/**
 * What a person should know before a change: that it would stop the machine, VS Code or the helper itself, or that it bites at once. Judged by the
 * files that are written, so that a raw write is warned about like the change that it amounts to.
 */

import { readText } from '../../kernel/files.ts';
import { AT_FDCWD } from '../../kernel/numbers.ts';
import type { ChangeWarning } from '../../protocol/cgroups.ts';
import type { Said, SaidArgument } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { openChain } from './chain.ts';
import { listNames, type OpenCgroup } from './directory.ts';
import { cgroupPathOf, isWithin, ownLineage } from './members.ts';
import type { Step, WriteStep } from './steps.ts';

/** `stop`: processes stop running or end. `restrict`: they get less. `join`: a process is moved here. */
type Effect = 'stop' | 'restrict' | 'join' | 'none';

export function warningsOf(cgroup: OpenCgroup, steps: readonly Step[]): ChangeWarning[] {
  const warnings = steps.flatMap((step) => {
    const effect = effectOf(step);
    const reached = effect === 'stop' || effect === 'restrict' ? reachWarnings(cgroup, effect) : [];
    const joining = effect === 'join' ? joinWarnings(cgroup, pidOf(step)) : [];
    return [
      ...reached,
      ...joining,
      ...frozenAboveWarnings(cgroup, step),
      ...(step.do === 'write' ? fileWarnings(cgroup, step) : []),
    ];
  });
  return warnings.filter(({ id }, at) => warnings.findIndex((other) => other.id === id) === at);
}

// ---------------------------------------------------------------------------------------------------------------------
// Effects

const MEMBERSHIP = new Set(['cgroup.procs', 'cgroup.threads', 'tasks']);
/** Files that take nothing from a process: what a child may use, what is reported. */
const HARMLESS =
  /^(?:cgroup\.(?:subtree_control|max\.depth|max\.descendants|pressure|clone_children|event_control)|notify_on_release|devices\.allow|.+\.failcnt|.+\.max_usage_in_bytes|.+\.peak|.+\.pressure|blkio\.reset_stats|release_agent)$/;
/** Those in which a greater number gives more. */
const LIMIT = /(?:\.max|\.high|\.limit_in_bytes|\.max\.burst|quota_us|burst_us|runtime_us|\.weight|\.shares|\.low|\.min)$/;
const UNLIMITED = /^(?:max|-1)$/;

export function effectOf(step: Step): Effect {
  if (step.do === 'kill') return 'stop';
  if (step.do === 'move') return 'join';
  if (step.do !== 'write') return 'none';
  const { file, before } = step;
  const text = step.text.trim();
  if (MEMBERSHIP.has(file)) return 'join';
  if (file === 'cgroup.kill') return 'stop';
  if (file === 'cgroup.freeze' || file === 'freezer.state') return isThaw(step) ? 'none' : 'stop';
  if (HARMLESS.test(file)) return 'none';
  if (!LIMIT.test(file)) return 'restrict';
  return UNLIMITED.test(text.split(/\s+/)[0] ?? '') || isLooser(file, text, before) ? 'none' : 'restrict';
}

function isThaw(step: Step): boolean {
  if (step.do !== 'write') return false;
  if (step.file === 'cgroup.freeze') return amountOf(step.text.trim()) === 0;
  return step.file === 'freezer.state' && step.text.trim() === 'THAWED';
}

/** Whether the new text gives at least as much as the old one; false when it cannot be told. */
function isLooser(file: string, text: string, before: WriteStep['before']): boolean {
  if (typeof before !== 'string') return false;
  return file === 'cpu.max' ? shareOf(text, before) >= shareOf(before) : amountOf(text) >= amountOf(before.trim());
}

/** Of the CPU that `cpu.max` gives. What has no period leaves that of `before`. */
function shareOf(text: string, before = ''): number {
  const [quota = '', period = before.trim().split(/\s+/)[1]] = text.trim().split(/\s+/);
  return UNLIMITED.test(quota) ? Number.POSITIVE_INFINITY : Number(quota) / Number(period);
}

/**
 * The amount that a limit stands for, as the kernel reads it: memparse() of lib/cmdline.c, which takes a decimal, hexadecimal (0x) or octal (0) number
 * with K, M, G, T, P or E. NaN for what is not one number, which compares as false.
 */
export function amountOf(text: string): number {
  if (UNLIMITED.test(text)) return Number.POSITIVE_INFINITY;
  const [, hex, digits = '', unit = ''] = /^\+?(?:0x([0-9a-f]+)|([0-9]+))([KMGTPE]?)$/i.exec(text) ?? [];
  const base = hex !== undefined ? 16 : digits.startsWith('0') ? 8 : 10;
  const power = unit === '' ? 0 : UNITS.indexOf(unit.toUpperCase()) + 1;
  return Number.parseInt(hex ?? digits, base) * 1024 ** power;
}

const UNITS = 'KMGTPE';

function pidOf(step: Step): number {
  if (step.do === 'move') return step.process.pid;
  const pid = step.do === 'write' ? Number(step.text.trim()) : Number.NaN;
  // 0 moves whoever writes.
  return pid === 0 ? process.pid : pid;
}

// ---------------------------------------------------------------------------------------------------------------------
// Whom it reaches

const DONE_TO = {
  stop: { severity: 'danger', what: said('isFrozenOrKilled') },
  restrict: { severity: 'caution', what: said('isLimitedByAsWell') },
} as const;

function reachWarnings({ ref }: OpenCgroup, effect: 'stop' | 'restrict'): ChangeWarning[] {
  const { severity, what } = DONE_TO[effect];
  const warnings: ChangeWarning[] = [];
  const warn = (id: string, message: Said) => warnings.push({ id, severity, message });
  if (ref.path === '/') warn('root', said('warnRoot'));
  const own = cgroupPathOf(process.pid, ref.hierarchy);
  if (own === ref.path) warn('ownCgroup', said('warnOwnCgroup', what));
  else if (own !== undefined && isWithin(own, ref.path)) warn('ancestorOfHelper', said('warnAncestorOfHelper', what));
  const starters = ownLineage()
    .slice(1)
    .filter((pid) => pid !== 1);
  const reached = starters.find((pid) => isWithin(cgroupPathOf(pid, ref.hierarchy) ?? '', ref.path));
  if (reached !== undefined) warn('vscode', said('warnVscode', describeProcess(reached), what));
  if (isWithin(cgroupPathOf(1, ref.hierarchy) ?? '', ref.path)) warn('init', said('warnInit', describeProcess(1), what));
  return warnings;
}

function describeProcess(pid: number): Said {
  const name = readText(AT_FDCWD, `/proc/${pid}/comm`, 64);
  return typeof name === 'string' ? said('processNamed', pid, name.trimEnd()) : said('processNumbered', pid);
}

function joinWarnings(cgroup: OpenCgroup, pid: number): ChangeWarning[] {
  const warnings: ChangeWarning[] = [];
  const lineage = ownLineage();
  if (pid === 1) {
    warnings.push({
      id: 'init',
      severity: 'danger',
      message: said('warnInitMoved', describeProcess(1)),
    });
  } else if (lineage.includes(pid)) {
    const message = said('warnLineageMoved', describeProcess(pid));
    warnings.push({ id: pid === process.pid ? 'ownCgroup' : 'vscode', severity: 'caution', message });
  }
  if (isFrozen(cgroup)) {
    const severity = lineage.includes(pid) ? 'danger' : 'caution';
    warnings.push({
      id: 'frozen',
      severity,
      message: said('warnFrozen'),
    });
  }
  return warnings;
}

/** A cgroup stays frozen as long as one above it is; and in v1 nothing in it acts on a signal. */
function frozenAboveWarnings(cgroup: OpenCgroup, step: Step): ChangeWarning[] {
  const isKill = step.do === 'kill' && cgroup.version === 1;
  const above = isKill || isThaw(step) ? frozenAbove(cgroup) : undefined;
  if (above === undefined) return [];
  const frozen = frozenOnes(above);
  const message = isKill ? said('warnFrozenAboveKill', frozen) : said('warnFrozenAbove', frozen);
  return [{ id: 'frozenAbove', severity: 'caution', message }];
}

const SHOWN_ABOVE = 3;

function frozenOnes(paths: readonly string[]): Said {
  const [nearest, ...others] = paths.slice(0, SHOWN_ABOVE);
  if (nearest === undefined) return said('unseenAboveIsFrozen');
  const shown = others.reduce<SaidArgument>((before, path) => said('bothOf', before, path), nearest);
  const further = paths.length - SHOWN_ABOVE;
  if (further > 0) return said('areFrozen', said('andMore', shown, further));
  return said(others.length > 0 ? 'areFrozen' : 'isFrozen', shown);
}

/** The cgroups above that are frozen by themselves, the nearest first; undefined when none is. */
function frozenAbove(cgroup: OpenCgroup): string[] | undefined {
  using chain = openChain(cgroup.ref);
  const file = cgroup.version === 2 ? 'cgroup.freeze' : 'freezer.self_freezing';
  const found = chain.links.slice(1).filter(({ fd }) => firstCharacter(fd, file) === '1');
  if (found.length > 0) return found.map(({ ref }) => ref.path);
  // One above the root of a mount is not seen itself. In v2 the file of a cgroup that is frozen itself does not tell it.
  const isBeyond =
    cgroup.version === 1
      ? firstCharacter(cgroup.fd, 'freezer.parent_freezing') === '1'
      : isFrozen(cgroup) && firstCharacter(cgroup.fd, file) === '0';
  return isBeyond ? [] : undefined;
}

function firstCharacter(directory: number, file: string): string | undefined {
  const text = readText(directory, file, 16);
  return typeof text === 'string' ? text.charAt(0) : undefined;
}

function isFrozen({ fd, version }: OpenCgroup): boolean {
  const text = version === 2 ? readText(fd, 'cgroup.events', 4096) : readText(fd, 'freezer.state', 64);
  return typeof text === 'string' && (version === 2 ? /^frozen 1$/m.test(text) : text.startsWith('FR'));
}

// ---------------------------------------------------------------------------------------------------------------------
// What particular files do

/** Limits, with the file that tells what is used of them, and what the kernel does when that is more. */
const USAGE: Record<string, { usage: string; severity: ChangeWarning['severity']; consequence: Said }> = {
  'memory.max': {
    usage: 'memory.current',
    severity: 'danger',
    consequence: said('belowUsageKills'),
  },
  'memory.high': {
    usage: 'memory.current',
    severity: 'caution',
    consequence: said('belowUsageSlows'),
  },
  'memory.swap.max': {
    usage: 'memory.swap.current',
    severity: 'caution',
    consequence: said('belowUsageNoSwap'),
  },
  'memory.limit_in_bytes': {
    usage: 'memory.usage_in_bytes',
    severity: 'caution',
    consequence: said('belowUsageReclaims'),
  },
  'memory.memsw.limit_in_bytes': {
    usage: 'memory.memsw.usage_in_bytes',
    severity: 'caution',
    consequence: said('belowUsageReclaims'),
  },
  'pids.max': {
    usage: 'pids.current',
    severity: 'caution',
    consequence: said('belowUsageNoStart'),
  },
};

const IRREVERSIBLE = 'cgroup.type';

function fileWarnings(cgroup: OpenCgroup, { file, text }: WriteStep): ChangeWarning[] {
  if (file === 'release_agent' && text.trim() !== '') {
    const message = said('warnReleaseAgent');
    return [{ id: 'releaseAgent', severity: 'danger', message }];
  }
  if (file === 'cgroup.subtree_control') return lostLimits(cgroup, text);
  if (file === IRREVERSIBLE) {
    const message = said('warnIrreversible');
    return [{ id: 'irreversible', severity: 'caution', message }];
  }
  return Object.hasOwn(USAGE, file) ? belowUsage(cgroup, file, text) : [];
}

function lostLimits({ fd }: OpenCgroup, text: string): ChangeWarning[] {
  const off = text.split(/\s+/).filter((word) => word.startsWith('-'));
  if (off.length === 0 || listNames(fd).cgroups.length === 0) return [];
  const names = off.map((word) => word.slice(1));
  const message = said('warnLimitsLost', names);
  return [{ id: 'limitsLost', severity: 'caution', message }];
}

function belowUsage(cgroup: OpenCgroup, file: string, text: string): ChangeWarning[] {
  const { usage, severity, consequence } = USAGE[file]!;
  const read = readText(cgroup.fd, usage, 64);
  const used = typeof read === 'string' ? Number(read) : Number.NaN;
  const limit = amountOf(text.trim());
  if (!(limit < used)) return [];
  return [
    {
      id: 'belowUsage',
      severity,
      message: said('warnBelowUsage', used, usage, limit, consequence),
    },
  ];
}
