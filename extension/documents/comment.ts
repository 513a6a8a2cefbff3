/** Lines as a comment of a document of system calls; what holds line breaks becomes several. Pure. */
export function comment(...lines: string[]): string {
  return lines
    .flatMap((line) => line.split('\n'))
    .map((line) => `# ${line}`.trimEnd())
    .join('\n');
}
