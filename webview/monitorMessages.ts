/**
 * What the monitor's page and the extension say to each other. Types only. The extension makes rates of counters and words of facts; the page
 * draws, and formats numbers.
 */
import type { FromPage, ToPage } from './messages.ts';

/** What a chart shows. */
export type MonitorFigure =
  | 'cpu'
  | 'memory'
  | 'workingSet'
  | 'read'
  | 'written'
  | 'readOperations'
  | 'writeOperations'
  | 'tasks'
  | 'throttledPeriods'
  | 'throttledTime'
  | 'cpuPressure'
  | 'memoryPressure'
  | 'ioPressure';

/** Those that are sums over block devices. */
export type MonitorDeviceFigure = Extract<MonitorFigure, 'read' | 'written' | 'readOperations' | 'writeOperations'>;

/** `percent` is 0 to 100; `millisPerSecond` the milliseconds of each second, more than 1,000 where several CPUs add theirs. */
export type MonitorUnit =
  | 'cores'
  | 'bytes'
  | 'bytesPerSecond'
  | 'operationsPerSecond'
  | 'tasks'
  | 'percent'
  | 'millisPerSecond';

/** One cgroup (on v1 with its namesakes of other hierarchies) at one moment. What is absent is a gap in the line. */
export interface MonitorReading {
  values: Partial<Record<MonitorFigure, number>>;
  limits: Partial<Record<MonitorFigure, number>>;
  /** The same over all the time since the cgroup was made, of figures of which that says something. */
  sinceMade?: Partial<Record<MonitorFigure, number>>;
  /** The same of each block device, by its name. */
  devices?: Record<string, Partial<Record<MonitorDeviceFigure, number>>>;
}

/** One moment, by `key` of the cgroups. Without any reading it breaks every line. */
export interface MonitorPoint {
  /** Milliseconds since the Unix epoch; later than that of every point before. */
  timeMillis: number;
  readings: Record<string, MonitorReading>;
}

export interface MonitorSeries {
  key: string;
  title: string;
  /** Where it is: path, and on v1 hierarchies. */
  place: string;
  gone: boolean;
  /** Why nothing is known of it, or of a part of it, at present. */
  heldBack?: string;
  /** Why there is no such figure, for those that there are not. */
  lacking: Partial<Record<MonitorFigure, string>>;
}

export interface MonitorChart {
  figure: MonitorFigure;
  title: string;
  unit: MonitorUnit;
  /** What is measured, in a sentence. */
  explanation: string;
}

/** Every word of the page that is not one of a message. `{0}` stands for what the page puts in. */
export interface MonitorWords {
  title: string;
  pause: string;
  resume: string;
  paused: string;
  window: string;
  windows: { minutes: number; label: string }[];
  cpuUnit: string;
  cores: string;
  percent: string;
  /** `{0}` the number. */
  coresValue: string;
  oneCore: string;
  showAsTable: string;
  exportCsv: string;
  exportJson: string;
  add: string;
  /** `{0}` the cgroup. */
  remove: string;
  cgroups: string;
  charts: string;
  gone: string;
  limit: string;
  now: string;
  /** `{0}` the time. */
  at: string;
  noValue: string;
  /** `{0}` the value of now, `{1}` that since the cgroup was made. */
  sinceMade: string;
  unavailable: string;
  /** `{0}` the chart's title, `{1}` its explanation. */
  chartLabel: string;
  table: { caption: string; figure: string; cgroup: string; now: string; mean: string; maximum: string; limit: string };
}

/** What is remembered of the page by the window, and given back after a reload. */
export interface MonitorState {
  cgroups: { hierarchy: string; path: string; ino: number }[];
  minutes: number;
  percent: boolean;
  table: boolean;
}

export type ToMonitor =
  | Extract<ToPage, { type: 'loading' | 'failed' }>
  /** Everything: sent when the page is ready, and when cgroups came, went or vanished. */
  | {
      type: 'monitor';
      words: MonitorWords;
      charts: MonitorChart[];
      series: MonitorSeries[];
      cgroups: MonitorState['cgroups'];
      points: MonitorPoint[];
      keptMillis: number;
      /** False when the last point is of the past: nothing is sampled any more. */
      live: boolean;
      /** When a person stopped the picture, before the page was hidden. */
      pausedAt?: number;
      notice?: Extract<ToPage, { type: 'page' }>['notice'];
    }
  /** What came since: the next second. */
  | { type: 'points'; points: MonitorPoint[] };

export type FromMonitor =
  | FromPage
  /** The person stopped the picture at this time, or lets it go on. */
  | { type: 'paused'; at?: number }
  | { type: 'add' }
  | { type: 'remove'; key: string }
  | { type: 'export'; format: 'csv' | 'json' };
