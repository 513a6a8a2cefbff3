/** The sections of a page on cgroups for what controllers count and limit: CPU, memory, I/O, tasks and the others. */
import * as vscode from 'vscode';
import type { CgroupCpu, CgroupIoDevice, CgroupMemory, CpusetPartition, Figure, Limit } from '../../helper/protocol/cgroups.ts';
import type { Block, Section, Table, Value } from '../../webview/messages.ts';
import { oneLine } from '../plain/plainText.ts';
import {
  bandwidthText,
  bytesText,
  cpuText,
  durationText,
  numberText,
  partitionText,
  percentText,
  shortPath,
  tasksText,
} from '../words/cgroupWords.ts';
import { isUnknown, unknownText } from '../words/hostWords.ts';
import {
  bytes,
  type CgroupAnswers,
  code,
  type FoundFact,
  fact,
  facts,
  first,
  isLacking,
  type LimitWords,
  limitFacts,
  none,
  number,
  plain,
  pressureBlocks,
  shown,
  time,
  together,
  yesNo,
} from './cgroupFacts.ts';

/** `before`: the answers of a moment ago, which tell what is throttled now. */
export function cpuSection(answers: CgroupAnswers, before: CgroupAnswers | undefined): Section | undefined {
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
    plain(durationText(value), ticks ? vscode.l10n.t('divided by clock ticks, so only about') : undefined);
  return {
    heading: vscode.l10n.t('CPU'),
    blocks: [
      ...facts(
        ...limitFacts(vscode.l10n.t('Limit'), cpu.limit, answers, words),
        fact(vscode.l10n.t('Used'), cpu.usageMicros, time),
        fact(vscode.l10n.t('By programs'), cpu.userMicros, split),
        fact(vscode.l10n.t('By the kernel'), cpu.systemMicros, split),
        fact(vscode.l10n.t('Throttled now'), cpu.throttledPeriods, (count) =>
          throttledValue(count, cpu, throttlingSince(before, cpu)),
        ),
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

/** What happened between two readings. */
export interface Throttling {
  throttled: number;
  periods: number;
}

/** Undefined before there are two, and when a counter began anew. */
export function throttlingSince(before: CgroupAnswers | undefined, now: CgroupCpu | undefined): Throttling | undefined {
  const earlier = before && together(before, ({ cpu }) => cpu);
  if (earlier === undefined || now === undefined) return undefined;
  const passed = (figure: (cpu: CgroupCpu) => Figure<number>) => {
    const [from, to] = [number(figure(earlier)), number(figure(now))];
    return from === undefined || to === undefined || to < from ? undefined : to - from;
  };
  const [throttled, periods] = [passed((cpu) => cpu.throttledPeriods), passed((cpu) => cpu.periods)];
  return throttled === undefined || periods === undefined ? undefined : { throttled, periods };
}

/** In words: of the periods that began since the reading before. */
export function throttledNow(since: Throttling | undefined): Value {
  if (since === undefined) return none(vscode.l10n.t('known from the next reading on'));
  if (since.throttled === 0) return none(vscode.l10n.t('no'));
  const [throttled, periods] = [numberText(since.throttled), numberText(since.periods)];
  return plain(vscode.l10n.t('in {0} of the last {1} periods', throttled, periods));
}

function throttledValue(count: number, { periods, throttledMicros }: CgroupCpu, since: Throttling | undefined): Value {
  const all = number(periods);
  const total = number(throttledMicros);
  if (count === 0) return { ...throttledNow(since), note: vscode.l10n.t('never since it was made') };
  const times =
    all === undefined ? numberText(count) : vscode.l10n.t('in {0} of {1} periods', numberText(count), numberText(all));
  const note =
    total === undefined
      ? vscode.l10n.t('since it was made {0}', times)
      : vscode.l10n.t('since it was made {0}, {1} in total', times, durationText(total));
  return { ...throttledNow(since), note };
}

export function memorySection(answers: CgroupAnswers): Section | undefined {
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
          {
            kind: 'text',
            tone: 'muted',
            text: vscode.l10n.t(
              'The kernel counts these apart from what is used, and up to two seconds late: they need not add up to it. Swap is beside it.',
            ),
          },
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

export function ioSection(answers: CgroupAnswers): Section | undefined {
  const io = together(answers, ({ io: part }) => part);
  if (io === undefined) return undefined;
  const devices = isLacking(io.devices) || isUnknown(io.devices) ? undefined : (io.devices as CgroupIoDevice[]);
  const blocks: Block[] =
    devices === undefined || devices.length === 0
      ? facts(fact(vscode.l10n.t('Devices'), io.devices, () => none(vscode.l10n.t('none was used or limited yet'))))
      : [{ kind: 'table', table: ioTable(devices) }];
  const uncounted = devices?.filter((device) => device.uncounted) ?? [];
  return {
    heading: vscode.l10n.t('I/O'),
    blocks: [
      ...blocks,
      ...(uncounted.length === 0 ? [] : facts(fact(vscode.l10n.t('Not counted'), uncountedText(uncounted), plain))),
      ...facts(fact(vscode.l10n.t('Weight'), io.weight, (value) => plain(numberText(value)))),
      ...pressureBlocks(vscode.l10n.t('I/O'), io.pressure),
    ],
  };
}

/** Why nothing is known of these disks, and what changes that. */
export function uncountedText(disks: readonly CgroupIoDevice[]): string {
  const names = disks.map(({ name, device }) => oneLine(name ?? device)).join(', ');
  return vscode.l10n.t(
    '{0}: since Linux 6.10, version 1 counts what is done on a disk only once a limit was set on it in any cgroup.',
    names,
  );
}

function ioTable(devices: readonly CgroupIoDevice[]): Table {
  const amount = (
    done: number | undefined,
    limit: number | null,
    words: (value: number) => string,
    uncounted = false,
  ): Value => {
    const text = done !== undefined ? words(done) : uncounted ? vscode.l10n.t('unknown') : '–';
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
    rows: devices.map(({ device, name, limits, uncounted, ...done }) => ({
      cells: [
        name === undefined ? code(device) : { ...code(name), note: device },
        amount(done.readBytes, limits.readBytes, bytesText, uncounted),
        amount(done.writtenBytes, limits.writtenBytes, bytesText, uncounted),
        amount(done.readOperations, limits.readOperations, numberText, uncounted),
        amount(done.writeOperations, limits.writeOperations, numberText, uncounted),
      ],
    })),
  };
}

export function tasksSection(answers: CgroupAnswers): Section | undefined {
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

export function cpusetSection(answers: CgroupAnswers): Section | undefined {
  const cpuset = first(answers, ({ cpuset: part }) => part);
  if (cpuset === undefined) return undefined;
  const list = (text: string) => (text.trim() === '' ? none(vscode.l10n.t('as the cgroup above')) : code(text.trim()));
  return {
    heading: vscode.l10n.t('Which CPUs and memory nodes'),
    blocks: [
      ...facts(
        fact(vscode.l10n.t('CPUs'), cpuset.cpus, list),
        fact(vscode.l10n.t('Effective CPUs'), cpuset.effectiveCpus, list),
        fact(vscode.l10n.t('CPU partition'), cpuset.cpuPartition, partitionValue),
        fact(vscode.l10n.t('Memory nodes'), cpuset.mems, list),
        fact(vscode.l10n.t('Effective nodes'), cpuset.effectiveMems, list),
      ),
    ],
  };
}

function partitionValue(partition: CpusetPartition): Value {
  const text = partitionText(partition) ?? '';
  if (partition.invalid !== undefined) return { text, tone: 'danger' };
  return partition.kind === 'member' ? none(text) : plain(text);
}

export function hugetlbSection(answers: CgroupAnswers): Section | undefined {
  const pages = first(answers, ({ hugetlb }) => hugetlb);
  if (pages === undefined || pages.length === 0) return undefined;
  const limit = (figure: Figure<Limit>) => shown(figure, (found) => pagesLimit(found, answers));
  const table: Table = {
    caption: vscode.l10n.t('Huge pages, by size; reserved are those that were promised to programs'),
    columns: [
      vscode.l10n.t('Page size'),
      vscode.l10n.t('Used'),
      vscode.l10n.t('Limit'),
      vscode.l10n.t('Reserved'),
      vscode.l10n.t('Limit of reserved'),
    ],
    rows: pages.map(({ pageSize, usageBytes, limit: most, reservedBytes, reservationLimit }) => ({
      cells: [code(pageSize), shown(usageBytes, bytes), limit(most), shown(reservedBytes, bytes), limit(reservationLimit)],
    })),
  };
  return { heading: vscode.l10n.t('Huge pages'), blocks: [{ kind: 'table', table }] };
}

/** Its own limit, and the one of a cgroup above where that binds. */
function pagesLimit({ own, effective }: Limit, answers: CgroupAnswers): Value {
  const value = own === null ? none(vscode.l10n.t('none')) : bytes(own);
  if (effective?.by === undefined || answers.some((answer) => answer.path === effective.by?.path)) return value;
  return { ...value, note: vscode.l10n.t('at most {0}, set by {1}', bytesText(effective.value), shortPath(effective.by.path)) };
}

export function freezerSection(answers: CgroupAnswers): Section | undefined {
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

export function devicesSection(answers: CgroupAnswers): Section | undefined {
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
