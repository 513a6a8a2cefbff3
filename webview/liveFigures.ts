/** Figures with the line of their last minutes. The words say all that the line shows: it is for the eye alone. */

import { make } from './make.ts';
import type { LiveFigure } from './messages.ts';

const WIDTH = 120;
const HEIGHT = 26;
const SVG = 'http://www.w3.org/2000/svg';
/** As many as a full line has. */
const MOST_POINTS = 60;

export function liveFigures(list: LiveFigure[]): HTMLElement {
  const element = make('dl', 'live');
  for (const figure of list) {
    const { label, text, note, close } = figure;
    const words = [make('span', close ? 'live-text tone-warning' : 'live-text', text)];
    if (note !== undefined) words.push(make('span', 'live-note', note));
    const value = make('dd', '', ...words);
    value.prepend(line(figure) as unknown as HTMLElement);
    element.append(make('dt', '', label), value);
  }
  return element;
}

function line({ points, top, isLimited, close }: LiveFigure): SVGElement {
  const drawing = draw('svg', { class: close ? 'spark close' : 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('aria-hidden', 'true');
  const low = HEIGHT - 1;
  const across = (at: number) => WIDTH - ((points.length - 1 - at) * WIDTH) / (MOST_POINTS - 1);
  const up = (value: number) => low - Math.min(1, top === 0 ? 0 : value / top) * (HEIGHT - 3);
  drawing.append(
    draw('line', { class: isLimited ? 'limit' : 'base', x1: 0, x2: WIDTH, y1: isLimited ? 1 : low, y2: isLimited ? 1 : low }),
  );
  for (const run of runsOf(points)) {
    const places = run.map(([at, value]) => `${across(at).toFixed(1)},${up(value).toFixed(1)}`);
    const [from, to] = [across(run[0]![0]).toFixed(1), across(run.at(-1)![0]).toFixed(1)];
    drawing.append(draw('polygon', { class: 'area', points: `${from},${low} ${places.join(' ')} ${to},${low}` }));
    drawing.append(draw('polyline', { class: 'line', points: places.join(' ') }));
  }
  return drawing;
}

/** Points in a row, each with its position: a gap is drawn as a gap. */
function runsOf(points: readonly (number | null)[]): [number, number][][] {
  const runs: [number, number][][] = [];
  let open = false;
  points.forEach((value, at) => {
    if (value === null) open = false;
    else if (open) runs.at(-1)!.push([at, value]);
    else {
      runs.push([[at, value]]);
      open = true;
    }
  });
  return runs;
}

function draw(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
