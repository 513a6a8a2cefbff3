/** From everything that the helper says about a cgroup to the page that a person reads. */
import * as vscode from 'vscode';
import type {
  CgroupCpu,
  CgroupIoDevice,
  CgroupMemory,
  CgroupRef,
  CgroupRisk,
  CgroupsInspectResult,
  Figure,
  Lacking,
  Limit,
  Pressure,
} from '../../helper/protocol/cgroups.ts';
import type { Unknown } from '../../helper/protocol.ts';
import type { Block, Button, Fact, Page, Section, Table, Value } from '../../webview/messages.ts';
import { keyOfCgroup } from '../host/cgroupModel.ts';
import {
  bandwidthText,
  bytesText,
  cgroupTitle,
  cpuText,
  durationText,
  figuresText,
  hierarchyTitle,
  lackingText,
  numberText,
  percentText,
  shortPath,
  tasksText,
} from '../host/cgroupWords.ts';
import type { HostModel } from '../host/hostModel.ts';
import { oneLine } from '../host/plainText.ts';
import { containerName, isUnknown, parts, processName, unknownText } from '../trees/words.ts';

/** One cgroup, or those of one place in several hierarchies, of which each knows its own controllers. */
export type CgroupAnswers = [CgroupsInspectResult, ...CgroupsInspectResult[]];

/** A list of processes beyond this is for the tree. */
const MOST_MEMBERS = 100;
/** From here on a limit is shown as close. */
const CLOSE = 0.9;

export function cgroupPage(model: HostModel, answers: CgroupAnswers, privileged: boolean): Page {
  const named = answers.find(({ title }) => title !== undefined) ?? answers[0];
  const key = answers.find(({ container }) => container !== undefined)?.container;
  const container = key === undefined ? undefined : model.containers.get(key);
  const sections = [
    riskSection(answers),
    summarySection(answers),
    cpuSection(answers),
    memorySection(answers),
    ioSection(answers),
    tasksSection(answers),
    cpusetSection(answers),
    hugetlbSection(answers),
    freezerSection(answers),
    devicesSection(answers),
    eventsSection(answers),
    othersSection(answers),
    processesSection(answers),
    lackingSection(answers),
    filesSection(answers),
  ];
  return {
    title: cgroupTitle(named),
    subtitle: parts(
      vscode.l10n.t('cgroup v{0}', answers[0].version),
      answers.length === 1 && answers[0].version === 1 ? hierarchyTitle(answers[0].hierarchy) : undefined,
      shortPath(answers[0].path),
      container === undefined ? undefined : vscode.l10n.t('container {0}', containerName(container)),
    ),
    buttons: buttons(answers, container !== undefined, privileged),
    sections: sections.filter((section) => section !== undefined),
  };
}

function buttons(answers: CgroupAnswers, inContainer: boolean, privileged: boolean): Button[] {
  const has = (part: 'cpu' | 'memory' | 'pids') => first(answers, (answer) => answer[part]) !== undefined;
  const list: Button[] = [{ action: 'monitor', label: vscode.l10n.t('Monitor') }];
  if (has('cpu')) list.push({ action: 'setCpuLimit', label: vscode.l10n.t('Set CPU limit…') });
  if (has('memory')) list.push({ action: 'setMemoryLimit', label: vscode.l10n.t('Set memory limit…') });
  if (has('pids')) list.push({ action: 'setTasksLimit', label: vscode.l10n.t('Set limit of tasks…') });
  list.push({ action: 'openCgroupFile', label: vscode.l10n.t('Open file…') });
  list.push({ action: 'revealInCgroups', label: vscode.l10n.t('Reveal in Cgroups') });
  if (inContainer) list.push({ action: 'revealInContainers', label: vscode.l10n.t('Reveal in Containers') });
  if (!privileged) list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Restart as root') });
  return list;
}

// What is there, what is lacking, what is unknown

function isLacking(value: unknown): value is Lacking {
  return typeof value === 'object' && value !== null && 'lacking' in value;
}

