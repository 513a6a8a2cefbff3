/** From what the helper says about two things to the page that compares them: what differs first, what is the same folded. */
import * as vscode from 'vscode';
import type { CgroupCpu, CgroupMemory, CgroupsInspectResult, Figure, Limit } from '../../helper/protocol/cgroups.ts';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaceKinds.ts';
import type { CapabilitySets, ProcessesInspectResult, RootView } from '../../helper/protocol/processes.ts';
import type { Block, Button, Page, Section, Value } from '../../webview/messages.ts';
import { KIND_ORDER } from '../model/hierarchy.ts';
import { type Packages, packageDifferences } from '../model/packageList.ts';
import { oneLine } from '../plain/plainText.ts';
import { bytesText, cpuText, lackingText, tasksText } from '../words/cgroupWords.ts';
import { isUnknown, kindTitle, parts, unknownText } from '../words/hostWords.ts';
import { mountView } from '../words/mountComparison.ts';
import { type CgroupAnswers, effectiveValue, isLacking, none, plain, together } from './cgroupFacts.ts';
import { type ComparedNames, type MountParts, mountParts } from './mountParts.ts';
import { capabilityBlocks, mapText, reachable, restrictionFacts } from './processPage.ts';

/** What is known of one of the two. */
export interface ComparedFacts {
  mounts: MountsListResult | Unknown;
  process: ProcessesInspectResult | Unknown;
  /** Of each kind the number of the host's, by which that is known. */
  hostNamespaces: Partial<Record<NamespaceKind, number>>;
  /** Of the cgroups that it is in; `none` of the host itself, which is in none. */
  limits: CgroupAnswers | Unknown | 'none';
  /** Of a container whose layers hold a list of them; undefined where there is none that could be read as text. */
  packages?: Packages | Unknown | undefined;
}

/** What a page is on: of which only the mounts may have been asked for. */
export interface Comparison {
  mine: ComparedFacts;
  other: ComparedFacts;
}

export interface ComparedMounts {
  mine: MountsListResult;
  other: MountsListResult;
}

/** How the two stand in one respect. */
type Relation = 'same' | 'differs' | 'unknown';

interface Row {
  label: string;
  mine: Value;
  other: Value;
  relation: Relation;
}

interface ComparedSection extends Section {
  differing: number;
  unknown: number;
}

export function compareMountsPage({ mine, other }: ComparedMounts, names: ComparedNames, privileged: boolean): Page {
  const found = mountParts(mine, other, names);
  return {
    title: comparisonTitle(names),
    subtitle: mountsSubtitle(found),
    buttons: buttons(privileged),
    sections: found.parts,
  };
}

/** Sections in which something differs stand before those in which something is unknown, and those that are the same come last. */
export function comparePage({ mine, other }: Comparison, names: ComparedNames, privileged: boolean): Page {
  const sections = [
    namespacesSection(mine, other, names),
    rootSection(mine, other, names),
    capabilitiesSection(mine, other, names),
    rowsSection(vscode.l10n.t('Restrictions'), restrictionRows(mine.process, other.process), names),
    rowsSection(vscode.l10n.t('Users'), userRows(mine.process, other.process), names),
    rowsSection(vscode.l10n.t('Limits that bind'), limitRows(mine.limits, other.limits), names),
    mountsSection(mine.mounts, other.mounts, names),
    ...packagesSection(mine.packages, other.packages, names),
  ];
  const rank = ({ differing, unknown }: ComparedSection) => (differing > 0 ? 0 : unknown > 0 ? 1 : 2);
  const sorted = sections.toSorted((one, two) => rank(one) - rank(two));
  return {
    title: comparisonTitle(names),
    subtitle: subtitle(sections),
    buttons: buttons(privileged),
    sections: sorted.map(({ heading, blocks }) => ({ heading, blocks })),
  };
}

export function comparisonTitle({ mine, other }: ComparedNames): string {
  return `${mine} ↔ ${other}`;
}

function subtitle(sections: readonly ComparedSection[]): string {
  const differing = sections.filter((one) => one.differing > 0).map((one) => `${one.heading} ${one.differing}`);
  const isUnknown = sections.some((one) => one.unknown > 0);
  if (differing.length > 0) return vscode.l10n.t('What differs: {0}', differing.join(' · '));
  return isUnknown ? vscode.l10n.t('What is known is the same, the rest is unknown') : vscode.l10n.t('Nothing differs');
}

