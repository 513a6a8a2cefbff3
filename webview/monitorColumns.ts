/** The points of a monitor as columns to draw and figures to read. */
import type { MonitorDeviceFigure, MonitorFigure, MonitorPoint, MonitorReading } from './monitorMessages.ts';

/** `null` is a gap. */
export type Column = (number | null)[];

export function valueColumn(points: readonly MonitorPoint[], key: string, figure: MonitorFigure): Column {
  return points.map(({ readings }) => readings[key]?.values[figure] ?? null);
}

export function limitColumn(points: readonly MonitorPoint[], key: string, figure: MonitorFigure): Column {
  return points.map(({ readings }) => readings[key]?.limits[figure] ?? null);
}

export function isOfDevices(figure: MonitorFigure): figure is MonitorDeviceFigure {
  return figure === 'read' || figure === 'written' || figure === 'readOperations' || figure === 'writeOperations';
}

/** What a figure is made up of: the block devices with the most of it first. */
export function deviceValues(reading: MonitorReading | undefined, figure: MonitorFigure): [device: string, value: number][] {
  if (!isOfDevices(figure)) return [];
  const values = Object.entries(reading?.devices ?? {}).flatMap(([device, { [figure]: value }]): [string, number][] =>
    value === undefined ? [] : [[device, value]],
  );
  return values.sort(([one, first], [other, second]) => second - first || (one < other ? -1 : 1));
}

/** Positions of values with a gap on both sides: no line leads to them, so they are drawn as points. */
export function lonelyPositions(column: ArrayLike<number | null | undefined>): number[] {
  const lonely: number[] = [];
  const isGap = (position: number) => (column[position] ?? null) === null;
  for (let position = 0; position < column.length; position += 1) {
    if (!isGap(position) && isGap(position - 1) && isGap(position + 1)) lonely.push(position);
  }
  return lonely;
}

export interface Summary {
  now: number | undefined;
  mean: number | undefined;
  maximum: number | undefined;
  limit: number | undefined;
}

/** `now` is of the last point. */
export function summaryOf(points: readonly MonitorPoint[], key: string, figure: MonitorFigure): Summary {
  const values = valueColumn(points, key, figure).filter((value) => value !== null);
  const reading = points.at(-1)?.readings[key];
  return {
    now: reading?.values[figure],
    mean: values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length,
    maximum: values.length === 0 ? undefined : values.reduce((most, value) => Math.max(most, value)),
    limit: reading?.limits[figure],
  };
}

/** A limit much above all values would press them to the ground: it is then only named, not drawn. */
const LIMIT_REACH = 3;

/** Up to where an axis goes: all of the values, the limits that are near, and some air. */
export function axisTop(values: readonly Column[], limits: readonly Column[], floor: number): number {
  const most = (columns: readonly Column[], below: number) =>
    columns.flat().reduce<number>((top, value) => (value !== null && value <= below ? Math.max(top, value) : top), 0);
  const highest = Math.max(most(values, Number.POSITIVE_INFINITY), floor);
  return Math.max(highest, most(limits, highest * LIMIT_REACH)) * 1.15;
}

/** Those of `points` that are shown: `minutes` up to `end`. */
export function within(points: readonly MonitorPoint[], end: number, minutes: number): MonitorPoint[] {
  const begin = end - minutes * 60_000;
  return points.filter(({ timeMillis }) => timeMillis >= begin && timeMillis <= end);
}
