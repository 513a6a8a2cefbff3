/** Splits a typed command line into words as sh(1) would, without anything else that a shell does. Pure. */

/** @returns undefined when a quote is not closed or the line ends with a backslash. */
export function splitCommandLine(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (quote === "'" ? character !== quote : quote !== undefined && character !== quote && character !== '\\') {
      word += character;
    } else if (character === quote) {
      quote = undefined;
    } else if (character === '\\') {
      const next = line[++at];
      if (next === undefined) return undefined;
      // Between double quotes a backslash stands for itself, but before these (sh(1), "Quoting").
      const kept = quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
      word = `${word ?? ''}${kept}`;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = `${word ?? ''}${character}`;
    }
  }
  if (quote !== undefined) return undefined;
  return word === undefined ? words : [...words, word];
}
