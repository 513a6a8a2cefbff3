/** What the helper tells a person: it sends codes, and the sentences are its client's. In English it says them itself, in its log and in errors. */
import { type ArgumentsOf, renderSaid, type Said, type SaidArgument, type TextCode } from './protocol/sentences.ts';

/** The only way in which a sentence is told. */
export function said<const C extends TextCode>(code: C, ...args: ArgumentsOf<C>): Said {
  return args.length === 0 ? { code } : { code, args };
}

/** A sentence in English, for what no client says in another language. */
export function english(said: SaidArgument): string {
  return renderSaid(said, filled);
}

function filled(sentence: string, texts: readonly string[]): string {
  return sentence.replaceAll(/\{(\d+)\}/g, (place, index: string) => texts[Number(index)] ?? place);
}
