/** The monitor's page: draws what the extension sends, second by second. */
import 'uplot/dist/uPlot.min.css';
import './base.css';
import './page.css';
import './monitor.css';
import { make } from './make.ts';
import { Chart, swatch } from './monitorChart.ts';
import { within } from './monitorColumns.ts';
import { clock, fill, type Shown } from './monitorFormat.ts';
import type { FromMonitor, MonitorPoint, MonitorState, ToMonitor } from './monitorMessages.ts';
import { SummaryTable } from './monitorTable.ts';
import { onThemeChange } from './monitorTheme.ts';
import { banner, render } from './render.ts';
import { button, checkbox, dropdown, iconButton } from './toolkit.ts';

interface VsCode {
  postMessage(message: FromMonitor): void;
  getState(): Partial<MonitorState> | undefined;
  setState(state: MonitorState): void;
}
declare function acquireVsCodeApi(): VsCode;

type Monitor = Extract<ToMonitor, { type: 'monitor' }>;

const vscode = acquireVsCodeApi();
const state: MonitorState = { cgroups: [], minutes: 1, percent: false, table: false, ...vscode.getState() };
const main = document.querySelector('main') as HTMLElement;
/** What only a screen reader is told, once, when it happens. */
const announcement = make('p', 'hidden');
announcement.setAttribute('role', 'status');

let page: MonitorPage | undefined;

class MonitorPage {
  private monitor: Monitor;
  private points: MonitorPoint[] = [];
  private charts: Chart[] = [];
  private table: SummaryTable | undefined;
  /** Of a person who stopped the picture: the time that it ends at. */
  private pausedAt: number | undefined;
  private cursorMillis: number | undefined;
  private readonly notice = make('div', '');
  private readonly legend = make('ul', 'legend');
  private readonly time = make('p', 'time');
  private readonly grid = make('div', 'grid');
  private readonly tableBox = make('div', '');
  private readonly unavailable = make('section', 'unavailable');

  constructor(monitor: Monitor) {
    this.monitor = monitor;
    this.pausedAt = monitor.pausedAt;
    const { words } = monitor;
    this.legend.setAttribute('aria-label', words.cgroups);
    this.grid.setAttribute('role', 'group');
    this.grid.setAttribute('aria-label', words.charts);
    document.title = words.title;
    main.replaceChildren(
      make('h1', 'hidden', words.title),
      this.notice,
      this.controls(),
      this.legend,
      this.time,
      this.grid,
      this.tableBox,
      this.unavailable,
      announcement,
    );
    this.take(monitor);
  }

  /** Everything anew; charts stay where they show the same cgroups. */
  take(monitor: Monitor): void {
    const before = this.charts.length === 0 ? '' : structure(this.monitor);
    announceChanges(this.monitor, monitor);
    this.monitor = monitor;
    this.points = [...monitor.points];
    state.cgroups = monitor.cgroups;
    vscode.setState(state);
    const { notice } = monitor;
    this.notice.replaceChildren(...(notice === undefined ? [] : [banner(notice.text, notice.buttons, onButton)]));
    this.showLegend();
    if (structure(monitor) !== before) this.build();
    this.draw();
  }

  add(points: MonitorPoint[]): void {
    this.points.push(...points);
    const oldest = (this.points.at(-1)?.timeMillis ?? 0) - this.monitor.keptMillis;
    const surplus = this.points.findIndex(({ timeMillis }) => timeMillis >= oldest);
    if (surplus > 0) this.points.splice(0, surplus);
    if (this.pausedAt === undefined) this.draw();
  }

  dispose(): void {
    for (const chart of this.charts) chart.dispose();
  }

