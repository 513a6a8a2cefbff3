/** Lines as a comment of a document of system calls; what holds line breaks becomes several. Pure. */
export function comment(...lines: string[]): string {
  return lines
    .flatMap((line) => line.split('\n'))
    .map((line) => `# ${line}`.trimEnd())
    .join('\n');
}

const WIDTH = 90;

/** A paragraph as lines for a comment, broken between words so that none needs scrolling: `mark` before the first, as much room before the others. */
export function paragraph(mark: string, text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && mark.length + line.length + word.length >= WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((one, at) => `${at === 0 ? mark : ' '.repeat(mark.length)}${one}`);
}
