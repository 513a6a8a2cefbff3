/**
 * Names of files as text that survives everywhere. The protocol writes a byte that is not UTF-8 as half of a surrogate pair, which neither
 * a URI nor the workbench's own messages can hold. Pure functions.
 */
import { UNSAFE } from './plainText.ts';

const STRAY_BYTE = /(?<![\ud800-\udbff])[\udc80-\udcff]/g;
/** Symbol for escape: rare in names of files, and one that is in a name is escaped itself. */
const ESCAPE = '\u241b';

/**
 * A text of its own for each name, that is well-formed and plain: VS Code shows the names of files in its own tabs, lists and messages, where `$(icon)` is drawn
 * and a character may reorder others. `wireName` undoes it.
 */
export function wellFormedName(name: string): string {
  return name
    .replaceAll(ESCAPE, ESCAPE + ESCAPE)
    .replaceAll(STRAY_BYTE, (half) => `${ESCAPE}${(half.charCodeAt(0) - 0xdc00).toString(16)}`)
    .replaceAll(/[$\]](?=\()/g, escaped)
    .replaceAll(UNSAFE, escaped);
}

function escaped(character: string): string {
  return `${ESCAPE}u${character.codePointAt(0)?.toString(16)};`;
}

export function wireName(text: string): string {
  return text.replaceAll(/\u241b(?:(\u241b)|u([0-9a-f]{1,6});|([89a-f][0-9a-f]))/g, (_all, itself, code, byte) => {
    if (itself !== undefined) return ESCAPE;
    return code === undefined
      ? String.fromCharCode(0xdc00 + Number.parseInt(byte, 16))
      : String.fromCodePoint(Number.parseInt(code, 16));
  });
}

/** A name for people's eyes: bytes that are not UTF-8 as `\xff`. */
export function visibleBytes(name: string): string {
  return name.replaceAll(STRAY_BYTE, (half) => `\\x${(half.charCodeAt(0) - 0xdc00).toString(16)}`);
}
