/** The only ways in which something is said to a person. VS Code draws links to commands in such messages: here every text becomes plain. */
import * as vscode from 'vscode';
import { oneLine, plainLines } from './plainText.ts';

/** VS Code cuts a notification there. */
const MESSAGE_LENGTH = 1000;
const BUTTON_LENGTH = 80;
/** More would leave a modal box no room for its buttons. */
const DETAIL_LENGTH = 4000;

type Show = (message: string, ...items: Choice[]) => Thenable<Choice | undefined>;
type Choice = vscode.MessageItem & { choice: string };

async function shown(show: Show, message: string, choices: readonly string[]): Promise<string | undefined> {
  const items = choices.map((choice) => ({ title: oneLine(choice, BUTTON_LENGTH), choice }));
  return (await show(oneLine(message, MESSAGE_LENGTH), ...items))?.choice;
}

/** Says what happened; gives the button that was pressed. */
export function say(message: string, ...choices: string[]): Promise<string | undefined> {
  return shown((text, ...items) => vscode.window.showInformationMessage(text, ...items), message, choices);
}

/** Says what a person should look at. */
export function warn(message: string, ...choices: string[]): Promise<string | undefined> {
  return shown((text, ...items) => vscode.window.showWarningMessage(text, ...items), message, choices);
}

/** Says what failed. Errors have `showFailure`, which knows what can be done about them. */
export function complain(message: string, ...choices: string[]): Promise<string | undefined> {
  return shown((text, ...items) => vscode.window.showErrorMessage(text, ...items), message, choices);
}

export interface ModalQuestion {
  message: string;
  /** What stands below it, in lines. */
  detail?: string;
  choices: readonly string[];
  /** Not to be answered lightly. */
  grave: boolean;
}

/** Asks in a box that nothing else goes on beside; undefined when the person cancelled it. */
export function askModally({ message, detail, choices, grave }: ModalQuestion): Promise<string | undefined> {
  const options = { modal: true, ...(detail === undefined ? {} : { detail: plainLines(detail, DETAIL_LENGTH) }) };
  return shown(
    (text, ...items) =>
      grave
        ? vscode.window.showWarningMessage(text, options, ...items)
        : vscode.window.showInformationMessage(text, options, ...items),
    message,
    choices,
  );
}

/** Says in the status bar, for a moment, that something was done. */
export function sayDone(message: string): void {
  vscode.window.setStatusBarMessage(`$(check) ${oneLine(message)}`, 2000);
}

export interface Doing {
  title: string;
  cancellable?: boolean;
}

/** Shows in a notification how far something is, as long as it goes on. */
export function during<T>(
  { title, cancellable = true }: Doing,
  run: (report: (message: string, increment?: number) => void, token: vscode.CancellationToken) => Promise<T>,
): Promise<T> {
  const options = { location: vscode.ProgressLocation.Notification, title: oneLine(title), cancellable };
  const going = vscode.window.withProgress(options, (progress, token) =>
    run(
      (message, increment) => progress.report({ message: oneLine(message), ...(increment === undefined ? {} : { increment }) }),
      token,
    ),
  );
  return Promise.resolve(going);
}

/** Shows a bar at the top of a view as long as something goes on. */
export function duringInView(viewId: string, run: () => Promise<void>): void {
  void vscode.window.withProgress({ location: { viewId } }, run);
}
