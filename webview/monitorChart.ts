/** One chart of a monitor: the same figure of every cgroup, with its limits, as lines over time. */
import uPlot from 'uplot';
import { make } from './make.ts';
import {
  axisTop,
  type Column,
  deviceValues,
  isOfDevices,
  limitColumn,
  lonelyPositions,
  valueColumn,
} from './monitorColumns.ts';
import { axisFloor, axisSteps, axisText, clock, fill, formatValue, type Shown } from './monitorFormat.ts';
import type { MonitorChart, MonitorPoint, MonitorSeries, MonitorWords } from './monitorMessages.ts';
import { faint, lineStyle, themeColour } from './monitorTheme.ts';

const HEIGHT = 170;
const LIMIT_DASH = [7, 4];
const DOTS = [2, 3];
/** How far PageUp and PageDown move. */
const PAGE = 10;
/** So many block devices of a cgroup are named below a chart. */
const NAMED_DEVICES = 3;

export interface ChartParts {
  chart: MonitorChart;
  series: MonitorSeries[];
  words: MonitorWords;
  shown: () => Shown;
  /** A sample was pointed at in this chart, or none any more. */
  onCursor: (position: number | undefined) => void;
}

/** What is to be drawn: points and the stretch of time, in milliseconds. */
export interface Drawn {
  points: MonitorPoint[];
  begin: number;
  end: number;
}

export class Chart {
  readonly element: HTMLElement;
  private readonly parts: ChartParts;
  private readonly stage: HTMLElement;
  private readonly readings = new Map<string, HTMLElement>();
  private readonly remarks: HTMLElement;
  private readonly devices = make('p', 'devices');
  private readonly plot: uPlot;
  private readonly resized: ResizeObserver;
  private drawn: Drawn = { points: [], begin: 0, end: 0 };
  private cursor: number | undefined;

  constructor(parts: ChartParts) {
    this.parts = parts;
    const { chart, words } = parts;
    this.stage = make('div', 'stage');
    this.stage.tabIndex = 0;
    // A slider is what a screen reader lets a person move along, saying the value at each place.
    this.stage.setAttribute('role', 'slider');
    this.stage.setAttribute('aria-label', fill(words.chartLabel, chart.title, chart.explanation));
    this.remarks = make('p', 'remarks');
    const title = make('h2', '', chart.title);
    title.title = chart.explanation;
    this.element = make(
      'section',
      'chart',
      make('div', 'heading', title, this.readingsList()),
      this.stage,
      this.devices,
      this.remarks,
    );
    this.devices.hidden = !isOfDevices(chart.figure);
    this.element.dataset.figure = chart.figure;
    this.plot = new uPlot(this.options(), this.data(), this.stage);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(this.stage);
    const { over } = this.plot;
    over.addEventListener('pointermove', ({ clientX }) => this.onPointer(clientX - over.getBoundingClientRect().left));
    over.addEventListener('pointerleave', () => this.parts.onCursor(undefined));
    this.stage.addEventListener('keydown', (event) => this.onKey(event));
    this.stage.addEventListener('focus', () => this.describe());
    this.stage.addEventListener('blur', () => this.parts.onCursor(undefined));
  }

  dispose(): void {
    this.resized.disconnect();
    this.plot.destroy();
  }

  draw(drawn: Drawn): void {
    this.drawn = drawn;
    this.plot.batch(() => {
      this.plot.setData(this.data(), false);
      this.plot.setScale('x', { min: drawn.begin / 1000, max: drawn.end / 1000 });
    });
    this.remarks.textContent = this.remarksText();
    this.pointAt(this.cursor);
    // A slider has a value also before a person came to it; once they are there it is said anew only when they move.
    if (document.activeElement !== this.stage) this.describe();
  }

  /** With the colours of the theme as they are now. */
  recolour(): void {
    this.plot.redraw(false, true);
  }

  /** Shows the values at a position of the points that are drawn; the latest without one. */
  pointAt(position: number | undefined): void {
    this.cursor = position;
    const point = position === undefined ? undefined : this.drawn.points[position];
    const left = point === undefined ? -10 : this.plot.valToPos(point.timeMillis / 1000, 'x');
    this.plot.setCursor({ left, top: point === undefined ? -10 : 0 }, false);
    const shown = point ?? this.drawn.points.at(-1);
    for (const [key, element] of this.readings) element.textContent = this.valueText(shown, key);
    this.devices.textContent = this.devicesText(shown);
  }

