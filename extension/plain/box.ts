/**
 * The only ways in which a person is asked to type something. VS Code draws links to commands in prompts: here every text becomes plain. A box stays
 * until it is answered or left by Escape: a live tree that is drawn again takes the focus, and would close it with what was typed.
 */
import * as vscode from 'vscode';
import { oneLine } from './plainText.ts';
import { type QuestionHead, questionTitle } from './runningCommand.ts';

const PROMPT_LENGTH = 1000;

export interface TextQuestion extends QuestionHead {
  prompt?: string;
  placeHolder?: string;
  value?: string;
  valueSelection?: [number, number];
}

/** What is said below the box while one types: text alone is what is wrong. */
export type Remark = string | { message: string; severity: vscode.InputBoxValidationSeverity } | undefined;

/** Undefined when the person stopped. */
export function ask(
  question: TextQuestion,
  remarkOn: (typed: string) => Remark = () => undefined,
): Promise<string | undefined> {
  const { of: _of, otherwise: _otherwise, ...options } = question;
  return Promise.resolve(
    vscode.window.showInputBox({
      ...options,
      ...textsOf(question),
      ignoreFocusOut: true,
      validateInput: (typed) => plainRemark(remarkOn(typed)),
    }),
  );
}

function textsOf({ of, otherwise, title, prompt, placeHolder }: TextQuestion) {
  return {
    title: oneLine(questionTitle({ of, otherwise, title })),
    ...(prompt === undefined ? {} : { prompt: oneLine(prompt, PROMPT_LENGTH) }),
    ...(placeHolder === undefined ? {} : { placeHolder: oneLine(placeHolder) }),
  };
}

function plainRemark(remark: Remark) {
  if (remark === undefined) return undefined;
  return typeof remark === 'string'
    ? oneLine(remark, PROMPT_LENGTH)
    : { message: oneLine(remark.message, PROMPT_LENGTH), severity: remark.severity };
}

/** A box that does more than ask for one value. Its texts are given when it is made, but for what is wrong: `setProblem`. */
export type Box = Omit<vscode.InputBox, 'title' | 'prompt' | 'placeholder' | 'validationMessage'>;

/** To be shown, and disposed of, by whoever made it. */
export function createBox(question: TextQuestion): Box {
  const box = vscode.window.createInputBox();
  const texts = textsOf(question);
  box.title = texts.title;
  box.prompt = texts.prompt;
  box.placeholder = texts.placeHolder;
  box.value = question.value ?? '';
  box.ignoreFocusOut = true;
  return box;
}

/** Says below the box what is wrong, or no longer. */
export function setProblem(box: Box, problem: string | undefined): void {
  const { Error: severity } = vscode.InputBoxValidationSeverity;
  (box as vscode.InputBox).validationMessage =
    problem === undefined ? undefined : { message: oneLine(problem, PROMPT_LENGTH), severity };
}
