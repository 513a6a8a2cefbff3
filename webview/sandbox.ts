/** The sandbox form: controls on one side, and beside them, live, the specification and the system calls that they come to. */
import './base.css';
import './sandbox.css';
import type { SandboxSpec } from '../helper/protocol/sandboxes.ts';
import type { JsonObject } from './jsonSchema.ts';
import { draw, make, type Page } from './sandboxControls.ts';
import { isSame, type Path, valueAt } from './sandboxDraft.ts';
import type { Pick, Section } from './sandboxFields.ts';
import {
  controlOf,
  type FormState,
  isSectionShown,
  type Mistake,
  mistakesOf,
  placed,
  summaryOf,
  type Word,
  withField,
} from './sandboxForm.ts';
import type { FormStart, FormTexts, FromForm, ToForm } from './sandboxMessages.ts';
import { sectionsOf } from './schemaFields.ts';
import { scrollable } from './scrollable.ts';
import { button, describe } from './toolkit.ts';

/** What outlives that the page is hidden. */
interface Memory {
  state: FormState;
  /** Sections and items of lists that are unfolded. */
  unfolded: string[];
  /** What the extension knows of: with another one, what was typed is no longer about it. */
  known: JsonObject;
}

interface VsCode {
  postMessage(message: FromForm): void;
  getState(): Memory | undefined;
  setState(memory: Memory): void;
}
declare function acquireVsCodeApi(): VsCode;

/** Enough for a person to stop typing. */
const PAUSE_MILLIS = 250;
const FIRST_UNFOLDED = ['what', 'root'];

const vscode = acquireVsCodeApi();
const main = document.querySelector('main') as HTMLElement;
const form = make('form', 'form');
const results = make('div', 'results');
let texts: FormTexts = {};
let start: FormStart;
let sections: readonly Section[] = [];
let state: FormState;
let known: JsonObject;
let unfolded = new Set<string>();
let pause: ReturnType<typeof setTimeout> | undefined;
/** Why the specification that was sent last was refused, by the control that it is seen in. */
let refusal: { id: string; words: string } | undefined;

const page: Page = {
  get state() {
    return state;
  },
  get schema() {
    return start.schema;
  },
  get unfolded() {
    return unfolded;
  },
  text,
  change: set,
  focus: (key) => control(key)?.focus(),
  pick,
};

window.addEventListener('message', ({ data }: MessageEvent<ToForm>) => {
  switch (data.type) {
    case 'form':
      return begin(data);
    case 'unreadable':
      return showUnreadable(data.texts, data.message);
    case 'picked':
      return set({ ...state, draft: withField(state.draft, data.path, data.value) }, true);
    default:
      return showResult(data);
  }
});

function begin(from: FormStart): void {
  texts = from.texts;
  start = from;
  sections = sectionsOf(from.schema);
  known = from.spec as JsonObject;
  const memory = vscode.getState();
  // What was typed and is no value is gone when it was about another specification.
  const isRemembered = memory !== undefined && isSame(memory.known, known);
  const { draft, kept } = isRemembered ? memory.state : { draft: known, kept: {} };
  state = { draft, kept, privileged: from.privileged };
  unfolded = new Set(memory?.unfolded ?? FIRST_UNFOLDED);
  const buttons = make(
    'div',
    'buttons',
    button(text('run'), true, () => send('run')),
    otherButton(from.ofFile),
  );
  const title = text(from.ofFile ? 'titleOfFile' : 'title');
  document.title = title;
  main.replaceChildren(make('header', '', make('h1', '', title), buttons), make('div', 'columns', form, results));
  form.addEventListener('submit', (event) => event.preventDefault());
  results.setAttribute('aria-live', 'polite');
  drawForm();
  tell();
}

function otherButton(ofFile: boolean): HTMLElement {
  if (ofFile) return button(text('openText'), false, () => vscode.postMessage({ type: 'openText' }));
  return button(text('save'), false, () => send('save'));
}

function showUnreadable(words: FormTexts, message: string): void {
  texts = words;
  const open = button(text('openText'), false, () => vscode.postMessage({ type: 'openText' }));
  document.title = text('titleOfFile');
  main.replaceChildren(make('header', '', make('h1', '', text('titleOfFile')), open), box('refused', message));
}

/** With a mistake nothing is sent: the first one is gone to instead. */
function send(type: 'run' | 'save'): void {
  const [mistake] = mistakesOf(state, sections, start.schema);
  if (mistake === undefined) vscode.postMessage({ type, spec: spec() });
  else goTo(mistake.id);
}

function spec(): SandboxSpec {
  return state.draft as SandboxSpec;
}

/** Unfolds what it is in. */
function goTo(id: string): void {
  const element = control(id);
  for (let at = element?.closest('details'); at; at = at.parentElement?.closest('details')) at.open = true;
  element?.focus();
}

function control(key: string): HTMLElement | null {
  return form.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
}

/** The text of this name, with the values in it; a name that there is no text of stands for itself. */
function text(key: string, ...values: (string | number)[]): string {
  return (texts[key] ?? key).replace(/\{(\d)\}/g, (_, index: string) => String(values[Number(index)] ?? ''));
}

/** Changes what the form holds. `redraw` when other controls are to be shown from now on. */
function set(next: FormState, redraw: boolean): void {
  state = next;
  remember();
  if (redraw) drawForm();
  else for (const section of sections) fillHead(section);
  clearTimeout(pause);
  pause = setTimeout(tell, PAUSE_MILLIS);
}