/** The first answer's that has it. */
function first<T extends object>(
  answers: CgroupAnswers,
  part: (answer: CgroupsInspectResult) => T | Lacking | Unknown,
): T | undefined {
  for (const answer of answers) {
    const value = part(answer);
    if (!isLacking(value) && !isUnknown(value)) return value as T;
  }
  return undefined;
}

/**
 * A part as all answers together tell it: each figure of the first that has it, or why the one whose controller it is of has none. On v1 `cpuacct`
 * counts what `cpu` limits.
 */
function together<T extends object>(
  answers: CgroupAnswers,
  part: (answer: CgroupsInspectResult) => T | Lacking,
): T | undefined {
  const [start, ...others] = answers.map(part).filter((value): value is T => !isLacking(value));
  if (start === undefined) return undefined;
  const whole = { ...start };
  for (const other of others)
    for (const key of Object.keys(other) as (keyof T)[]) {
      const [known, said] = [whole[key] as unknown, other[key] as unknown];
      if (isLacking(known) && (!isLacking(said) || known.lacking === 'controller')) whole[key] = other[key];
    }
  return whole;
}

function plain(text: string, note?: string): Value {
  return note === undefined ? { text } : { text, note };
}

function code(text: string, length = 200): Value {
  return { text: oneLine(text, length), code: true };
}

function none(text: string): Value {
  return { text, tone: 'muted' };
}

/** A figure as `show` puts it, or why there is none. */
function shown<T>(figure: Figure<T>, show: (value: T) => Value): Value {
  if (isLacking(figure)) return none(lackingText(figure));
  if (isUnknown(figure)) return { text: unknownText(figure), tone: 'unknown' };
  return show(figure as T);
}

/** A fact, and why there is none. */
interface FoundFact extends Fact {
  lacking?: Lacking['lacking'];
}

function fact<T>(label: string, figure: Figure<T>, show: (value: T) => Value): FoundFact {
  const value = shown(figure, show);
  return isLacking(figure) ? { label, value, lacking: figure.lacking } : { label, value };
}

/** The facts that there are, and in a line each those that are lacking, with the reason. */
function facts(...list: FoundFact[]): Block[] {
  const there = list.filter(({ lacking }) => lacking === undefined);
  const blocks: Block[] = there.length === 0 ? [] : [{ kind: 'facts', facts: there }];
  for (const reason of new Set(list.map(({ lacking }) => lacking))) {
    if (reason === undefined) continue;
    const names = list.filter(({ lacking }) => lacking === reason).map(({ label }) => label);
    blocks.push({ kind: 'text', tone: 'muted', text: lackingList(reason, names.join(', ')) });
  }
  return blocks;
}

function lackingList(reason: Lacking['lacking'], names: string): string {
  const words: Record<Lacking['lacking'], string> = {
    version: vscode.l10n.t('Not in this version of cgroups: {0}', names),
    kernel: vscode.l10n.t('Not in this kernel: {0}', names),
    controller: vscode.l10n.t('Of a controller that is not enabled here, or is in another hierarchy: {0}', names),
    root: vscode.l10n.t('Not at the root: {0}', names),
  };
  return words[reason];
}

function number(figure: Figure<unknown>): number | undefined {
  return typeof figure === 'number' ? figure : undefined;
}

const bytes = (value: number) => plain(bytesText(value));
const time = (value: number) => plain(durationText(value));
const yesNo = (value: boolean) => plain(value ? vscode.l10n.t('yes') : vscode.l10n.t('no'));

// Limits

interface LimitWords {
  /** The limit of its own, with the raw value. */
  own: (value: number) => string;
  amount: (value: number) => string;
  /** Whether what is left of its own limit is worth a line: CPU time is had or not in each period, and none is left over. */
  headroom: boolean;
}

