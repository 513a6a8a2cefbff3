/** The text filter on layers. Pure functions. */
import type { Overlay } from '../../helper/protocol/layers.ts';

/** What a filter's text leaves of an overlay: it is shown, and of its files those whose names hold each of `words`. */
export interface OverlayFinding {
  overlay: Overlay;
  words: string[];
}

export function filterWords(text: string): string[] {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
}

/**
 * A word that names some overlay (its container, image, mount point, a layer's build step or digest) leaves only such overlays. A word
 * that names none is a part of a file's name, and leaves only such files.
 */
export function filterOverlays(
  overlays: readonly Overlay[],
  text: string,
  nameOf: (overlay: Overlay) => string,
): OverlayFinding[] {
  const words = filterWords(text);
  const texts = new Map(overlays.map((overlay) => [overlay, overlayText(overlay, nameOf(overlay))]));
  const naming = words.filter((word) => [...texts.values()].some((one) => one.includes(word)));
  const names = words.filter((word) => !naming.includes(word));
  return overlays
    .filter((overlay) => naming.every((word) => texts.get(overlay)?.includes(word)))
    .map((overlay) => ({ overlay, words: names }));
}

function overlayText(overlay: Overlay, name: string): string {
  const layers = overlay.layers.flatMap(({ digest, createdBy }) => [digest ?? '', createdBy ?? '']);
  return [name, overlay.mountPoint, overlay.image ?? '', overlay.type, ...layers].join('\n').toLowerCase();
}

export function nameHolds(name: string, words: readonly string[]): boolean {
  const lower = name.toLowerCase();
  return words.every((word) => lower.includes(word));
}
