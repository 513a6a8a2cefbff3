/** Builds the elements of a page. Everything that is shown is set as text, never as markup: most of it is hostile. */
import { liveFigures } from './liveFigures.ts';
import { make } from './make.ts';
import type { Block, Button, Chip, Fact, LayerBar, Page, Section, Table, ToPage, Value } from './messages.ts';
import { scrollable } from './scrollable.ts';
import { button, progressRing } from './toolkit.ts';

type OnButton = (button: Button) => void;
type OnLink = (link: string) => void;

export function render(message: ToPage, onButton: OnButton, onLink: OnLink = () => undefined): HTMLElement[] {
  switch (message.type) {
    case 'loading':
      return [loading(message.text)];
    case 'failed':
      return [problem(message.title, message.text, message.buttons, onButton)];
    case 'page': {
      const { notice, page } = message;
      const shown = [header(page, onButton), ...sections(page, onLink)];
      return notice === undefined ? shown : [banner(notice.text, notice.buttons, onButton), ...shown];
    }
  }
}

function loading(text: string): HTMLElement {
  const box = make('div', 'loading', progressRing(), make('h1', '', text));
  box.setAttribute('role', 'status');
  return box;
}

function buttons(list: Button[], onButton: OnButton): HTMLElement {
  const bar = make('div', 'buttons');
  bar.append(...list.map((one, position) => button(one.label, position === 0, () => onButton(one))));
  return bar;
}

function problem(title: string, text: string, list: Button[], onButton: OnButton): HTMLElement {
  const box = make('div', 'problem', make('h1', '', title), make('p', '', text), buttons(list, onButton));
  box.setAttribute('role', 'alert');
  return box;
}

export function banner(text: string, list: Button[], onButton: OnButton): HTMLElement {
  const box = make('div', 'banner', make('p', '', text), buttons(list, onButton));
  box.setAttribute('role', 'status');
  return box;
}

function header(page: Page, onButton: OnButton): HTMLElement {
  return make('header', '', make('h1', '', page.title), make('p', 'subtitle', page.subtitle), buttons(page.buttons, onButton));
}

function sections({ sections: list, layout }: Page, onLink: OnLink): HTMLElement[] {
  const made = list.map((one) => section(one, onLink));
  return layout === 'cards' ? [make('div', 'cards', ...made)] : made;
}

function section({ heading, blocks, isWide }: Section, onLink: OnLink): HTMLElement {
  const title = heading === '' ? [] : [make('h2', '', heading)];
  return make('section', isWide ? 'wide' : '', ...title, ...blocks.map((one) => block(one, onLink)));
}

function block(content: Block, onLink: OnLink): HTMLElement {
  switch (content.kind) {
    case 'facts':
      return facts(content.facts, onLink);
    case 'table':
      return table(content.table, onLink);
    case 'names':
      return names(content.label, content.names);
    case 'text':
      return make('p', `tone-${content.tone}`, content.text);
    case 'heading':
      return make('h3', '', content.text);
    case 'meter':
      return meter(content);
    case 'chips':
      return chips(content.label, content.chips, onLink);
    case 'live':
      return liveFigures(content.figures);
    case 'layers':
      return layers(content.label, content.layers);
    case 'alerts':
      return alerts(content.alerts, onLink);
    case 'details':
      return details(content.summary, content.blocks, onLink);
  }
}

function meter({ label, text, part, close }: Extract<Block, { kind: 'meter' }>): HTMLElement {
  const bar = document.createElement('progress');
  bar.max = 1;
  bar.value = part;
  bar.className = close ? 'close' : '';
  bar.setAttribute('aria-label', label);
  bar.setAttribute('aria-valuetext', text);
  return make('div', 'meter', make('span', 'meter-label', label), bar, make('span', 'meter-text', text));
}

function facts(list: Fact[], onLink: OnLink): HTMLElement {
  const element = make('dl', '');
  for (const { label, value } of list) element.append(make('dt', '', label), make('dd', '', ...shownValue(value, onLink)));
  return element;
}

function shownValue(value: Value, onLink: OnLink): HTMLElement[] {
  const classes = [`tone-${value.tone ?? 'plain'}`, value.code ? 'code' : ''].join(' ').trim();
  const text = followed(make(value.link === undefined ? 'span' : 'button', classes, value.text), value.link, onLink);
  return value.note === undefined ? [text] : [text, make('span', 'note', value.note)];
}

/** Nothing of others is an address: what leads somewhere is a button, which tells the extension what was followed. */
function followed(element: HTMLElement, link: string | undefined, onLink: OnLink): HTMLElement {
  if (link === undefined) return element;
  element.classList.add('link');
  element.dataset.label = link;
  element.addEventListener('click', () => onLink(link));
  return element;
}

function table({ caption, columns, rows }: Table, onLink: OnLink): HTMLElement {
  const heads = columns.map((column) => {
    const cell = make('th', '', column);
    cell.setAttribute('scope', 'col');
    return cell;
  });
  const body = make('tbody', '');
  for (const { cells, muted } of rows) {
    const row = make('tr', muted ? 'muted' : '');
    row.append(...cells.map((cell, position) => tableCell(cell, position, onLink)));
    body.append(row);
  }
  const content = make('table', '', make('caption', '', caption), make('thead', '', make('tr', '', ...heads)), body);
  return scrollable(make('div', 'table', content), caption);
}

function tableCell(value: Value, position: number, onLink: OnLink): HTMLElement {
  const cell = make(position === 0 ? 'th' : 'td', '', ...shownValue(value, onLink));
  if (position === 0) cell.setAttribute('scope', 'row');
  return cell;
}

function names(label: string, list: { text: string; danger?: boolean }[]): HTMLElement {
  const element = make('ul', 'names');
  element.setAttribute('aria-label', label);
  element.append(...list.map(({ text, danger }) => make('li', danger ? 'code danger' : 'code', text)));
  return element;
}

function chips(label: string, list: Chip[], onLink: OnLink): HTMLElement {
  const element = make('ul', 'chips');
  element.setAttribute('aria-label', label);
  for (const { text, note, tone, link } of list) {
    const words = [make('span', 'chip-text', text), make('span', 'chip-note', note)];
    const chip = followed(make(link === undefined ? 'span' : 'button', `chip chip-${tone}`, ...words), link, onLink);
    element.append(make('li', '', chip));
  }
  return element;
}

function layers(label: string, list: LayerBar[]): HTMLElement {
  const element = make('ol', 'layers');
  element.setAttribute('aria-label', label);
  for (const { kind, text, note } of list) {
    const words = [make('span', 'layer-text', text), ...(note === undefined ? [] : [make('span', 'layer-note', note)])];
    element.append(make('li', `layer layer-${kind}`, ...words));
  }
  return element;
}

function alerts(list: Extract<Block, { kind: 'alerts' }>['alerts'], onLink: OnLink): HTMLElement {
  const element = make('ul', 'alerts');
  for (const { severity, text, detail, link } of list) {
    const title = followed(make(link === undefined ? 'span' : 'button', 'alert-text', text), link, onLink);
    element.append(make('li', `alert alert-${severity}`, title, make('span', 'alert-detail', detail)));
  }
  return element;
}

function details(summary: string, blocks: Block[], onLink: OnLink): HTMLElement {
  const element = make('details', '', make('summary', '', summary), ...blocks.map((one) => block(one, onLink)));
  element.dataset.key = summary;
  return element;
}
