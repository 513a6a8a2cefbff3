/** What the sandbox form and the extension say to each other. Types only; both sides import them. */
import type { SandboxSpec } from '../helper/protocol/sandboxes.ts';

/** Everything that the form says, in words of the person's language, by what it stands beside. */
export type FormTexts = Record<string, string>;

/** To the form. */
export type ToForm =
  | { type: 'form'; texts: FormTexts; spec: SandboxSpec }
  /** What the specification that was sent last would do. */
  | { type: 'explained'; json: string; notes: string[]; steps: { call: string; purpose: string }[]; equivalents: string[] }
  | { type: 'refused'; json: string; message: string };

/** From the form. */
export type FromForm =
  | { type: 'ready' }
  | { type: 'changed'; spec: SandboxSpec }
  | { type: 'run'; spec: SandboxSpec }
  | { type: 'save'; spec: SandboxSpec };
