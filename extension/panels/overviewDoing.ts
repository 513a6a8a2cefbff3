/** How a container is doing, on its overview: its figures with the lines of their last minutes, and what went wrong. */
import * as vscode from 'vscode';
import type { Figure, Limit } from '../../helper/protocol/cgroups.ts';
import type { Block, Fact, LiveFigure, Section } from '../../webview/messages.ts';
import { bytesText, cpuText, numberText, percentText, tasksText } from '../words/cgroupWords.ts';
import { isUnknown, parts } from '../words/hostWords.ts';
import { type CgroupAnswers, CLOSE, isLacking, number, plain, together } from './cgroupFacts.ts';
import type { Moment } from './overviewMoments.ts';
import { fact, knownValue, noted, type OverviewSubject, unreadBlock } from './overviewParts.ts';

export function doingSection({ reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('How it is doing');
  const unread = unreadBlock(reading.cgroups);
  const answers = knownValue(reading.cgroups);
  if (unread !== undefined || answers === undefined) return { heading, blocks: unread === undefined ? [] : [unread] };
  const { moments } = reading;
  const figures = [cpuFigure(answers, moments), memoryFigure(answers, moments), tasksFigure(answers, moments)];
  const disk = moments.map(({ values }): Rates => [values.read, values.written]);
  const carried = moments.map(({ received, sent }): Rates => [received, sent]);
  const rates = [
    rateFigure(vscode.l10n.t('Disk'), disk, vscode.l10n.t('read'), vscode.l10n.t('written')),
    rateFigure(vscode.l10n.t('Network'), carried, vscode.l10n.t('received'), vscode.l10n.t('sent')),
  ];
  const shown = [...figures, ...rates].filter((figure) => figure !== undefined);
  const blocks: Block[] = shown.length === 0 ? [] : [{ kind: 'live', figures: shown }];
  blocks.push(...troubles(answers, moments));
  if (blocks.length === 0) blocks.push({ kind: 'text', tone: 'unknown', text: vscode.l10n.t('None of its figures is known.') });
  return { heading, blocks };
}

function cpuFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const cpu = together(answers, (answer) => answer.cpu);
  if (cpu === undefined) return undefined;
  const points = moments.map(({ values }) => values.cpu ?? null);
  const now = points.at(-1) ?? undefined;
  const limit = effective(cpu.limit);
  const throttled = moments.at(-1)?.values.throttledPeriods ?? 0;
  const most = limit === undefined ? undefined : vscode.l10n.t('at most {0}', cpuText(limit));
  return {
    label: 'CPU',
    text: now === undefined ? vscode.l10n.t('not known yet') : cpuText(now),
    ...noted(
      parts(most, throttled > 0 ? vscode.l10n.t('throttled in {0} of its periods', percentText(throttled / 100)) : undefined),
    ),
    points,
    top: limit ?? Math.max(0.1, ...points.map((value) => value ?? 0)),
    isLimited: limit !== undefined,
    close: throttled > 0,
  };
}

function memoryFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const memory = together(answers, (answer) => answer.memory);
  if (memory === undefined) return undefined;
  const points = moments.map(({ values }) => values.memory ?? null);
  const usage = points.at(-1) ?? number(memory.usageBytes);
  const limit = effective(memory.limit);
  return {
    label: vscode.l10n.t('Memory'),
    text: ofLimit(usage === undefined ? undefined : bytesText(usage), limit === undefined ? undefined : bytesText(limit)),
    ...noted(cacheText(usage, moments.at(-1)?.values.workingSet ?? number(memory.workingSetBytes))),
    points,
    top: limit ?? Math.max(1, ...points.map((value) => (value ?? 0) * 1.25)),
    isLimited: limit !== undefined,
    close: usage !== undefined && limit !== undefined && usage >= CLOSE * limit,
  };
}

/** How much of it the kernel takes back when it needs to. */
function cacheText(usage: number | undefined, workingSet: number | undefined): string | undefined {
  if (usage === undefined || workingSet === undefined || usage - workingSet < usage / 10) return undefined;
  return vscode.l10n.t('{0} without cache', bytesText(workingSet));
}

function tasksFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const pids = together(answers, (answer) => answer.pids);
  if (pids === undefined) return undefined;
  const points = moments.map(({ values }) => values.tasks ?? null);
  const now = points.at(-1) ?? number(pids.tasks);
  const limit = effective(pids.limit);
  return {
    label: vscode.l10n.t('Tasks'),
    text: ofLimit(now === undefined ? undefined : numberText(now), limit === undefined ? undefined : tasksText(limit)),
    points,
    top: Math.max(1, ...points.map((value) => (value ?? 0) * 1.25)),
    isLimited: false,
    close: now !== undefined && limit !== undefined && now >= CLOSE * limit,
  };
}

/** "12 MiB of 64 MiB"; without a limit what is used alone. */
function ofLimit(used: string | undefined, limit: string | undefined): string {
  const now = used ?? vscode.l10n.t('not known yet');
  return limit === undefined ? now : vscode.l10n.t('{0} of {1}', now, limit);
}

function effective(limit: Figure<Limit>): number | undefined {
  if (isLacking(limit) || isUnknown(limit)) return undefined;
  return (limit as Limit).effective?.value;
}

/** Bytes a second in and out. */
type Rates = readonly [number | undefined, number | undefined];

function rateFigure(label: string, moments: readonly Rates[], intoWord: string, outWord: string): LiveFigure | undefined {
  const points = moments.map(([into, out]) => (into === undefined || out === undefined ? null : into + out));
  const [one, other] = moments.at(-1) ?? [];
  if (one === undefined || other === undefined) return undefined;
  return {
    label,
    text:
      one + other === 0
        ? vscode.l10n.t('nothing now')
        : vscode.l10n.t('{0}/s {1}, {2}/s {3}', bytesText(Math.round(one)), intoWord, bytesText(Math.round(other)), outWord),
    points,
    top: Math.max(1024, ...points.map((value) => value ?? 0)),
    isLimited: false,
    close: false,
  };
}

/** What went wrong since it was made, and what is held up now. */
function troubles(answers: CgroupAnswers, moments: readonly Moment[]): Block[] {
  const facts: Fact[] = [];
  const events = together(answers, (answer) => answer.memory)?.events;
  const kills = events === undefined || isLacking(events) || isUnknown(events) ? undefined : events.oomKills;
  if (kills !== undefined && kills > 0) {
    const text = kills === 1 ? vscode.l10n.t('once') : vscode.l10n.t('{0} times', numberText(kills));
    facts.push(fact(vscode.l10n.t('Killed for memory'), { text, tone: 'danger', link: 'cgroup' }));
  }
  const pressed = pressures(moments);
  if (pressed.length > 0) facts.push(fact(vscode.l10n.t('Pressure'), { ...plain(pressed.join(', ')), link: 'cgroup' }));
  return facts.length === 0 ? [] : [{ kind: 'facts', facts }];
}

/** Of the time since the sample before. Less than one percent is nothing to speak of. */
function pressures(moments: readonly Moment[]): string[] {
  const { cpuPressure = 0, memoryPressure = 0, ioPressure = 0 } = moments.at(-1)?.values ?? {};
  const kinds = [
    ['CPU', cpuPressure],
    [vscode.l10n.t('memory'), memoryPressure],
    [vscode.l10n.t('I/O'), ioPressure],
  ] as const;
  return kinds.flatMap(([name, percent]) =>
    percent < 1 ? [] : [vscode.l10n.t('waits for {0} {1} of the time', name, percentText(percent / 100))],
  );
}
