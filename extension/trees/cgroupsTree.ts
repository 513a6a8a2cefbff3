/** The Cgroups view: one row a container with all its controllers, or each hierarchy with its tree of cgroups. */
import * as vscode from 'vscode';
import type { Cgroup, CgroupHierarchy, CgroupRef } from '../../helper/protocol/cgroups.ts';
import { Command } from '../base/commandIds.ts';
import type { ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import { CgroupFindings } from '../model/cgroupFilter.ts';
import { type CgroupModel, keyOfCgroup } from '../model/cgroupModel.ts';
import type { HostDelta } from '../model/clientModel.ts';
import { compareNames, isService } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { cgroupTitle, hierarchyTitle } from '../words/cgroupWords.ts';
import { parts } from '../words/hostWords.ts';
import { Tree } from './baseTree.ts';
import { CgroupNode, type CgroupShape, wholeOf } from './cgroupNode.ts';
import type { TreeFilter } from './treeFilter.ts';
import type { TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

export const cgroupsView: ViewContribution = {
  view: 'cgroups',
  name: 'Cgroups',
  isCollapsed: true,
  none: [
    'This host has no hierarchy of cgroups.',
    '',
    'One appears here when a cgroup file system is mounted.',
    '[Refresh](command:isoscope.view.refresh)',
  ],
};

export const CGROUP_GROUPINGS = ['container', 'hierarchy'] as const;
export type CgroupGrouping = (typeof CGROUP_GROUPINGS)[number];

const GROUPING_KEY = 'isoscope.cgroups.grouping';

export class CgroupsTree extends Tree {
  private readonly memory: vscode.Memento;
  private found: { text: string; findings: CgroupFindings } | undefined;
  private drawnTop = '';

  constructor(host: Host, filter: TreeFilter, extensionUri: vscode.Uri, memory: vscode.Memento) {
    super(View.cgroups, host, filter, extensionUri, true);
    this.memory = memory;
    this.needCgroups();
    this.refresh();
  }

  private get cgroups(): CgroupModel {
    return this.host.cgroups.model;
  }

  /** How the view groups; remembered for the workspace. */
  get grouping(): CgroupGrouping {
    const stored = this.memory?.get<string>(GROUPING_KEY);
    return CGROUP_GROUPINGS.find((grouping) => grouping === stored) ?? 'container';
  }

  async group(grouping: CgroupGrouping): Promise<void> {
    await this.memory.update(GROUPING_KEY, grouping);
    this.refresh();
  }

  protected override title(): string | undefined {
    return this.grouping === 'hierarchy' ? vscode.l10n.t('by hierarchy') : undefined;
  }

  override refresh(): void {
    this.found = undefined;
    super.refresh();
  }

  private readonly shows = (cgroup: Cgroup): boolean => this.cgroupFindings?.cgroupOrBelow(cgroup) ?? true;

  private readonly showsProcesses = (cgroup: Cgroup): boolean => this.cgroupFindings?.cgroupItself(cgroup) ?? true;

  private get cgroupFindings(): CgroupFindings | undefined {
    const { text } = this.filter;
    if (text === '') return undefined;
    if (this.found?.text !== text) this.found = { text, findings: new CgroupFindings(this.cgroups, text) };
    return this.found.findings;
  }

  private get filtering(): Omit<CgroupShape, 'called'> {
    return { shows: this.shows, showsProcesses: this.showsProcesses };
  }

  protected override get known(): boolean {
    return this.host.cgroups.known;
  }

  protected override roots(): TreeNode[] {
    this.drawnTop = this.topText();
    const { loaded, problem } = this.host.cgroups;
    if (problem !== undefined) return [failureRow(this.root, vscode.l10n.t('Cgroups'), problem)];
    if (!loaded) return [this.root.fact('reading', vscode.l10n.t('Reading the cgroups…'), '', 'loading~spin')];
    const rows = this.grouping === 'hierarchy' ? this.hierarchyRows() : this.containerRows();
    if (this.filter.text === '') rows.push(...this.unreadableRows());
    // The view's own words are about hierarchies.
    if (rows.length === 0 && this.filter.text === '' && this.cgroups.hierarchies.length > 0) return [this.noContainerRow()];
    return this.cgroups.truncated ? [...rows, this.truncatedRow()] : rows;
  }

  private unreadableRows(): TreeNode[] {
    const { unreadable } = this.cgroups;
    return unreadable.map(({ hierarchy, why }) => unknownRow(this.root, hierarchy, hierarchyTitle(hierarchy), why));
  }

  private noContainerRow(): TreeNode {
    const what = vscode.l10n.t('No container has a cgroup');
    const row = this.root.fact('none', what, vscode.l10n.t('group by hierarchy to see the others…'), 'info');
    row.command = { command: Command.groupCgroups, title: vscode.l10n.t('Group Cgroups') };
    return row;
  }

  private hierarchyRows(): TreeNode[] {
    const rows = this.cgroups.hierarchies.map((hierarchy) => this.hierarchyRow(hierarchy));
    return rows.filter((row) => row !== undefined);
  }

  private hierarchyRow(hierarchy: CgroupHierarchy): HierarchyNode | undefined {
    const root = this.cgroups.root(hierarchy.hierarchy);
    if (root === undefined || !this.shows(root)) return undefined;
    const id = `hierarchy ${keyOfCgroup(root)}`;
    return this.node(id, () => new HierarchyNode(this, id, root, { called: 'hierarchy', ...this.filtering }));
  }

  private containerRows(): TreeNode[] {
    const places = this.cgroups.containers.filter((key) => this.cgroups.ofContainer(key).some(this.shows));
    const name = (key: string) => cgroupTitle(wholeOf(this.cgroups.ofContainer(key)));
    const sorted = places
      .map((key) => ({ key, name: name(key), isService: isService(this.model, key) }))
      .sort((a, b) => Number(a.isService) - Number(b.isService) || compareNames(a.name, b.name));
    return this.root.rows(sorted, ({ key }) => this.containerRow(key));
  }

  private containerRow(key: string): CgroupNode {
    const id = `container ${key}`;
    const find = () => this.cgroups.ofContainer(key);
    return this.node(id, () => new CgroupNode(this, id, this.root, find, { called: 'name', ...this.filtering }));
  }

  private truncatedRow(): TreeNode {
    return this.root.fact(
      'truncated',
      vscode.l10n.t('Not all cgroups are listed'),
      vscode.l10n.t('there are more than the helper lists'),
      'info',
    );
  }

  /** What the list of the rows at the top is made of, as text to compare. */
  private topText(): string {
    const { loaded, problem, model } = this.host.cgroups;
    const containers = this.grouping === 'container' ? model.containers : [];
    const roots = model.hierarchies.map((hierarchy) => [hierarchy, model.root(hierarchy.hierarchy)?.ino]);
    return JSON.stringify([loaded, this.known, problem?.message, roots, model.unreadable, model.truncated, containers]);
  }

  protected override rootsTouchedBy(delta: HostDelta): boolean {
    if (!delta.cgroupList) return false;
    return this.filter.text !== '' || this.topText() !== this.drawnTop;
  }

  /** The row of a cgroup in the present grouping; undefined when it is gone, or is no container's where only those are shown. */
  rowOf(ref: CgroupRef): CgroupNode | undefined {
    const way = this.wayTo(ref);
    const [first] = way;
    if (first === undefined) return undefined;
    if (this.grouping === 'hierarchy') {
      const hierarchy = this.cgroups.hierarchy(ref.hierarchy);
      return this.rowBelow(hierarchy === undefined ? undefined : this.hierarchyRow(hierarchy), way.slice(1));
    }
    const start = way.findIndex(({ container }) => container !== undefined);
    const container = way[start]?.container;
    return container === undefined ? undefined : this.rowBelow(this.containerRow(container), way.slice(start + 1));
  }

  /** From the root of its hierarchy to the cgroup itself; empty when it is gone. */
  private wayTo(ref: CgroupRef): Cgroup[] {
    const way: Cgroup[] = [];
    for (let at = this.cgroups.cgroup(ref); at !== undefined; at = this.cgroups.parentOf(at)) way.unshift(at);
    return way;
  }

  private rowBelow(start: CgroupNode | undefined, way: readonly Cgroup[]): CgroupNode | undefined {
    let node = start;
    for (const step of way) node = node?.reveal(step);
    return node;
  }
}

/** A hierarchy, which is its root cgroup. */
class HierarchyNode extends CgroupNode {
  private readonly rootCgroup: Cgroup;

  constructor(tree: Tree, id: string, root: Cgroup, shape: CgroupShape) {
    const { model } = tree.host.cgroups;
    super(tree, id, undefined, () => [model.root(root.hierarchy) ?? root], shape);
    this.rootCgroup = root;
  }

  private get hierarchy(): CgroupHierarchy | undefined {
    return this.cgroupModel.hierarchy(this.rootCgroup.hierarchy);
  }

  /** The only hierarchy of a host is what one has come to see. */
  protected override get expanded(): boolean {
    return this.cgroupModel.hierarchies.length === 1;
  }

  /** Controllers that the name does not say, and options of the mount that are no controllers. */
  protected override get description(): string {
    const { hierarchy } = this;
    if (hierarchy === undefined) return '';
    const { version, controllers, mountOptions = [] } = hierarchy;
    const options = [...new Set(mountOptions)].filter((option) => !controllers.includes(option) && !option.startsWith('name='));
    const named = hierarchy.hierarchy.split(',').every((word) => controllers.includes(word));
    return parts(
      `v${version}`,
      controllers.length === 0 ? vscode.l10n.t('no controllers') : named ? undefined : controllers.join(', '),
      options.join(','),
    );
  }

  protected override icon(): vscode.ThemeIcon {
    return new vscode.ThemeIcon('list-tree');
  }

  override tooltip(): vscode.MarkdownString {
    const { hierarchy } = this;
    return factsTooltip(this.label, [
      [vscode.l10n.t('Version'), hierarchy === undefined ? undefined : `v${hierarchy.version}`],
      [vscode.l10n.t('Controllers'), hierarchy?.controllers.join(', ')],
      [vscode.l10n.t('Mounted at'), hierarchy?.mountPoint ?? vscode.l10n.t('nowhere that the helper sees')],
      [vscode.l10n.t('Mount options'), [...new Set(hierarchy?.mountOptions)].join(', ')],
    ]);
  }
}
