/** The rows of the Sandboxes view: a sandbox with what it is made of, each part linked to where another view shows it, and a specification. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Process, ProcessRef } from '../../helper/protocol/processes.ts';
import type { Sandbox } from '../../helper/protocol/sandboxes.ts';
import { Command } from '../base/commandIds.ts';
import { type HostDelta, keyOf } from '../model/clientModel.ts';
import type { SandboxTarget } from '../model/commandTarget.ts';
import { containerRoots, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { parts } from '../words/hostWords.ts';
import { commandWords, isOverlay, ownKinds, rootWords } from '../words/sandboxWords.ts';
import { ownCgroupWords } from './cgroupNode.ts';
import { CgroupsSection } from './containerNode.ts';
import { NamespaceNode } from './namespaceNode.ts';
import { ProcessNode } from './processNode.ts';
import { type FactNode, GroupNode, type TreeContext, TreeNode } from './treeNode.ts';

export class SandboxNode extends TreeNode implements SandboxTarget {
  sandbox: Sandbox;
  private drawnContext = '';

  constructor(tree: TreeContext, id: string, sandbox: Sandbox) {
    super(tree, id, undefined);
    this.sandbox = sandbox;
  }

  override get process(): ProcessRef | undefined {
    return this.sandbox.process;
  }

  /** As the Containers view has it. A sandbox without namespaces of its own is none there. */
  override get container(): Container | undefined {
    const key = this.leader?.container;
    const container = key === undefined ? undefined : this.model.containers.get(key);
    return container?.engine === 'isoscope' ? container : undefined;
  }

  private get leader(): Process | undefined {
    return this.sandbox.process === undefined ? undefined : this.model.process(this.sandbox.process);
  }

  override get decoration(): 'muted' | undefined {
    return this.sandbox.state === 'ended' ? 'muted' : undefined;
  }

  override item(): vscode.TreeItem {
    const { name, spec, state } = this.sandbox;
    const { Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(oneLine(name), Collapsed);
    item.description = parts(this.stateWords(), rootWords(spec.root), commandWords(spec));
    item.iconPath = new vscode.ThemeIcon(state === 'running' ? 'vm-running' : 'vm-outline');
    item.contextValue = this.context();
    this.drawnContext = item.contextValue;
    item.accessibilityInformation = { label: vscode.l10n.t('Sandbox {0}, {1}', oneLine(name), item.description) };
    return item;
  }

  private context(): string {
    const { state, persistent, spec } = this.sandbox;
    const words = ['sandbox', state];
    if (persistent) words.push('persistent');
    if (isOverlay(spec.root)) words.push('overlaid');
    const { container } = this;
    if (container !== undefined) words.push(...ownCgroupWords(this.tree.host.cgroups.model, container.key));
    return words.join(' ');
  }

  private stateWords(): string {
    const { state, exit, persistent } = this.sandbox;
    if (state === 'ended') return exit === undefined ? vscode.l10n.t('ended') : saidText(exit.message);
    return persistent ? vscode.l10n.t('running, persistent') : vscode.l10n.t('running');
  }

  override children(): TreeNode[] {
    const { sandbox } = this;
    const rows: TreeNode[] = this.processRows();
    if (this.leader !== undefined) {
      rows.push(this.child('namespaces', (id) => new NamespacesOfSandbox(this.tree, id, this)));
    }
    const { container } = this;
    if (container !== undefined && sandbox.cgroups.length > 0) {
      rows.push(this.child('cgroups', (id) => new CgroupsSection(this.tree, id, this, container)));
    }
    rows.push(this.rootRow());
    if (sandbox.exit !== undefined)
      rows.push(this.fact('exit', vscode.l10n.t('End'), saidText(sandbox.exit.message), 'debug-stop'));
    if (sandbox.notes.length > 0) rows.push(this.child('notes', (id) => new NotesOfSandbox(this.tree, id, this)));
    return rows;
  }

  /** What runs in it, terminals that were opened in it included. */
  private processRows(): TreeNode[] {
    const { container, leader } = this;
    const roots =
      container === undefined ? [leader].filter((one) => one !== undefined) : containerRoots(this.model, container.key);
    return this.rows(roots, (process) =>
      this.child(ProcessNode.key(process), (id) => new ProcessNode(this.tree, id, this, process, 'tree', () => true)),
    );
  }

  private rootRow(): FactNode {
    const { root } = this.sandbox.spec;
    const row = this.fact('root', vscode.l10n.t('Root'), rootWords(root), isOverlay(root) ? 'layers' : 'root-folder');
    const { container } = this;
    row.command = undefined;
    if (container !== undefined && isOverlay(root)) {
      row.command = { command: Command.revealInLayers, title: vscode.l10n.t('Reveal in Layers'), arguments: [{ container }] };
    }
    return row;
  }

  override tooltip(): vscode.MarkdownString {
    const { name, id, spec, createdMillis, exit, notes } = this.sandbox;
    return factsTooltip(name, [
      [vscode.l10n.t('Id'), id],
      [vscode.l10n.t('Command'), commandWords(spec)],
      [vscode.l10n.t('Root'), rootWords(spec.root)],
      [vscode.l10n.t('Own namespaces'), ownKinds(this.sandbox)],
      [vscode.l10n.t('Made'), new Date(createdMillis).toLocaleString()],
      [vscode.l10n.t('End'), exit && saidText(exit.message)],
      ...notes.map((note) => [vscode.l10n.t('Note'), saidText(note)] as const),
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    // What it is among the containers is known a moment after the sandbox itself.
    if (delta.containerList) return true;
    if (delta.cgroupList && this.context() !== this.drawnContext) return true;
    const pid = this.sandbox.process?.pid;
    if (pid !== undefined && delta.processes.has(pid)) return true;
    const { container } = this;
    return container !== undefined && (delta.containers.has(container.key) || delta.containerProcesses.has(container.key));
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

/** What a person should know of it: a lesser protection, something that was left out. */
class NotesOfSandbox extends GroupNode {
  private readonly of: SandboxNode;

  constructor(tree: TreeContext, id: string, parent: SandboxNode) {
    super(tree, id, parent);
    this.of = parent;
  }

  protected label(): string {
    return vscode.l10n.t('Notes');
  }
  protected icon(): string {
    return 'info';
  }
  protected override description(): string {
    return String(this.of.sandbox.notes.length);
  }

  override children(): TreeNode[] {
    return this.of.sandbox.notes.map((note, index) => {
      const text = saidText(note);
      const row = this.fact(String(index), '', text, 'info');
      row.detail = text;
      return row;
    });
  }
}

export class SpecificationNode extends TreeNode implements SandboxTarget {
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