// Who leaves the form, to save it or to close it, has stopped typing.
window.addEventListener('blur', () => {
  if (pause !== undefined) tell();
});

function remember(): void {
  vscode.setState({ state, known, unfolded: [...unfolded] });
}

function pick(what: Pick, path: Path): void {
  const now = valueAt(state.draft, path);
  vscode.postMessage({ type: 'pick', pick: what, path, ...(now === undefined ? {} : { now }) });
}

function tell(): void {
  clearTimeout(pause);
  pause = undefined;
  const mistakes = mistakesOf(state, sections, start.schema);
  refusal = undefined;
  markMistakes(mistakes);
  if (mistakes.length > 0) {
    results.replaceChildren(box('refused', text('mistakes')));
    return;
  }
  known = state.draft;
  remember();
  vscode.postMessage({ type: 'changed', spec: spec() });
}

/** What to do about each stands below its control, and how many there are at the head of each section. */
function markMistakes(mistakes: readonly Mistake[]): void {
  const wrong = new Map(mistakes.map((mistake) => [mistake.id, mistakeWords(mistake)]));
  if (refusal !== undefined && !wrong.has(refusal.id)) wrong.set(refusal.id, refusal.words);
  for (const row of form.querySelectorAll<HTMLElement>('[data-field]')) {
    const mistake = wrong.get(row.dataset.field ?? '');
    const element = control(row.dataset.field ?? '');
    element?.setAttribute('aria-invalid', String(mistake !== undefined));
    if (element !== null) describe(element, mistake ?? element.dataset.help ?? '');
    row.classList.toggle('wrong', mistake !== undefined);
    row.querySelector(':scope > .mistake')?.remove();
    if (mistake !== undefined) row.append(make('span', 'hint mistake', mistake));
  }
  for (const fold of form.querySelectorAll('details')) {
    const count = fold.querySelectorAll('.wrong').length;
    const mark = fold.querySelector('summary .count');
    if (mark !== null) mark.textContent = count === 0 ? '' : text('toCorrect', count);
  }
}

function mistakeWords({ texts: names, values, words }: Mistake): string {
  if (words !== undefined) return words;
  const known = names.map((name) => `mistake.${name}`).find((name) => texts[name] !== undefined) ?? 'mistakes';
  return text(known, ...values);
}

function box(className: string, content: string): HTMLElement {
  const element = make('div', className, content);
  element.setAttribute('role', 'alert');
  return element;
}

function drawForm(): void {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
  form.replaceChildren(...sections.map(sectionBox));
  for (const section of sections) fillHead(section);
  markMistakes(mistakesOf(state, sections, start.schema));
  if (focused !== undefined) control(focused)?.focus();
}

function sectionBox(section: Section): HTMLElement {
  const { key, controls } = section;
  const shown = isSectionShown(section, state)
    ? placed(controls, state).map((one) => draw(page, one))
    : [make('p', 'hint', text(`${key}.needs`))];
  const head = make(
    'summary',
    '',
    make('span', 'heading', text(`section.${key}`)),
    make('span', 'words'),
    make('span', 'count'),
  );
  const fold = make('details', 'section', head, make('div', 'controls', ...shown)) as HTMLDetailsElement;
  fold.dataset.section = key;
  fold.open = unfolded.has(key);
  fold.addEventListener('toggle', () => {
    if (fold.open) unfolded.add(key);
    else unfolded.delete(key);
    remember();
  });
  if (state.draft.changeRoot === 'chroot' && key === 'root')
    fold.lastElementChild?.append(make('p', 'hint warning', text('chroot.hint')));
  return fold;
}

/** What it holds can be read without unfolding it. */
function fillHead(section: Section): void {
  const words = form.querySelector(`details[data-section="${section.key}"] > summary > .words`);
  const shown = isSectionShown(section, state) ? summaryOf(section, state) : [];
  if (words !== null) words.textContent = shown.map(wordText).join(' · ');
}

function wordText(word: Word): string {
  return typeof word === 'string' ? word : text(word.text, ...word.values);
}

function showResult(result: Extract<ToForm, { type: 'explained' | 'refused' }>): void {
  const parts: HTMLElement[] = [];
  if (result.type === 'refused') {
    const id = result.field === undefined ? undefined : controlOf(result.field, state, sections);
    refusal = id === undefined ? undefined : { id, words: result.message };
    markMistakes(mistakesOf(state, sections, start.schema));
    parts.push(box('refused', result.message));
  } else if (result.notes.length > 0) {
    parts.push(make('ul', 'notes', ...result.notes.map((note) => make('li', '', note))));
  }
  parts.push(...code(text('specification'), result.json));
  if (result.type === 'explained') {
    parts.push(make('h2', '', text('syscalls')), syscalls(result.steps));
    for (const equivalent of result.equivalents) parts.push(...code(text('equivalent'), equivalent));
  }
  results.replaceChildren(...parts);
}

function code(title: string, content: string): HTMLElement[] {
  return [make('h2', '', title), scrollable(make('pre', '', content), title)];
}

function syscalls(steps: { call: string; purpose: string }[]): HTMLElement {
  const list = make('ol', 'syscalls');
  list.append(...steps.map(({ call, purpose }) => make('li', '', make('code', '', call), make('span', 'purpose', purpose))));
  return list;
}

vscode.postMessage({ type: 'ready' });
