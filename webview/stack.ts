/** The page on a stack of layers, drawn from top to bottom: what is typed into its field lights up where a path comes from. */
import './base.css';
import './stack.css';
import type { FromStack, Slab, Stack, StackButton, ToStack } from './stackMessages.ts';
import { button, progressRing, type TextField, textField } from './toolkit.ts';

interface VsCode {
  postMessage(message: FromStack): void;
  setState(state: Record<string, unknown>): void;
}
declare function acquireVsCodeApi(): VsCode;

const vscode = acquireVsCodeApi();
/** Each keystroke would be a question to the helper. */
const TYPING_MILLIS = 80;

/** Text is always set as text, never as markup: most of it was chosen by whoever made the image. */
function make(tag: keyof HTMLElementTagNameMap, className: string, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

const banner = make('div', '');
const header = make('header', '');
const lookup = make('section', 'lookup');
const answer = make('div', 'answer');
const stackList = make('ol', 'stack');
answer.setAttribute('role', 'status');

let field: TextField | undefined;
let serial = -1;
let typing: ReturnType<typeof setTimeout> | undefined;
let shownHeader = '';
/** The slab that the Tab key leads to; arrow keys move it. */
let current = 0;
let shownLights = '';

window.addEventListener('message', (event: MessageEvent<ToStack>) => {
  const { stack, notice, state } = event.data;
  vscode.setState(state);
  showBanner(notice);
  showHeader(stack);
  showField(stack);
  showAnswer(stack);
  showSlabs(stack);
});

function buttons(list: StackButton[]): HTMLElement {
  const bar = make('div', 'buttons');
  const press = (one: StackButton) => vscode.postMessage({ type: 'action', action: one.action });
  bar.append(...list.map((one) => button(one.label, false, () => press(one))));
  return bar;
}

function showBanner(notice: ToStack['notice']): void {
  banner.className = notice === undefined ? '' : 'banner';
  if (notice === undefined) banner.replaceChildren();
  else if (banner.firstChild?.textContent !== notice.text)
    banner.replaceChildren(make('p', '', notice.text), buttons(notice.buttons));
}

/** Left alone when nothing in it changed, so that a button that has the focus keeps it. */
function showHeader({ title, subtitle, totals, buttons: list, slabs }: Stack): void {
  const text = JSON.stringify([title, subtitle, totals, list]);
  if (text === shownHeader) return;
  shownHeader = text;
  const sums = make('dl', 'totals');
  for (const { label, value } of totals) sums.append(make('div', '', make('dt', '', label), make('dd', '', value)));
  document.title = title;
  const words = make('div', 'words', make('h1', '', title), make('p', 'subtitle', subtitle));
  header.replaceChildren(words, sums, buttons(list));
  stackList.setAttribute('aria-label', title);
  header.setAttribute('aria-busy', String(slabs.some(({ size }) => size.state === 'measuring')));
}

function showField({ field: wanted }: Stack): void {
  if (field === undefined) {
    field = textField(wanted.label, wanted.placeholder, onType);
    lookup.replaceChildren(field, answer);
  }
  // What the person types is never overwritten by what was known before.
  if (serial === wanted.serial) return;
  serial = wanted.serial;
  field.value = wanted.path;
}

function onType(text: string): void {
  clearTimeout(typing);
  typing = setTimeout(() => vscode.postMessage({ type: 'path', path: text }), TYPING_MILLIS);
}

function showAnswer({ answer: found, cover }: Stack): void {
  answer.className = found === undefined ? 'answer' : `answer ${found.tone}`;
  const lines = found === undefined ? [] : [make('p', '', found.text), ...found.notes.map((note) => make('p', 'note', note))];
  // A screen reader reads it out when it changes.
  if (answer.textContent !== lines.map((line) => line.textContent).join('')) answer.replaceChildren(...lines);
  cover === undefined ? stackList.classList.remove('covered') : stackList.classList.add('covered');
}

function showSlabs({ slabs, cover, hint }: Stack): void {
  current = Math.min(current, Math.max(0, slabs.length - 1));
  const focused = stackList.contains(document.activeElement);
  const items = slabs.map((slab, position) => slabItem(slab, position, slabs.length, hint));
  if (cover !== undefined) {
    items.unshift(make('li', 'cover', make('strong', '', cover.text), make('span', 'detail', cover.detail)));
  }
  stackList.classList.toggle(
    'lit',
    slabs.some(({ lit }) => lit !== undefined),
  );
  stackList.replaceChildren(...items);
  if (focused) slabButtons()[current]?.focus();
  followLight(slabs);
}

/** Brings the layer that provides a newly found path into view. */
function followLight(slabs: Slab[]): void {
  const lights = slabs.map(({ lit }) => lit?.light ?? '').join();
  if (lights === shownLights) return;
  shownLights = lights;
  const position = slabs.findIndex(({ lit }) => lit?.light === 'provides' || lit?.light === 'hides');
  if (position !== -1) slabButtons()[position]?.scrollIntoView({ block: 'nearest' });
}

function slabItem(slab: Slab, position: number, count: number, hint: string): HTMLElement {
  const item = make('li', '');
  const ends = [position === 0 ? 'top' : '', position === count - 1 ? 'bottom' : ''];
  const classes = ['slab', slab.role, slab.lit?.light ?? '', ...ends].filter((name) => name !== '');
  const element = make('button', classes.join(' ')) as HTMLButtonElement;
  element.type = 'button';
  element.title = hint;
  element.tabIndex = position === current ? 0 : -1;
  element.append(title(slab), sizeOf(slab), facts(slab));
  if (slab.lit !== undefined) element.append(light(slab.lit));
  element.addEventListener('click', () => vscode.postMessage({ type: 'layer', layer: slab.layer }));
  element.addEventListener('focus', () => moveTo(position, false));
  item.append(element);
  return item;
}

function title({ name, step, id }: Slab): HTMLElement {
  const element = make('span', 'title', make('span', 'name', name));
  if (step !== undefined) element.append(make('code', 'step', step));
  if (id !== undefined) element.append(make('code', 'id', id));
  return element;
}

function sizeOf({ size }: Slab): HTMLElement {
  const element = make('span', `size ${size.state}`);
  if (size.state === 'measuring') element.append(progressRing());
  element.append(make('span', 'bytes', size.text), bar(size));
  return element;
}

/** As long as the layer is large, with the part hatched that nobody sees. */
function bar({ state, share, wasted }: Slab['size']): HTMLElement {
  const whole = make('span', 'bar');
  whole.setAttribute('aria-hidden', 'true');
  if (state !== 'measured') return whole;
  const used = make('span', 'used');
  const waste = make('span', 'waste');
  // Set through the object model, which the page's policy allows, unlike a style attribute.
  used.style.width = `${share * (1 - wasted) * 100}%`;
  waste.style.width = `${share * wasted * 100}%`;
  whole.append(used, waste);
  return whole;
}

const SIGNS = { added: '+', modified: '~', perhapsModified: '?', deleted: '−' };

function facts({ entries, changes, notes }: Slab): HTMLElement {
  const element = make('span', 'facts');
  if (entries !== undefined) element.append(make('span', 'entries', entries));
  for (const { kind, label } of changes) {
    const sign = make('span', 'sign', SIGNS[kind]);
    sign.setAttribute('aria-hidden', 'true');
    element.append(make('span', `change ${kind}`, sign, label));
  }
  for (const { kind, text } of notes) element.append(make('span', `note ${kind}`, text));
  return element;
}

function light({ text, detail }: NonNullable<Slab['lit']>): HTMLElement {
  const element = make('span', 'light', make('span', 'verdict', text));
  if (detail !== undefined) element.append(make('span', 'detail', detail));
  return element;
}

function slabButtons(): HTMLButtonElement[] {
  return [...stackList.querySelectorAll<HTMLButtonElement>('button.slab')];
}

/** Moves the one slab that Tab leads to. */
function moveTo(position: number, focus: boolean): void {
  const all = slabButtons();
  current = Math.max(0, Math.min(position, all.length - 1));
  for (const [index, element] of all.entries()) element.tabIndex = index === current ? 0 : -1;
  if (focus) all[current]?.focus();
}

stackList.addEventListener('keydown', (event) => {
  const moves: Record<string, number> = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: Number.MAX_SAFE_INTEGER };
  const position = moves[event.key];
  if (position === undefined) return;
  event.preventDefault();
  moveTo(position, true);
});

document.querySelector('main')?.append(banner, header, lookup, stackList);
vscode.postMessage({ type: 'ready' });
