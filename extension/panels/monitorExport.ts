/** The samples of a monitor as a file: CSV for spreadsheets, JSON for programs. */
import type { MonitorDeviceFigure, MonitorFigure, MonitorPoint } from '../../webview/monitorMessages.ts';
import type { MonitorSubject } from './monitorSubjects.ts';

export type ExportFormat = 'csv' | 'json';

/** Names with units, in the order of the columns. */
const VALUES: Record<MonitorFigure, string> = {
  cpu: 'cpu_cores',
  memory: 'memory_bytes',
  workingSet: 'memory_working_set_bytes',
  read: 'io_read_bytes_per_second',
  written: 'io_written_bytes_per_second',
  readOperations: 'io_read_operations_per_second',
  writeOperations: 'io_write_operations_per_second',
  tasks: 'tasks',
  throttledPeriods: 'cpu_throttled_periods_percent',
  throttledTime: 'cpu_throttled_milliseconds_per_second',
  cpuPressure: 'cpu_pressure_percent',
  memoryPressure: 'memory_pressure_percent',
  ioPressure: 'io_pressure_percent',
};
const OF_DEVICES: readonly MonitorDeviceFigure[] = ['read', 'written', 'readOperations', 'writeOperations'];
const LIMITS = { cpu: 'cpu_limit_cores', memory: 'memory_limit_bytes', tasks: 'tasks_limit' } as const;

interface Row {
  time: string;
  cgroup: string;
  hierarchies: string;
  path: string;
  figures: Record<string, number | null>;
}

/**
 * A row for every cgroup at every moment; a figure that there was not is empty, or `null`. Of each block device that there was there are columns of
 * its own, `io_read_bytes_per_second sda`.
 */
export function exportText(format: ExportFormat, subjects: readonly MonitorSubject[], points: readonly MonitorPoint[]): string {
  const devices = devicesOf(points);
  const rows = points.flatMap((point) => rowsOf(point, subjects, devices));
  return format === 'csv' ? csv(rows, devices) : `${JSON.stringify(rows.map(flat), undefined, 1)}\n`;
}

function devicesOf(points: readonly MonitorPoint[]): string[] {
  const devices = new Set<string>();
  for (const { readings } of points)
    for (const reading of Object.values(readings)) for (const device of Object.keys(reading.devices ?? {})) devices.add(device);
  return [...devices].sort();
}

function deviceColumn(figure: MonitorDeviceFigure, device: string): string {
  return `${VALUES[figure]} ${device}`;
}

function rowsOf(
  { timeMillis, readings }: MonitorPoint,
  subjects: readonly MonitorSubject[],
  devices: readonly string[],
): Row[] {
  return subjects.flatMap(({ key, title, cgroups }) => {
    const reading = readings[key];
    const [first] = cgroups;
    if (reading === undefined || first === undefined) return [];
    const figures: Record<string, number | null> = {};
    for (const [figure, name] of entries(VALUES)) figures[name] = reading.values[figure] ?? null;
    for (const [figure, name] of entries(LIMITS)) figures[name] = reading.limits[figure] ?? null;
    for (const device of devices)
      for (const figure of OF_DEVICES) figures[deviceColumn(figure, device)] = reading.devices?.[device]?.[figure] ?? null;
    const hierarchies = cgroups.map(({ hierarchy }) => hierarchy).join(' ');
    return [{ time: new Date(timeMillis).toISOString(), cgroup: title, hierarchies, path: first.path, figures }];
  });
}

function entries<K extends string, V>(record: Record<K, V>): [K, V][] {
  return Object.entries(record) as [K, V][];
}

function flat({ figures, ...row }: Row): Record<string, string | number | null> {
  return { ...row, ...figures };
}

/** RFC 4180: CRLF, and quotes where they are needed. */
function csv(rows: readonly Row[], devices: readonly string[]): string {
  const columns = [
    'time',
    'cgroup',
    'hierarchies',
    'path',
    ...Object.values(VALUES),
    ...Object.values(LIMITS),
    ...devices.flatMap((device) => OF_DEVICES.map((figure) => deviceColumn(figure, device))),
  ];
  const lines = rows.map((row) => {
    const cells = flat(row);
    return columns.map((column) => csvCell(cells[column] ?? null)).join(',');
  });
  return [columns.map(csvCell).join(','), ...lines, ''].join('\r\n');
}

function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A spreadsheet would run a name that begins like a formula.
  const inert = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
