/** Draws the controls of the sandbox form, and says what of them changed. What they mean is in sandboxForm.ts. */
import { isObject, type JsonObject, type JsonSchema, placeAt } from './jsonSchema.ts';
import { optionsOf, optionValue, withChosen, withOptionValue, withOthers } from './mountOptions.ts';
import { type Path, valueAt, withItem, withSwapped, withValue } from './sandboxDraft.ts';
import { type Choice, isOwn, KINDS, type Kind, type List, type Pick } from './sandboxFields.ts';
import {
  canShow,
  choose,
  chosenOf,
  chosenOptionOf,
  type FormState,
  isCoveredOption,
  itemSummary,
  itemsOf,
  joinedKinds,
  jsonOf,
  type Placed,
  placed,
  textOf,
  valueOfText,
  withField,
  withOwn,
} from './sandboxForm.ts';
import { joinWords, splitWords } from './sandboxNotations.ts';
import { bareTextArea, bareTextField, button, checkbox, describe, dropdown, iconButton } from './toolkit.ts';

/** The page that the controls are on. */
export interface Page {
  readonly state: FormState;
  readonly schema: JsonSchema;
  /** Items of lists that are unfolded, by their ids. */
  readonly unfolded: Set<string>;
  text(key: string, ...values: (string | number)[]): string;
  /** `redraw`: other controls are to be shown from now on, or this one shows something else than what was typed. */
  change(state: FormState, redraw: boolean): void;
  /** The control of this key. */
  focus(key: string): void;
  /** Asks the person, in VS Code's own way, for what is to stand at `path`. */
  pick(pick: Pick, path: Path): void;
}

const JSON_ROWS = 8;
/** Of options of a mount of which one counts: none of them. */
const NO_OPTION = 'default';

