/** The only file that knows the toolkit that the pages' controls come from. */
import {
  type Checkbox,
  type Dropdown,
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeTextArea,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';

provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodeProgressRing(),
  vsCodeTextArea(),
  vsCodeTextField(),
);

export function button(label: string, primary: boolean, onClick: () => void): HTMLElement {
  const element = document.createElement('vscode-button');
  element.textContent = label;
  element.setAttribute('appearance', primary ? 'primary' : 'secondary');
  element.addEventListener('click', onClick);
  return element;
}

/** A button that is one character; `label` is what it does. */
export function iconButton(character: string, label: string, onClick: () => void): HTMLElement {
  const element = button(character, false, onClick);
  element.setAttribute('appearance', 'icon');
  element.setAttribute('aria-label', label);
  element.title = label;
  return element;
}

export function checkbox(label: string, checked: boolean, onChange: (checked: boolean) => void): HTMLElement {
  const element = document.createElement('vscode-checkbox') as Checkbox;
  element.textContent = label;
  element.checked = checked;
  element.addEventListener('change', () => onChange(element.checked));
  return element;
}

/** A choice of one; `options` by the values that are given to `onChange`. */
export function dropdown(
  label: string,
  options: { value: string; text: string }[],
  chosen: string,
  onChange: (value: string) => void,
): HTMLElement {
  const element = document.createElement('vscode-dropdown') as Dropdown;
  element.setAttribute('aria-label', label);
  for (const { value, text } of options) {
    const option = document.createElement('vscode-option');
    option.setAttribute('value', value);
    if (value === chosen) option.setAttribute('selected', '');
    option.textContent = text;
    element.append(option);
  }
  element.addEventListener('change', () => onChange(element.value));
  return element;
}

/** One line of text, whose label stands elsewhere. `onInput` is called with every change. */
export function bareTextField(label: string, value: string, placeholder: string, onInput: (text: string) => void): HTMLElement {
  const element = document.createElement('vscode-text-field') as TextField;
  // The toolkit gives it a name of its own when it is put into the page.
  queueMicrotask(() => element.setAttribute('aria-label', label));
  element.value = value;
  element.setAttribute('placeholder', placeholder);
  element.addEventListener('input', () => onInput(element.value));
  return element;
}

/** Some lines of text, likewise. */
export function bareTextArea(label: string, value: string, rows: number, onInput: (text: string) => void): HTMLElement {
  const element = document.createElement('vscode-text-area') as TextField;
  queueMicrotask(() => element.setAttribute('aria-label', label));
  element.value = value;
  element.setAttribute('rows', String(rows));
  element.setAttribute('resize', 'vertical');
  element.setAttribute('spellcheck', 'false');
  element.addEventListener('input', () => onInput(element.value));
  return element;
}

/** What is said of a control beside its name, by hovering over it and by a screen reader. The toolkit keeps the element that has the focus to itself. */
export function describe(element: HTMLElement, description: string): void {
  element.title = description;
  queueMicrotask(() => {
    const inner = element.shadowRoot?.querySelector('input, textarea') ?? element;
    inner.setAttribute('aria-description', description);
  });
}

export function progressRing(): HTMLElement {
  const element = document.createElement('vscode-progress-ring');
  element.setAttribute('aria-hidden', 'true');
  return element;
}

/** A line of text that can be typed into; `value` is what is in it. */
export type TextField = HTMLElement & { value: string };

export function textField(label: string, placeholder: string, onInput: (text: string) => void): TextField {
  const element = document.createElement('vscode-text-field') as TextField;
  element.textContent = label;
  element.setAttribute('placeholder', placeholder);
  element.setAttribute('spellcheck', 'false');
  element.addEventListener('input', () => onInput(element.value));
  return element;
}
