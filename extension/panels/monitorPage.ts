/** The words of the monitor's page: its charts, its controls, and why a figure is not there. */
import * as vscode from 'vscode';
import type { CgroupIo, CgroupIoDevice, CgroupsInspectResult, Lacking } from '../../helper/protocol/cgroups.ts';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { MonitorChart, MonitorFigure, MonitorWords } from '../../webview/monitorMessages.ts';
import { isUnknown, reasonText } from '../words/hostWords.ts';
import { uncountedText } from './cgroupResources.ts';

export function monitorCharts(): MonitorChart[] {
  return [
    {
      figure: 'cpu',
      title: vscode.l10n.t('CPU'),
      unit: 'cores',
      explanation: vscode.l10n.t('Time that its processes ran, in each second'),
    },
    {
      figure: 'memory',
      title: vscode.l10n.t('Memory usage'),
      unit: 'bytes',
      explanation: vscode.l10n.t('All that is charged to it, the file cache too'),
    },
    {
      figure: 'workingSet',
      title: vscode.l10n.t('Memory working set'),
      unit: 'bytes',
      explanation: vscode.l10n.t('Usage without the inactive file cache'),
    },
    {
      figure: 'read',
      title: vscode.l10n.t('I/O read'),
      unit: 'bytesPerSecond',
      explanation: vscode.l10n.t('Read from block devices'),
    },
    {
      figure: 'written',
      title: vscode.l10n.t('I/O written'),
      unit: 'bytesPerSecond',
      explanation: vscode.l10n.t('Written to block devices'),
    },
    {
      figure: 'readOperations',
      title: vscode.l10n.t('I/O read operations'),
      unit: 'operationsPerSecond',
      explanation: vscode.l10n.t('Requests to block devices to read, in each second'),
    },
    {
      figure: 'writeOperations',
      title: vscode.l10n.t('I/O write operations'),
      unit: 'operationsPerSecond',
      explanation: vscode.l10n.t('Requests to block devices to write, in each second'),
    },
    {
      figure: 'tasks',
      title: vscode.l10n.t('Tasks'),
      unit: 'tasks',
      explanation: vscode.l10n.t('Processes and their threads'),
    },
    {
      figure: 'throttledPeriods',
      title: vscode.l10n.t('CPU throttled'),
      unit: 'percent',
      explanation: vscode.l10n.t('Of the periods since the sample before, those in which the CPU limit stopped it'),
    },
    {
      figure: 'throttledTime',
      title: vscode.l10n.t('CPU throttled time'),
      unit: 'millisPerSecond',
      explanation: vscode.l10n.t('Time that the CPU limit stopped it, in each second; the kernel adds up that of all CPUs'),
    },
    {
      figure: 'cpuPressure',
      title: vscode.l10n.t('CPU pressure'),
      unit: 'percent',
      explanation: vscode.l10n.t('Time that some task waited for a CPU'),
    },
    {
      figure: 'memoryPressure',
      title: vscode.l10n.t('Memory pressure'),
      unit: 'percent',
      explanation: vscode.l10n.t('Time that some task waited for memory'),
    },
    {
      figure: 'ioPressure',
      title: vscode.l10n.t('I/O pressure'),
      unit: 'percent',
      explanation: vscode.l10n.t('Time that some task waited for I/O'),
    },
  ];
}

export function monitorWords(): MonitorWords {
  return {
    title: vscode.l10n.t('Monitor'),
    pause: vscode.l10n.t('Pause'),
    resume: vscode.l10n.t('Resume'),
    paused: vscode.l10n.t('Paused; samples go on while this tab is shown'),
    window: vscode.l10n.t('Time shown'),
    windows: [
      { minutes: 1, label: vscode.l10n.t('1 minute') },
      { minutes: 5, label: vscode.l10n.t('5 minutes') },
      { minutes: 15, label: vscode.l10n.t('15 minutes') },
    ],
    cpuUnit: vscode.l10n.t('Unit of CPU'),
    cores: vscode.l10n.t('Cores'),
    percent: vscode.l10n.t('% of one CPU'),
    coresValue: vscode.l10n.t('{0} cores'),
    oneCore: vscode.l10n.t('1 core'),
    showAsTable: vscode.l10n.t('Show as table'),
    exportCsv: vscode.l10n.t('Export CSV…'),
    exportJson: vscode.l10n.t('Export JSON…'),
    add: vscode.l10n.t('Add cgroup…'),
    remove: vscode.l10n.t('Remove {0}'),
    cgroups: vscode.l10n.t('Cgroups'),
    charts: vscode.l10n.t('Charts'),
    gone: vscode.l10n.t('gone'),
    limit: vscode.l10n.t('limit'),
    now: vscode.l10n.t('Now'),
    at: vscode.l10n.t('At {0}'),
    noValue: vscode.l10n.t('no value'),
    sinceMade: vscode.l10n.t('{0} ({1} since it was made)'),
    unavailable: vscode.l10n.t('Not available here'),
    chartLabel: vscode.l10n.t('{0}. {1}. Arrow keys move over the samples.'),
    table: {
      caption: vscode.l10n.t('Every figure of every cgroup, within the time shown'),
      figure: vscode.l10n.t('Figure'),
      cgroup: vscode.l10n.t('Cgroup'),
      now: vscode.l10n.t('Now'),
      mean: vscode.l10n.t('Mean'),
      maximum: vscode.l10n.t('Maximum'),
      limit: vscode.l10n.t('Limit'),
    },
  };
}

