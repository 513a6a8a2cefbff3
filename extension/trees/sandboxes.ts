/** The Sandboxes view: those that run or are kept, and the specifications that the workspace holds. */
import * as vscode from 'vscode';
import type { Sandbox } from '../../helper/protocol/sandboxes.ts';
import { KIND_ORDER } from '../host/hierarchy.ts';
import type { Host } from '../host/host.ts';
import { keyOf } from '../host/hostModel.ts';
import { oneLine } from '../host/plainText.ts';
import type { Sandboxes } from '../host/sandboxes.ts';
import { Command, View } from '../ids.ts';
import { commandWords, ownKinds, rootWords } from '../programs/sandboxWords.ts';
import type { SandboxTarget } from '../target.ts';
import { NamespaceNode } from './namespaceNode.ts';
import { GroupNode, type TreeContext, TreeNode } from './node.ts';
import { ProcessNode } from './processNode.ts';
import { factsTooltip } from './tooltip.ts';
import { Tree } from './tree.ts';
import type { TreeFilter } from './treeFilter.ts';
import { parts } from './words.ts';

export class SandboxesTree extends Tree {
  private readonly sandboxes: Sandboxes;
  private watchingSandboxes: vscode.Disposable | undefined;

  constructor(host: Host, sandboxes: Sandboxes, filter: TreeFilter, extensionUri: vscode.Uri) {
    super(View.sandboxes, host, filter, extensionUri);
    this.sandboxes = sandboxes;
    this.register(sandboxes.onDidChange(() => this.refresh()));
    const follow = (visible: boolean) => {
      this.watchingSandboxes?.dispose();
      this.watchingSandboxes = visible ? sandboxes.watch() : undefined;
    };
    this.register(this.view.onDidChangeVisibility(({ visible }) => follow(visible)));
    this.register(new vscode.Disposable(() => follow(false)));
    follow(this.view.visible);
  }

  protected override roots(): TreeNode[] {
    const matches = (text: string) => text.toLowerCase().includes(this.filter.text.toLowerCase());
    const shown = this.sandboxes.list.filter(({ name, spec }) => matches(`${name} ${commandWords(spec)}`));
    const files = this.sandboxes.files.filter((file) => matches(file.path));
    return [
      ...this.root.rows(shown, (sandbox) => this.row(sandbox)),
      ...this.root.rows(files, (file) =>
        this.node(`file ${file.toString()}`, () => new SpecificationNode(this, `file ${file.toString()}`, file)),
      ),
    ];
  }

  private row(sandbox: Sandbox): SandboxNode {
    const id = `sandbox ${sandbox.id}`;
    const node = this.node(id, () => new SandboxNode(this, id, sandbox));
    node.sandbox = sandbox;
    return node;
  }

  protected override rootsTouchedBy(): boolean {
    return false;
  }

  protected override title(): string | undefined {
    return undefined;
  }
}

class SandboxNode extends TreeNode implements SandboxTarget {
  sandbox: Sandbox;

  constructor(tree: TreeContext, id: string, sandbox: Sandbox) {
    super(tree, id, undefined);
    this.sandbox = sandbox;
  }

  override get process() {
    return this.sandbox.process;
  }

  override get decoration(): 'muted' | undefined {
    return this.sandbox.state === 'ended' ? 'muted' : undefined;
  }

  override item(): vscode.TreeItem {
    const { name, spec, state, persistent } = this.sandbox;
    const { Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(oneLine(name), Collapsed);
    item.description = parts(this.stateWords(), rootWords(spec.root), commandWords(spec));
    item.iconPath = new vscode.ThemeIcon(state === 'running' ? 'vm-running' : 'vm-outline');
    item.contextValue = `sandbox ${state}${persistent ? ' persistent' : ''}`;
    item.accessibilityInformation = { label: vscode.l10n.t('Sandbox {0}, {1}', oneLine(name), item.description) };
    return item;
  }

  private stateWords(): string | undefined {
    const { state, exit, persistent } = this.sandbox;
    if (state === 'ended') return exit?.message ?? vscode.l10n.t('ended');
    return persistent ? vscode.l10n.t('persistent') : undefined;
  }

  override children(): TreeNode[] {
    const { sandbox, model, tree } = this;
    const process = sandbox.process === undefined ? undefined : model.process(sandbox.process);
    const rows: TreeNode[] = [];
    if (process !== undefined) {
      rows.push(
        this.child(ProcessNode.key(process), (id) => new ProcessNode(tree, id, this, process, 'tree', () => true)),
        this.child('namespaces', (id) => new NamespacesOfSandbox(tree, id, this)),
      );
    }
    rows.push(this.fact('root', vscode.l10n.t('Root'), rootWords(sandbox.spec.root), 'root-folder'));
    for (const { hierarchy, path } of sandbox.cgroups) {
      rows.push(this.fact(`cgroup ${hierarchy}`, vscode.l10n.t('Cgroup'), parts(path, hierarchy), 'dashboard'));
    }
    if (sandbox.exit !== undefined) rows.push(this.fact('exit', vscode.l10n.t('End'), sandbox.exit.message, 'debug-stop'));
    return rows;
  }

  override tooltip(): vscode.MarkdownString {
    const { name, id, spec, createdMillis, exit } = this.sandbox;
    return factsTooltip(name, [
      [vscode.l10n.t('Id'), id],
      [vscode.l10n.t('Command'), commandWords(spec)],
      [vscode.l10n.t('Root'), rootWords(spec.root)],
      [vscode.l10n.t('Own namespaces'), ownKinds(this.sandbox)],
      [vscode.l10n.t('Made'), new Date(createdMillis).toLocaleString()],
      [vscode.l10n.t('End'), exit?.message],
    ]);
  }

  override touchedBy(delta: { members: ReadonlySet<string> }): boolean {
    return delta.members.size > 0;
  }
}

class NamespacesOfSandbox extends GroupNode {
  private readonly of: SandboxNode;

  constructor(tree: TreeContext, id: string, parent: SandboxNode) {
    super(tree, id, parent);
    this.of = parent;
  }

  protected label(): string {
    return vscode.l10n.t('Namespaces');
  }
  protected icon(): string {
    return 'layers';
  }
  protected override description(): string {
    return ownKinds(this.of.sandbox);
  }

  override children(): TreeNode[] {
    const { namespaces } = this.of.sandbox;
    return KIND_ORDER.flatMap((kind) => {
      const ref = namespaces[kind];
      const namespace = ref === undefined ? undefined : this.model.namespaces.get(keyOf(ref));
      if (namespace === undefined) return [];
      return [this.child(keyOf(namespace), (id) => new NamespaceNode(this.tree, id, this, namespace, { place: 'container' }))];
    });
  }
}

class SpecificationNode extends TreeNode implements SandboxTarget {
  readonly file: vscode.Uri;

  constructor(tree: TreeContext, id: string, file: vscode.Uri) {
    super(tree, id, undefined);
    this.file = file;
  }

  override item(): vscode.TreeItem {
    const path = vscode.workspace.asRelativePath(this.file);
    const name = path.split('/').at(-1) ?? path;
    const item = new vscode.TreeItem(oneLine(name.replace(/\.sandbox\.json$/, '')));
    item.description = oneLine(path);
    item.iconPath = new vscode.ThemeIcon('file-code');
    item.contextValue = 'specification';
    item.command = { command: Command.editSandbox, title: vscode.l10n.t('Edit'), arguments: [this] };
    return item;
  }
}
