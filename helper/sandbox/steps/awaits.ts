/** What a sandbox's launcher waits for the helper to do: told by a word, since what is said of a step is for people only. */
import type { Argument, Step } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import type { Said } from '../../protocol/sentences.ts';
import { english } from '../../saying.ts';

/** `layers`: that it keeps hold of them; `image`: that it unpacks the image of the root. */
export type Awaited = 'idMaps' | 'layers' | 'image' | 'interfaces';

/** Adds the step at which it waits. Its result is the descriptor that the helper hands over, if it does. */
export function awaitHelper(steps: Steps, awaited: Awaited, purpose: Said): Argument {
  return steps.add({ kind: 'sync', awaits: awaited, purpose });
}

/** Throws for a step that was not added by `awaitHelper`. */
export function awaitedAt(step: Step): Awaited {
  const awaits = step.kind === 'sync' ? step.awaits : undefined;
  if (awaits === undefined) throw new Error(`nothing is awaited at "${english(step.purpose)}"`);
  return awaits as Awaited;
}
