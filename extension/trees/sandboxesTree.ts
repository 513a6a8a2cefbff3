/** The Sandboxes view: those that run or are kept, and the specifications that the workspace holds. */
import * as vscode from 'vscode';
import type { Sandbox } from '../../helper/protocol/sandboxes.ts';
import type { ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import type { Host } from '../model/liveHost.ts';
import type { Sandboxes } from '../model/liveSandboxes.ts';
import { commandWords } from '../words/sandboxWords.ts';
import { Tree } from './baseTree.ts';
import { SandboxNode, SpecificationNode } from './sandboxNode.ts';
import type { TreeFilter } from './treeFilter.ts';
import type { TreeNode } from './treeNode.ts';

export const sandboxesView: ViewContribution = {
  view: 'sandboxes',
  name: 'Sandboxes',
  isCollapsed: true,
  none: [
    'Nothing runs in a sandbox.',
    '[Run in New Namespace…](command:isoscope.sandbox.runInNewNamespace)',
    '[New Sandbox…](command:isoscope.sandbox.new)',
  ],
  isWholeWithoutRoot: true,
};

export class SandboxesTree extends Tree {
  private readonly sandboxes: Sandboxes;
  private watchingSandboxes: vscode.Disposable | undefined;

  constructor(host: Host, sandboxes: Sandboxes, filter: TreeFilter, extensionUri: vscode.Uri) {
    super(View.sandboxes, host, filter, extensionUri);
    this.sandboxes = sandboxes;
    this.needCgroups();
    this.register(sandboxes.onDidChange(() => this.refresh()));
    const follow = (visible: boolean) => {
      this.watchingSandboxes?.dispose();
      this.watchingSandboxes = visible ? sandboxes.watch() : undefined;
    };
    this.register(this.view.onDidChangeVisibility(({ visible }) => follow(visible)));
    this.register(new vscode.Disposable(() => follow(false)));
    follow(this.view.visible);
  }

  protected override get known(): boolean {
    return this.sandboxes?.loaded ?? false;
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

  /** The row of a sandbox; undefined when it has ended, or the filter hides it. */
  rowOf({ id }: Sandbox): TreeNode | undefined {
    return this.roots().find((row) => row instanceof SandboxNode && row.sandbox.id === id);
  }

  /** Only `sandboxes` tells of others. Drawn less often, the rows stay the same below a menu that is open on one. */
  protected override rootsTouchedBy(): boolean {
    return false;
  }

  protected override title(): string | undefined {
    return undefined;
  }
}