function mountsSubtitle({ unusual, different, isWhole }: MountParts): string {
  if (different === 0 && !isWhole) return vscode.l10n.t('Mounts: whether any place differs is unknown');
  if (different === 0) return vscode.l10n.t('Mounts: no place differs');
  const places =
    different === 1 ? vscode.l10n.t('Mounts: 1 place differs') : vscode.l10n.t('Mounts: {0} places differ', different);
  if (unusual === different) return places;
  if (unusual === 0) return vscode.l10n.t('{0}, all as in every container', places);
  return vscode.l10n.t('{0}, {1} of them not as in every container', places, unusual);
}

function buttons(privileged: boolean): Button[] {
  const list: Button[] = [
    { action: 'refresh', label: vscode.l10n.t('Refresh') },
    { action: 'compareMountsAsText', label: vscode.l10n.t('Mounts as text') },
  ];
  if (!privileged) list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  return list;
}

function unknownValue(value: Unknown): Value {
  return { text: unknownText(value), tone: 'unknown' };
}

/** A fact of both, the same when it reads the same. */
function row<T>(label: string, mine: T | Unknown, other: T | Unknown, show: (value: T) => Value): Row {
  const shown = (value: T | Unknown) => (isUnknown(value) ? unknownValue(value) : show(value));
  const [one, two] = [shown(mine), shown(other)];
  const isKnown = !isUnknown(mine) && !isUnknown(other) && one.tone !== 'unknown' && two.tone !== 'unknown';
  return { label, mine: one, other: two, relation: isKnown ? (one.text === two.text ? 'same' : 'differs') : 'unknown' };
}

function isHost({ limits }: ComparedFacts): boolean {
  return limits === 'none';
}

/** A fact of a process, which may be unknown as a whole. */
function factOf<T>(
  process: ProcessesInspectResult | Unknown,
  read: (process: ProcessesInspectResult) => T | Unknown,
): T | Unknown {
  return isUnknown(process) ? process : read(process);
}

function rowsSection(heading: string, rows: readonly Row[], names: ComparedNames, more: Block[] = []): ComparedSection {
  const shown = rows.filter(({ relation }) => relation !== 'same');
  const same = rows.filter(({ relation }) => relation === 'same');
  const blocks: Block[] = [];
  if (shown.length > 0)
    blocks.push({
      kind: 'table',
      table: {
        caption: vscode.l10n.t('What differs: {0}', heading),
        columns: [vscode.l10n.t('What'), names.mine, names.other],
        rows: shown.map(({ label, mine, other }) => ({ cells: [plain(label), mine, other] })),
      },
    });
  blocks.push(...more);
  if (same.length > 0)
    blocks.push({
      kind: 'details',
      summary: vscode.l10n.t('{0}: {1} the same', heading, same.length),
      blocks: [{ kind: 'facts', facts: same.map(({ label, mine }) => ({ label, value: mine })) }],
    });
  if (blocks.length === 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('Neither has any.') });
  const count = (relation: Relation) => rows.filter((one) => one.relation === relation).length;
  return { heading, blocks, differing: count('differs'), unknown: count('unknown') };
}

function namespacesSection(mine: ComparedFacts, other: ComparedFacts, names: ComparedNames): ComparedSection {
  const heading = vscode.l10n.t('Namespaces');
  // The host’s are the helper’s own, also where its first process is closed to everybody.
  const numbers = (facts: ComparedFacts) =>
    isHost(facts) ? facts.hostNamespaces : factOf(facts.process, ({ namespaces }) => namespaces);
  const [one, two] = [numbers(mine), numbers(other)];
  const rows = KIND_ORDER.flatMap((kind): Row[] => {
    const number = (list: typeof one): number | Unknown | undefined => {
      if (isUnknown(list)) return list;
      return list[kind] === null ? { unknown: 'permission' } : list[kind];
    };
    const [a, b] = [number(one), number(two)];
    // What neither has this kernel has not.
    if (a === undefined || b === undefined) return [];
    const value = (ino: number): Value => ({
      text: mine.hostNamespaces[kind] === ino ? vscode.l10n.t('the host’s') : vscode.l10n.t('separate'),
      note: `${kind}:[${ino}]`,
    });
    const shown = row(kindTitle(kind), a, b, value);
    if (isUnknown(a) || isUnknown(b)) return [shown];
    return [{ ...shown, relation: a === b ? 'same' : 'differs' }];
  });
  return rowsSection(heading, rows, names);
}

