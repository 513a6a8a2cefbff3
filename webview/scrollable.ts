/** What may be wider than the page scrolls by itself; then, and only then, the Tab key leads to it, so that the arrow keys can scroll it. */

const boxes = new WeakMap<Element, HTMLElement>();
const resized = new ResizeObserver((entries) => {
  for (const box of new Set(entries.map(({ target }) => boxes.get(target)))) if (box !== undefined) fit(box);
});

/** Gives `box`, whose style says that it scrolls, what a person without a mouse needs for that; `label` says to a screen reader what is in it. */
export function scrollable<T extends HTMLElement>(box: T, label: string): T {
  box.dataset.label = label;
  // Either may change: the room for it, and what is in it.
  for (const part of [box, ...box.children]) {
    boxes.set(part, box);
    resized.observe(part);
  }
  return box;
}

function fit(box: HTMLElement): void {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  if (!scrolls) {
    for (const name of ['tabindex', 'role', 'aria-label']) box.removeAttribute(name);
    return;
  }
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', box.dataset.label ?? '');
}
