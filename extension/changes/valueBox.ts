/** The box that asks for a value: it says while one types what would be set, or what is wrong. */
import * as vscode from 'vscode';
import type { Figure, Lacking } from '../../helper/protocol/cgroups.ts';
import { HelperError } from '../connection/helperError.ts';
import { ask } from '../plain/box.ts';
import { lackingText } from '../words/cgroupWords.ts';
import { isUnknown } from '../words/hostWords.ts';
import type { Reading } from './cgroupInput.ts';

export interface ValueQuestion<T> {
  /** Whose value it is. */
  of: string;
  /** What the value is, and which texts are accepted. */
  prompt: string;
  placeholder: string;
  /** What holds now. */
  value: string;
  read: (text: string) => Reading<T>;
  /** What would be set, in words. */
  words: (value: T) => string;
}

/** Undefined when the person gave none. */
export async function askForValue<T>(question: ValueQuestion<T>): Promise<T | undefined> {
  const { of, prompt, placeholder, value } = question;
  const typed = await ask({ of, prompt, placeHolder: placeholder, value }, (text) => {
    const reading = question.read(text);
    if ('problem' in reading) return { message: reading.problem, severity: vscode.InputBoxValidationSeverity.Error };
    return { message: question.words(reading.value), severity: vscode.InputBoxValidationSeverity.Info };
  });
  const reading = typed === undefined ? undefined : question.read(typed);
  return reading !== undefined && 'value' in reading ? reading.value : undefined;
}

export function isLacking(value: unknown): value is Lacking {
  return typeof value === 'object' && value !== null && 'lacking' in value;
}

/** The part of an inspection that a command is about, or a refusal that says why there is none. */
export function present<T>(value: Figure<T>, what: string): T {
  if (isLacking(value))
    throw new HelperError('unsupported', vscode.l10n.t('{0}: {1}.', what, lackingText(value)), hintOf(value));
  if (isUnknown(value)) throw new HelperError(value.unknown, vscode.l10n.t('{0} could not be read.', what));
  return value as T;
}

/** A figure, or `otherwise` where it is lacking or unknown. */
export function figureOr<T>(value: Figure<T>, otherwise: T): T {
  return isLacking(value) || isUnknown(value) ? otherwise : (value as T);
}

function hintOf({ lacking }: Lacking): string | undefined {
  if (lacking === 'controller') return vscode.l10n.t('On v2 enable it for the children of the cgroup above.');
  if (lacking === 'root') return vscode.l10n.t('Limits are set on the cgroups below the root.');
  return undefined;
}
