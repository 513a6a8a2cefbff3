/** The questions that lead to a sandbox: which namespaces are its own, which root, which command. */
import * as vscode from 'vscode';
import type { SandboxRoot } from '../../helper/protocol/sandboxes.ts';
import { NAMESPACE_KINDS, type NamespaceKind } from '../../helper/protocol.ts';
import { oneLine, shellWord } from '../host/plainText.ts';
import { kindIcon, kindTitle } from '../trees/words.ts';
import { splitCommandLine } from './commandLine.ts';
import { rootWords } from './sandboxWords.ts';

/** What was chosen last, which is what is proposed next. */
export interface SandboxChoices {
  kinds: NamespaceKind[];
  root: SandboxRoot;
  command: string;
}

export const FIRST_CHOICES: SandboxChoices = {
  kinds: ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
  root: { type: 'host', access: 'overlay' },
  command: '',
};

export interface KindQuestion {
  title: string;
  placeHolder: string;
  picked: readonly NamespaceKind[];
  /** What stands beside a kind. */
  description?: (kind: NamespaceKind) => string | undefined;
}

/** Undefined when the person stopped; an empty list is an answer. */
export async function askForKinds(question: KindQuestion): Promise<NamespaceKind[] | undefined> {
  const items = NAMESPACE_KINDS.map((kind) => ({
    namespaceKind: kind,
    label: kind,
    description: question.description?.(kind) ?? kindTitle(kind),
    iconPath: new vscode.ThemeIcon(kindIcon(kind)),
    picked: question.picked.includes(kind),
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: question.title,
    placeHolder: question.placeHolder,
    canPickMany: true,
    ignoreFocusOut: true,
  });
  return picked?.map(({ namespaceKind }) => namespaceKind);
}

type RootItem = vscode.QuickPickItem & { root: () => Promise<SandboxRoot | undefined> };

/** Undefined when the person stopped. */
export async function askForRoot(title: string, last: SandboxRoot): Promise<SandboxRoot | undefined> {
  const given = (label: string, detail: string, icon: string, root: SandboxRoot): RootItem => ({
    label,
    detail,
    iconPath: new vscode.ThemeIcon(icon),
    root: () => Promise.resolve(root),
  });
  const asked = (label: string, detail: string, icon: string, root: () => Promise<SandboxRoot | undefined>): RootItem => ({
    label,
    detail,
    iconPath: new vscode.ThemeIcon(icon),
    root,
  });
  const items: RootItem[] = [
    given(vscode.l10n.t('As last time'), rootWords(last), 'history', last),
    given(
      vscode.l10n.t('Host, changes thrown away'),
      vscode.l10n.t("The host's files under an overlay in memory: whatever is changed is gone at the end."),
      'layers',
      { type: 'host', access: 'overlay' },
    ),
    given(vscode.l10n.t('Host, read-only'), vscode.l10n.t("The host's files; none can be changed."), 'lock', {
      type: 'host',
      access: 'readOnly',
    }),
    given(vscode.l10n.t('Host, writable'), vscode.l10n.t("The host's files as they are: changes stay."), 'edit', {
      type: 'host',
      access: 'readWrite',
    }),
    asked(
      vscode.l10n.t('Programs…'),
      vscode.l10n.t('Only the programs that you name, with the loader and libraries that they need.'),
      'package',
      () => askForPrograms(title, last),
    ),
    asked(
      vscode.l10n.t('Empty tmpfs…'),
      vscode.l10n.t('A file system in memory with nothing in it: not even a shell.'),
      'circle-large-outline',
      () => askForSize(title, last),
    ),
    asked(vscode.l10n.t('Directory…'), vscode.l10n.t('A directory of the host as the root.'), 'folder', () =>
      askForDirectory(title),
    ),
    asked(
      vscode.l10n.t('Image of Docker or Podman…'),
      vscode.l10n.t('The layers of an image that is on this host, under an overlay.'),
      'archive',
      () => askForImage(title),
    ),
    asked(
      vscode.l10n.t('Image file…'),
      vscode.l10n.t('A tar of a root file system, or a file made by docker save.'),
      'file-zip',
      () => askForArchive(title),
    ),
  ];
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: vscode.l10n.t('What the root directory is'),
    matchOnDetail: true,
    ignoreFocusOut: true,
  });
  return picked?.root();
}

async function askForPrograms(title: string, last: SandboxRoot): Promise<SandboxRoot | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t('Programs by name or path, with blanks between them.'),
    value: last.type === 'programs' ? last.programs.map(shellWord).join(' ') : 'bash ls cat ps ip',
    ignoreFocusOut: true,
    validateInput: (typed) =>
      (splitCommandLine(typed) ?? []).length === 0 ? vscode.l10n.t('Name at least one program.') : undefined,
  });
  const programs = text === undefined ? undefined : splitCommandLine(text);
  return programs === undefined || programs.length === 0 ? undefined : { type: 'programs', programs };
}

