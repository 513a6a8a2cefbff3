/**
 * The only ways in which a person is asked to choose from a list. VS Code draws `$(icon)` in it: here every text becomes plain. A list stays until
 * it is answered or left by Escape: a live tree that is drawn again takes the focus, and would close it under the hand.
 */
import * as vscode from 'vscode';
import { oneLine } from './plainText.ts';
import { type QuestionHead, questionTitle } from './runningCommand.ts';

const LABEL_LENGTH = 300;
const DETAIL_LENGTH = 1000;

export interface ListQuestion extends QuestionHead {
  placeHolder?: string;
  matchOnDescription?: boolean;
  matchOnDetail?: boolean;
}

interface Given<T> extends vscode.QuickPickItem {
  given: T;
}

function plainItem<T extends vscode.QuickPickItem>(item: T): Given<T> {
  const { label, description, detail, buttons, iconPath, picked } = item;
  return {
    label: oneLine(label, LABEL_LENGTH),
    ...(description === undefined ? {} : { description: oneLine(description, LABEL_LENGTH) }),
    ...(detail === undefined ? {} : { detail: oneLine(detail, DETAIL_LENGTH) }),
    ...(buttons === undefined ? {} : { buttons }),
    ...(iconPath === undefined ? {} : { iconPath }),
    ...(picked === undefined ? {} : { picked }),
    given: item,
  };
}

async function plainItems<T extends vscode.QuickPickItem>(items: readonly T[] | PromiseLike<readonly T[]>) {
  return (await items).map(plainItem);
}

function plainOptions({ of, otherwise, placeHolder, ...options }: ListQuestion) {
  return {
    ...options,
    ignoreFocusOut: true,
    title: oneLine(questionTitle({ of, otherwise })),
    ...(placeHolder === undefined ? {} : { placeHolder: oneLine(placeHolder, LABEL_LENGTH) }),
  };
}

/** Undefined when the person chose none. The list may still be on its way. */
export async function pick<T extends vscode.QuickPickItem>(
  items: readonly T[] | PromiseLike<readonly T[]>,
  question: ListQuestion = {},
): Promise<T | undefined> {
  return (await vscode.window.showQuickPick(plainItems(items), plainOptions(question)))?.given;
}

/** Any number of them; undefined when the person stopped. */
export async function pickSeveral<T extends vscode.QuickPickItem>(
  items: readonly T[] | PromiseLike<readonly T[]>,
  question: ListQuestion = {},
): Promise<T[] | undefined> {
  const picked = await vscode.window.showQuickPick(plainItems(items), { ...plainOptions(question), canPickMany: true });
  return picked?.map(({ given }) => given);
}

/** What `onChosen` says of the list: it goes, or stays for the next choice. */
export type AfterChoice = 'close' | 'stay';

/** A list whose rows may have buttons, and which may stay after a choice. Ends when it is closed. */
export async function pickWithButtons<T extends vscode.QuickPickItem>(
  items: readonly T[],
  question: ListQuestion,
  onChosen: (item: T, how: 'accepted' | 'button') => AfterChoice,
): Promise<void> {
  const list = vscode.window.createQuickPick<Given<T>>();
  try {
    const { title, placeHolder, matchOnDescription, matchOnDetail, ignoreFocusOut } = plainOptions(question);
    list.title = title;
    list.placeholder = placeHolder;
    list.matchOnDescription = matchOnDescription ?? false;
    list.matchOnDetail = matchOnDetail ?? false;
    list.ignoreFocusOut = ignoreFocusOut;
    list.items = items.map(plainItem);
    const hidden = new Promise<void>((resolve) => list.onDidHide(resolve));
    const chosen = (item: Given<T> | undefined, how: 'accepted' | 'button') => {
      if (item !== undefined && onChosen(item.given, how) === 'close') list.hide();
    };
    list.onDidAccept(() => chosen(list.selectedItems[0], 'accepted'));
    list.onDidTriggerItemButton(({ item }) => chosen(item, 'button'));
    list.show();
    await hidden;
  } finally {
    list.dispose();
  }
}
