/** The sandbox form: controls on one side, and beside them, live, the specification and the system calls that they come to. */
import './sandbox.css';
import { type FormState, KINDS, type Mistakable, mistakesOf, specOf, stateOf, type Words } from './sandboxForm.ts';
import type { FormTexts, FromForm, ToForm } from './sandboxMessages.ts';
import { bareTextField, button, checkbox, dropdown } from './toolkit.ts';

interface VsCode {
  postMessage(message: FromForm): void;
  getState(): FormState | undefined;
  setState(state: FormState): void;
}
declare function acquireVsCodeApi(): VsCode;

/** Enough for a person to stop typing. */
const PAUSE_MILLIS = 250;

const vscode = acquireVsCodeApi();
const main = document.querySelector('main') as HTMLElement;
const form = make('form', 'form');
const results = make('div', 'results');
let texts: FormTexts = {};
let state: FormState;
let pause: ReturnType<typeof setTimeout> | undefined;

/** Blanks between words; quotes keep words together. The same as what the palette asks for. */
const WORDS: Words = {
  split: (line) => [...line.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|(\S+)/g)].map((found) => wordOf(found)),
  join: (words) => words.map((word) => (/^[^\s"']+$/.test(word) ? word : `"${word.replace(/[\\"]/g, '\\$&')}"`)).join(' '),
};

function wordOf([, quoted, plain, bare]: RegExpMatchArray): string {
  return quoted?.replace(/\\(.)/g, '$1') ?? plain ?? bare ?? '';
}

window.addEventListener('message', ({ data }: MessageEvent<ToForm>) => {
  if (data.type === 'form') begin(data.texts, vscode.getState() ?? stateOf(data.spec, WORDS));
  else showResult(data);
});

function begin(words: FormTexts, first: FormState): void {
  texts = words;
  state = first;
  const buttons = make(
    'div',
    'buttons',
    button(text('run'), true, () => send('run')),
    button(text('save'), false, () => send('save')),
  );
  main.replaceChildren(make('header', '', make('h1', '', text('title')), buttons), make('div', 'columns', form, results));
  form.addEventListener('submit', (event) => event.preventDefault());
  results.setAttribute('aria-live', 'polite');
  drawForm();
  tell();
}

/** With a mistake nothing is sent: the first one is gone to instead. */
function send(type: 'run' | 'save'): void {
  const [mistake] = mistakesOf(state, WORDS);
  if (mistake === undefined) vscode.postMessage({ type, spec: specOf(state, WORDS) });
  else control(mistake)?.focus();
}

function control(key: string): HTMLElement | null {
  return form.querySelector<HTMLElement>(`[data-key="${key}"]`);
}

function text(key: string): string {
  return texts[key] ?? key;
}

function make(tag: string, className: string, ...children: (HTMLElement | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** Changes what the form holds. `redraw` when other controls are to be shown from now on. */
function set(change: Partial<FormState>, redraw = false): void {
  state = { ...state, ...change };
  vscode.setState(state);
  if (redraw) drawForm();
  clearTimeout(pause);
  pause = setTimeout(tell, PAUSE_MILLIS);
}

function tell(): void {
  const mistakes = mistakesOf(state, WORDS);
  markMistakes(mistakes);
  if (mistakes.length === 0) vscode.postMessage({ type: 'changed', spec: specOf(state, WORDS) });
  else results.replaceChildren(box('refused', text('mistakes')));
}

/** What to do about each stands below its control. */
function markMistakes(mistakes: readonly Mistakable[]): void {
  for (const row of form.querySelectorAll<HTMLElement>('.field')) {
    const key = row.dataset.field as Mistakable;
    const isWrong = mistakes.includes(key);
    const shown = row.querySelector('.mistake');
    control(key)?.setAttribute('aria-invalid', String(isWrong));
    row.classList.toggle('wrong', isWrong);
    if (!isWrong) shown?.remove();
    else if (shown === null) row.append(make('span', 'hint mistake', text(`mistake.${key}`)));
  }
}

function box(className: string, content: string): HTMLElement {
  const element = make('div', className, content);
  element.setAttribute('role', 'alert');
  return element;
}

type TextKey = { [K in keyof FormState]: FormState[K] extends string ? K : never }[keyof FormState];

function field(key: string, element: HTMLElement, hint = ''): HTMLElement {
  const rows = [make('span', 'label', text(key)), keyed(key, element)];
  if (hint !== '') rows.push(make('span', 'hint', text(hint)));
  const row = make('div', 'field', ...rows);
  row.dataset.field = key;
  return row;
}

/** Found again by its key when the form is drawn anew. */
function keyed(key: string, element: HTMLElement): HTMLElement {
  element.dataset.key = key;
  return element;
}

function line(key: TextKey, placeholder = '', hint = ''): HTMLElement {
  return field(
    key,
    bareTextField(text(key), String(state[key]), placeholder, (typed) => set({ [key]: typed })),
    hint,
  );
}

function choice<K extends TextKey>(key: K, values: readonly FormState[K][], redraw = false): HTMLElement {
  const options = values.map((value) => ({ value: String(value), text: text(`${key}.${value}`) }));
  return field(
    key,
    dropdown(text(key), options, String(state[key]), (value) => set({ [key]: value as FormState[K] }, redraw)),
  );
}

function tick(key: 'nat' | 'noNewPrivileges' | 'terminal' | 'init' | 'persistent'): HTMLElement {
  return keyed(
    key,
    checkbox(text(key), state[key], (checked) => set({ [key]: checked })),
  );
}

function group(heading: string, ...controls: HTMLElement[]): HTMLElement {
  return make('fieldset', '', make('legend', '', text(heading)), ...controls);
}

function drawForm(): void {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
  form.replaceChildren(
    group('what', line('name', 'my-sandbox'), line('command', 'bash', 'command.hint'), line('directory', '/')),
    group('root', ...rootControls()),
    group('namespaces', make('div', 'kinds', ...KINDS.map(kindControl)), line('hostname')),
    ...(state.kinds.includes('net') ? [group('network', ...networkControls())] : []),
    group('limits', line('memory', '256M'), line('cpus', '0.5', 'cpus.hint'), line('processes', '64'), line('timeout', '60')),
    group(
      'security',
      line('uid', '0'),
      line('capabilities', 'CAP_NET_BIND_SERVICE', 'capabilities.hint'),
      choice('seccomp', ['default', 'unconfined']),
      tick('noNewPrivileges'),
    ),
    group('process', line('environment', 'NAME=value'), tick('terminal'), tick('init'), tick('persistent')),
  );
  if (focused !== undefined) control(focused)?.focus();
}

function rootControls(): HTMLElement[] {
  if (!state.kinds.includes('mnt')) return [make('p', 'hint', text('root.needsMounts'))];
  const roots = ['host', 'programs', 'tmpfs', 'directory', 'docker', 'podman', 'image'] as const;
  const controls = [choice('root', roots, true)];
  if (state.root === 'host' || state.root === 'directory')
    controls.push(choice('access', ['readOnly', 'overlay', 'readWrite']));
  if (state.root === 'directory' || state.root === 'image') controls.push(line('path', '/srv/root'));
  if (state.root === 'docker' || state.root === 'podman') controls.push(line('path', 'debian:12'));
  if (state.root === 'programs') controls.push(line('programs', 'bash ls cat', 'programs.hint'));
  if (state.root === 'tmpfs' || state.root === 'programs') controls.push(line('size', '1G'));
  controls.push(choice('changeRoot', ['pivot_root', 'chroot'], true));
  if (state.changeRoot === 'pivot_root') controls.push(line('oldRoot', '/old-rootfs', 'oldRoot.hint'));
  else controls.push(make('p', 'hint warning', text('chroot.hint')));
  return controls;
}

function kindControl(kind: (typeof KINDS)[number]): HTMLElement {
  const element = checkbox(text(`kind.${kind}`), state.kinds.includes(kind), (checked) => {
    const kinds = KINDS.filter((one) => (one === kind ? checked : state.kinds.includes(one)));
    set({ kinds }, kind === 'mnt' || kind === 'net');
  });
  return keyed(`kind.${kind}`, element);
}

function networkControls(): HTMLElement[] {
  const controls = [choice('network', ['none', 'loopback', 'veth'], true)];
  return state.network === 'veth' ? [...controls, tick('nat')] : controls;
}

function showResult(result: Exclude<ToForm, { type: 'form' }>): void {
  const parts: HTMLElement[] = [];
  if (result.type === 'refused') {
    parts.push(box('refused', result.message));
  } else if (result.notes.length > 0) {
    parts.push(make('ul', 'notes', ...result.notes.map((note) => make('li', '', note))));
  }
  parts.push(make('h2', '', text('specification')), make('pre', '', result.json));
  if (result.type === 'explained') {
    parts.push(make('h2', '', text('syscalls')), syscalls(result.steps));
    for (const equivalent of result.equivalents) parts.push(make('h2', '', text('equivalent')), make('pre', '', equivalent));
  }
  results.replaceChildren(...parts);
}

function syscalls(steps: { call: string; purpose: string }[]): HTMLElement {
  const list = make('ol', 'syscalls');
  list.append(...steps.map(({ call, purpose }) => make('li', '', make('code', '', call), make('span', 'purpose', purpose))));
  return list;
}

vscode.postMessage({ type: 'ready' });
