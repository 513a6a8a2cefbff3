/** A container's row and the sections below it. A section that shows more of a container is one more entry of `SECTIONS`. */
import * as vscode from 'vscode';
import type { Cgroup } from '../../helper/protocol/cgroups.ts';
import type { Container, Engine } from '../../helper/protocol/containers.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { keyOfCgroup } from '../model/cgroupModel.ts';
import { type HostDelta, namespaceKey } from '../model/clientModel.ts';
import { containerRoots, isContainer, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { figuresText } from '../words/cgroupWords.ts';
import { containerName, engineName, kindName, kindTitle, PERMISSION, parts, processCountSeen } from '../words/hostWords.ts';
import { CgroupNode, type CgroupShape, wholeOf } from './cgroupNode.ts';
import { engineIcon } from './engineIcon.ts';
import { NamespaceNode } from './namespaceNode.ts';
import { InterfacesGroup } from './networkNodes.ts';
import { ProcessNode } from './processNode.ts';
import { GroupNode, type TreeContext, TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

export type Section = (node: ContainerNode) => TreeNode | undefined;

const SECTIONS: readonly Section[] = [
  (node) => node.processes,
  (node) => node.child('namespaces', (id) => new NamespacesSection(node.tree, id, node)),
  networkSection,
  (node) => node.child('cgroups', (id) => new CgroupsSection(node.tree, id, node, node.container)),
];

function networkSection(node: ContainerNode): TreeNode | undefined {
  const ino = node.container.namespaces.net;
  if (ino === undefined || ino === null) return undefined;
  const namespace = node.tree.model.namespaces.get(namespaceKey('net', ino));
  if (namespace === undefined) return undefined;
  return node.child(`network ${ino}`, (id) => new NetworkSection(node.tree, id, node, namespace));
}

/** What nobody knows by its id. */
const WITHOUT_ID: readonly Engine[] = ['isoscope', 'unnamed'];
/** docker's own length for shortened ids. */
const SHORT_ID = 12;

export class ContainerNode extends TreeNode {
  private last: Container;
  private drawn = '';
  private readonly further: readonly Section[];

  /** @param further sections after those that every container has */
  constructor(
    tree: TreeContext,
    id: string,
    parent: TreeNode | undefined,
    container: Container,
    further: readonly Section[] = [],
  ) {
    super(tree, id, parent);
    this.last = container;
    this.further = further;
  }

  override get container(): Container {
    this.last = this.model.containers.get(this.last.key) ?? this.last;
    return this.last;
  }

  override get process(): ProcessRef {
    return this.container.leader;
  }

  override get decoration(): 'paused' | undefined {
    return this.container.state === 'paused' ? 'paused' : undefined;
  }

  override item(): vscode.TreeItem {
    const { container } = this;
    const item = new vscode.TreeItem(containerName(container), vscode.TreeItemCollapsibleState.Collapsed);
    this.drawn = this.shown();
    item.description = this.description();
    item.iconPath = engineIcon(this.tree.extensionUri, container.engine);
    item.contextValue = `container ${container.engine} ${container.state}${isContainer(container) ? ' isolated' : ''}`;
    item.accessibilityInformation = { label: `${containerName(container)}, ${this.description()}` };
    return item;
  }

  /** All that the row and the list of its sections depend on. */
  private shown(): string {
    const { name, state, namespaces } = this.container;
    return JSON.stringify([name, state, namespaces, this.description()]);
  }

  private description(): string {
    const { container } = this;
    const id = oneLine(container.id, container.id.length > 40 ? SHORT_ID + 1 : 40).replace('…', '');
    return parts(
      container.pod?.name === undefined ? undefined : oneLine(container.pod.name, 40),
      container.image === undefined ? undefined : oneLine(container.image, 60),
      container.engine === 'unnamed' ? processCountSeen(container.processCount, this.model) : engineName(container.engine),
      container.rootlessUid === undefined ? undefined : vscode.l10n.t('rootless'),
      stateText(container),
      WITHOUT_ID.includes(container.engine) || container.name.includes(id) ? undefined : id,
    );
  }

  override children(): TreeNode[] {
    return [...SECTIONS, ...this.further].map((section) => section(this)).filter((node) => node !== undefined);
  }

  get processes(): ProcessesSection {
    return this.child('processes', (id) => new ProcessesSection(this.tree, id, this));
  }

  override tooltip(): vscode.MarkdownString {
    const { container } = this;
    return factsTooltip(container.name, [
      [vscode.l10n.t('Engine'), engineName(container.engine)],
      [vscode.l10n.t('Image'), container.image],
      [vscode.l10n.t('Name and image'), container.unanswered && saidText(container.unanswered)],
      [vscode.l10n.t('State'), stateText(container)],
      [vscode.l10n.t('Id'), container.id],
      [
        vscode.l10n.t('Pod'),
        container.pod === undefined
          ? undefined
          : [container.pod.namespace, container.pod.name ?? container.pod.uid].filter(Boolean).join('/'),
      ],
      [vscode.l10n.t('Leader'), vscode.l10n.t('pid {0}', container.leader.pid)],
      [vscode.l10n.t('Processes'), String(container.processCount)],
      [
        vscode.l10n.t('Runs rootless for'),
        container.rootlessUid === undefined ? undefined : vscode.l10n.t('uid {0}', container.rootlessUid),
      ],
      [vscode.l10n.t('Shared with the host'), sharedKinds(this).map(kindName).join(', ')],
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.containers.has(this.last.key) && this.shown() !== this.drawn;
  }
}

function stateText(container: Container): string {
  const words = {
    running: vscode.l10n.t('running'),
    paused: vscode.l10n.t('paused'),
    unknown: vscode.l10n.t('state unknown'),
  };
  return words[container.state];
}

function sharedKinds(node: ContainerNode): NamespaceKind[] {
  return KIND_ORDER.filter((kind) => {
    const ino = node.container.namespaces[kind];
    return ino !== undefined && ino !== null && ino === node.tree.model.hostNamespace(kind)?.ino;
  });
}

abstract class ContainerSection extends GroupNode {
  protected readonly of: ContainerNode;

  constructor(tree: TreeContext, id: string, parent: ContainerNode) {
    super(tree, id, parent);
    this.of = parent;
  }
}

/** The process tree of a container. */
export class ProcessesSection extends ContainerSection {
  protected label(): string {
    return vscode.l10n.t('Processes');
  }
  protected icon(): string {
    return 'server-process';
  }
  protected override get expanded(): boolean {
    return true;
  }
  protected override description(): string {
    return String(this.model.processesOf(this.of.container.key).size);
  }

  private readonly all = () => this.tree.findings?.containerItself(this.of.container.key) ?? true;

  override children(): TreeNode[] {
    const { findings } = this.tree;
    const roots = containerRoots(this.model, this.of.container.key);
    const shown = findings === undefined || this.all() ? roots : roots.filter((process) => findings.processOrBelow(process));
    return this.rows(shown, (process) =>
      this.child(ProcessNode.key(process), (id) => new ProcessNode(this.tree, id, this, process, 'tree', this.all)),
    );
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.containerProcesses.has(this.of.container.key);
  }
}

/** The leader's namespaces, each saying whether it is the container's own or the host's. */
class NamespacesSection extends ContainerSection {
  protected label(): string {
    return vscode.l10n.t('Namespaces');
  }
  protected icon(): string {
    return 'layers';
  }
  protected override description(): string {
    const inodes = Object.values(this.of.container.namespaces);
    const unknown = inodes.filter((ino) => ino === null).length;
    const shared = sharedKinds(this.of).length;
    const own = inodes.length - unknown - shared;
    if (unknown > 0) return own + shared === 0 ? vscode.l10n.t('unknown') : vscode.l10n.t('{0} unknown', unknown);
    if (shared === 0) return vscode.l10n.t('all its own');
    return own === 0
      ? vscode.l10n.t('all shared with the host')
      : vscode.l10n.t('{0} own, {1} shared with the host', own, shared);
  }

  override children(): TreeNode[] {
    return KIND_ORDER.map((kind) => this.row(kind)).filter((node) => node !== undefined);
  }

  private row(kind: NamespaceKind): TreeNode | undefined {
    const ino = this.of.container.namespaces[kind];
    if (ino === undefined) return undefined;
    const namespace = ino === null ? undefined : this.model.namespaces.get(namespaceKey(kind, ino));
    if (namespace === undefined) return unknownRow(this, kind, kindTitle(kind), PERMISSION);
    return this.child(
      namespaceKey(kind, namespace.ino),
      (id) => new NamespaceNode(this.tree, id, this, namespace, { place: 'container' }),
    );
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.containers.has(this.of.container.key) || delta.namespaceList;
  }
}

/** The container's cgroup in each hierarchy. */
export class CgroupsSection extends GroupNode {
  private readonly key: string;
  private last: Container;
  private drawn = '';

  constructor(tree: TreeContext, id: string, parent: TreeNode, container: Container) {
    super(tree, id, parent);
    this.key = container.key;
    this.last = container;
  }

  private get present(): Container {
    this.last = this.model.containers.get(this.key) ?? this.last;
    return this.last;
  }

  protected label(): string {
    return vscode.l10n.t('Cgroups');
  }
  protected icon(): string {
    return 'dashboard';
  }
  /** What bounds it, once cgroups have been read. */
  protected override description(): string | undefined {
    const { model } = this.tree.host.cgroups;
    const cgroups = model.ofContainer(this.key);
    const cores = cgroups.map((cgroup) => model.coresUsed(cgroup)).find((used) => used !== undefined);
    this.drawn = cgroups.length === 0 ? '' : parts(...figuresText(wholeOf(cgroups), cores));
    return this.drawn;
  }

  override async children(): Promise<TreeNode[]> {
    const { cgroups } = this.tree.host;
    this.tree.needCgroups();
    try {
      await cgroups.load();
    } catch (error) {
      return [failureRow(this, vscode.l10n.t('Cgroups'), error)];
    }
    const own = this.present.cgroups.map(({ hierarchy, path }) => cgroups.model.at(hierarchy, path));
    const there = cgroups.model.inOrder(own.filter((cgroup) => cgroup !== undefined));
    return this.rows(there, (cgroup) => this.row(cgroup));
  }

  private row(cgroup: Cgroup): TreeNode {
    const { model } = this.tree.host.cgroups;
    const find = () => [model.cgroup(cgroup) ?? cgroup];
    const shape: CgroupShape = { called: 'hierarchy', shows: () => true, showsProcesses: () => true };
    return this.child(keyOfCgroup(cgroup), (id) => new CgroupNode(this.tree, id, this, find, shape));
  }

  override touchedBy(delta: HostDelta): boolean {
    if (delta.cgroups.size === 0) return false;
    const before = this.drawn;
    return this.description() !== before;
  }
}

/** The short way to a container's interfaces. */
class NetworkSection extends InterfacesGroup {
  protected override label(): string {
    return vscode.l10n.t('Network');
  }
  protected override icon(): string {
    return 'globe';
  }
  protected override get expanded(): boolean {
    return false;
  }
  protected override description(): string | undefined {
    return this.namespace?.host ? vscode.l10n.t('shared with the host') : undefined;
  }
  override get decoration(): 'muted' | undefined {
    return this.namespace?.host ? 'muted' : undefined;
  }
}
