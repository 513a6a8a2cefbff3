/** A page of blocks, on whatever it is: shows what the extension sends, and says what the person did. */
import './base.css';
import './page.css';
import type { FromPage, ToPage } from './messages.ts';
import { render } from './render.ts';

interface VsCode {
  postMessage(message: FromPage): void;
  setState(state: Record<string, unknown>): void;
}
declare function acquireVsCodeApi(): VsCode;

const vscode = acquireVsCodeApi();
let shown = '';
let waiting: ToPage | undefined;

window.addEventListener('message', (event: MessageEvent<ToPage>) => {
  waiting = event.data;
  if (waiting.state !== undefined) vscode.setState(waiting.state);
  showWaiting();
});
// Figures change every other second; somebody who is marking text to copy it wants the page to stand still.
document.addEventListener('selectionchange', showWaiting);

function showWaiting(): void {
  if (waiting === undefined || document.getSelection()?.isCollapsed === false) return;
  const message = waiting;
  waiting = undefined;
  const text = JSON.stringify(message);
  // The same again: leave the page alone, with what is focused in it.
  if (text === shown) return;
  shown = text;
  show(message);
}

function show(message: ToPage): void {
  const main = document.querySelector('main');
  if (main === null) return;
  const open = new Set([...main.querySelectorAll('details[open]')].map((element) => (element as HTMLElement).dataset.key));
  const focused = focusKey();
  const scrolled = new Map(tables().map((table) => [keyOf(table), table.scrollLeft]));
  const { scrollX, scrollY } = window;
  main.replaceChildren(
    ...render(
      message,
      ({ action }) => vscode.postMessage({ type: 'action', action }),
      (link) => vscode.postMessage({ type: 'follow', link }),
    ),
  );
  main.setAttribute('aria-busy', String(message.type === 'loading'));
  document.title = main.querySelector('h1')?.textContent ?? '';
  for (const element of main.querySelectorAll('details')) if (open.has(element.dataset.key)) element.open = true;
  const again = focusable().find((element) => focused !== undefined && keyOf(element) === focused);
  // A table can have the focus once it is seen that it scrolls, which is later.
  if (again?.classList.contains('table')) again.tabIndex = 0;
  again?.focus();
  for (const table of tables()) table.scrollLeft = scrolled.get(keyOf(table)) ?? 0;
  window.scrollTo(scrollX, scrollY);
}

function focusable(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('main vscode-button, main summary, main .table, main .link')];
}

function tables(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('main .table')];
}

function keyOf(element: Element): string {
  return `${element.localName} ${(element as HTMLElement).dataset.label ?? element.textContent ?? ''}`;
}

function focusKey(): string | undefined {
  const { activeElement } = document;
  return activeElement === null || activeElement === document.body ? undefined : keyOf(activeElement);
}

vscode.postMessage({ type: 'ready' });
