/** An element with what is in it. Strings become text nodes, never markup. */
export function make(tag: keyof HTMLElementTagNameMap, className: string, ...children: (HTMLElement | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}
