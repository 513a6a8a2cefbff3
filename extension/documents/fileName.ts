import { oneLine } from '../host/plainText.ts';

/** `name`, which anybody may have chosen, as one segment of a document's path. */
export function fileName(name: string): string {
  const segment = oneLine(name).replaceAll('/', '∕').trim();
  return segment === '' || segment === '.' || segment === '..' ? 'isoscope' : segment;
}
