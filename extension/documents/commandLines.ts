/** The command lines that stand as comments in a document of system calls. Pure. */

/** What a line of one begins with. */
const MARK = '#   ';
/** An empty line within one. */
const EMPTY = '#';

export interface CommandLine {
  /** Line of its heading, from 0. */
  line: number;
  /** As a shell takes it: without the marks of the comment. */
  text: string;
}

/** A comment with a command line below its heading: blocks are parted by empty lines, and what is of a command line is indented. */
export function commandLines(document: string): CommandLine[] {
  const found: CommandLine[] = [];
  let line = 0;
  for (const block of document.split('\n\n')) {
    const [heading = '', ...below] = block.split('\n');
    const end = below.findIndex((one) => one !== EMPTY && !one.startsWith(MARK));
    const command = end < 0 ? below : below.slice(0, end);
    if (heading.startsWith('# ') && command.length > 0) {
      found.push({ line, text: command.map((one) => one.slice(MARK.length)).join('\n') });
    }
    line += below.length + 2;
  }
  return found;
}