/** Its own limit, the one that binds with who sets it, and what is left until there. */
function limitFacts(label: string, figure: Figure<Limit>, answers: CgroupAnswers, words: LimitWords): FoundFact[] {
  const own = fact(label, figure, ({ own: value, raw, file }) => {
    const note = `${file}: ${oneLine(raw.trim(), 60)}`;
    return value === null ? { ...none(vscode.l10n.t('none of its own')), note } : plain(words.own(value), note);
  });
  if (isLacking(figure) || isUnknown(figure)) return [own];
  const { effective, headroom } = figure as Limit;
  const binding: Fact = { label: vscode.l10n.t('Effective limit'), value: effectiveValue(effective, answers, words) };
  const ownBinds = effective !== null && isOneOf(effective.by, answers);
  if (headroom === null || (ownBinds && !words.headroom)) return [own, binding];
  const left = { label: vscode.l10n.t('Headroom'), value: plain(words.amount(headroom), headroomNote(effective, answers)) };
  return [own, binding, left];
}

function isOneOf(ref: CgroupRef, answers: CgroupAnswers): boolean {
  return answers.some((answer) => keyOfCgroup(answer) === keyOfCgroup(ref));
}

function effectiveValue(effective: Limit['effective'], answers: CgroupAnswers, words: LimitWords): Value {
  if (effective === null) return none(vscode.l10n.t('none, up to the root'));
  const { by, value, file } = effective;
  return plain(
    words.amount(value),
    isOneOf(by, answers) ? vscode.l10n.t('its own binds') : vscode.l10n.t('set by {0} ({1})', shortPath(by.path), file),
  );
}

function headroomNote(effective: Limit['effective'], answers: CgroupAnswers): string | undefined {
  if (effective === null || isOneOf(effective.by, answers)) return undefined;
  return vscode.l10n.t('shared with all below {0}', shortPath(effective.by.path));
}

function pressureBlocks(name: string, figure: Figure<Pressure>): Block[] {
  const label = vscode.l10n.t('Pressure');
  if (isLacking(figure) || isUnknown(figure)) return facts(fact(label, figure, () => plain('')));
  const { some, full } = figure as Pressure;
  const row = (title: string, line: Pressure['some']) => ({
    cells: [
      plain(title),
      ...[line.avg10, line.avg60, line.avg300].map((share) => plain(`${share} %`)),
      plain(durationText(line.totalMicros)),
    ],
  });
  const table: Table = {
    caption: vscode.l10n.t('Share of time in which tasks waited for {0}', name),
    columns: [label, '10 s', '60 s', '300 s', vscode.l10n.t('In total')],
    rows: [
      row(vscode.l10n.t('some task waited'), some),
      ...(full === undefined ? [] : [row(vscode.l10n.t('all waited'), full)]),
    ],
  };
  return [{ kind: 'table', table }];
}

// Sections

/** First on the page: what lets a process out of its container. */
function riskSection(answers: CgroupAnswers): Section | undefined {
  const risks = answers.flatMap(({ risks: own }) => own);
  if (risks.length === 0) return undefined;
  return { heading: vscode.l10n.t('Ways out of a container'), blocks: risks.flatMap(riskBlocks) };
}

function riskBlocks({ kind, severity, evidence, fix }: CgroupRisk): Block[] {
  const titles: Record<CgroupRisk['kind'], string> = {
    releaseAgent: vscode.l10n.t('release_agent runs a program of its choice as root on the host'),
    writableByContainer:
      severity === 'unknown'
        ? vscode.l10n.t('Whether a container may write files of cgroups is not known')
        : vscode.l10n.t('A container may write files of cgroups'),
  };
  return [
    { kind: 'text', tone: severity === 'danger' ? 'danger' : 'plain', text: titles[kind] },
    ...facts(
      { label: vscode.l10n.t('Evidence'), value: plain(oneLine(evidence, 1000)) },
      { label: vscode.l10n.t('What to do'), value: plain(oneLine(fix, 1000)) },
    ),
  ];
}

