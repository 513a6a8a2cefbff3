/** Options of a mount as controls show them, one by one; those that no control is for stay as they are. Pure. */
import type { Json } from './jsonSchema.ts';

export function optionsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** Of options of which one counts, the one that does: mount(8) lets the last count. */
export function chosenOption(options: readonly string[], group: readonly string[]): string {
  return options.findLast((option) => group.includes(option)) ?? '';
}

export function withChosen(options: readonly string[], group: readonly string[], chosen: string): string[] {
  const others = options.filter((option) => !group.includes(option));
  return chosen === '' ? others : [...others, chosen];
}

/** What follows `size=`. */
export function optionValue(options: readonly string[], prefix: string): string {
  return options.findLast((option) => option.startsWith(prefix))?.slice(prefix.length) ?? '';
}

export function withOptionValue(options: readonly string[], prefix: string, value: string): string[] {
  const others = options.filter((option) => !option.startsWith(prefix));
  return value === '' ? others : [...others, `${prefix}${value}`];
}

/** Those that `isCovered` does not say another control is for. */
export function withOthers(
  options: readonly string[],
  isCovered: (option: string) => boolean,
  others: readonly string[],
): string[] {
  return [...options.filter(isCovered), ...others];
}
