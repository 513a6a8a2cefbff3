/** A namespace's row and what is below it: what it holds, who is in it, and what keeps it alive. */
import * as vscode from 'vscode';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { Namespace, NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { IdMapping, Process } from '../../helper/protocol/processes.ts';
import { Command } from '../base/commandIds.ts';
import { type HostDelta, keyOf, type NamespaceKey } from '../model/clientModel.ts';
import { members, type NamespaceForest, sortedNamespaces } from '../model/hierarchy.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import {
  isUnknown,
  kindIcon,
  kindName,
  mutedIcon,
  namespaceHolder,
  namespaceId,
  PERMISSION,
  parts,
  processCount,
  processCountSeen,
  unknownText,
} from '../words/hostWords.ts';
import { InterfacesGroup, RoutesGroup, RulesGroup, SocketsGroup } from './networkNodes.ts';
import { pinText } from './pins.ts';
import { ProcessNode } from './processNode.ts';
import { GroupNode, type TreeContext, TreeNode } from './treeNode.ts';
import { unknownRow, unreadableRow } from './unknownNode.ts';

/** `container`: one of a container's namespaces, where being the host's means being shared. `list`: in the Namespaces view. */
export type NamespacePlace = 'container' | 'list';

export interface NamespaceOptions {
  place: NamespacePlace;
  /** Namespaces to show below their owners or parents. */
  forest?: (() => NamespaceForest) | undefined;
  /** The kind of namespace whose hierarchy it is. */
  trunk?: 'user' | 'pid';
}

export class NamespaceNode extends TreeNode {
  private last: Namespace;
  private readonly options: NamespaceOptions;
  private drawn: string | undefined;

  constructor(tree: TreeContext, id: string, parent: TreeNode | undefined, namespace: Namespace, options: NamespaceOptions) {
    super(tree, id, parent);
    this.last = namespace;
    this.options = options;
  }

  get key(): NamespaceKey {
    return keyOf(this.last);
  }

  override get namespace(): Namespace {
    this.last = this.model.namespaces.get(this.key) ?? this.last;
    return this.last;
  }

  private get shared(): boolean {
    return this.options.place === 'container' && this.namespace.host;
  }

  override get decoration(): 'muted' | undefined {
    return this.shared ? 'muted' : undefined;
  }

  override item(): vscode.TreeItem {
    const { namespace } = this;
    const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    // What the hierarchy is of: unfolded at first, so that it can be seen.
    const top = namespace.host && namespace.kind === this.options.trunk;
    const item = new vscode.TreeItem(namespaceId(namespace), top ? Expanded : Collapsed);
    this.drawn = this.description();
    item.description = this.drawn;
    item.iconPath = this.shared ? mutedIcon(kindIcon(namespace.kind)) : new vscode.ThemeIcon(kindIcon(namespace.kind));
    item.contextValue = `namespace ${namespace.kind}${namespace.host ? ' host' : ''}`;
    item.accessibilityInformation = {
      label: vscode.l10n.t('{0} namespace {1}, {2}', kindName(namespace.kind), namespace.ino, item.description),
    };
    return item;
  }

  private description(): string {
    return this.options.place === 'container' ? this.containerDescription() : this.listDescription();
  }

  private containerDescription(): string {
    const { namespace } = this;
    const count = this.memberCount();
    if (this.shared) return parts(vscode.l10n.t('shared with the host'), kindName(namespace.kind));
    return parts(kindName(namespace.kind), processCountSeen(count, this.model, namespace.incomplete));
  }

  private listDescription(): string {
    const { namespace } = this;
    const count = this.memberCount();
    const kind = this.options.forest === undefined ? undefined : kindName(namespace.kind);
    if (namespace.host) return parts(namespaceHolder(this.model, namespace), kind);
    if (count > 0)
      return parts(namespaceHolder(this.model, namespace), kind, processCountSeen(count, this.model, namespace.incomplete));
    const [pin] = namespace.pins;
    const kept = pin === undefined ? undefined : vscode.l10n.t('kept alive by: {0}', pinText(this.model, pin).label);
    const isWhole = this.model.isComplete && !namespace.incomplete;
    return parts(kind, isWhole ? vscode.l10n.t('no process') : vscode.l10n.t('no process in sight'), kept);
  }

