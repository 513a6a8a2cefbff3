/** A container's row and the sections below it. A section that shows more of a container is one more entry of `SECTIONS`. */
import { performance } from 'node:perf_hooks';
import * as vscode from 'vscode';
import type { Cgroup, CgroupBadge } from '../../helper/protocol/cgroups.ts';
import type { Container, Engine } from '../../helper/protocol/containers.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { type ContainerUse, keyOfCgroup } from '../model/cgroupModel.ts';
import { type HostDelta, namespaceKey } from '../model/clientModel.ts';
import { containerRoots, isContainer, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { alarmsOf, badgeText, figuresText, spokenUse, useTexts } from '../words/cgroupWords.ts';
import {
  containerName,
  containerState,
  engineName,
  kindName,
  kindTitle,
  PERMISSION,
  parts,
  processCountSeen,
  startedText,
} from '../words/hostWords.ts';
import { CgroupNode, type CgroupShape, ownCgroupWords, wholeOf } from './cgroupNode.ts';
import { engineIcon } from './engineIcon.ts';
import { NamespaceNode } from './namespaceNode.ts';
import { InterfacesGroup, networkSum } from './networkNodes.ts';
import { ProcessNode } from './processNode.ts';
import { GroupNode, type RowDecoration, type TreeContext, TreeNode } from './treeNode.ts';
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

/** Those that make a cgroup for each container. */
const WITH_CGROUP: readonly Engine[] = ['docker', 'kubernetes', 'cri-o', 'lxc', 'systemd', 'snap', 'flatpak'];

/** How often the figures of an unfolded row are drawn: with it all that is unfolded below is asked for and drawn. Those of a folded one always are. */
const UNFOLDED_MILLIS = 6000;
/** VS Code folds again what is being unfolded below a row while that is drawn. */
const UNFOLDING_MILLIS = 1500;

export class ContainerNode extends TreeNode {
  private last: Container;
  private drawn = '';
  private drawnFacts = '';
  private drawnAt = 0;
  /** Its children were asked for since it was drawn. */
  private unfolded = false;
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

  override get decoration(): RowDecoration | undefined {
    if (this.container.state === 'paused') return 'paused';
    const { alarms } = this;
    return alarms.length === 0 ? undefined : `badges ${alarms.join(' ')}`;
  }

  override item(): vscode.TreeItem {
    const { container } = this;
    const item = new vscode.TreeItem(containerName(container), vscode.TreeItemCollapsibleState.Collapsed);
    item.description = this.description();
    item.iconPath = engineIcon(this.tree.extensionUri, container.engine);
    item.contextValue = this.context();
    item.accessibilityInformation = { label: this.spoken() };
    this.drawnFacts = this.facts();
    this.drawn = this.shown();
    this.drawnAt = performance.now();
    this.unfolded = false;
    return item;
  }

  /** What menus and the sections below depend on. */
  private facts(): string {
    const { name, namespaces } = this.container;
    return JSON.stringify([name, namespaces, this.context()]);
  }

  /** What menus decide by. */
  private context(): string {
    const { engine, state } = this.container;
    const words = ['container', engine, state];
    if (isContainer(this.container)) words.push('isolated');
    return [...words, ...ownCgroupWords(this.tree.host.cgroups.model, this.last.key)].join(' ');
  }

  private shown(): string {
    return JSON.stringify([this.description(), this.alarms]);
  }

  private get ownCgroups(): readonly Cgroup[] {
    return this.tree.host.cgroups.model.ofContainer(this.last.key);
  }

  private get alarms(): CgroupBadge[] {
    return alarmsOf(this.ownCgroups);
  }

  /** What changes comes first; what it is, the icon and the tooltip say. */
  private description(): string {
    const { container } = this;
    return parts(
      container.state === 'running' ? undefined : containerState(container),
      ...this.doing(useTexts),
      ...this.alarms.map(badgeText),
      ...this.standing(),
    );
  }

  private spoken(): string {
    const { container } = this;
    return [
      containerName(container),
      engineName(container.engine),
      containerState(container),
      ...this.doing(spokenUse),
      ...this.alarms.map(badgeText),
      ...this.standing(),
    ].join(', ');
  }

  /** What it uses; where no cgroup is its own, or none can be read, how many processes it has. */
  private doing(words: (use: ContainerUse) => string[]): string[] {
    const { cgroups } = this.tree.host;
    const { engine, processCount } = this.container;
    const use = words(cgroups.model.useOf(this.last.key));
    if (use.length > 0) return use;
    // What is told a moment later is not preceded by another text.
    const none = cgroups.loaded
      ? cgroups.model.cgroups.size === 0 || !WITH_CGROUP.includes(engine)
      : cgroups.problem !== undefined;
    return none ? [processCountSeen(processCount, this.model)] : [];
  }

  private standing(): string[] {
    const { pod, rootlessUid } = this.container;
    const words = [
      pod?.name === undefined ? undefined : oneLine(pod.name, 40),
      rootlessUid === undefined ? undefined : vscode.l10n.t('rootless'),
    ];
    return words.filter((word) => word !== undefined);
  }

  override children(): TreeNode[] {
    this.unfolded = true;
    return [...SECTIONS, ...this.further].map((section) => section(this)).filter((node) => node !== undefined);
  }

  get processes(): ProcessesSection {
    return this.child('processes', (id) => new ProcessesSection(this.tree, id, this));
  }

  override tooltip(): vscode.MarkdownString {
    const { container, ownCgroups } = this;
    const { state } = this.tree.host;
    const { coresUsed } = this.tree.host.cgroups.model.useOf(container.key);
    return factsTooltip(container.name, [
      [vscode.l10n.t('Engine'), engineName(container.engine)],
      [vscode.l10n.t('Image'), container.image],
      [vscode.l10n.t('Name and image'), container.unanswered && saidText(container.unanswered)],
      [vscode.l10n.t('State'), containerState(container)],
      [vscode.l10n.t('Since'), state.kind === 'ready' ? startedText(container.leader, state.host) : undefined],
      [vscode.l10n.t('Use'), ownCgroups.length === 0 ? undefined : figuresText(wholeOf(ownCgroups), coresUsed).join(', ')],
      [vscode.l10n.t('Id'), container.id],
      [
        vscode.l10n.t('Pod'),
        container.pod === undefined
          ? undefined
          : [container.pod.namespace, container.pod.name ?? container.pod.uid].filter(Boolean).join('/'),
      ],
      [vscode.l10n.t('Leader'), vscode.l10n.t('pid {0}', container.leader.pid)],
      [vscode.l10n.t('Processes'), processCountSeen(container.processCount, this.model)],
      [
        vscode.l10n.t('Runs rootless for'),
        container.rootlessUid === undefined ? undefined : vscode.l10n.t('uid {0}', container.rootlessUid),
      ],
      [vscode.l10n.t('Shared with the host'), sharedKinds(this).map(kindName).join(', ')],
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    const mayDiffer = delta.containers.has(this.last.key) || delta.cgroupList;
    if (mayDiffer && this.facts() !== this.drawnFacts) return true;
    // Also one that has come to rest since: what was put off is made up for.
    if (delta.cgroups.size === 0 && !delta.containers.has(this.last.key)) return false;
    const now = performance.now();
    if (this.unfolded && (now - this.drawnAt < UNFOLDED_MILLIS || now - this.askedAt < UNFOLDING_MILLIS)) return false;
    return this.shown() !== this.drawn;
  }
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
  private drawn = '';

  protected override label(): string {
    return vscode.l10n.t('Network');
  }
  protected override icon(): string {
    return 'globe';
  }
  protected override get expanded(): boolean {
    return false;
  }
  /** Its addresses, once it was looked into. */
  protected override description(): string | undefined {
    this.drawn = this.sum() ?? '';
    return this.sum();
  }
  private sum(): string | undefined {
    const { namespace } = this;
    if (namespace?.host) return vscode.l10n.t('shared with the host');
    const known = namespace === undefined ? undefined : this.tree.host.knownNetwork(namespace);
    return known === undefined ? undefined : networkSum(known);
  }

  override async children(): Promise<TreeNode[]> {
    const rows = await super.children();
    if ((this.sum() ?? '') !== this.drawn) this.tree.refreshNode(this);
    return rows;
  }
  override get decoration(): 'muted' | undefined {
    return this.namespace?.host ? 'muted' : undefined;
  }
}
