/**
 * Text that came from processes, containers and files, made safe to show: one line, bounded, and never read as markup.
 * Names on a Linux host may hold any byte but NUL (and `/`), so every one of them is hostile until it went through here.
 */

/** Longest text that a row shows; a tree view cuts rows long before, a tooltip shows more. */
const ROW_LENGTH = 120;
const TOOLTIP_LENGTH = 1000;

const NEWLINES = /[\n\r\u2028\u2029]/;
/** C0 and C1 controls, line separators, and the marks that reorder text (a name must not read backwards) or hide in it. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** `text` on one line: every control or reordering character becomes a visible stand-in, and at most `length` characters stay. */
export function oneLine(text: string, length = ROW_LENGTH): string {
  // Cut before replacing, so that a name of a megabyte costs nothing; code points, so that no half of a pair is left over.
  const characters = [...text.slice(0, length * 2 + 2)];
  const cut = characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : characters.join('');
  return cut.replace(UNSAFE, visible);
}

function visible(character: string): string {
  if (NEWLINES.test(character)) return '⏎';
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? '␡' : '\ufffd';
}

/** `text` for a Markdown tooltip: on one line, and with nothing in it that Markdown, HTML or `$(icon)` syntax would read. */
export function markdownText(text: string, length = TOOLTIP_LENGTH): string {
  return (
    oneLine(text, length)
      .replace(/[\\`*_{}[\]()#+\-.!|~<>&"'$:/@=^]/g, (character) => `&#${character.charCodeAt(0)};`)
      // Markdown folds runs of blanks, and four at the start would make a code block.
      .replaceAll('  ', '&nbsp;&nbsp;')
  );
}

/** One-line `text` for a row of a quick pick, where `$(name)` would be drawn as an icon. */
export function pickText(text: string): string {
  return text.replaceAll('$(', '\\$(');
}

/** A word of a shell command line, quoted when the shell would read anything in it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
