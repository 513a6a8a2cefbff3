/** The conditions under which VS Code offers something: data alone, of which the extension's bundle keeps nothing. */
import { ContextKey, View } from './ids.ts';

type OneOrMore<T> = T | readonly T[];

/** A condition of VS Code's as it stands, or one on what is ours. */
export type Condition =
  | string
  /** In one of these views. */
  | { view: OneOrMore<keyof typeof View> }
  | { notView: keyof typeof View }
  /** While a context key is set or, with a value, is that. */
  | { context: keyof typeof ContextKey; is?: string }
  | { notContext: keyof typeof ContextKey }
  /** On rows of which one of these is among the words that say what and how they are (`contextValue`). */
  | { row: OneOrMore<string> }
  | { notRow: string }
  /** On rows that are this and nothing else. */
  | { onlyRow: string }
  /** One of them has to hold. */
  | { anyOf: readonly Condition[] };
/** All of them have to hold. */
export type When = OneOrMore<Condition>;

export const NEVER = 'false';
export const IN_ANY_VIEW = 'view =~ /^isoscope\\./';
/** Not while several rows are selected, of which a command would act on one only. */
export const ONE_ROW = '!listMultiSelection';
/**
 * On rows that stand for a container, wherever they are: its own, its cgroup's, its overlay's, a sandbox's. Their menus have one order, by groups:
 * `1_enter` a terminal and programs inside, `1_limits` what it may use and uses, `1_stack` its layers, `2_look` what it is, `2_reveal` where else it
 * stands, `3_copy`; then what only such a row has.
 */
export const CONTAINER_ROW: Condition = { row: ['container', '(cgroupRow|overlay)( \\S+)* isolated', 'sandbox running'] };
/** On those of which a cgroup is known to be its own. */
export const LIMITED_ROW: Condition = { row: ['cgroupRow', '(container|sandbox running)( \\S+)* ownCgroup'] };
/** Of a file: a specification of a sandbox, in a workspace whose files may have effects. */
export const TRUSTED_SPECIFICATION = 'resourceFilename =~ /\\.sandbox\\.json$/ && isWorkspaceTrusted';

/** As VS Code reads it. */
export function whenText(when: When): string {
  return listOf(when).map(conditionText).join(' && ');
}

function conditionText(condition: Condition): string {
  if (typeof condition === 'string') return condition;
  if ('view' in condition) return viewText(listOf(condition.view));
  if ('notView' in condition) return `view != ${View[condition.notView]}`;
  if ('context' in condition) {
    const key = ContextKey[condition.context];
    return condition.is === undefined ? key : `${key} == '${condition.is}'`;
  }
  if ('notContext' in condition) return `!${ContextKey[condition.notContext]}`;
  if ('notRow' in condition) return `viewItem =~ /^((?!${condition.notRow}).)*$/`;
  if ('anyOf' in condition) return `(${condition.anyOf.map(conditionText).join(' || ')})`;
  if ('onlyRow' in condition) return `viewItem == ${condition.onlyRow}`;
  return `viewItem =~ /\\b${alternatives(listOf(condition.row))}\\b/`;
}

function viewText(views: readonly (keyof typeof View)[]): string {
  const [first] = views;
  return views.length === 1 && first !== undefined ? `view == ${View[first]}` : `view =~ /^isoscope\\.${alternatives(views)}$/`;
}

function alternatives(words: readonly string[]): string {
  return words.length === 1 ? words.join() : `(${words.join('|')})`;
}

function listOf<T>(given: OneOrMore<T>): readonly T[] {
  return Array.isArray(given) ? given : [given as T];
}