  private memberCount(): number {
    return this.model.membersOf(this.key).size || this.namespace.processCount;
  }

  override children(): TreeNode[] {
    return [...this.below(), ...this.sections()];
  }

  /** Namespaces below this one in the grouping: those of its own kind first, because they make the tree. */
  private below(): TreeNode[] {
    const forest = this.options.forest?.();
    if (forest === undefined) return [];
    const { findings } = this.tree;
    const found = (forest.below.get(this.key) ?? []).filter(
      (namespace) => findings === undefined || foundBelow(forest, findings, namespace),
    );
    const { kind } = this.namespace;
    const sorted = sortedNamespaces(this.model, found);
    const ordered = [...sorted.filter((one) => one.kind === kind), ...sorted.filter((one) => one.kind !== kind)];
    return this.rows(ordered, (namespace) =>
      this.child(keyOf(namespace), (id) => new NamespaceNode(this.tree, id, this, namespace, this.options)),
    );
  }

  private sections(): TreeNode[] {
    const { namespace, tree } = this;
    const sections: TreeNode[] = [];
    if (namespace.kind === 'net') {
      sections.push(
        this.child('interfaces', (id) => new InterfacesGroup(tree, id, this, namespace)),
        this.child('routes', (id) => new RoutesGroup(tree, id, this, namespace)),
        this.child('rules', (id) => new RulesGroup(tree, id, this, namespace)),
        this.child('sockets', (id) => new SocketsGroup(tree, id, this, namespace)),
      );
    }
    if (namespace.kind === 'user') sections.push(this.child('maps', (id) => new IdMapsGroup(tree, id, this)));
    sections.push(
      this.membersGroup,
      this.child('pins', (id) => new PinsGroup(tree, id, this)),
      this.owner(),
    );
    return sections;
  }

  get membersGroup(): MembersGroup {
    return this.child('members', (id) => new MembersGroup(this.tree, id, this));
  }

  /** Who may act in it with privilege: the user namespace that owns it, and for a user namespace its creator. */
  private owner(): TreeNode {
    const { namespace, model } = this;
    const { owner, ownerUid } = namespace;
    const label = namespace.kind === 'user' ? vscode.l10n.t('Parent') : vscode.l10n.t('Owner');
    if (isUnknown(owner)) return unknownRow(this, 'owner', label, owner);
    const node = this.fact('owner', label, '', 'key');
    node.command = undefined;
    if (owner === null) {
      node.description = vscode.l10n.t("out of sight, above the host's own");
      if (namespace.host) node.description = vscode.l10n.t("none in sight: this is the host's own");
      return node;
    }
    const record = model.namespaces.get(keyOf(owner));
    const creator = isUnknown(ownerUid) ? unknownText(ownerUid) : ownerUid;
    node.description = parts(
      namespaceId(owner),
      record === undefined ? undefined : namespaceHolder(model, record),
      creator === undefined ? undefined : vscode.l10n.t('made by uid {0}', String(creator)),
    );
    if (record !== undefined) {
      node.command = {
        command: Command.revealInNamespaces,
        title: vscode.l10n.t('Reveal'),
        arguments: [{ namespace: record }],
      };
    }
    return node;
  }

