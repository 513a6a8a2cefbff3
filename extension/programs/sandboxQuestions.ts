/** The questions that lead to a sandbox: which namespaces are its own, which root, which command. */
import * as vscode from 'vscode';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { SandboxRoot } from '../../helper/protocol/sandboxes.ts';
import { ask, createBox, setProblem } from '../plain/box.ts';
import { pick, pickSeveral } from '../plain/pick.ts';
import { oneLine, shellWord } from '../plain/plainText.ts';
import { questionTitle } from '../plain/runningCommand.ts';
import { kindIcon, kindTitle } from '../words/hostWords.ts';
import { rootWords } from '../words/sandboxWords.ts';
import { splitCommandLine } from './commandLine.ts';

export interface KindQuestion {
  /** Whose are to be shared. */
  of?: string;
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
  const { of, placeHolder } = question;
  const picked = await pickSeveral(items, { of, placeHolder });
  return picked?.map(({ namespaceKind }) => namespaceKind);
}

type RootItem = vscode.QuickPickItem & { root: () => Promise<SandboxRoot | undefined> };

export interface RootQuestion {
  /** What was chosen the last time, if there was one. */
  last: SandboxRoot | undefined;
  /** What is proposed at first. */
  first: SandboxRoot;
}

/** Undefined when the person stopped. */
export async function askForRoot({ last, first }: RootQuestion): Promise<SandboxRoot | undefined> {
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
  const isOverlayFirst = first.type === 'host' && first.access === 'overlay';
  const overlay = given(
    vscode.l10n.t('Host, changes thrown away'),
    isOverlayFirst
      ? vscode.l10n.t("The host's files under an overlay in memory: whatever is changed is gone at the end.")
      : vscode.l10n.t(
          'Under an overlay in memory. Without root the kernel refuses it where other file systems are mounted in it.',
        ),
    'layers',
    { type: 'host', access: 'overlay' },
  );
  const readOnly = given(vscode.l10n.t('Host, read-only'), vscode.l10n.t("The host's files; none can be changed."), 'lock', {
    type: 'host',
    access: 'readOnly',
  });
  const items: RootItem[] = [
    ...(last === undefined ? [] : [given(vscode.l10n.t('As last time'), rootWords(last), 'history', last)]),
    ...(isOverlayFirst ? [overlay, readOnly] : [readOnly, overlay]),
    given(vscode.l10n.t('Host, writable'), vscode.l10n.t("The host's files as they are: changes stay."), 'edit', {
      type: 'host',
      access: 'readWrite',
    }),
    asked(
      vscode.l10n.t('Programs…'),
      vscode.l10n.t('Only the programs that you name, with the loader and libraries that they need.'),
      'package',
      () => askForPrograms(last ?? first),
    ),
    asked(
      vscode.l10n.t('Empty tmpfs…'),
      vscode.l10n.t('A file system in memory with nothing in it: not even a shell.'),
      'circle-large-outline',
      () => askForSize(last ?? first),
    ),
    asked(vscode.l10n.t('Directory…'), vscode.l10n.t('A directory of the host as the root.'), 'folder', () =>
      askForDirectory(),
    ),
    asked(
      vscode.l10n.t('Image of Docker or Podman…'),
      vscode.l10n.t('The layers of an image that is on this host, under an overlay.'),
      'archive',
      () => askForImage(),
    ),
    asked(
      vscode.l10n.t('Image file…'),
      vscode.l10n.t('A tar of a root file system, or a file made by docker save.'),
      'file-zip',
      () => askForArchive(),
    ),
  ];
  const picked = await pick(items, {
    placeHolder: vscode.l10n.t('What the root directory is'),
    matchOnDetail: true,
  });
  return picked?.root();
}

async function askForPrograms(last: SandboxRoot): Promise<SandboxRoot | undefined> {
  const question = {
    prompt: vscode.l10n.t('Programs by name or path, with blanks between them.'),
    value: last.type === 'programs' ? last.programs.map(shellWord).join(' ') : 'bash ls cat ps ip',
  };
  const text = await ask(question, (typed) =>
    (splitCommandLine(typed) ?? []).length === 0 ? vscode.l10n.t('Name at least one program.') : undefined,
  );
  const programs = text === undefined ? undefined : splitCommandLine(text);
  return programs === undefined || programs.length === 0 ? undefined : { type: 'programs', programs };
}