function rootSection(mine: ComparedFacts, other: ComparedFacts, names: ComparedNames): ComparedSection {
  const root = (facts: ComparedFacts) => (isHost(facts) ? HOSTS_ROOT : factOf(facts.process, (known) => known.root));
  const [one, two] = [root(mine), root(other)];
  const rows = [
    row(vscode.l10n.t('What it sees'), one, two, (value: RootView) => plain(filesText(value))),
    fileSystemRow(mine.mounts, other.mounts),
    row(vscode.l10n.t('Host’s root'), one, two, reachable),
  ];
  return rowsSection(vscode.l10n.t('Root directory'), rows, names);
}

const HOSTS_ROOT: RootView = { confinement: 'host', path: '/', hostRootReachableAt: ['/'] };

function filesText({ confinement, path }: RootView): string {
  const at = oneLine(path, 200);
  switch (confinement) {
    case 'host':
      return vscode.l10n.t('the host’s files');
    case 'mountNamespace':
      return vscode.l10n.t('mounts of its own');
    case 'chroot':
      return vscode.l10n.t('{0} of the host, by chroot', at);
    case 'chrootInMountNamespace':
      return vscode.l10n.t('{0} of mounts of its own, by chroot', at);
  }
}

/** Overlays all read the same: whether it is one and the same its device tells. */
function fileSystemRow(mine: MountsListResult | Unknown, other: MountsListResult | Unknown): Row {
  const rootMount = (table: MountsListResult | Unknown) => {
    if (isUnknown(table)) return table;
    return mountView(table.mounts).seen.get('/')?.mount ?? { unknown: 'notFound' as const };
  };
  const [one, two] = [rootMount(mine), rootMount(other)];
  const label = vscode.l10n.t('File system');
  const shown = row(label, one, two, ({ type, source, device }) => ({
    text: oneLine(parts(type, source), 200),
    code: true,
    note: device,
  }));
  if (isUnknown(one) || isUnknown(two)) return shown;
  return { ...shown, relation: one.device === two.device && one.root === two.root ? 'same' : 'differs' };
}

function capabilitiesSection(mine: ComparedFacts, other: ComparedFacts, names: ComparedNames): ComparedSection {
  const heading = vscode.l10n.t('Capabilities');
  const sets = ({ process }: ComparedFacts) => factOf(process, ({ capabilities }) => capabilities);
  const [one, two] = [sets(mine), sets(other)];
  if (isUnknown(one) || isUnknown(two)) {
    const count = (value: CapabilitySets) => plain(vscode.l10n.t('{0} in effect', value.effective.length));
    return rowsSection(heading, [row(vscode.l10n.t('In effect'), one, two, count)], names);
  }
  const effective = differences(one.effective, two.effective);
  const bounding = differences(one.bounding, two.bounding);
  // What is in effect in one alone it alone may gain, as a rule: that is said once.
  const moreOf = (list: readonly string[], than: readonly string[]) => list.filter((name) => !than.includes(name));
  const isAny = effective.onlyMine.length + effective.onlyOther.length > 0;
  const gained = vscode.l10n.t('may be gained');
  const blocks = [
    ...onlyBlocks(names.mine, effective.onlyMine, vscode.l10n.t('in effect'), isInHostUser(mine)),
    ...onlyBlocks(names.other, effective.onlyOther, vscode.l10n.t('in effect'), !names.isOtherHost && isInHostUser(other)),
    ...onlyBlocks(names.mine, moreOf(bounding.onlyMine, effective.onlyMine), gained, false),
    ...onlyBlocks(names.other, moreOf(bounding.onlyOther, effective.onlyOther), gained, false),
    ...ownUserBlocks(mine, names.mine, isAny),
    ...ownUserBlocks(other, names.other, isAny),
  ];
  if (effective.both.length > 0)
    blocks.push(namesDetails(vscode.l10n.t('{0} in effect in both', effective.both.length), effective.both));
  if (blocks.length === 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('Neither has any in effect.') });
  const count = new Set([...effective.onlyMine, ...effective.onlyOther, ...bounding.onlyMine, ...bounding.onlyOther]).size;
  return { heading, blocks, differing: count, unknown: 0 };
}

