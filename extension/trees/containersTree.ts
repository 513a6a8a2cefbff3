/** The Containers view: containers by name, and at the end the services that isolate nothing. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import type { ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import type { HostDelta } from '../model/clientModel.ts';
import { containersWithin, isContainer, outerContainer, sortedContainers } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { parts } from '../words/hostWords.ts';
import { Tree } from './baseTree.ts';
import { ContainerNode, type Section } from './containerNode.ts';
import { ProcessNode } from './processNode.ts';
import type { TreeFilter } from './treeFilter.ts';
import { GroupNode, type TreeContext, type TreeNode } from './treeNode.ts';

export const containersView: ViewContribution = {
  view: 'containers',
  name: 'Containers',
  none: [
    'No container runs on this host.',
    '',
    'One appears here as soon as it starts, whichever engine starts it: Docker, Podman, containerd, LXC, systemd-nspawn, bubblewrap and others.',
    '',
    '[Look at This Host](command:isoscope.host.open)',
    '[Run in New Namespace…](command:isoscope.sandbox.runInNewNamespace)',
  ],
};

export class ContainersTree extends Tree {
  /** Sections of every container that other subjects add. */
  private readonly sections: Section[] = [(node) => this.within(node)];

  constructor(host: Host, filter: TreeFilter, extensionUri: vscode.Uri) {
    super(View.containers, host, filter, extensionUri);
    this.needCgroups();
  }

  addSection(section: Section): void {
    this.sections.push(section);
    this.refresh();
  }

  protected override get known(): boolean {
    return this.host.knows('containers');
  }

  protected override roots(): TreeNode[] {
    const rows: TreeNode[] = this.root.rows(this.shown(true), (container) => this.row(container, undefined));
    return this.shown(false).length === 0 ? rows : [...rows, this.services];
  }

  private shown(isolated: boolean): Container[] {
    const containers = sortedContainers(this.model, isolated);
    return this.found(containers.filter((container) => outerContainer(this.model, container) === undefined));
  }

  private found(containers: Container[]): Container[] {
    const { findings } = this;
    return findings === undefined ? containers : containers.filter((container) => findings.container(container.key));
  }

  /** What runs in a container as a container of its own. */
  private within(node: ContainerNode): ContainersWithin | undefined {
    const list = () => this.found(containersWithin(this.model, node.container));
    if (list().length === 0) return undefined;
    return node.child('containers', (id) => new ContainersWithin(this, id, node, list, (one, parent) => this.row(one, parent)));
  }

  private get services(): ServicesNode {
    return this.node(
      'services',
      () =>
        new ServicesNode(
          this,
          'services',
          undefined,
          () => this.shown(false),
          (one, parent) => this.row(one, parent),
        ),
    );
  }

  private row(container: Container, parent: TreeNode | undefined): ContainerNode {
    const id = parent === undefined ? `container ${container.key}` : `${parent.id}/container ${container.key}`;
    return this.node(id, () => new ContainerNode(this, id, parent, container, this.sections));
  }

  protected override rootsTouchedBy(delta: HostDelta): boolean {
    return delta.containerList;
  }

  protected override title(): string | undefined {
    return undefined;
  }

  /** The row of a container, or of a process within its container; undefined when it is in none, or the filter hides it. */
  rowOf(target: { container?: Container | undefined; process?: ProcessRef | undefined }): TreeNode | undefined {
    const process = target.process === undefined ? undefined : this.model.process(target.process);
    const container = this.model.containers.get(target.container?.key ?? process?.container ?? '');
    if (container === undefined) return undefined;
    const row = this.rowOfContainer(container);
    if (row === undefined) return undefined;
    if (target.container !== undefined || process === undefined) return row;
    return this.processRow(row, process.pid);
  }

  private rowOfContainer(container: Container): ContainerNode | undefined {
    const outer = outerContainer(this.model, container);
    if (outer === undefined) return this.row(container, isContainer(container) ? undefined : this.services);
    const above = this.rowOfContainer(outer);
    const section = above === undefined ? undefined : this.within(above);
    return section === undefined ? undefined : this.row(container, section);
  }

  private processRow(container: ContainerNode, pid: number): TreeNode | undefined {
    const way: number[] = [];
    const members = this.model.processesOf(container.container.key);
    for (let at: number | undefined = pid; at !== undefined && members.has(at) && !way.includes(at); ) {
      way.unshift(at);
      at = this.model.processes.get(at)?.parentPid;
    }
    let node: TreeNode = container.processes;
    for (const step of way) {
      // Past the limit the list has to be long enough to hold the row.
      node.limit = Math.max(node.limit, members.size);
      const next = (node.children() as TreeNode[]).find((child) => child instanceof ProcessNode && child.process.pid === step);
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }
}

/** A row with containers below it. */
abstract class ContainersGroup extends GroupNode {
  protected readonly list: () => Container[];
  private readonly row: (container: Container, parent: TreeNode) => TreeNode;

  constructor(
    tree: TreeContext,
    id: string,
    parent: TreeNode | undefined,
    list: () => Container[],
    row: (container: Container, parent: TreeNode) => TreeNode,
  ) {
    super(tree, id, parent);
    this.list = list;
    this.row = row;
  }

  protected override description(): string {
    return String(this.list().length);
  }

  override children(): TreeNode[] {
    return this.rows(this.list(), (container) => this.row(container, this));
  }
}

/** Containers that run in a container: Docker in Docker, the pods of kind, what bubblewrap confines there. */
class ContainersWithin extends ContainersGroup {
  protected label(): string {
    return vscode.l10n.t('Containers');
  }
  protected icon(): string {
    return 'package';
  }
}

/** Services of the host that have no namespace of their own: listed, because they are cgroups, but out of the way. */
class ServicesNode extends ContainersGroup {
  protected label(): string {
    return this.unknown ? vscode.l10n.t('Services') : vscode.l10n.t('Services without isolation');
  }
  /** Whether some of them may have namespaces of their own that could not be read. */
  private get unknown(): boolean {
    return this.list().some((container) => Object.values(container.namespaces).includes(null));
  }

  protected icon(): string {
    return 'server';
  }
  protected override description(): string {
    return this.unknown ? parts(super.description(), vscode.l10n.t('isolation unknown')) : super.description();
  }
}