export function make(tag: string, className: string, ...children: (HTMLElement | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

export function draw(page: Page, one: Placed, item = ''): HTMLElement {
  const { control, path } = one;
  const value = valueAt(page.state.draft, path);
  if (!canShow(one, value) && control.type !== 'kinds') return jsonControl(page, one, item);
  switch (control.type) {
    case 'line':
      return line(page, one, item);
    case 'choice':
      return choice(page, { ...one, control }, item);
    case 'tick':
      return tickBox(page, one, item, typeof value === 'boolean' ? value : control.fallback(one.around), (checked) =>
        withField(page.state.draft, path, checked === control.fallback(one.around) ? undefined : checked),
      );
    case 'list':
      return list(page, { ...one, control });
    case 'json':
      return jsonControl(page, one, item);
    case 'kinds':
      return kinds(page, one);
    default:
      return optionControl(page, one, item);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows

/** A control beside its name. `item` is what it belongs to, for who cannot see that; `picked` where goes what is picked for it. */
function field(page: Page, one: Placed, item: string, element: HTMLElement, picked = one.path): HTMLElement {
  const { id, control } = one;
  const name = make('span', 'label', nameOf(page, one));
  const cell = make('div', 'control', keyed(id, element));
  const pick = typeof control.pick === 'function' ? control.pick(one.around) : control.pick;
  if (pick !== undefined) {
    const called = `${page.text('choose')}: ${spoken(page, one, item)}`;
    cell.append(iconButton('…', called, () => page.pick(pick, picked)));
  }
  const row = make('div', 'field', name, cell);
  if (control.hint !== undefined) row.append(make('span', 'hint', page.text(control.hint)));
  row.dataset.field = id;
  help(page, one, name, element);
  return row;
}

/** A control's name. */
function nameOf(page: Page, { control, label }: Placed): string {
  return control.title ?? page.text(label);
}

function spoken(page: Page, one: Placed, item: string): string {
  return item === '' ? nameOf(page, one) : `${item}: ${nameOf(page, one)}`;
}

/** What the schema says of the field is its help. */
function help(page: Page, one: Placed, name: HTMLElement, element: HTMLElement): void {
  const own = page.text(`help.${one.label}`);
  const description = own === `help.${one.label}` ? placeAt(page.schema, page.state.draft, one.path)?.schema.description : own;
  if (description === undefined) return;
  name.title = description;
  element.dataset.help = description;
  describe(element, description);
}

/** Found again by its key when the form is drawn anew. */
function keyed(key: string, element: HTMLElement): HTMLElement {
  element.dataset.key = key;
  return element;
}

function line(page: Page, one: Placed, item: string): HTMLElement {
  if (one.control.type !== 'line') return make('span', '');
  const { placeholder = '' } = one.control;
  const element = bareTextField(spoken(page, one, item), textOf(one, page.state.draft), placeholder, (typed) => {
    const value = valueOfText(one, page.state.draft, typed);
    page.change({ ...page.state, draft: withField(page.state.draft, one.path, value) }, false);
  });
  return field(page, one, item, element);
}

function choice(page: Page, one: Placed & { control: Choice }, item: string): HTMLElement {
  const { control, path, label } = one;
  const value = valueAt(page.state.draft, path);
  const chosen = chosenOf(control, value, one.around);
  const base = control.part === undefined ? label : label.slice(0, -control.part.length - 1);
  const options = Object.keys(control.choices).map((name) => ({ value: name, text: choiceText(page, base, name) }));
  // What it was written as is not lost by being shown.
  const shown = chosen ?? JSON.stringify(value) ?? '';
  if (chosen === undefined) options.push({ value: shown, text: shown });
  const element = dropdown(spoken(page, one, item), options, shown, (name) => {
    if (Object.hasOwn(control.choices, name)) page.change(choose(page.state, one, name), true);
  });
  return field(page, one, item, element);
}

/** Terms of the kernel's own are said as they are. */
function choiceText(page: Page, label: string, name: string): string {
  const key = `choice.${label}.${name}`;
  const text = page.text(key);
  return text === key ? name : text;
}

function tickBox(
  page: Page,
  one: Placed,
  item: string,
  checked: boolean,
  change: (checked: boolean) => JsonObject,
): HTMLElement {
  const element = checkbox(nameOf(page, one), checked, (now) => page.change({ ...page.state, draft: change(now) }, true));
  if (item !== '') element.setAttribute('aria-label', spoken(page, one, item));
  help(page, one, element, element);
  const row = make('div', 'tick', keyed(one.id, element));
  row.dataset.field = one.id;
  return row;
}

function jsonControl(page: Page, one: Placed, item: string): HTMLElement {
  const value = valueAt(page.state.draft, one.path);
  const text = typeof value === 'string' ? value : (JSON.stringify(value, undefined, 2) ?? '');
  const element = bareTextArea(spoken(page, one, item), text, Math.min(JSON_ROWS, text.split('\n').length), (typed) =>
    page.change({ ...page.state, draft: withField(page.state.draft, one.path, jsonOf(typed)) }, false),
  );
  element.classList.add('json');
  return field(page, one, item, element);
}

// ---------------------------------------------------------------------------------------------------------------------
// Lists

function list(page: Page, one: Placed & { control: List }): HTMLElement {
  const { control, path, label, id } = one;
  const items = itemsOf(page.state, one);
  const most = placeAt(page.schema, page.state.draft, path)?.schema.maxItems ?? Number.POSITIVE_INFINITY;
  const heading = make('div', 'listHeading', make('span', 'label', page.text(label)));
  const description = placeAt(page.schema, page.state.draft, path)?.schema.description;
  if (description !== undefined) heading.title = description;
  const rows = items.map((item, index) => itemBox(page, one, item, index, items.length));
  const add = button(page.text(`${label}.add`), false, () => {
    page.unfolded.add(`${id}.${items.length}`);
    page.change({ ...page.state, draft: withItem(page.state.draft, path, control.blank) }, true);
  });
  add.setAttribute('aria-label', page.text(`${label}.add`));
  if (items.length >= most) add.setAttribute('disabled', '');
  const box = make('div', 'list', heading, ...rows, keyed(`${id}.add`, add));
  box.dataset.field = id;
  return box;
}

function itemBox(page: Page, one: Placed & { control: List }, item: JsonObject, index: number, length: number): HTMLElement {
  const { control, path, label, id } = one;
  const key = `${id}.${index}`;
  const called = page.text(`${label}.item`, index + 1);
  const words = make('span', 'words', itemSummary(control, item));
  const head = make('summary', '', make('span', 'itemName', called), words);
  const controls = placed(control.item, page.state, [...path, index]).map((below) => draw(page, below, called));
  const fold = make('details', 'item', head, make('div', 'controls', ...controls)) as HTMLDetailsElement;
  fold.open = page.unfolded.has(key);
  fold.dataset.item = key;
  fold.addEventListener('toggle', () => (fold.open ? page.unfolded.add(key) : page.unfolded.delete(key)));
  return make('div', 'itemRow', fold, itemButtons(page, one, index, length));
}

function itemButtons(
  page: Page,
  { control, path, label, id }: Placed & { control: List },
  index: number,
  length: number,
): HTMLElement {
  const called = page.text(`${label}.item`, index + 1);
  const up = iconButton('↑', `${page.text('moveUp')}: ${called}`, () => move(-1));
  const down = iconButton('↓', `${page.text('moveDown')}: ${called}`, () => move(1));
  if (index === 0) up.setAttribute('disabled', '');
  if (index === length - 1) down.setAttribute('disabled', '');
  const move = (by: -1 | 1) => {
    const to = index + by;
    swapUnfolded(page.unfolded, `${id}.${index}`, `${id}.${to}`);
    page.change({ ...page.state, draft: withSwapped(page.state.draft, path, Math.min(index, to)) }, true);
    // The focus goes with the item; where it can go no further, to the way back.
    const canGoOn = to + by >= 0 && to + by < length;
    page.focus(`${id}.${to}.${(by < 0) === canGoOn ? 'up' : 'down'}`);
  };
  const remove = iconButton('✕', `${page.text('remove')}: ${called}`, () => {
    for (let at = index; at < length; at += 1) swapUnfolded(page.unfolded, `${id}.${at}`, `${id}.${at + 1}`);
    page.unfolded.delete(`${id}.${length}`);
    page.change({ ...page.state, draft: withValue(page.state.draft, [...path, index], undefined) }, true);
    page.focus(`${id}.add`);
  });
  keyed(`${id}.${index}.up`, up);
  keyed(`${id}.${index}.down`, down);
  const buttons = control.ordered === true && length > 1 ? [up, down, remove] : [remove];
  return make('div', 'itemButtons', ...buttons);
}

function swapUnfolded(unfolded: Set<string>, one: string, other: string): void {
  const [wasOne, wasOther] = [unfolded.has(one), unfolded.has(other)];
  for (const [key, is] of [[one, wasOther] as const, [other, wasOne] as const]) is ? unfolded.add(key) : unfolded.delete(key);
}

// ---------------------------------------------------------------------------------------------------------------------
// Options of a mount

function optionControl(page: Page, one: Placed, item: string): HTMLElement {
  const { control, path } = one;
  const options = optionsOf(valueAt(page.state.draft, path));
  const changed = (now: readonly string[]) => withField(page.state.draft, path, now.length === 0 ? undefined : [...now]);
  const change = (now: readonly string[], redraw: boolean) => page.change({ ...page.state, draft: changed(now) }, redraw);
  switch (control.type) {
    case 'optionTick':
      return tickBox(page, one, item, options.includes(control.option), (checked) =>
        changed(withChosen(options, [control.option], checked ? control.option : '')),
      );
    case 'optionChoice': {
      // The toolkit takes an empty value for the chosen one, whichever is.
      const values = [NO_OPTION, ...control.options];
      const texts = values.map((value) => ({ value, text: choiceText(page, one.label, value) }));
      const now = chosenOptionOf(one, page.state.draft) || NO_OPTION;
      const element = dropdown(spoken(page, one, item), texts, now, (chosen) =>
        change(withChosen(options, control.options, chosen === NO_OPTION ? '' : chosen), true),
      );
      return field(page, one, item, element);
    }
    case 'optionLine': {
      const shown = optionValue(options, control.prefix);
      const element = bareTextField(spoken(page, one, item), shown, control.placeholder, (typed) =>
        change(withOptionValue(optionsOf(valueAt(page.state.draft, path)), control.prefix, typed.trim()), false),
      );
      return field(page, one, item, element);
    }
    default: {
      const isCovered = (option: string) => isCoveredOption(one.beside, option);
      const others = options.filter((option) => !isCovered(option));
      const element = bareTextField(spoken(page, one, item), joinWords(others), 'noatime', (typed) =>
        change(withOthers(optionsOf(valueAt(page.state.draft, path)), isCovered, splitWords(typed)), false),
      );
      return field(page, one, item, element);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Namespaces

function kinds(page: Page, one: Placed): HTMLElement {
  const joined = joinedKinds(page.state.draft);
  const boxes = KINDS.map((kind) => kindBox(page, kind));
  const rows = joined.map((kind) => joinRow(page, one, kind));
  const free = KINDS.filter((kind) => !joined.includes(kind));
  const options = [
    { value: '', text: page.text('join') },
    ...free.map((kind) => ({ value: kind, text: page.text(`namespaces.${kind}`) })),
  ];
  const join = dropdown(page.text('join'), options, '', (kind) => {
    if (kind !== '')
      page.change({ ...page.state, draft: withValue(page.state.draft, ['namespaces', kind], { sandbox: '' }) }, true);
  });
  return make('div', 'list', make('div', 'kinds', ...boxes), ...rows, make('div', 'join', keyed('join', join)));
}

function kindBox(page: Page, kind: Kind): HTMLElement {
  const { draft, privileged } = page.state;
  const element = checkbox(page.text(`namespaces.${kind}`), isOwn(kind, { spec: draft, privileged }), (checked) =>
    page.change(withOwn(page.state, kind, checked), true),
  );
  const description = placeAt(page.schema, draft, ['namespaces', kind])?.schema.description;
  if (description !== undefined) describe(element, description);
  return keyed(`namespaces.${kind}`, element);
}

/** A sandbox by its name; what else is joined is shown as it is written. */
function joinRow(page: Page, { around }: Placed, kind: Kind): HTMLElement {
  const path: Path = ['namespaces', kind];
  const value = valueAt(page.state.draft, path);
  const name = isObject(value) ? value.sandbox : undefined;
  const item = page.text(`namespaces.${kind}`);
  const remove = iconButton('✕', `${page.text('remove')}: ${page.text('namespaces.joined', item)}`, () =>
    page.change({ ...page.state, draft: withValue(page.state.draft, path, undefined) }, true),
  );
  const control = { type: 'json', path: ['namespaces', kind], pick: 'join' } as const;
  const one: Placed = { control, path, id: [...path, 'of'].join('.'), label: `namespaces.${kind}`, around, beside: [] };
  if (typeof name !== 'string') return make('div', 'itemRow', jsonControl(page, one, ''), remove);
  const sandbox = [...path, 'sandbox'];
  const element = bareTextField(`${item}: ${page.text('namespaces.sandbox')}`, name, 'other-sandbox', (typed) =>
    page.change({ ...page.state, draft: withValue(page.state.draft, sandbox, typed.trim()) }, false),
  );
  const named: Placed = { ...one, path: sandbox, id: sandbox.join('.') };
  return make('div', 'itemRow', field(page, named, '', element, path), remove);
}