function differences(mine: readonly string[], other: readonly string[]) {
  return {
    onlyMine: mine.filter((name) => !other.includes(name)),
    onlyOther: other.filter((name) => !mine.includes(name)),
    both: mine.filter((name) => other.includes(name)),
  };
}

function onlyBlocks(name: string, list: readonly string[], how: string, isDangerous: boolean): Block[] {
  if (list.length === 0) return [];
  const text = vscode.l10n.t('Only {0}, {1}: {2}', name, how, list.length);
  return [{ kind: 'text', tone: 'plain', text }, ...capabilityBlocks(list, text, isDangerous)];
}

function namesDetails(summary: string, list: readonly string[]): Block {
  const names = list.map((text) => ({ text: oneLine(text) }));
  return { kind: 'details', summary, blocks: [{ kind: 'names', label: summary, names }] };
}

/** Only there they hold against the host. */
function isInHostUser({ process, hostNamespaces }: ComparedFacts): boolean {
  return !isUnknown(process) && process.namespaces.user === hostNamespaces.user;
}

function ownUserBlocks(facts: ComparedFacts, name: string, isAny: boolean): Block[] {
  const { process, hostNamespaces } = facts;
  const isOwn = !isUnknown(process) && typeof process.namespaces.user === 'number' && hostNamespaces.user !== undefined;
  if (!isAny || !isOwn || isInHostUser(facts)) return [];
  return [
    { kind: 'text', tone: 'plain', text: vscode.l10n.t('Those of {0} hold only over what its own user namespace owns.', name) },
  ];
}

function restrictionRows(mine: ProcessesInspectResult | Unknown, other: ProcessesInspectResult | Unknown): Row[] {
  if (isUnknown(mine) || isUnknown(other)) return [unknownRow(vscode.l10n.t('Process'), mine, other)];
  const others = restrictionFacts(other);
  const rows = restrictionFacts(mine).map(({ label, value }, at) => row(label, value, others[at]!.value, (shown) => shown));
  return rows.map((one, at) => (at === 0 && isFiltered(mine) && isFiltered(other) ? notCompared(one) : one));
}

function isFiltered({ seccomp }: ProcessesInspectResult): boolean {
  return !isUnknown(seccomp) && seccomp.mode === 'filter';
}

/** Two filters read the same also where they let through different calls. */
function notCompared(seccomp: Row): Row {
  if (seccomp.relation !== 'same') return seccomp;
  const note = vscode.l10n.t('whether by the same rules is unknown');
  return { ...seccomp, other: { ...seccomp.other, note }, relation: 'unknown' };
}

function userRows(mine: ProcessesInspectResult | Unknown, other: ProcessesInspectResult | Unknown): Row[] {
  if (isUnknown(mine) || isUnknown(other)) return [unknownRow(vscode.l10n.t('Process'), mine, other)];
  return [
    row(vscode.l10n.t('User'), mine, other, ({ user, uid }) => plain(parts(oneLine(user), `uid ${uid}`))),
    row(vscode.l10n.t('Uids'), mine.uidMap, other.uidMap, mapText),
    row(vscode.l10n.t('Gids'), mine.gidMap, other.gidMap, mapText),
  ];
}

function unknownRow(label: string, mine: ProcessesInspectResult | Unknown, other: ProcessesInspectResult | Unknown): Row {
  return { ...row(label, mine, other, ({ pid }) => plain(String(pid))), relation: 'unknown' };
}

type Limits = ComparedFacts['limits'];

function limitRows(mine: Limits, other: Limits): Row[] {
  const cpu = (answers: CgroupAnswers) => together<CgroupCpu>(answers, (answer) => answer.cpu)?.limit;
  const memory = (answers: CgroupAnswers) => together<CgroupMemory>(answers, (answer) => answer.memory);
  const tasks = (answers: CgroupAnswers) =>
    together<Exclude<CgroupsInspectResult['pids'], { lacking: unknown }>>(answers, (answer) => answer.pids)?.limit;
  const swap = (answers: CgroupAnswers) => memory(answers)?.swapLimit;
  return [
    limitRow(vscode.l10n.t('CPU'), mine, other, cpu, cpuText),
    limitRow(vscode.l10n.t('Memory'), mine, other, (answers) => memory(answers)?.limit, bytesText),
    limitRow(swapLabel(mine, other, swap), mine, other, swap, bytesText),
    limitRow(vscode.l10n.t('Tasks'), mine, other, tasks, tasksText),
  ];
}

