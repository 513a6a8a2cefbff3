/**
 * Names of files as text, without losing bytes: Linux allows every byte but `/` and NUL in a name, JSON only Unicode. A byte that is not
 * UTF-8 becomes the lone surrogate U+DC80 to U+DCFF (its value plus U+DC00), which valid UTF-8 never decodes to (PEP 383 calls it
 * `surrogateescape`).
 */

const ESCAPE = 0xdc00;
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/** The text of a name or path, one for each sequence of bytes. */
export function textOfName(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // Every byte that is not UTF-8 is decoded as U+FFFD; most names have none.
  return text.includes('\ufffd') ? textOfMixedName(bytes) : text;
}

function textOfMixedName(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    text += length === 0 ? String.fromCharCode(ESCAPE + bytes[at]!) : bytes.toString('utf8', at, at + length);
    at += length || 1;
  }
  return text;
}

/** How many bytes the UTF-8 sequence at `at` has; 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const sequence = bytes.subarray(at, at + length);
  // Overlong forms and surrogates have the right shape, and are no UTF-8: they do not come back as the same bytes.
  return length > 0 && sequence.length === length && Buffer.from(sequence.toString('utf8')).equals(sequence) ? length : 0;
}

/** Whether the text is the name, rather than standing for bytes that are not UTF-8: it may be given to the kernel as it is. */
export function isPlainName(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** The bytes of a text that `textOfName` made; undefined when it has a surrogate that stands for no byte. */
export function bytesOfName(text: string): Buffer | undefined {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text);
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) parts.push(Buffer.of(code - ESCAPE));
    else if (code >= 0xd800 && code <= 0xdfff) return undefined;
    else parts.push(Buffer.from(character));
  }
  return Buffer.concat(parts);
}
