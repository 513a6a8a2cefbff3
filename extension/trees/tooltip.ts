import * as vscode from 'vscode';
import { markdownText } from '../host/plainText.ts';

/**
 * A tooltip: a title and facts, each of which may be hostile text. Nothing in it is trusted, so it can hold no command
 * link, and everything is escaped, so it can hold no link or image either.
 */
export function factsTooltip(
  title: string,
  facts: readonly (readonly [label: string, value: string | undefined])[],
): vscode.MarkdownString {
  const lines = facts
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([label, value]) => `${label === '' ? '' : `**${markdownText(label)}:** `}${markdownText(value ?? '')}`);
  const markdown = new vscode.MarkdownString([`**${markdownText(title)}**`, lines.join('  \n')].join('\n\n'));
  markdown.isTrusted = false;
  markdown.supportHtml = false;
  return markdown;
}
