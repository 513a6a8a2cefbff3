/** The monitor as a table: what a screen reader reads beside the charts, and what is seen instead of them when it is asked for. */

import { make } from './make.ts';
import { type Summary, summaryOf } from './monitorColumns.ts';
import { formatValue, type Shown } from './monitorFormat.ts';
import type { MonitorChart, MonitorPoint, MonitorSeries, MonitorWords } from './monitorMessages.ts';
import { scrollable } from './scrollable.ts';

interface Line {
  chart: MonitorChart;
  series: MonitorSeries;
  cells: Record<keyof Summary, HTMLElement>;
}

export class SummaryTable {
  readonly element: HTMLElement;
  private readonly lines: Line[] = [];

  constructor(charts: readonly MonitorChart[], allSeries: readonly MonitorSeries[], { table }: MonitorWords) {
    const heads = [table.figure, table.cgroup, table.now, table.mean, table.maximum, table.limit].map((text) =>
      head(text, 'col'),
    );
    const body = make('tbody', '');
    for (const chart of charts) for (const series of allSeries) body.append(this.row(chart, series));
    const caption = make('caption', '', table.caption);
    const content = make('table', '', caption, make('thead', '', make('tr', '', ...heads)), body);
    this.element = scrollable(make('div', 'table', content), table.caption);
  }

  private row(chart: MonitorChart, series: MonitorSeries): HTMLElement {
    const cells = { now: number(), mean: number(), maximum: number(), limit: number() };
    this.lines.push({ chart, series, cells });
    const { now, mean, maximum, limit } = cells;
    const row = make('tr', '', head(chart.title, 'row'), make('td', '', series.title), now, mean, maximum, limit);
    row.dataset.figure = chart.figure;
    return row;
  }

  draw(points: readonly MonitorPoint[], shown: Shown): void {
    for (const { chart, series, cells } of this.lines) {
      const summary = summaryOf(points, series.key, chart.figure);
      const lacking = series.lacking[chart.figure];
      for (const name of ['now', 'mean', 'maximum', 'limit'] as const) {
        const value = summary[name];
        const absent = name === 'now' && lacking !== undefined ? lacking : '–';
        const text = value === undefined ? absent : formatValue(value, chart.unit, shown);
        if (cells[name].textContent !== text) cells[name].textContent = text;
      }
    }
  }
}

function number(): HTMLElement {
  return make('td', 'number');
}

function head(text: string, scope: 'col' | 'row'): HTMLElement {
  const cell = make('th', '', text);
  cell.setAttribute('scope', scope);
  return cell;
}
