/** The only file that knows the toolkit that the pages' controls come from. */
import { provideVSCodeDesignSystem, vsCodeButton, vsCodeProgressRing, vsCodeTextField } from '@vscode/webview-ui-toolkit';

provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeProgressRing(), vsCodeTextField());

export function button(label: string, primary: boolean, onClick: () => void): HTMLElement {
  const element = document.createElement('vscode-button');
  element.textContent = label;
  element.setAttribute('appearance', primary ? 'primary' : 'secondary');
  element.addEventListener('click', onClick);
  return element;
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
