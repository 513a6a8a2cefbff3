/** What of ours has a title in the workbench: rows, panels, terminals, comparisons, documents. VS Code draws `$(icon)` in some of them. */
import * as vscode from 'vscode';
import type { PageTypeId, SchemeId } from '../base/ids.ts';
import { documentText, oneLine, plainTexts } from './plainText.ts';

const TITLE_LENGTH = 80;
const LABEL_LENGTH = 300;
const DETAIL_LENGTH = 1000;

/** Makes a row's texts plain. Its tooltip is made by `factsTooltip`. */
function plainRow(item: vscode.TreeItem): vscode.TreeItem {
  if (typeof item.label === 'string') item.label = oneLine(item.label, LABEL_LENGTH);
  if (typeof item.description === 'string') item.description = oneLine(item.description, DETAIL_LENGTH);
  if (item.command !== undefined) item.command = { ...item.command, title: oneLine(item.command.title) };
  const label = item.accessibilityInformation?.label;
  if (label !== undefined) item.accessibilityInformation = { label: oneLine(label, DETAIL_LENGTH) };
  return item;
}

/** A view whose rows are plain, whatever the provider says. */
export function createView<T>(viewId: string, options: vscode.TreeViewOptions<T>): vscode.TreeView<T> {
  const { treeDataProvider: given } = options;
  const treeDataProvider: vscode.TreeDataProvider<T> = {
    ...(given.onDidChangeTreeData === undefined ? {} : { onDidChangeTreeData: given.onDidChangeTreeData }),
    getTreeItem: async (element) => plainRow(await given.getTreeItem(element)),
    getChildren: (element) => given.getChildren(element),
    getParent: (element) => given.getParent?.(element),
    resolveTreeItem: (item, element, token) => given.resolveTreeItem?.(item, element, token),
  };
  return vscode.window.createTreeView(viewId, { ...options, treeDataProvider });
}

/** Sets what stands beside a view's name, and above its rows. */
export function setViewTexts(view: vscode.TreeView<unknown>, description: string, message: string): void {
  view.description = oneLine(description);
  view.message = oneLine(message, DETAIL_LENGTH);
}

export function createStatusItem(id: string, name: string): vscode.StatusBarItem {
  const item = vscode.window.createStatusBarItem(id, vscode.StatusBarAlignment.Left);
  item.name = name;
  return item;
}

/** `icon` is the name of a product icon, which is drawn before the text. */
export function setStatusText(item: vscode.StatusBarItem, icon: string, text: string): void {
  const plain = oneLine(text);
  item.text = `$(${icon}) ${plain}`;
  item.accessibilityInformation = { label: plain };
}

export function createPanel(
  viewType: PageTypeId,
  title: string,
  options?: vscode.WebviewPanelOptions & vscode.WebviewOptions,
): vscode.WebviewPanel {
  return vscode.window.createWebviewPanel(viewType, oneLine(title, TITLE_LENGTH), vscode.ViewColumn.Active, options);
}

export function setPanelTitle(panel: vscode.WebviewPanel, title: string): void {
  panel.title = oneLine(title, TITLE_LENGTH);
}

/** Sends a page what it is to show. What stands below the keys `kept` is no text to be shown, but what the page gives back, edits or draws. */
export function send(panel: vscode.WebviewPanel, message: object, kept?: ReadonlySet<string>): void {
  void panel.webview.postMessage(plainTexts(message, kept));
}

export function createTerminal(options: vscode.TerminalOptions & { name: string }): vscode.Terminal {
  return vscode.window.createTerminal({ ...options, name: oneLine(options.name, TITLE_LENGTH) });
}

export async function compare(left: vscode.Uri, right: vscode.Uri, title: string): Promise<void> {
  await vscode.commands.executeCommand('vscode.diff', left, right, oneLine(title, TITLE_LENGTH * 2), { preview: true });
}

/** Registers read-only documents, whose text keeps its lines and nothing else that is not text. */
export function registerDocuments(scheme: SchemeId, provider: vscode.TextDocumentContentProvider): vscode.Disposable {
  return vscode.workspace.registerTextDocumentContentProvider(scheme, {
    ...(provider.onDidChange === undefined ? {} : { onDidChange: provider.onDidChange }),
    provideTextDocumentContent: async (uri, token) => {
      const text = await provider.provideTextDocumentContent(uri, token);
      return typeof text === 'string' ? documentText(text) : text;
    },
  });
}
