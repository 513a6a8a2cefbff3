/**
 * Names of files are bytes. The kernel's side of the helper has them as strings with one character a byte; the protocol as text, where a
 * byte that is not UTF-8 is U+DC80 to U+DCFF (Python's `surrogateescape`, PEP 383), so that every name has a text of its own.
 */

const ESCAPE = 0xdc00;

/** The protocol's text of bytes. */
export function textOfBytes(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE + bytes.charCodeAt(at));
      at += 1;
    } else {
      text += Buffer.from(bytes.slice(at, at + length), 'latin1').toString('utf8');
      at += length;
    }
  }
  return text;
}

/** The bytes of a text of the protocol; undefined when it is no text that `textOfBytes` gives. */
export function bytesOfText(text: string): string | undefined {
  if (isAscii(text)) return text;
  let bytes = '';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code > 0xdc7f && code < 0xdd00) bytes += String.fromCharCode(code - ESCAPE);
    else if (code >= 0xd800 && code <= 0xdfff) return undefined;
    else bytes += Buffer.from(character, 'utf8').toString('latin1');
  }
  // Two escaped bytes that are UTF-8 together have another text: a name must not have two.
  return textOfBytes(bytes) === text ? bytes : undefined;
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** Length of the well-formed UTF-8 sequence there, or 0 (Unicode, table 3-7). */
function sequenceLength(bytes: string, at: number): number {
  const first = bytes.charCodeAt(at);
  if (first < 0x80) return 1;
  const length = announcedLength(first);
  if (length === 0 || !mayBeSecond(first, bytes.charCodeAt(at + 1))) return 0;
  for (let next = at + 2; next < at + length; next += 1) if (!isContinuation(bytes, next)) return 0;
  return length;
}

/** Of the sequence of several bytes that begins so; 0 when none does. */
function announcedLength(first: number): number {
  if (within(first, 0xc2, 0xdf)) return 2;
  if (within(first, 0xe0, 0xef)) return 3;
  return within(first, 0xf0, 0xf4) ? 4 : 0;
}

/** Whether it may follow: not where the sequence would be longer than it need be, a surrogate, or beyond U+10FFFF. */
function mayBeSecond(first: number, second: number): boolean {
  if (first === 0xe0) return within(second, 0xa0, 0xbf);
  if (first === 0xed) return within(second, 0x80, 0x9f);
  if (first === 0xf0) return within(second, 0x90, 0xbf);
  if (first === 0xf4) return within(second, 0x80, 0x8f);
  return within(second, 0x80, 0xbf);
}

/** False for NaN, beyond the end. */
function within(byte: number, low: number, high: number): boolean {
  return byte >= low && byte <= high;
}

function isContinuation(bytes: string, at: number): boolean {
  return within(bytes.charCodeAt(at), 0x80, 0xbf);
}

/** The text of a name or path, one for each sequence of bytes. */
export function textOfName(bytes: Buffer): string {
  return textOfBytes(bytes.toString('latin1'));
}

/** The bytes of a text that `textOfName` made; undefined when it is none. */
export function bytesOfName(text: string): Buffer | undefined {
  const bytes = bytesOfText(text);
  return bytes === undefined ? undefined : Buffer.from(bytes, 'latin1');
}

/** Whether the text is the name, rather than standing for bytes that are not UTF-8: it may be given to the kernel as it is. */
export function isPlainName(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}
