/** What a person is told, as it is sent: the code of a sentence and what is put into it. The sentences are in texts/, a file an area. */
import { CGROUPS_TEXTS } from './texts/cgroups.ts';
import { HOST_TEXTS } from './texts/host.ts';
import { LAYERS_TEXTS } from './texts/layers.ts';
import { PROGRAMS_TEXTS } from './texts/programs.ts';
import { SANDBOXES_TEXTS } from './texts/sandboxes.ts';
import { SHARED_TEXTS } from './texts/shared.ts';
import { STEPS_TEXTS } from './texts/steps.ts';

/** Every sentence, by its code; `{0}` stands for the first argument. A code is in one file only. */
export const TEXTS = {
  ...SHARED_TEXTS,
  ...HOST_TEXTS,
  ...CGROUPS_TEXTS,
  ...LAYERS_TEXTS,
  ...PROGRAMS_TEXTS,
  ...STEPS_TEXTS,
  ...SANDBOXES_TEXTS,
} as const;

export type TextCode = keyof typeof TEXTS;

/** Names, paths and the kernel's words are texts and stay as they are; counts are numbers; words of ours are said, too. Of a list each is put in. */
export type SaidArgument = string | number | Said | readonly SaidArgument[];

export interface Said {
  code: TextCode;
  /** What stands for `{0}`, `{1}` and so on. */
  args?: readonly SaidArgument[];
}

/** As many arguments as the sentence has places for; of several codes, of which one is chosen, all must have as many. */
export type ArgumentsOf<C extends TextCode> = (C extends TextCode ? (args: Places<(typeof TEXTS)[C]>) => void : never) extends (
  args: infer A extends readonly SaidArgument[],
) => void
  ? A
  : never;
type Places<S extends string, Before extends readonly SaidArgument[] = []> = S extends `${string}{${Before['length']}}${string}`
  ? Places<S, [...Before, SaidArgument]>
  : Before;

/** Deeper a sentence is in no other of ours. */
const MOST_LEVELS = 32;

/**
 * A sentence with its arguments, `fill` putting texts into the places of one. What is of another helper may be anything: of a code that is not
 * known the code itself is shown, and what is no sentence as it is.
 */
export function renderSaid(said: unknown, fill: (sentence: string, texts: string[]) => string, levels = MOST_LEVELS): string {
  if (levels === 0) return '…';
  if (Array.isArray(said)) return said.map((one) => renderSaid(one, fill, levels - 1)).join(', ');
  if (typeof said !== 'object' || said === null) return String(said);
  const { code, args } = said as { code?: unknown; args?: unknown };
  const texts = Array.isArray(args) ? args.map((one) => renderSaid(one, fill, levels - 1)) : [];
  if (typeof code === 'string' && Object.hasOwn(TEXTS, code)) return fill(TEXTS[code as TextCode], texts);
  return [String(code), ...texts].join(' ');
}
