/**
 * The row of a cgroup: one of one hierarchy, or all of a place (a container, a path) in every hierarchy, shown as one. Below it are its
 * child cgroups and its processes.
 */
import * as vscode from 'vscode';
import {
  type Cgroup,
  type CgroupBadge,
  type CgroupRef,
  CgroupsInspect,
  type CgroupsInspectResult,
} from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import { type CgroupModel, keyOfCgroup, nameOfCgroup, refOfCgroup } from '../model/cgroupModel.ts';
import type { HostDelta } from '../model/clientModel.ts';
import { isContainer } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { cgroupTitle, figuresText, hierarchyTitle, partitionText, shortPath, throttledSoFar } from '../words/cgroupWords.ts';
import { isUnknown, mutedIcon, parts, processCount } from '../words/hostWords.ts';
import { engineIcon } from './engineIcon.ts';
import { ProcessNode } from './processNode.ts';
import { GroupNode, type RowDecoration, type TreeContext, TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

export interface CgroupShape {
  /** What the row is called by: its own name, or, in a list of the controllers of one place, its hierarchy. */
  called: 'name' | 'hierarchy';
  /** Whether the filter leaves a cgroup, because of itself or of one below it. */
  shows: (cgroup: Cgroup) => boolean;
  /** Whether the filter leaves the processes of a cgroup. */
  showsProcesses: (cgroup: Cgroup) => boolean;
}

/** Worst first: the first one gives the icon its colour. */
const BADGE_ORDER: readonly CgroupBadge[] = [
  'escapeRisk',
  'frozen',
  'oomKilled',
  'nearLimit',
  'throttled',
  'invalidPartition',
  'delegated',
  'escapeUnknown',
  'empty',
];

export class CgroupNode extends TreeNode {
  private readonly shape: CgroupShape;
  private readonly find: () => readonly Cgroup[];
  private last: readonly Cgroup[];
  private drawn = '';
  private given: ReadonlySet<number> = new Set();

  /** `find` gives its cgroups as they are now, at least one while it exists. */
  constructor(tree: TreeContext, id: string, parent: TreeNode | undefined, find: () => readonly Cgroup[], shape: CgroupShape) {
    super(tree, id, parent);
    this.find = find;
    this.shape = shape;
    this.last = find();
  }

  protected get cgroupModel(): CgroupModel {
    return this.tree.host.cgroups.model;
  }

  private present(): readonly Cgroup[] {
    const now = this.find();
    if (now.length > 0) this.last = now;
    return this.last;
  }

  override get cgroups(): readonly CgroupRef[] {
    return this.present().map(refOfCgroup);
  }

  override get container(): Container | undefined {
    const key = this.present().find(({ container }) => container !== undefined)?.container;
    return key === undefined ? undefined : this.model.containers.get(key);
  }

  /** Its cgroups as one: what each hierarchy tells, together. */
  private get whole(): Cgroup {
    return wholeOf(this.present());
  }

  private get coresUsed(): number | undefined {
    return this.present()
      .map((cgroup) => this.cgroupModel.coresUsed(cgroup))
      .find((cores) => cores !== undefined);
  }

  protected get label(): string {
    const { whole } = this;
    return this.shape.called === 'hierarchy' ? hierarchyTitle(whole.hierarchy) : cgroupTitle(whole);
  }

  protected get description(): string {
    const { whole } = this;
    const path = this.shape.called === 'hierarchy' ? shortPath(whole.path) : undefined;
    const name = whole.title === undefined ? undefined : shortPath(nameOfCgroup(whole));
    return parts(...figuresText(whole, this.coresUsed), path ?? name);
  }

  override item(): vscode.TreeItem {
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const state = this.hasChildren() ? (this.expanded ? Expanded : Collapsed) : None;
    const item = new vscode.TreeItem(this.label, state);
    item.description = this.description;
    item.iconPath = this.icon();
    item.contextValue = this.context();
    item.accessibilityInformation = { label: `${this.label}, ${item.description}` };
    this.drawn = this.shown();
    return item;
  }

  protected get expanded(): boolean {
    return false;
  }

  /** Members that may not be read are members. */
  private get hasMembers(): boolean {
    return this.whole.memberCount !== 0 && this.present().some(this.shape.showsProcesses);
  }

  private hasChildren(): boolean {
    return this.hasMembers || this.below().length > 0;
  }

  protected icon(): vscode.ThemeIcon | { light: vscode.Uri; dark: vscode.Uri } {
    const [worst] = this.badges;
    const colored = worst === undefined ? undefined : BADGE_ICONS[worst];
    if (colored !== undefined) return colored;
    const { container } = this;
    if (container !== undefined && this.shape.called === 'name') return engineIcon(this.tree.extensionUri, container.engine);
    return this.whole.populated === false ? mutedIcon('dashboard') : new vscode.ThemeIcon('dashboard');
  }

  private get badges(): CgroupBadge[] {
    const { badges } = this.whole;
    return BADGE_ORDER.filter((badge) => badges.includes(badge));
  }

  override get decoration(): RowDecoration | undefined {
    const badges = this.badges.filter((badge) => badge !== 'empty');
    if (badges.length > 0) return `badges ${badges.join(' ')}`;
    return this.whole.populated === false ? 'muted' : undefined;
  }

  /** What menus decide by. */
  private context(): string {
    const cgroups = this.present();
    const words = ['cgroupRow', ...limitWords(this.cgroupModel, cgroups)];
    const freezable = this.freezable();
    if (freezable.length > 0) words.push(freezable.some(({ badges }) => badges.includes('frozen')) ? 'frozen' : 'thawed');
    if (cgroups.some(({ container }) => container !== undefined)) words.push('contained');
    const { container } = this;
    if (container !== undefined && isContainer(container)) words.push('isolated');
    if (cgroups.every(({ path }) => path === '/')) words.push('rootCgroup');
    return words.join(' ');
  }

  /** The cgroups to freeze it by: on v1 a container's own one of another hierarchy. v2 freezes without a controller. */
  private freezable(): Cgroup[] {
    const model = this.cgroupModel;
    const own = this.present().flatMap((cgroup) =>
      cgroup.container === undefined ? [cgroup] : model.ofContainer(cgroup.container),
    );
    return own.filter(({ hierarchy }) => {
      const known = model.hierarchy(hierarchy);
      return known?.version === 2 || known?.controllers.includes('freezer');
    });
  }

  /** Child cgroups, those of one name together. */
  private below(): Cgroup[][] {
    const byName = new Map<string, Cgroup[]>();
    for (const cgroup of this.present())
      for (const child of this.cgroupModel.childrenOf(cgroup)) {
        if (!this.shape.shows(child)) continue;
        const name = nameOfCgroup(child);
        byName.set(name, [...(byName.get(name) ?? []), child]);
      }
    return [...byName.values()];
  }

  override async children(): Promise<TreeNode[]> {
    const cgroups = this.childRows();
    if (!this.hasMembers) return cgroups;
    if (cgroups.length > 0) return [...cgroups, this.processesGroup];
    return await this.memberRows(this);
  }

  /** The rows of its child cgroups. */
  childRows(): TreeNode[] {
    return this.rows(this.below(), (group) => this.childRow(group));
  }

  private childRow(group: Cgroup[]): CgroupNode {
    const key = group.map(keyOfCgroup).join(' ');
    const find = () => group.map((cgroup) => this.cgroupModel.cgroup(cgroup)).filter((cgroup) => cgroup !== undefined);
    return this.child(key, (id) => new CgroupNode(this.tree, id, this, find, { ...this.shape, called: 'name' }));
  }

  private get processesGroup(): CgroupProcessesGroup {
    return this.child('processes', (id) => new CgroupProcessesGroup(this.tree, id, this));
  }

  /** The row of one of its child cgroups, which is shown from now on if it was beyond the limit. */
  reveal(child: CgroupRef): CgroupNode | undefined {
    const groups = this.below();
    const index = groups.findIndex((group) => group.some((cgroup) => keyOfCgroup(cgroup) === keyOfCgroup(child)));
    const group = groups[index];
    if (group === undefined) return undefined;
    this.limit = Math.max(this.limit, index + 1);
    return this.childRow(group);
  }

  /** Rows of the processes that are in this very cgroup, below `parent`. */
  async memberRows(parent: TreeNode): Promise<TreeNode[]> {
    const fullest = [...this.present()].sort((a, b) => (b.memberCount ?? 0) - (a.memberCount ?? 0))[0]!;
    try {
      const { members } = await this.tree.host.request(CgroupsInspect, { cgroup: refOfCgroup(fullest) });
      if (isUnknown(members)) return [unknownRow(parent, 'members', vscode.l10n.t('Processes'), members)];
      this.given = new Set(members.map(({ pid }) => pid));
      return parent.rows(members, (member) => memberRow(parent, member));
    } catch (error) {
      return [failureRow(parent, vscode.l10n.t('Processes'), error)];
    }
  }

  get memberCount(): number | null {
    return this.whole.memberCount;
  }

  private shown(): string {
    const { whole } = this;
    return JSON.stringify([this.label, this.description, this.badges, whole.memberCount, whole.populated, whole.container]);
  }

  override touchedBy(delta: HostDelta): boolean {
    for (const pid of this.given) if (delta.processes.has(pid) && this.model.processes.get(pid) === undefined) return true;
    if (!this.last.some((cgroup) => delta.cgroups.has(keyOfCgroup(cgroup)))) return false;
    return delta.cgroupList || this.shown() !== this.drawn;
  }

  override tooltip(): vscode.MarkdownString {
    const { whole } = this;
    const cgroups = this.present();
    return factsTooltip(whole.title ?? nameOfCgroup(whole), [
      ...cgroups.slice(0, 16).map((cgroup): [string, string] => [hierarchyTitle(cgroup.hierarchy), cgroup.path]),
      [vscode.l10n.t('State'), figuresText(whole, this.coresUsed).join(', ')],
      [vscode.l10n.t('Throttled so far'), throttledSoFar(whole)],
      [vscode.l10n.t('CPU partition'), partitionText(whole.partition)],
      [vscode.l10n.t('Processes'), whole.memberCount === null ? vscode.l10n.t('unknown') : String(whole.memberCount)],
      [vscode.l10n.t('Kind'), whole.type === 'domain' ? undefined : whole.type],
    ]);
  }
}

const BADGE_ICONS: Partial<Record<CgroupBadge, vscode.ThemeIcon>> = {
  escapeRisk: new vscode.ThemeIcon('unlock', new vscode.ThemeColor('list.errorForeground')),
  oomKilled: new vscode.ThemeIcon('flame', new vscode.ThemeColor('list.errorForeground')),
  nearLimit: new vscode.ThemeIcon('warning', new vscode.ThemeColor('list.warningForeground')),
  throttled: new vscode.ThemeIcon('dashboard', new vscode.ThemeColor('list.warningForeground')),
  invalidPartition: new vscode.ThemeIcon('dashboard', new vscode.ThemeColor('list.warningForeground')),
  frozen: new vscode.ThemeIcon('debug-pause', new vscode.ThemeColor('charts.blue')),
};

/** By which the menu of a row offers the limits that these cgroups can have. */
export function limitWords(model: CgroupModel, cgroups: readonly CgroupRef[]): string[] {
  const hierarchies = cgroups.map(({ hierarchy }) => model.hierarchy(hierarchy)).filter((known) => known !== undefined);
  const limits = hierarchies
    .flatMap(({ controllers }) => controllers)
    .map((controller) => `${controller === 'blkio' ? 'io' : controller}Limits`);
  return hierarchies.some(({ version }) => version === 2) ? [...limits, 'v2'] : limits;
}

/** The same for the row of a container: none where no cgroup is known to be its own, for a limit there would be one of others. */
export function ownCgroupWords(model: CgroupModel, container: string): string[] {
  const own = model.ofContainer(container).filter(({ path }) => path !== '/');
  return own.length === 0 ? [] : ['ownCgroup', ...limitWords(model, own)];
}

/** Several hierarchies' cgroups of one place as one: each tells what the others lack. */
export function wholeOf(cgroups: readonly Cgroup[]): Cgroup {
  const first = cgroups[0]!;
  if (cgroups.length === 1) return first;
  const counts = cgroups.map(({ memberCount }) => memberCount).filter((count) => count !== null);
  const title = cgroups.find((cgroup) => cgroup.title !== undefined)?.title;
  const partition = cgroups.find((cgroup) => cgroup.partition !== undefined)?.partition;
  const dyingDescendants = cgroups.find((cgroup) => cgroup.dyingDescendants !== undefined)?.dyingDescendants;
  return {
    ...first,
    ...(title === undefined ? {} : { title }),
    ...(partition === undefined ? {} : { partition }),
    ...(dyingDescendants === undefined ? {} : { dyingDescendants }),
    memberCount: counts.length === 0 ? null : Math.max(...counts),
    populated: cgroups.some(({ populated }) => populated) ? true : first.populated,
    badges: [...new Set(cgroups.flatMap(({ badges }) => badges))],
    figures: Object.assign({}, ...cgroups.map(({ figures }) => figures)) as Cgroup['figures'],
  };
}

type Members = Exclude<CgroupsInspectResult['members'], { unknown: unknown }>;

/** A process of the model has its whole row; a thread, or one that is too young to be known, only a name. */
function memberRow(parent: TreeNode, member: Members[number]): TreeNode {
  const known = parent.tree.model.process(member);
  if (member.tid === undefined && known !== undefined) {
    return parent.child(ProcessNode.key(member), (id) => new ProcessNode(parent.tree, id, parent, known, 'row', () => true));
  }
  const what = member.tid === undefined ? String(member.pid) : vscode.l10n.t('thread {0} of {1}', member.tid, member.pid);
  const key = `member ${member.pid} ${member.startTime} ${member.tid ?? ''}`;
  return parent.fact(key, oneLine(member.name, 60), what, 'server-process');
}

/** The processes of a cgroup that has child cgroups too: always so at the root. */
class CgroupProcessesGroup extends GroupNode {
  private readonly of: CgroupNode;

  constructor(tree: TreeContext, id: string, parent: CgroupNode) {
    super(tree, id, parent);
    this.of = parent;
  }

  protected label(): string {
    return vscode.l10n.t('Processes');
  }
  protected icon(): string {
    return 'server-process';
  }
  protected override description(): string {
    const { memberCount } = this.of;
    return memberCount === null ? vscode.l10n.t('unknown') : processCount(memberCount);
  }

  override children(): Promise<TreeNode[]> {
    return this.of.memberRows(this);
  }
}