type Absent = Lacking | Unknown | { uncounted: CgroupIoDevice[] };

/** Why figures are not there, when none of the cgroup's `parts` has them. */
export function lackingFigures(parts: readonly CgroupsInspectResult[]): Partial<Record<MonitorFigure, string>> {
  const lacking: Partial<Record<MonitorFigure, string>> = {};
  if (parts.length === 0) return lacking;
  for (const { figure } of monitorCharts()) {
    const reasons = parts.map((part) => absence(part, figure));
    if (reasons.every((reason) => reason !== undefined)) lacking[figure] = absenceText(reasons);
  }
  return lacking;
}

function absence({ cpu, memory, io, pids }: CgroupsInspectResult, figure: MonitorFigure): Absent | undefined {
  switch (figure) {
    case 'cpu':
      return absenceIn(cpu, ({ usageMicros }) => usageMicros);
    case 'throttledPeriods':
      return absenceIn(cpu, ({ throttledPeriods }) => throttledPeriods);
    case 'throttledTime':
      return absenceIn(cpu, ({ throttledMicros }) => throttledMicros);
    case 'cpuPressure':
      return absenceIn(cpu, ({ pressure }) => pressure);
    case 'memory':
      return absenceIn(memory, ({ usageBytes }) => usageBytes);
    case 'workingSet':
      return absenceIn(memory, ({ workingSetBytes }) => workingSetBytes);
    case 'memoryPressure':
      return absenceIn(memory, ({ pressure }) => pressure);
    case 'read':
    case 'written':
    case 'readOperations':
    case 'writeOperations':
      return absenceIn(io, ({ devices }) => devices) ?? uncountedIn(io);
    case 'ioPressure':
      return absenceIn(io, ({ pressure }) => pressure);
    case 'tasks':
      return absenceIn(pids, ({ tasks }) => tasks);
  }
}

/** Why a figure of a controller is not there: since nothing of the controller is, or for a reason of its own. */
function absenceIn<T extends object>(controller: T | Lacking, figureOf: (controller: T) => unknown): Absent | undefined {
  if (isLacking(controller)) return controller;
  const figure = figureOf(controller);
  return isUnknown(figure) || isLacking(figure) ? figure : undefined;
}

/** The sums over all devices are not known when one of them is not counted. */
function uncountedIn(io: CgroupIo | Lacking): Absent | undefined {
  const uncounted = 'devices' in io && Array.isArray(io.devices) ? io.devices.filter((device) => device.uncounted) : [];
  return uncounted.length === 0 ? undefined : { uncounted };
}

function isLacking(value: unknown): value is Lacking {
  return typeof value === 'object' && value !== null && 'lacking' in value;
}

/** The reason that says most: of v1's hierarchies, all but one lack a figure only because it is another's. */
function absenceText(reasons: readonly Absent[]): string {
  const unknown = reasons.find(isUnknown);
  if (unknown !== undefined) return vscode.l10n.t('Unknown: {0}.', reasonText(unknown.unknown));
  const uncounted = reasons.flatMap((reason) => ('uncounted' in reason ? reason.uncounted : []));
  if (uncounted.length > 0) return uncountedText(uncounted);
  const has = (lacking: Lacking['lacking']) => reasons.some((reason) => isLacking(reason) && reason.lacking === lacking);
  if (has('version')) return vscode.l10n.t('This version of cgroups does not have it.');
  if (has('kernel')) return vscode.l10n.t('This kernel was built without it, or has it turned off.');
  if (has('root')) return vscode.l10n.t('The root cgroup does not have it.');
  return vscode.l10n.t('The controller is not enabled for this cgroup.');
}
