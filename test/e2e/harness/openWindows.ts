/** The windows of this test file that are open now. */
import type { Workbench } from './workbench.ts';

const open = new Set<Workbench>();

/** Keeps track of a window for as long as it is open. */
export function opened(workbench: Workbench): void {
  open.add(workbench);
}

export function closed(workbench: Workbench): void {
  open.delete(workbench);
}

export function openWindows(): Iterable<Workbench> {
  return open;
}