async function askForSize(title: string, last: SandboxRoot): Promise<SandboxRoot | undefined> {
  const size = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t('Size of the file system: a number of bytes, or with K, M or G after it.'),
    value: last.type === 'tmpfs' ? String(last.size ?? '1G') : '1G',
    ignoreFocusOut: true,
    validateInput: (typed) => (/^\d+[KMG]?$/i.test(typed.trim()) ? undefined : vscode.l10n.t('Write it as 64M or 1G.')),
  });
  return size === undefined ? undefined : { type: 'tmpfs', size: size.trim() };
}

async function askForDirectory(title: string): Promise<SandboxRoot | undefined> {
  const [folder] = (await vscode.window.showOpenDialog({ title, canSelectFiles: false, canSelectFolders: true })) ?? [];
  if (folder === undefined) return undefined;
  const ways: (vscode.QuickPickItem & { access: 'readOnly' | 'readWrite' | 'overlay' })[] = [
    { label: vscode.l10n.t('Changes thrown away'), access: 'overlay' },
    { label: vscode.l10n.t('Read-only'), access: 'readOnly' },
    { label: vscode.l10n.t('Writable'), access: 'readWrite' },
  ];
  const way = await vscode.window.showQuickPick(ways, { title, placeHolder: folder.fsPath, ignoreFocusOut: true });
  return way === undefined ? undefined : { type: 'directory', path: folder.fsPath, access: way.access };
}

async function askForImage(title: string): Promise<SandboxRoot | undefined> {
  const formats = [
    { label: 'Docker', format: 'docker' as const },
    { label: 'Podman', format: 'podman' as const },
  ];
  const engine = await vscode.window.showQuickPick(formats, { title, placeHolder: vscode.l10n.t('Whose image') });
  if (engine === undefined) return undefined;
  const reference = await vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t('Name of an image that is on this host, such as debian:12.'),
    ignoreFocusOut: true,
    validateInput: (typed) => (typed.trim() === '' ? vscode.l10n.t('Name an image.') : undefined),
  });
  if (reference === undefined) return undefined;
  return { type: 'image', image: { format: engine.format, reference: reference.trim() } };
}

async function askForArchive(title: string): Promise<SandboxRoot | undefined> {
  const [file] = (await vscode.window.showOpenDialog({ title, filters: { tar: ['tar', 'gz', 'tgz'], '*': ['*'] } })) ?? [];
  if (file === undefined) return undefined;
  const formats = [
    { label: vscode.l10n.t('Root file system'), description: 'docker export, tar', format: 'tar' as const },
    { label: vscode.l10n.t('Saved image'), description: 'docker save', format: 'dockerArchive' as const },
  ];
  const picked = await vscode.window.showQuickPick(formats, { title, placeHolder: file.fsPath, ignoreFocusOut: true });
  return picked === undefined ? undefined : { type: 'image', image: { format: picked.format, path: file.fsPath } };
}

export type CommandAnswer = { words: string[]; text: string; then: 'run' | 'explain' | 'save' };

/** Asks for the command line, and what to do with all that was chosen. Undefined when the person stopped. */
export function askForCommandLine(title: string, value: string, folder?: string): Promise<CommandAnswer | undefined> {
  const box = vscode.window.createInputBox();
  box.title = title;
  box.value = value;
  box.placeholder = vscode.l10n.t('Program and arguments; empty for a shell');
  box.prompt =
    folder === undefined
      ? vscode.l10n.t('No shell reads them; quotes keep words together.')
      : vscode.l10n.t('It begins in {0}. No shell reads the words; quotes keep them together.', oneLine(folder, 60));
  box.ignoreFocusOut = true;
  const explain = { iconPath: new vscode.ThemeIcon('list-ordered'), tooltip: vscode.l10n.t('Show the Syscalls') };
  const save = { iconPath: new vscode.ThemeIcon('save'), tooltip: vscode.l10n.t('Write a Sandbox File') };
  box.buttons = [explain, save];
  return new Promise((resolve) => {
    const answer = (then: CommandAnswer['then']) => {
      const words = splitCommandLine(box.value);
      if (words === undefined) {
        box.validationMessage = vscode.l10n.t('A quote is not closed.');
        return;
      }
      resolve({ words, text: box.value, then });
      box.hide();
    };
    box.onDidChangeValue(() => {
      box.validationMessage = undefined;
    });
    box.onDidAccept(() => answer('run'));
    box.onDidTriggerButton((button) => answer(button === explain ? 'explain' : 'save'));
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}