  override tooltip(): vscode.MarkdownString {
    const { namespace, model } = this;
    return factsTooltip(namespaceId(namespace), [
      [vscode.l10n.t('Kind'), kindName(namespace.kind)],
      [vscode.l10n.t('Held by'), namespaceHolder(model, namespace)],
      [vscode.l10n.t('Processes'), String(this.memberCount())],
      [vscode.l10n.t('Owner'), refText(namespace.owner)],
      [vscode.l10n.t('Parent'), namespace.kind === 'pid' ? refText(namespace.parent) : undefined],
      [
        vscode.l10n.t('Kept alive by'),
        namespace.pins
          .slice(0, 5)
          .map((pin) => pinText(model, pin).label)
          .join('; '),
      ],
      [vscode.l10n.t('Device and inode'), `${namespace.dev}:${namespace.ino}`],
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    // What is below tells of itself; drawing all of it again is only for what this row itself says.
    return (delta.namespaces.has(this.key) || delta.members.has(this.key)) && this.description() !== this.drawn;
  }
}

function foundBelow(forest: NamespaceForest, findings: NonNullable<TreeContext['findings']>, namespace: Namespace): boolean {
  if (findings.namespace(keyOf(namespace))) return true;
  return (forest.below.get(keyOf(namespace)) ?? []).some((one) => foundBelow(forest, findings, one));
}

/** Whether a filter leaves something of a namespace, or of one below it, to be shown. */
export function shownBy(tree: TreeContext, namespace: Namespace, forest?: NamespaceForest): boolean {
  const { findings } = tree;
  if (findings === undefined) return true;
  return forest === undefined ? findings.namespace(keyOf(namespace)) : foundBelow(forest, findings, namespace);
}

function refText(ref: NamespaceRef | null | undefined | Unknown): string | undefined {
  if (ref === undefined) return undefined;
  if (ref === null) return vscode.l10n.t('none in sight');
  return isUnknown(ref) ? unknownText(ref) : namespaceId(ref);
}

/** A group below a namespace's row. */
abstract class NamespaceGroup extends GroupNode {
  protected readonly of: NamespaceNode;

  constructor(tree: TreeContext, id: string, parent: NamespaceNode) {
    super(tree, id, parent);
    this.of = parent;
  }

  protected get record(): Namespace {
    return this.of.namespace;
  }
}

export class MembersGroup extends NamespaceGroup {
  protected label(): string {
    return vscode.l10n.t('Members');
  }
  protected icon(): string {
    return 'organization';
  }
  protected override description(): string {
    return processCountSeen(this.model.membersOf(this.of.key).size, this.model, this.of.namespace.incomplete);
  }

  private shown(): Process[] {
    const { findings } = this.tree;
    const all = members(this.model, this.of.key);
    return findings === undefined || findings.namespaceItself(this.of.key)
      ? all
      : all.filter((process) => findings.process(process));
  }

  override children(): TreeNode[] {
    const rows = this.rows(this.shown(), (process) => this.row(process));
    const { count } = this.model.unreadable;
    if (count > 0) rows.push(unreadableRow(this, vscode.l10n.t('Membership of {0}', processCount(count))));
    return rows;
  }

  private row(process: Process): ProcessNode {
    return this.child(ProcessNode.key(process), (id) => new ProcessNode(this.tree, id, this, process, 'row', () => true));
  }

  /** The row of a member, which is shown from now on if it was beyond the limit. */
  reveal(pid: number): ProcessNode | undefined {
    const shown = this.shown();
    const index = shown.findIndex((process) => process.pid === pid);
    const process = shown[index];
    if (process === undefined) return undefined;
    this.limit = Math.max(this.limit, index + 1);
    return this.row(process);
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.members.has(this.of.key);
  }
}

class PinsGroup extends NamespaceGroup {
  protected label(): string {
    return vscode.l10n.t('Kept alive by');
  }
  protected icon(): string {
    return 'pinned';
  }
  protected override description(): string {
    const { pins, incomplete } = this.record;
    const count = this.model.membersOf(this.of.key).size;
    return parts(
      count === 0 ? undefined : vscode.l10n.t('its members'),
      pins.length === 0
        ? undefined
        : pins.length === 1
          ? vscode.l10n.t('1 other reason')
          : vscode.l10n.t('{0} other reasons', pins.length),
      incomplete ? vscode.l10n.t('maybe more') : undefined,
    );
  }

  override children(): TreeNode[] {
    const rows: TreeNode[] = [];
    const count = this.model.membersOf(this.of.key).size;
    if (count > 0)
      rows.push(this.fact('members', vscode.l10n.t('Its members'), processCountSeen(count, this.model), 'organization'));
    rows.push(
      ...this.rows(this.record.pins, (pin) => {
        const text = pinText(this.model, pin);
        return this.fact(text.key, text.label, text.description, text.icon);
      }),
    );
    rows.push(...this.unknownRows());
    if (rows.length === 0) rows.push(this.fact('none', '', vscode.l10n.t('nothing that can be seen'), 'question'));
    return rows;
  }

  /** Why there may be more. */
  private unknownRows(): TreeNode[] {
    if (!this.record.incomplete) return [];
    const { unreadable, unknownSockets } = this.model;
    const { pending, refused } = unknownSockets;
    const rows: TreeNode[] = [];
    if (unreadable.count > 0) {
      rows.push(unreadableRow(this, vscode.l10n.t('Descriptors of {0}', processCount(unreadable.count))));
    }
    if (this.record.kind === 'net' || this.record.kind === 'user') {
      if (pending > 0) {
        const text = vscode.l10n.t('unknown: they are still being asked');
        rows.push(this.fact('pending', vscode.l10n.t('Net namespaces of {0} sockets', pending), text, 'question'));
      }
      if (refused > 0) {
        rows.push(unknownRow(this, 'refused', vscode.l10n.t('Net namespaces of {0} sockets', refused), PERMISSION));
      }
    }
    if (rows.length > 0) return rows;
    return [unknownRow(this, 'some', vscode.l10n.t('Descriptors or mounts that cannot be read'), PERMISSION)];
  }

  override tooltip(): vscode.MarkdownString {
    return factsTooltip(this.label(), [
      [
        '',
        vscode.l10n.t(
          'Processes and threads in it, open descriptors, sockets, bind mounts and namespaces below it are looked for.',
        ),
      ],
      [
        vscode.l10n.t('Cannot be seen'),
        vscode.l10n.t(
          'descriptors that are on their way in a Unix socket or that only io_uring or a thread with descriptors of its own has; open files of /proc/net; macvtap devices; what the kernel itself holds',
        ),
      ],
    ]);
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.namespaces.has(this.of.key) || delta.members.has(this.of.key);
  }
}

/** uid and gid maps: which ids inside are which outside (user_namespaces(7)). */
class IdMapsGroup extends NamespaceGroup {
  protected label(): string {
    return vscode.l10n.t('Id maps');
  }
  protected icon(): string {
    return 'references';
  }

  override children(): TreeNode[] {
    const { uidMap, gidMap } = this.record;
    return [...this.map('uid', uidMap), ...this.map('gid', gidMap)];
  }

  private map(which: 'uid' | 'gid', map: IdMapping[] | Unknown | undefined): TreeNode[] {
    if (map === undefined || isUnknown(map)) {
      return [unknownRow(this, which, which, map ?? { unknown: 'unsupported' })];
    }
    if (map.length === 0) return [this.fact(which, which, vscode.l10n.t('not written: every id is the overflow id'), 'dash')];
    return map.map((range) =>
      this.fact(`${which} ${range.inside}`, `${which} ${rangeText(range)}`, countText(range), 'arrow-right'),
    );
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.namespaces.has(this.of.key);
  }
}

/** "0 → 100000": the first id inside, and what it is outside. */
function rangeText(range: IdMapping): string {
  return `${range.inside} → ${range.outside}`;
}

/** Number of all ids, 2³² − 1: the map of the initial user namespace. */
const ALL_IDS = 4294967295;

function countText(range: IdMapping): string {
  if (range.count === 1) return vscode.l10n.t('1 id');
  return range.count === ALL_IDS ? vscode.l10n.t('all ids, as they are') : vscode.l10n.t('{0} ids', range.count);
}
