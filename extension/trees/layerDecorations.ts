import * as vscode from 'vscode';
import type { LayerMark } from '../../helper/protocol/layers.ts';
import { Disposable } from '../base/disposable.ts';
import { ROW_SCHEME } from '../base/ids.ts';
import { markText } from '../words/layerWords.ts';

/** A row's decoration that names marks: `mark modified,opaque`. */
export type MarkDecoration = `mark ${string}`;

const LETTERS: Record<LayerMark, string> = {
  added: 'A',
  modified: 'M',
  perhapsModified: '?',
  deleted: 'D',
  opaque: 'O',
  redirected: 'R',
  metadata: 'C',
};

const COLORS: Record<LayerMark, string> = {
  added: 'gitDecoration.addedResourceForeground',
  modified: 'gitDecoration.modifiedResourceForeground',
  perhapsModified: 'gitDecoration.modifiedResourceForeground',
  deleted: 'gitDecoration.deletedResourceForeground',
  opaque: 'gitDecoration.conflictingResourceForeground',
  redirected: 'gitDecoration.renamedResourceForeground',
  metadata: 'gitDecoration.modifiedResourceForeground',
};

/** What tells more comes first: a row has room for two letters, and for one colour. */
const ORDER: readonly LayerMark[] = ['deleted', 'opaque', 'redirected', 'metadata', 'modified', 'perhapsModified', 'added'];
const MOST_LETTERS = 2;

export function markDecoration(marks: readonly LayerMark[]): MarkDecoration | undefined {
  const ordered = ORDER.filter((mark) => marks.includes(mark));
  return ordered.length === 0 ? undefined : `mark ${ordered.join(',')}`;
}

/** Marks rows of files with what their layer does to what lies below, in the colours that VS Code has for changes. */
export class LayerDecorations extends Disposable implements vscode.FileDecorationProvider {
  constructor() {
    super();
    this.register(vscode.window.registerFileDecorationProvider(this));
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== ROW_SCHEME || !uri.query.startsWith('mark ')) return undefined;
    const named = uri.query.slice('mark '.length).split(',');
    const marks = ORDER.filter((mark) => named.includes(mark));
    const [first] = marks;
    if (first === undefined) return undefined;
    const letters = marks.map((mark) => LETTERS[mark]).slice(0, MOST_LETTERS);
    return new vscode.FileDecoration(letters.join(''), marks.map(markText).join('; '), new vscode.ThemeColor(COLORS[first]));
  }
}