  /** Makes the other lines pale. */
  emphasise(key: string | undefined): void {
    const position = this.parts.series.findIndex((series) => series.key === key);
    this.plot.setSeries(position === -1 ? null : position + 1, { focus: true });
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Text

  private readingsList(): HTMLElement {
    const list = make('ul', 'readings');
    for (const [position, { key, title }] of this.parts.series.entries()) {
      const value = make('span', 'value');
      this.readings.set(key, value);
      const name = make('span', 'hidden', title);
      const item = make('li', '', swatch(position), name, value);
      item.title = title;
      list.append(item);
    }
    return list;
  }

  private valueText(point: MonitorPoint | undefined, key: string): string {
    const { chart, words } = this.parts;
    const reading = point?.readings[key];
    const value = reading?.values[chart.figure];
    if (value === undefined) return '–';
    const ever = reading?.sinceMade?.[chart.figure];
    return ever === undefined ? this.format(value) : fill(words.sinceMade, this.format(value), this.format(ever));
  }

  /** "sda 12 IOPS, sdb 3 IOPS" of each cgroup, which is named where there are several. */
  private devicesText(point: MonitorPoint | undefined): string {
    const { chart, series } = this.parts;
    const texts = series.flatMap(({ key, title }) => {
      const values = deviceValues(point?.readings[key], chart.figure);
      const named = values.slice(0, NAMED_DEVICES).map(([device, value]) => `${device} ${this.format(value)}`);
      if (named.length === 0) return [];
      const text = [...named, ...(values.length > NAMED_DEVICES ? ['…'] : [])].join(', ');
      return [series.length === 1 ? text : `${title}: ${text}`];
    });
    return texts.join(' · ');
  }

  private format(value: number): string {
    return formatValue(value, this.parts.chart.unit, this.parts.shown());
  }

  /** Which cgroups have no such figure, and why. */
  private remarksText(): string {
    const { chart, series } = this.parts;
    const absent = series.filter(({ lacking }) => lacking[chart.figure] !== undefined);
    return absent.map(({ title, lacking }) => `${title}: ${lacking[chart.figure]}`).join(' ');
  }

  /** What a screen reader says of the place of the cursor. */
  private describe(): void {
    const { chart, series, words, shown } = this.parts;
    const { points } = this.drawn;
    const position = this.cursor ?? points.length - 1;
    const point = points[position];
    const values = series.map(({ key, title }) => {
      const text = this.valueText(point, key);
      const limit = point?.readings[key]?.limits[chart.figure];
      const value = `${title} ${text === '–' ? words.noValue : text}`;
      return limit === undefined ? value : `${value} (${words.limit} ${this.format(limit)})`;
    });
    const time = point === undefined ? '' : clock(point.timeMillis, shown());
    this.stage.setAttribute('aria-valuemin', '0');
    this.stage.setAttribute('aria-valuemax', String(Math.max(0, points.length - 1)));
    this.stage.setAttribute('aria-valuenow', String(Math.max(0, position)));
    const devices = this.devicesText(point);
    this.stage.setAttribute('aria-valuetext', [time, ...values, ...(devices === '' ? [] : [devices])].join(', '));
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Mouse and keyboard

  private onPointer(left: number): void {
    if (this.drawn.points.length > 0) this.parts.onCursor(this.plot.posToIdx(left));
  }

  private onKey(event: KeyboardEvent): void {
    const last = this.drawn.points.length - 1;
    const from = this.cursor ?? last;
    const targets: Record<string, number> = {
      ArrowLeft: this.cursor === undefined ? last : from - 1,
      ArrowRight: from + 1,
      PageDown: from - PAGE,
      PageUp: from + PAGE,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (event.key === 'Escape') this.parts.onCursor(undefined);
    else if (target === undefined || last < 0) return;
    else this.parts.onCursor(Math.min(last, Math.max(0, target)));
    event.preventDefault();
    this.describe();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Drawing

  private fit(): void {
    const width = Math.floor(this.stage.clientWidth);
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  private values(): Column[] {
    const { chart, series } = this.parts;
    return series.map(({ key }) => valueColumn(this.drawn.points, key, chart.figure));
  }

  private limits(): Column[] {
    const { chart, series } = this.parts;
    return series.map(({ key }) => limitColumn(this.drawn.points, key, chart.figure));
  }

  private data(): uPlot.AlignedData {
    const times = this.drawn.points.map(({ timeMillis }) => timeMillis / 1000);
    return [times, ...this.values(), ...this.limits()];
  }

  private options(): uPlot.Options {
    const { chart, series, shown } = this.parts;
    const font = () => `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: () => themeColour('--vscode-descriptionForeground', '--vscode-foreground'), font: font() };
    const grid = { stroke: () => faint(themeColour('--vscode-foreground')), width: 1 };
    const ticks = { show: false };
    return {
      width: Math.max(200, this.stage.clientWidth),
      height: HEIGHT,
      // Room for half of the last time below the right edge.
      padding: [10, 24, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.2 },
      scales: {
        x: { time: true },
        y: { range: () => [0, axisTop(this.values(), this.limits(), axisFloor(chart.unit))] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          ticks,
          size: 24,
          space: 58,
          values: (_, times) => times.map((seconds) => clock(seconds * 1000, shown())),
        },
        {
          ...axis,
          grid,
          ticks,
          size: 64,
          space: 32,
          incrs: axisSteps(chart.unit),
          values: (_, splits) => splits.map((split) => axisText(split, chart.unit, shown())),
        },
      ],
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 7 },
        // All charts point at the same sample, by mouse and by key: the page moves their cursors, not each chart its own.
        bind: {
          mousemove: () => null,
          mouseenter: () => null,
          mouseleave: () => null,
          mousedown: () => null,
          dblclick: () => null,
        },
      },
      series: [
        {},
        ...series.map((_, position) => this.valueLine(position)),
        ...series.map((_, position) => this.limitLine(position)),
      ],
      hooks: {
        draw: [(plot) => this.drawLimitNames(plot)],
      },
    };
  }

  private valueLine(position: number): uPlot.Series {
    const { variable, dotted } = lineStyle(position);
    const colour = () => themeColour(variable);
    return {
      stroke: colour,
      width: 1.75,
      ...(dotted ? { dash: DOTS } : {}),
      points: {
        show: true,
        size: 4,
        fill: colour,
        filter: (plot, index) => lonelyPositions(plot.data[index] ?? []),
      },
    };
  }

  private limitLine(position: number): uPlot.Series {
    const paths = uPlot.paths.stepped?.({ align: 1 });
    return {
      stroke: () => this.limitColour(position),
      width: 1.25,
      dash: LIMIT_DASH,
      ...(paths === undefined ? {} : { paths }),
      points: { show: false },
    };
  }

  /** That of its line; of one line alone it must be seen where the line runs along it. */
  private limitColour(position: number): string {
    return themeColour(this.parts.series.length === 1 ? '--vscode-foreground' : lineStyle(position).variable);
  }

  /** "limit 0.02" on each limit's line, at its right end; with an arrow at the top when the line is far above. */
  private drawLimitNames(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const ratio = uPlot.pxRatio;
    const lineHeight = 13 * ratio;
    ctx.save();
    ctx.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.textAlign = 'right';
    ctx.textBaseline = 'bottom';
    let lowest = bbox.top;
    for (const { text, value, colour } of this.limitNames()) {
      const beyond = value > (plot.scales.y?.max ?? 0);
      const line = beyond ? bbox.top : plot.valToPos(value, 'y', true);
      // Above its line, below the name before: the limits come from the highest to the lowest.
      const bottom = Math.max(line - 2 * ratio, lowest + lineHeight);
      lowest = bottom;
      const shown = beyond ? `↑ ${text}` : text;
      const right = bbox.left + bbox.width - 2 * ratio;
      ctx.fillStyle = themeColour('--vscode-editor-background');
      ctx.globalAlpha = 0.8;
      ctx.fillRect(
        right - ctx.measureText(shown).width - 2 * ratio,
        bottom - lineHeight,
        ctx.measureText(shown).width + 4 * ratio,
        lineHeight,
      );
      ctx.globalAlpha = 1;
      ctx.fillStyle = colour;
      ctx.fillText(shown, right, bottom);
    }
    ctx.restore();
  }

  /** The limits in force, highest first; equal ones together. */
  private limitNames(): { text: string; value: number; colour: string }[] {
    const { series, words } = this.parts;
    const names: { text: string; value: number; colour: string }[] = [];
    for (const [position, column] of this.limits().entries()) {
      const value = column.findLast((limit) => limit !== null);
      if (value === undefined || value === null) continue;
      const title = series[position]?.title ?? '';
      const own = `${words.limit} ${this.format(value)}`;
      const same = names.find((name) => name.value === value);
      if (same !== undefined) {
        same.text = own;
        same.colour = themeColour('--vscode-foreground');
      } else
        names.push({
          text: series.length === 1 ? own : `${title}: ${own}`,
          value,
          colour: this.limitColour(position),
        });
    }
    return names.sort((one, other) => other.value - one.value);
  }
}

/** A stroke of the line that it stands for. */
export function swatch(position: number): HTMLElement {
  const { variable, dotted } = lineStyle(position);
  const element = make('span', dotted ? 'swatch dotted' : 'swatch');
  element.style.setProperty('--line', `var(${variable}, currentcolor)`);
  element.setAttribute('aria-hidden', 'true');
  return element;
}
