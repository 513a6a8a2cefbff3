import { oneLine } from '../plain/plainText.ts';

/** `name`, which anybody may have chosen, as one segment of a document's path. */
export function safeFileName(name: string): string {
  // Half of a surrogate pair, which stands for a byte that is no text, has no place in a URI.
  const segment = oneLine(name)
    .replace(/[\ud800-\udfff]/gu, '\ufffd')
    .replaceAll('/', '∕')
    .trim();
  return segment === '' || segment === '.' || segment === '..' ? 'isoscope' : segment;
}
