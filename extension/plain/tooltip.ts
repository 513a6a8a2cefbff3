import * as vscode from 'vscode';
import { markdownText } from './plainText.ts';

/** A tooltip: a title and facts, each of which may be hostile text. */
export function factsTooltip(
  title: string,
  facts: readonly (readonly [label: string, value: string | undefined])[],
): vscode.MarkdownString {
  const lines = facts
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([label, value]) => `${label === '' ? '' : `**${markdownText(label)}:** `}${markdownText(value ?? '')}`);
  return inert([`**${markdownText(title)}**`, lines.join('  \n')].join('\n\n'));
}

/** A tooltip of sentences, each a paragraph. */
export function paragraphs(...texts: readonly string[]): vscode.MarkdownString {
  return inert(texts.map((text) => markdownText(text)).join('\n\n'));
}

/** Nothing in it is trusted, so it can hold no command link; and everything in it is escaped, so it can hold no link or image either. */
function inert(markdown: string): vscode.MarkdownString {
  const shown = new vscode.MarkdownString(markdown);
  shown.isTrusted = false;
  shown.supportHtml = false;
  return shown;
}
