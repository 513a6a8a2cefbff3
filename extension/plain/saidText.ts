/** What the helper tells a person, in the person's language. */
import * as vscode from 'vscode';
import { renderSaid, type Said } from '../../helper/protocol/sentences.ts';

/** The only way from a code of the helper to a sentence. What is in it is text of others, as is all of what a helper sends: whoever shows it makes it plain. */
export function saidText(said: Said): string {
  return renderSaid(said, (sentence, texts) => vscode.l10n.t(sentence, ...texts));
}