/** How close it is to each limit that binds. */
function summarySection(answers: CgroupAnswers): Section | undefined {
  const memory = together(answers, ({ memory: part }) => part);
  const pids = together(answers, ({ pids: part }) => part);
  const blocks = [
    memory === undefined ? undefined : meter(vscode.l10n.t('Memory'), memory.usageBytes, memory.limit, bytesText),
    pids === undefined ? undefined : meter(vscode.l10n.t('Tasks'), pids.tasks, pids.limit, numberText),
    cpuMeter(together(answers, ({ cpu }) => cpu)),
  ].filter((block) => block !== undefined);
  // What a bar shows needs no words.
  const worded = (answer: CgroupsInspectResult) =>
    answer.badges.filter((badge) => badge !== 'throttled' && badge !== 'nearLimit' && !badge.startsWith('escape'));
  const badges = [...new Set(answers.flatMap((answer) => figuresText({ ...answer, figures: {}, badges: worded(answer) })))];
  const text: Block[] = badges.length === 0 ? [] : [{ kind: 'text', tone: 'plain', text: capitalized(badges.join(', ')) }];
  if (blocks.length + text.length === 0) return undefined;
  return { heading: vscode.l10n.t('At a glance'), blocks: [...text, ...blocks] };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function meter(
  label: string,
  usage: Figure<number>,
  limit: Figure<Limit>,
  words: (value: number) => string,
): Block | undefined {
  const used = number(usage);
  const most = isLacking(limit) || isUnknown(limit) ? undefined : (limit as Limit).own;
  if (used === undefined || most === undefined || most === null || most === 0) return undefined;
  const part = Math.min(1, used / most);
  const text = vscode.l10n.t('{0} of {1} ({2})', words(used), words(most), percentText(used / most));
  return { kind: 'meter', label, text, part, close: part >= CLOSE };
}

/** How many of its periods the limit cut short: a CPU limit is not filled but waited for. */
function cpuMeter(cpu: CgroupCpu | undefined): Block | undefined {
  const periods = number(cpu?.periods ?? null);
  const throttled = number(cpu?.throttledPeriods ?? null);
  if (periods === undefined || throttled === undefined || periods === 0) return undefined;
  const part = throttled / periods;
  const text = vscode.l10n.t('in {0} of {1} periods ({2})', numberText(throttled), numberText(periods), percentText(part));
  return { kind: 'meter', label: vscode.l10n.t('Throttled'), text, part, close: part >= CLOSE };
}

function cpuSection(answers: CgroupAnswers): Section | undefined {
  const cpu = together(answers, ({ cpu: part }) => part);
  if (cpu === undefined) return undefined;
  const period = number(cpu.periodMicros);
  const words: LimitWords = {
    own: (cores) => {
      const quota = number(cpu.quotaMicros);
      return quota === undefined || period === undefined ? cpuText(cores) : bandwidthText(quota, period);
    },
    amount: cpuText,
    headroom: false,
  };
  const ticks = answers.some(
    ({ version, cpu: part }) => version === 1 && !isLacking(part) && number(part.userMicros) !== undefined,
  );
  const split = (value: number) =>
    plain(durationText(value), ticks ? vscode.l10n.t('counted by clock ticks, so only about') : undefined);
  return {
    heading: vscode.l10n.t('CPU'),
    blocks: [
      ...facts(
        ...limitFacts(vscode.l10n.t('Limit'), cpu.limit, answers, words),
        fact(vscode.l10n.t('Used'), cpu.usageMicros, time),
        fact(vscode.l10n.t('By programs'), cpu.userMicros, split),
        fact(vscode.l10n.t('By the kernel'), cpu.systemMicros, split),
        fact(vscode.l10n.t('Throttled'), cpu.throttledPeriods, (count) => throttledValue(count, cpu)),
        fact(vscode.l10n.t('Burst'), cpu.burstMicros, (value) =>
          value === 0 ? none(vscode.l10n.t('none')) : plain(vscode.l10n.t('{0} µs may be saved up', numberText(value))),
        ),
        fact(vscode.l10n.t('Weight'), cpu.weight, ({ value, file, shareOfSiblings }) =>
          plain(
            numberText(value),
            shareOfSiblings === null
              ? file
              : vscode.l10n.t('{0}; {1} of the CPU when all its siblings want it', file, percentText(shareOfSiblings)),
          ),
        ),
        fact(vscode.l10n.t('Clamp'), cpu.uclamp, ({ minPercent, maxPercent }) =>
          plain(vscode.l10n.t('{0} % to {1} %', minPercent, maxPercent)),
        ),
      ),
      ...pressureBlocks(vscode.l10n.t('the CPU'), cpu.pressure),
    ],
  };
}

function throttledValue(count: number, { periods, throttledMicros }: CgroupCpu): Value {
  const all = number(periods);
  const total = number(throttledMicros);
  const text =
    all === undefined ? numberText(count) : vscode.l10n.t('in {0} of {1} periods', numberText(count), numberText(all));
  if (count === 0) return none(text);
  return total === undefined ? plain(text) : plain(text, vscode.l10n.t('{0} in total', durationText(total)));
}

function memorySection(answers: CgroupAnswers): Section | undefined {
  const memory = together(answers, ({ memory: part }) => part);
  if (memory === undefined) return undefined;
  const words: LimitWords = {
    own: (value) => vscode.l10n.t('{0} ({1} bytes)', bytesText(value), numberText(value)),
    amount: bytesText,
    headroom: true,
  };
  return {
    heading: vscode.l10n.t('Memory'),
    blocks: [
      ...facts(
        ...limitFacts(vscode.l10n.t('Limit'), memory.limit, answers, words),
        fact(vscode.l10n.t('Used'), memory.usageBytes, bytes),
        fact(vscode.l10n.t('Working set'), memory.workingSetBytes, (value) =>
          plain(bytesText(value), vscode.l10n.t('without the inactive file cache')),
        ),
        fact(vscode.l10n.t('Most ever used'), memory.peakBytes, bytes),
        fact(vscode.l10n.t('Throttled above'), memory.highBytes, (value) =>
          value === null ? none(vscode.l10n.t('none')) : bytes(value),
        ),
        fact(vscode.l10n.t('Protected (low)'), memory.lowBytes, protectedValue),
        fact(vscode.l10n.t('Protected (min)'), memory.minBytes, protectedValue),
        ...swapFacts(answers, memory, words),
        fact(vscode.l10n.t('Killed together'), memory.oomGroup, yesNo),
        fact(vscode.l10n.t('Events'), memory.events, eventsValue),
      ),
      {
        kind: 'details',
        summary: vscode.l10n.t('What it is made of'),
        blocks: [
          ...facts(
            fact(vscode.l10n.t('Anonymous'), memory.anonBytes, bytes),
            fact(vscode.l10n.t('File cache'), memory.fileBytes, bytes),
            fact(vscode.l10n.t('Kernel'), memory.kernelBytes, bytes),
            fact(vscode.l10n.t('Slab'), memory.slabBytes, bytes),
            fact(vscode.l10n.t('Swap'), memory.swapBytes, bytes),
          ),
        ],
      },
      ...pressureBlocks(vscode.l10n.t('memory'), memory.pressure),
    ],
  };
}

function protectedValue(value: number): Value {
  return value === 0 ? none(vscode.l10n.t('none')) : bytes(value);
}

/** v1 limits memory and swap together, as the name of the file says. */
function swapFacts(answers: CgroupAnswers, { swapLimit }: CgroupMemory, words: LimitWords): FoundFact[] {
  const together = !isLacking(swapLimit) && !isUnknown(swapLimit) && (swapLimit as Limit).file.includes('memsw');
  const label = together ? vscode.l10n.t('Limit with swap') : vscode.l10n.t('Swap limit');
  return limitFacts(label, swapLimit, answers, words).slice(0, 1);
}

function eventsValue(events: { low?: number; high?: number; max?: number; oom?: number; oomKills?: number }): Value {
  const words: [number | undefined, string][] = [
    [events.oomKills, vscode.l10n.t('killed when out of memory')],
    [events.oom, vscode.l10n.t('out of memory')],
    [events.max, vscode.l10n.t('limit reached')],
    [events.high, vscode.l10n.t('throttled')],
    [events.low, vscode.l10n.t('protection broken')],
  ];
  const told = words.filter(([count]) => count !== undefined && count > 0);
  if (told.length === 0) return none(vscode.l10n.t('none'));
  const text = told.map(([count, word]) => `${word}: ${numberText(count ?? 0)}`).join(', ');
  return { text, tone: (events.oomKills ?? 0) > 0 ? 'danger' : 'plain' };
}

function ioSection(answers: CgroupAnswers): Section | undefined {
  const io = together(answers, ({ io: part }) => part);
  if (io === undefined) return undefined;
  const devices = isLacking(io.devices) || isUnknown(io.devices) ? undefined : (io.devices as CgroupIoDevice[]);
  const blocks: Block[] =
    devices === undefined || devices.length === 0
      ? facts(fact(vscode.l10n.t('Devices'), io.devices, () => none(vscode.l10n.t('none was used or limited yet'))))
      : [{ kind: 'table', table: ioTable(devices) }];
  return {
    heading: vscode.l10n.t('I/O'),
    blocks: [
      ...blocks,
      ...facts(fact(vscode.l10n.t('Weight'), io.weight, (value) => plain(numberText(value)))),
      ...pressureBlocks(vscode.l10n.t('I/O'), io.pressure),
    ],
  };
}

function ioTable(devices: readonly CgroupIoDevice[]): Table {
  const amount = (done: number | undefined, limit: number | null, words: (value: number) => string): Value => {
    const text = done === undefined ? '–' : words(done);
    return limit === null ? plain(text) : plain(text, vscode.l10n.t('at most {0} a second', words(limit)));
  };
  return {
    caption: vscode.l10n.t('What was read and written, by device'),
    columns: [
      vscode.l10n.t('Device'),
      vscode.l10n.t('Read'),
      vscode.l10n.t('Written'),
      vscode.l10n.t('Reads'),
      vscode.l10n.t('Writes'),
    ],
    rows: devices.map(({ device, name, limits, ...done }) => ({
      cells: [
        name === undefined ? code(device) : { ...code(name), note: device },
        amount(done.readBytes, limits.readBytes, bytesText),
        amount(done.writtenBytes, limits.writtenBytes, bytesText),
        amount(done.readOperations, limits.readOperations, numberText),
        amount(done.writeOperations, limits.writeOperations, numberText),
      ],
    })),
  };
}

function tasksSection(answers: CgroupAnswers): Section | undefined {
  const pids = together(answers, ({ pids: part }) => part);
  if (pids === undefined) return undefined;
  return {
    heading: vscode.l10n.t('Processes and threads'),
    blocks: [
      ...facts(
        ...limitFacts(vscode.l10n.t('Limit'), pids.limit, answers, { own: tasksText, amount: tasksText, headroom: true }),
        fact(vscode.l10n.t('Now'), pids.tasks, (value) => plain(tasksText(value), vscode.l10n.t('with all below it'))),
        fact(vscode.l10n.t('Refused'), pids.limitHits, (value) =>
          value === 0 ? none(vscode.l10n.t('never')) : plain(vscode.l10n.t('{0} times', numberText(value))),
        ),
      ),
    ],
  };
}

function cpusetSection(answers: CgroupAnswers): Section | undefined {
  const cpuset = first(answers, ({ cpuset: part }) => part);
  if (cpuset === undefined) return undefined;
  const list = (text: string) => (text.trim() === '' ? none(vscode.l10n.t('as the cgroup above')) : code(text.trim()));
  return {
    heading: vscode.l10n.t('Which CPUs and memory nodes'),
    blocks: [
      ...facts(
        fact(vscode.l10n.t('CPUs'), cpuset.cpus, list),
        fact(vscode.l10n.t('Effective CPUs'), cpuset.effectiveCpus, list),
        fact(vscode.l10n.t('Memory nodes'), cpuset.mems, list),
        fact(vscode.l10n.t('Effective nodes'), cpuset.effectiveMems, list),
      ),
    ],
  };
}

function hugetlbSection(answers: CgroupAnswers): Section | undefined {
  const pages = first(answers, ({ hugetlb }) => hugetlb);
  if (pages === undefined || pages.length === 0) return undefined;
  const limit = (figure: Figure<Limit>) =>
    shown(figure, ({ own }) => (own === null ? none(vscode.l10n.t('none')) : bytes(own)));
  const table: Table = {
    caption: vscode.l10n.t('Huge pages, by size'),
    columns: [vscode.l10n.t('Page size'), vscode.l10n.t('Used'), vscode.l10n.t('Limit')],
    rows: pages.map((page) => ({ cells: [code(page.pageSize), shown(page.usageBytes, bytes), limit(page.limit)] })),
  };
  return { heading: vscode.l10n.t('Huge pages'), blocks: [{ kind: 'table', table }] };
}

function freezerSection(answers: CgroupAnswers): Section | undefined {
  const freezer = first(answers, ({ freezer: part }) => part);
  if (freezer === undefined) return undefined;
  const { frozen, self, state } = freezer;
  const text = frozen
    ? self
      ? vscode.l10n.t('frozen by itself')
      : vscode.l10n.t('frozen with a cgroup above it')
    : self
      ? vscode.l10n.t('freezing')
      : vscode.l10n.t('running');
  return {
    heading: vscode.l10n.t('Freezer'),
    blocks: [...facts({ label: vscode.l10n.t('State'), value: plain(text, oneLine(state, 60)) })],
  };
}

function devicesSection(answers: CgroupAnswers): Section | undefined {
  const devices = first(answers, ({ devices: part }) => part);
  if (devices === undefined) return undefined;
  const heading = vscode.l10n.t('Devices that may be used');
  if ('list' in devices) {
    const names = devices.list.map((line) => ({ text: oneLine(line, 60) }));
    if (names.length === 0)
      return { heading, blocks: [{ kind: 'text', tone: 'plain', text: vscode.l10n.t('None may be used.') }] };
    return { heading, blocks: [{ kind: 'names', label: heading, names }] };
  }
  const value = isUnknown(devices.bpf)
    ? { text: unknownText(devices.bpf), tone: 'unknown' as const }
    : plain(
        devices.bpf
          ? vscode.l10n.t('a BPF program that is attached here decides')
          : vscode.l10n.t('no BPF program is attached here; those above decide'),
      );
  return { heading, blocks: [...facts({ label: vscode.l10n.t('On v2'), value })] };
}

function eventsSection(answers: CgroupAnswers): Section | undefined {
  const list = [
    ...notifyFacts(answers),
    ...answers.flatMap((answer) =>
      isLacking(answer.events) ? [] : [fact('cgroup.events', answer.events, (events) => code(entriesText(events)))],
    ),
    ...answers.flatMap((answer) =>
      isLacking(answer.childControllers)
        ? []
        : [
            fact(vscode.l10n.t('Controllers for children'), answer.childControllers, (names) =>
              names.length === 0 ? none(vscode.l10n.t('none')) : plain(names.join(', ')),
            ),
          ],
    ),
  ];
  return list.length === 0 ? undefined : { heading: vscode.l10n.t('Events and children'), blocks: facts(...list) };
}

function entriesText(entries: Record<string, number>): string {
  return Object.entries(entries)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

/** One line for all hierarchies of v1: it is off in all of them nearly always. */
function notifyFacts(answers: CgroupAnswers): FoundFact[] {
  const v1 = answers.filter(({ notifyOnRelease }) => !isLacking(notifyOnRelease));
  if (v1.length === 0) return [];
  const label = 'notify_on_release';
  const unknown = v1.find(({ notifyOnRelease }) => isUnknown(notifyOnRelease));
  if (unknown !== undefined) return [fact(label, unknown.notifyOnRelease, yesNo)];
  const on = v1.filter(({ notifyOnRelease }) => notifyOnRelease === true).map(({ hierarchy }) => hierarchyTitle(hierarchy));
  if (on.length === 0) return [{ label, value: none(vscode.l10n.t('off')) }];
  const note = vscode.l10n.t('the release agent runs when it empties');
  return [{ label, value: plain(vscode.l10n.t('on in {0}', on.join(', ')), note) }];
}

function othersSection(answers: CgroupAnswers): Section | undefined {
  const files = answers.flatMap(({ others }) => others);
  if (files.length === 0) return undefined;
  const list = files.map(({ file, text }): Fact => ({ label: file, value: code(text.trim(), 400) }));
  return {
    heading: vscode.l10n.t('Other controllers'),
    blocks: [{ kind: 'details', summary: vscode.l10n.t('{0} files', files.length), blocks: facts(...list) }],
  };
}

function processesSection(answers: CgroupAnswers): Section {
  const heading = vscode.l10n.t('Processes in it');
  const fullest = [...answers].sort((a, b) => (b.memberCount ?? 0) - (a.memberCount ?? 0))[0]!;
  const { members } = fullest;
  if (isUnknown(members)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(members) }] };
  if (members.length === 0) {
    const text = fullest.populated
      ? vscode.l10n.t('None is in this very cgroup; there are some below it.')
      : vscode.l10n.t('None is in it or below it.');
    return { heading, blocks: [{ kind: 'text', tone: 'muted', text }] };
  }
  const names = members.slice(0, MOST_MEMBERS).map((member) => ({
    text: member.tid === undefined ? processName(member) : `${processName(member)} › ${member.tid}`,
  }));
  const more = members.length - names.length;
  const blocks: Block[] = [{ kind: 'names', label: heading, names }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} more', numberText(more)) });
  return { heading, blocks };
}

