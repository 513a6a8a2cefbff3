/**
 * How values are written in one line of text. A text that says no value is given back as it is, which the schema then refuses: so it is not
 * lost, and its control says what is wrong. Pure.
 */
import { isObject, type Json } from './jsonSchema.ts';
import { isSame } from './sandboxDraft.ts';

/** `beside`: the object that the value is in. */
export interface Notation {
  show(value: Json, beside?: Json): string;
  /** Undefined: nothing, so that the default counts. */
  read(text: string, beside?: Json): Json | undefined;
}

/** Blanks between words; quotes keep words together. The same as what the palette asks for. */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain, bare]) => quoted?.replace(/\\(.)/g, '$1') ?? plain ?? bare ?? '',
  );
}

export function joinWords(words: readonly string[]): string {
  return words.map((word) => (/^[^\s"']+$/.test(word) ? word : `"${word.replace(/[\\"]/g, '\\$&')}"`)).join(' ');
}

const plain = (value: Json) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
const readWith = (read: (text: string) => Json) => (text: string) => (text.trim() === '' ? undefined : read(text.trim()));
const showList = (value: Json) => (Array.isArray(value) ? joinWords(value.map(plain)) : plain(value));
const wholeOf = (text: string): Json => (/^-?\d+$/.test(text) ? Number(text) : text);
const numberOf = (text: string): Json => (/^-?\d*\.?\d+$/.test(text) ? Number(text) : text);

/** µs; what the kernel's own is. */
const DEFAULT_PERIOD = 100_000;

function periodBeside(beside: Json | undefined): number {
  return isObject(beside) && typeof beside.period === 'number' && beside.period > 0 ? beside.period : DEFAULT_PERIOD;
}

function environmentOf(words: readonly string[]): Record<string, string> | undefined {
  const pairs = words.map((word) => /^([^=]+)=(.*)$/s.exec(word));
  if (pairs.some((pair) => pair === null)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!]));
}

/** Bytes alone are a number, as a file may have them. */
function sizeOf(text: string): Json {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

export const NOTATIONS = {
  text: { show: plain, read: readWith((text) => text) },
  size: { show: plain, read: readWith(sizeOf) },
  whole: { show: plain, read: readWith(wholeOf) },
  number: { show: plain, read: readWith(numberOf) },
  limit: { show: plain, read: readWith(wholeOf) },
  /** Permissions, as chmod(1) has them. */
  octal: {
    show: (value) => (typeof value === 'number' ? `0${value.toString(8)}` : plain(value)),
    read: readWith((text) => (/^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : text)),
  },
  words: { show: showList, read: readWith(splitWords) },
  /** Words where none at all is something else than the default. */
  ownWords: { show: showList, read: (text) => splitWords(text) },
  numbers: { show: showList, read: readWith((text) => text.split(/[\s,]+/).map(wholeOf)) },
  capabilities: { show: showList, read: readWith((text) => text.split(/[\s,]+/)) },
  environment: {
    show: (value) =>
      isObject(value) ? joinWords(Object.entries(value).map(([name, one]) => `${name}=${plain(one)}`)) : plain(value),
    read: readWith((text) => environmentOf(splitWords(text)) ?? text),
  },
  /** How many CPUs a quota is. */
  cpus: {
    show: (value, beside) => (typeof value === 'number' ? String(value / periodBeside(beside)) : plain(value)),
    read: (text, beside) =>
      readWith((typed) => {
        const cpus = numberOf(typed);
        return typeof cpus === 'number' ? Math.round(cpus * periodBeside(beside)) : typed;
      })(text),
  },
} satisfies Record<string, Notation>;

export type NotationName = keyof typeof NOTATIONS;

/** Whether a line of text can hold the value and give it back. An empty text is an empty line. */
export function isExpressible(name: NotationName, value: Json, beside?: Json): boolean {
  if (value === '') return true;
  const { show, read }: Notation = NOTATIONS[name];
  const text = show(value, beside);
  // The same bytes, whether a file has them as a number or as its digits.
  if (name === 'size' && typeof value === 'string' && /^\d+$/.test(value)) return true;
  return !/[\r\n]/.test(text) && isSame(read(text, beside) ?? (Array.isArray(value) ? [] : undefined), value);
}
