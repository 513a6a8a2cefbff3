/** Builds the elements of a page. Everything that is shown is set as text, never as markup: most of it is hostile. */
import type { Block, Button, Fact, Page, Section, Table, ToPage, Value } from './messages.ts';
import { scrollable } from './scrollable.ts';
import { button, progressRing } from './toolkit.ts';

type OnButton = (button: Button) => void;

export function render(message: ToPage, onButton: OnButton): HTMLElement[] {
  switch (message.type) {
    case 'loading':
      return [loading(message.text)];
    case 'failed':
      return [problem(message.title, message.text, message.buttons, onButton)];
    case 'page': {
      const { notice, page } = message;
      const shown = [header(page, onButton), ...page.sections.map(section)];
      return notice === undefined ? shown : [banner(notice.text, notice.buttons, onButton), ...shown];
    }
  }
}

export function make(tag: keyof HTMLElementTagNameMap, className: string, ...children: (HTMLElement | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  // Strings become text nodes.
  element.append(...children);
  return element;
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

function section(content: Section): HTMLElement {
  return make('section', '', make('h2', '', content.heading), ...content.blocks.map(block));
}

function block(content: Block): HTMLElement {
  switch (content.kind) {
    case 'facts':
      return facts(content.facts);
    case 'table':
      return table(content.table);
    case 'names':
      return names(content.label, content.names);
    case 'text':
      return make('p', `tone-${content.tone}`, content.text);
    case 'heading':
      return make('h3', '', content.text);
    case 'meter':
      return meter(content);
    case 'details':
      return details(content.summary, content.blocks);
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

function facts(list: Fact[]): HTMLElement {
  const element = make('dl', '');
  for (const { label, value } of list) element.append(make('dt', '', label), make('dd', '', ...shownValue(value)));
  return element;
}

function shownValue(value: Value): HTMLElement[] {
  const classes = [`tone-${value.tone ?? 'plain'}`, value.code ? 'code' : ''].join(' ').trim();
  const text = make('span', classes, value.text);
  return value.note === undefined ? [text] : [text, make('span', 'note', value.note)];
}

function table({ caption, columns, rows }: Table): HTMLElement {
  const heads = columns.map((column) => {
    const cell = make('th', '', column);
    cell.setAttribute('scope', 'col');
    return cell;
  });
  const body = make('tbody', '');
  for (const { cells, muted } of rows) {
    const row = make('tr', muted ? 'muted' : '');
    row.append(...cells.map((cell, position) => tableCell(cell, position)));
    body.append(row);
  }
  const content = make('table', '', make('caption', '', caption), make('thead', '', make('tr', '', ...heads)), body);
  return scrollable(make('div', 'table', content), caption);
}

function tableCell(value: Value, position: number): HTMLElement {
  const cell = make(position === 0 ? 'th' : 'td', '', ...shownValue(value));
  if (position === 0) cell.setAttribute('scope', 'row');
  return cell;
}

function names(label: string, list: { text: string; danger?: boolean }[]): HTMLElement {
  const element = make('ul', 'names');
  element.setAttribute('aria-label', label);
  element.append(...list.map(({ text, danger }) => make('li', danger ? 'code danger' : 'code', text)));
  return element;
}

function details(summary: string, blocks: Block[]): HTMLElement {
  const element = make('details', '', make('summary', '', summary), ...blocks.map(block));
  element.dataset.key = summary;
  return element;
}