/** What no answer has, in one place: on v1 each hierarchy has its own controllers. */
function lackingSection(answers: CgroupAnswers): Section | undefined {
  const names: Partial<Record<keyof CgroupsInspectResult, string>> = {
    cpu: vscode.l10n.t('CPU'),
    memory: vscode.l10n.t('Memory'),
    io: vscode.l10n.t('I/O'),
    pids: vscode.l10n.t('Tasks'),
    cpuset: vscode.l10n.t('CPUs and memory nodes'),
    hugetlb: vscode.l10n.t('Huge pages'),
    freezer: vscode.l10n.t('Freezer'),
    devices: vscode.l10n.t('Devices'),
  };
  const list = (Object.entries(names) as [keyof CgroupsInspectResult, string][]).flatMap(([part, label]): FoundFact[] => {
    const values = answers.map((answer) => answer[part]);
    const why = values.find(isLacking);
    if (why === undefined || !values.every(isLacking)) return [];
    return [{ label, value: plain(''), lacking: why.lacking }];
  });
  return list.length === 0 ? undefined : { heading: vscode.l10n.t('Not here'), blocks: facts(...list) };
}

function filesSection(answers: CgroupAnswers): Section {
  const blocks = answers.map((answer): Block => {
    const names = answer.files.map(({ name, writable }) => ({
      text: writable ? name : vscode.l10n.t('{0} (read-only)', name),
    }));
    const summary = vscode.l10n.t('{0} ({1} files)', answer.directory, answer.files.length);
    return { kind: 'details', summary, blocks: [{ kind: 'names', label: answer.directory, names }] };
  });
  return { heading: vscode.l10n.t('Files'), blocks };
}