  recolour(): void {
    for (const chart of this.charts) chart.recolour();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Parts of the page

  private controls(): HTMLElement {
    const { words } = this.monitor;
    const pauseText = () => (this.pausedAt === undefined ? words.pause : words.resume);
    const pause = button(pauseText(), true, () => {
      this.pausedAt = this.pausedAt === undefined ? this.latest() : undefined;
      vscode.postMessage({ type: 'paused', ...(this.pausedAt === undefined ? {} : { at: this.pausedAt }) });
      pause.textContent = pauseText();
      announcement.textContent = this.pausedAt === undefined ? '' : words.paused;
      this.draw();
    });
    const windows = words.windows.map(({ minutes, label }) => ({ value: String(minutes), text: label }));
    const units = [
      { value: 'cores', text: words.cores },
      { value: 'percent', text: words.percent },
    ];
    return make(
      'div',
      'controls',
      pause,
      dropdown(words.window, windows, String(state.minutes), (value) => this.set({ minutes: Number(value) })),
      dropdown(words.cpuUnit, units, state.percent ? 'percent' : 'cores', (value) =>
        this.set({ percent: value === 'percent' }),
      ),
      checkbox(words.showAsTable, state.table, (table) => this.set({ table })),
      make('span', 'space'),
      button(words.add, false, () => vscode.postMessage({ type: 'add' })),
      button(words.exportCsv, false, () => vscode.postMessage({ type: 'export', format: 'csv' })),
      button(words.exportJson, false, () => vscode.postMessage({ type: 'export', format: 'json' })),
    );
  }

  private set(changed: Partial<MonitorState>): void {
    Object.assign(state, changed);
    vscode.setState(state);
    this.draw();
  }

  private showLegend(): void {
    const { series, words } = this.monitor;
    const focused = this.legend.contains(document.activeElement)
      ? (document.activeElement as HTMLElement).dataset.key
      : undefined;
    const items = series.map(({ key, title, place, gone, heldBack }, position) => {
      const remove = iconButton('×', fill(words.remove, title), () => vscode.postMessage({ type: 'remove', key }));
      remove.dataset.key = key;
      const name = make('span', 'name', title);
      const parts = [swatch(position), name, make('span', 'place', place)];
      if (gone) parts.push(make('span', 'gone', words.gone));
      if (heldBack !== undefined) parts.push(make('span', 'gone', heldBack));
      const item = make('li', gone ? 'is-gone' : '', ...parts, remove);
      item.title = `${title} ${place}`;
      item.addEventListener('pointerenter', () => this.emphasise(key));
      item.addEventListener('pointerleave', () => this.emphasise(undefined));
      item.addEventListener('focusin', () => this.emphasise(key));
      item.addEventListener('focusout', () => this.emphasise(undefined));
      return item;
    });
    this.legend.replaceChildren(...items);
    if (focused === undefined) return;
    const again = [...this.legend.querySelectorAll<HTMLElement>('[data-key]')];
    (again.find(({ dataset }) => dataset.key === focused) ?? again[0])?.focus();
  }

  private emphasise(key: string | undefined): void {
    if (this.monitor.series.length > 1) for (const chart of this.charts) chart.emphasise(key);
  }

  private build(): void {
    const { charts, series, words } = this.monitor;
    for (const chart of this.charts) chart.dispose();
    const shown = charts.filter(
      ({ figure }) => series.length === 0 || series.some(({ lacking }) => lacking[figure] === undefined),
    );
    this.charts = shown.map(
      (chart) =>
        new Chart({ chart, series, words, shown: () => this.shown(), onCursor: (position) => this.onCursor(position) }),
    );
    this.grid.replaceChildren(...this.charts.map(({ element }) => element));
    this.table = new SummaryTable(charts, series, words);
    this.tableBox.replaceChildren(this.table.element);
    this.showUnavailable();
  }

  /** Charts that would be empty for every cgroup, each with why. */
  private showUnavailable(): void {
    const { charts, series, words } = this.monitor;
    const list = make('dl', '');
    for (const { figure, title } of charts) {
      const reasons = new Set(series.map(({ lacking }) => lacking[figure]));
      if (series.length === 0 || reasons.has(undefined)) continue;
      list.append(make('dt', '', title), make('dd', '', [...reasons].join(' ')));
    }
    this.unavailable.hidden = list.childElementCount === 0;
    this.unavailable.replaceChildren(make('h2', '', words.unavailable), list);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Drawing

  private shown(): Shown {
    return { language: document.documentElement.lang, percent: state.percent, words: this.monitor.words };
  }

  private latest(): number {
    return this.points.at(-1)?.timeMillis ?? Date.now();
  }

  private drawn(): { points: MonitorPoint[]; begin: number; end: number } {
    const end = this.pausedAt ?? this.latest();
    return { points: within(this.points, end, state.minutes), begin: end - state.minutes * 60_000, end };
  }

  private draw(): void {
    const drawn = this.drawn();
    for (const chart of this.charts) if (!state.table) chart.draw(drawn);
    this.table?.draw(drawn.points, this.shown());
    this.grid.hidden = state.table;
    this.unavailable.hidden = state.table || this.unavailable.querySelector('dt') === null;
    this.tableBox.className = state.table ? '' : 'hidden';
    this.pointAll(drawn.points);
  }

  private onCursor(position: number | undefined): void {
    const { points } = this.drawn();
    this.cursorMillis = position === undefined ? undefined : points[position]?.timeMillis;
    this.pointAll(points);
  }

  private pointAll(points: MonitorPoint[]): void {
    const { words } = this.monitor;
    const found = this.cursorMillis === undefined ? -1 : points.findIndex(({ timeMillis }) => timeMillis === this.cursorMillis);
    const position = found === -1 ? undefined : found;
    if (!state.table) for (const chart of this.charts) chart.pointAt(position);
    const point = position === undefined ? undefined : points[position];
    const time = (millis: number) => clock(millis, this.shown());
    const end = this.monitor.live ? words.now : fill(words.at, time(this.latest()));
    const still = this.pausedAt === undefined ? end : `${words.paused}: ${time(this.pausedAt)}`;
    this.time.textContent = point === undefined ? still : fill(words.at, time(point.timeMillis));
  }
}

/** What charts and tables are built of; the points are not. */
function structure({ charts, series }: Monitor): string {
  return JSON.stringify([charts, series.map(({ gone, heldBack, ...rest }) => rest)]);
}

function announceChanges(before: Monitor, now: Monitor): void {
  const gone = new Set(before.series.filter((series) => series.gone).map(({ key }) => key));
  const news = now.series
    .filter((series) => series.gone && !gone.has(series.key))
    .map(({ title }) => `${title}: ${now.words.gone}`);
  const held = new Map(before.series.map(({ key, heldBack }) => [key, heldBack]));
  for (const { key, title, heldBack } of now.series)
    if (heldBack !== undefined && held.get(key) === undefined) news.push(`${title}: ${heldBack}`);
  if (news.length > 0) announcement.textContent = news.join(', ');
}

function onButton({ action }: { action: Extract<FromMonitor, { type: 'action' }>['action'] }): void {
  vscode.postMessage({ type: 'action', action });
}

window.addEventListener('message', ({ data }: MessageEvent<ToMonitor>) => {
  main.setAttribute('aria-busy', String(data.type === 'loading'));
  switch (data.type) {
    case 'monitor':
      if (page === undefined) page = new MonitorPage(data);
      else page.take(data);
      break;
    case 'points':
      page?.add(data.points);
      break;
    default:
      page?.dispose();
      page = undefined;
      main.replaceChildren(...render(data, onButton));
  }
});

onThemeChange(() => page?.recolour());
vscode.postMessage({ type: 'ready' });
