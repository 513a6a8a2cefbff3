/** What the sandbox form and the extension say to each other. Types only; both sides import them. */
import type { SandboxSpec } from '../helper/protocol/sandboxes.ts';
import type { Json, JsonSchema } from './jsonSchema.ts';
import type { Path } from './sandboxDraft.ts';
import type { Pick } from './sandboxFields.ts';

export type { Json, JsonSchema, Path, Pick };

/** Everything that the form says, in words of the person's language, by what it stands beside. */
export type FormTexts = Record<string, string>;

export interface FormStart {
  texts: FormTexts;
  /** Of a specification: its bounds say what is wrong, and its descriptions are the help. */
  schema: JsonSchema;
  spec: SandboxSpec;
  /** Whether the form is of a file, which it changes as it is filled in. */
  ofFile: boolean;
  /** Whether the helper makes namespaces without one of users. */
  privileged: boolean;
}

/** To the form. */
export type ToForm =
  /** At first, and when the file was changed elsewhere. */
  | ({ type: 'form' } & FormStart)
  /** The file is no specification, or may not be shown as one. */
  | { type: 'unreadable'; texts: FormTexts; message: string }
  /** What the specification that was sent last would do. */
  | { type: 'explained'; json: string; notes: string[]; steps: { call: string; purpose: string }[]; equivalents: string[] }
  /** `field`: of the specification, where one is at fault. */
  | { type: 'refused'; json: string; message: string; field?: Path }
  /** What the person picked. */
  | { type: 'picked'; path: Path; value: Json };

/** From the form. */
export type FromForm =
  | { type: 'ready' }
  | { type: 'changed'; spec: SandboxSpec }
  | { type: 'run'; spec: SandboxSpec }
  | { type: 'save'; spec: SandboxSpec }
  /** Show the file as JSON. */
  | { type: 'openText' }
  /** `now`: what stands at `path` before. */
  | { type: 'pick'; pick: Pick; path: Path; now?: Json };