/** Version 1 limits both together. */
function swapLabel(mine: Limits, other: Limits, read: (answers: CgroupAnswers) => Figure<Limit> | undefined): string {
  const isTogether = [mine, other].some((limits) => {
    const figure = limits === 'none' || isUnknown(limits) ? undefined : read(limits);
    return figure !== undefined && 'file' in figure && figure.file.includes('memsw');
  });
  return isTogether ? vscode.l10n.t('Memory with swap') : vscode.l10n.t('Swap');
}

function limitRow(
  label: string,
  mine: Limits,
  other: Limits,
  read: (answers: CgroupAnswers) => Figure<Limit> | undefined,
  amount: (value: number) => string,
): Row {
  const [one, two] = [mine, other].map((limits) => limitValue(limits, read, amount));
  const isKnown = one!.tone !== 'unknown' && two!.tone !== 'unknown';
  return {
    label,
    mine: one!,
    other: two!,
    relation: isKnown ? (one!.text === two!.text ? 'same' : 'differs') : 'unknown',
  };
}

/** The tightest limit, its own or that of a cgroup above. All CPUs that the host has are none. */
function limitValue(
  limits: Limits,
  read: (answers: CgroupAnswers) => Figure<Limit> | undefined,
  amount: (value: number) => string,
): Value {
  const unlimited = none(vscode.l10n.t('not limited'));
  if (limits === 'none') return unlimited;
  if (isUnknown(limits)) return unknownValue(limits);
  const figure = read(limits);
  if (figure === undefined) return unknownValue({ unknown: 'notFound' });
  if (isUnknown(figure)) return unknownValue(figure);
  if (isLacking(figure)) {
    // Of a controller that is elsewhere what is above may have a limit.
    return figure.lacking === 'controller'
      ? { text: lackingText(figure), tone: 'unknown' }
      : { ...unlimited, note: lackingText(figure) };
  }
  const { effective } = figure as Limit;
  if (effective === null || effective.by === undefined) return unlimited;
  return effectiveValue(effective, limits, { own: amount, amount, headroom: false });
}

function mountsSection(
  mine: MountsListResult | Unknown,
  other: MountsListResult | Unknown,
  names: ComparedNames,
): ComparedSection {
  const heading = vscode.l10n.t('Mounts');
  if (isUnknown(mine) || isUnknown(other)) {
    const count = ({ mounts }: MountsListResult) => plain(vscode.l10n.t('{0} mounts', mounts.length));
    const counted = row(vscode.l10n.t('All'), mine, other, count);
    return rowsSection(heading, [counted], names);
  }
  const found = mountParts(mine, other, names);
  const blocks = found.parts.flatMap((part): Block[] => [{ kind: 'heading', text: part.heading }, ...part.blocks]);
  return { heading, blocks, differing: found.different, unknown: found.isWhole ? 0 : 1 };
}

/** More than a person reads. */
const MOST_PACKAGES = 200;

/** Of two that both have a list. */
function packagesSection(
  mine: ComparedFacts['packages'],
  other: ComparedFacts['packages'],
  names: ComparedNames,
): ComparedSection[] {
  const heading = vscode.l10n.t('Packages');
  if (mine === undefined || other === undefined) return [];
  const version = (text: string | undefined): Value => (text === undefined ? none('–') : { text: oneLine(text), code: true });
  if (isUnknown(mine) || isUnknown(other)) {
    const counted = row(vscode.l10n.t('Installed'), mine, other, ({ size }: Packages) => plain(String(size)));
    return [rowsSection(heading, [{ ...counted, relation: 'unknown' }], names)];
  }
  const found = packageDifferences(mine, other);
  const shown = found.slice(0, MOST_PACKAGES).map(
    (one): Row => ({
      label: oneLine(one.name),
      mine: version(one.mine),
      other: version(one.other),
      relation: 'differs',
    }),
  );
  const more = found.length - shown.length;
  const same = [...mine].filter(([name, text]) => other.get(name) === text).map(([name, text]) => `${name} ${text}`);
  const blocks: Block[] = [];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('{0} more are not shown.', more) });
  if (same.length > 0)
    blocks.push(namesDetails(vscode.l10n.t('{0}: {1} the same', heading, same.length), same.slice(0, MOST_PACKAGES)));
  return [{ ...rowsSection(heading, shown, names, blocks), differing: found.length }];
}
