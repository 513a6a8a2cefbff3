/** Splits a typed command line into words as sh(1) would, without anything else that a shell does. Pure. */

/** What a word is made of: bare characters, an escaped one, or what stands in single or in double quotes. */
const PIECE = /[^\s\\'"]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*"/gs;
const WORD = new RegExp(`(?:${PIECE.source})+`, PIECE.flags);

/** @returns undefined when a quote is not closed or the line ends with a backslash. */
export function splitCommandLine(line: string): string[] | undefined {
  const isWhole = line.replace(WORD, '').trim() === '';
  return isWhole ? (line.match(WORD) ?? []).map((word) => word.replace(PIECE, unquoted)) : undefined;
}

function unquoted(piece: string): string {
  if (piece.startsWith("'")) return piece.slice(1, -1);
  // Between double quotes a backslash stands for itself, but before these (sh(1), "Quoting").
  if (piece.startsWith('"')) return piece.slice(1, -1).replace(/\\(["\\$`])/g, '$1');
  return piece.startsWith('\\') ? piece.slice(1) : piece;
}