async function askForSize(last: SandboxRoot): Promise<SandboxRoot | undefined> {
  const question = {
    prompt: vscode.l10n.t('Size of the file system: a number of bytes, or with K, M or G after it.'),
    value: last.type === 'tmpfs' ? String(last.size ?? '1G') : '1G',
  };
  const size = await ask(question, (typed) =>
    /^\d+[KMG]?$/i.test(typed.trim()) ? undefined : vscode.l10n.t('Write it as 64M or 1G.'),
  );
  return size === undefined ? undefined : { type: 'tmpfs', size: size.trim() };
}

async function askForDirectory(): Promise<SandboxRoot | undefined> {
  const [folder] =
    (await vscode.window.showOpenDialog({ title: questionTitle({}), canSelectFiles: false, canSelectFolders: true })) ?? [];
  if (folder === undefined) return undefined;
  const ways: (vscode.QuickPickItem & { access: 'readOnly' | 'readWrite' | 'overlay' })[] = [
    { label: vscode.l10n.t('Changes thrown away'), access: 'overlay' },
    { label: vscode.l10n.t('Read-only'), access: 'readOnly' },
    { label: vscode.l10n.t('Writable'), access: 'readWrite' },
  ];
  const way = await pick(ways, { placeHolder: folder.fsPath });
  return way === undefined ? undefined : { type: 'directory', path: folder.fsPath, access: way.access };
}

async function askForImage(): Promise<SandboxRoot | undefined> {
  const formats = [
    { label: 'Docker', format: 'docker' as const },
    { label: 'Podman', format: 'podman' as const },
  ];
  const engine = await pick(formats, { placeHolder: vscode.l10n.t('Whose image') });
  if (engine === undefined) return undefined;
  const question = {
    prompt: vscode.l10n.t('Name of an image that is on this host, such as debian:12.'),
  };
  const reference = await ask(question, (typed) => (typed.trim() === '' ? vscode.l10n.t('Name an image.') : undefined));
  if (reference === undefined) return undefined;
  return { type: 'image', image: { format: engine.format, reference: reference.trim() } };
}

async function askForArchive(): Promise<SandboxRoot | undefined> {
  const [file] =
    (await vscode.window.showOpenDialog({ title: questionTitle({}), filters: { tar: ['tar', 'gz', 'tgz'], '*': ['*'] } })) ??
    [];
  if (file === undefined) return undefined;
  const formats = [
    { label: vscode.l10n.t('Root file system'), description: 'docker export, tar', format: 'tar' as const },
    { label: vscode.l10n.t('Saved image'), description: 'docker save', format: 'dockerArchive' as const },
  ];
  const picked = await pick(formats, { placeHolder: file.fsPath });
  return picked === undefined ? undefined : { type: 'image', image: { format: picked.format, path: file.fsPath } };
}

export type CommandAnswer = { words: string[]; text: string; then: 'run' | 'explain' | 'save' };

/** Asks for the command line, and what to do with all that was chosen. Undefined when the person stopped. */
export function askForCommandLine(value: string, folder?: string): Promise<CommandAnswer | undefined> {
  const box = createBox({
    value,
    placeHolder: vscode.l10n.t('Program and arguments; empty for a shell'),
    prompt:
      folder === undefined
        ? vscode.l10n.t('No shell reads them; quotes keep words together.')
        : vscode.l10n.t('It begins in {0}. No shell reads the words; quotes keep them together.', oneLine(folder, 60)),
  });
  const explain = { iconPath: new vscode.ThemeIcon('list-ordered'), tooltip: vscode.l10n.t('Show the Syscalls') };
  const save = { iconPath: new vscode.ThemeIcon('save'), tooltip: vscode.l10n.t('Write a Sandbox File') };
  box.buttons = [explain, save];
  return new Promise((resolve) => {
    const answer = (then: CommandAnswer['then']) => {
      const words = splitCommandLine(box.value);
      if (words === undefined) {
        setProblem(box, vscode.l10n.t('A quote is not closed.'));
        return;
      }
      resolve({ words, text: box.value, then });
      box.hide();
    };
    box.onDidChangeValue(() => setProblem(box, undefined));
    box.onDidAccept(() => answer('run'));
    box.onDidTriggerButton((button) => answer(button === explain ? 'explain' : 'save'));
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}
