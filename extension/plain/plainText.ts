/**
 * Text that came from processes, containers and files, made safe to show: one line, bounded, and never read as markup.
 * Names on a Linux host may hold any byte but NUL (and `/`), so every one of them is hostile until it went through here.
 * Text that is plain already stays as it is, so that whoever shows it may make sure once more.
 */

/** Longest text that a row shows; a tree view cuts rows long before, a tooltip shows more. */
const ROW_LENGTH = 120;
const TOOLTIP_LENGTH = 1000;
const LINES_LENGTH = 100_000;

const NEWLINES = /[\n\r\u2028\u2029]/;
/** Controls, separators of lines, and all characters that only format: they reorder text (a name must not read backwards) or hide in it. */
export const UNSAFE = /(?<![$\]])\u2060|\u2060(?!\()|[\p{Cc}\p{Zl}\p{Zp}]|(?!\u2060)\p{Cf}/gu;
/** WORD JOINER: has no width. Between two characters that would begin markup it keeps them from doing so. */
const JOINER = '\u2060';

/**
 * `text` on one line: every control or reordering character becomes a visible stand-in, at most `length` characters stay, and neither
 * `[text](link)` nor `$(icon)`, which VS Code draws in notifications, prompts, lists and tabs, is left alive.
 */
export function oneLine(text: string, length = ROW_LENGTH): string {
  return inert(visible(cut(text, length)));
}

/** The same of text that has lines, which stay, as tabs do. */
export function plainLines(text: string, length = LINES_LENGTH): string {
  return inert(documentText(cut(text, length)));
}

/** `text` for an editor or a page, which draw neither links nor icons: whole, with its lines, and ready to be copied. */
export function documentText(text: string): string {
  return text.replace(UNSAFE, (character) => (/[\n\t]/.test(character) ? character : standIn(character)));
}

/** Cut before anything is replaced, so that a name of a megabyte costs nothing; code points, so that no half of a pair is left over. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const characters = [...text.slice(0, length * 2 + 2)];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}

function visible(text: string): string {
  return text.replace(UNSAFE, standIn);
}

function standIn(character: string): string {
  if (NEWLINES.test(character)) return '⏎';
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? '␡' : '\ufffd';
}

function inert(text: string): string {
  return text.replaceAll('](', `]${JOINER}(`).replaceAll('$(', `$${JOINER}(`);
}

/** `text` for a Markdown tooltip: on one line, and with nothing in it that Markdown, HTML or `$(icon)` syntax would read. */
export function markdownText(text: string, length = TOOLTIP_LENGTH): string {
  return (
    visible(cut(text, length))
      .replace(/[\\`*_{}[\]()#+\-.!|~<>&"'$:/@=^]/g, (character) => `&#${character.charCodeAt(0)};`)
      // Markdown folds runs of blanks, and four at the start would make a code block.
      .replaceAll('  ', '&nbsp;&nbsp;')
  );
}

/** `value`, a message to a page, with every text in it made plain but those below the keys `kept`, which the page gives back or edits. */
export function plainTexts<T>(value: T, kept: ReadonlySet<string> = new Set()): T {
  if (typeof value === 'string') return documentText(value) as T;
  if (Array.isArray(value)) return value.map((one: unknown) => plainTexts(one, kept)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const texts = Object.entries(value).map(([key, one]) => [key, kept.has(key) ? one : plainTexts(one, kept)]);
  return Object.fromEntries(texts) as T;
}

/** A word of a shell command line, quoted when the shell would read anything in it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
