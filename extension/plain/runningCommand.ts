/** Which command asks: what is asked while one runs is headed by that command's own name, as menus and the palette have it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import * as vscode from 'vscode';
import type { CommandId } from '../base/commandIds.ts';
import { EXTENSION } from '../base/ids.ts';
import { oneLine } from './plainText.ts';

const NAME_LENGTH = 60;

const running = new AsyncLocalStorage<CommandId>();

/** Runs a command; all that it asks, however late, is headed by its name. */
export function asCommand<T>(id: CommandId, run: () => T): T {
  return running.run(id, run);
}

interface Contributed {
  contributes?: { commands?: { command: string; title: string }[] };
}

/** A command's name in the language of the window, without the dots that say that it asks something. */
export function commandTitle(id: CommandId): string {
  const manifest = vscode.extensions.getExtension(EXTENSION)?.packageJSON as Contributed | undefined;
  const title = manifest?.contributes?.commands?.find(({ command }) => command === id)?.title ?? id;
  return title.replace(/(…|\.\.\.)$/, '');
}

/** What a question's title says beside the name of the command that asks. */
export interface QuestionHead {
  /** Of whom it is: "web". */
  of?: string | undefined;
  /** In the name's place where no command asks, but a page. */
  otherwise?: string | undefined;
  /** Of what is asked by itself, whichever command led to it. */
  title?: string | undefined;
}

export function questionTitle({ of, otherwise = '', title: own }: QuestionHead): string {
  const id = running.getStore();
  const title = own ?? (id === undefined ? otherwise : commandTitle(id));
  // A long name must not hide what is asked.
  return of === undefined ? title : vscode.l10n.t('{0}: {1}', oneLine(of, NAME_LENGTH), title);
}
