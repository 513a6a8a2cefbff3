/** A cgroup as a row of the list. */
import { CRUN_SUBGROUP } from '../../proc/cgroupClaim.ts';
import { titleOfCgroup } from '../../proc/cgroupTitle.ts';
import type { Cgroup, CgroupBadge, CgroupFigures } from '../../protocol/cgroups.ts';
import { isNearLimit } from './figures.ts';
import type { CgroupNode } from './node.ts';
import { type CgroupOwners, type Owner, ownerKey } from './ownCgroups.ts';

export interface RowContext {
  hierarchy: string;
  figures: boolean;
  owners: CgroupOwners;
  /** The `key`s of containers that have a way out by way of a cgroup, and of those of which that is not known. */
  atRisk: { escaping: ReadonlySet<string>; unknown: ReadonlySet<string> };
  userName(uid: number): string;
}

export function rowOf(node: CgroupNode, context: RowContext): Cgroup {
  const { owners, hierarchy } = context;
  const owner = owners.size === 0 ? undefined : owners.get(ownerKey(hierarchy, node.path));
  const title = owner?.name ?? titleOfScope(node, context);
  // What is known of a container may change without its cgroup.
  if (title !== undefined || !context.figures) return makeRow(node, context, title, owner);
  node.row ??= makeRow(node, context, undefined, undefined);
  return node.row;
}

/** Of the scope that systemd made for a container of crun, whose own cgroup is below. */
function titleOfScope({ name, path }: CgroupNode, { owners, hierarchy }: RowContext): string | undefined {
  if (owners.size === 0 || !name.endsWith('.scope')) return undefined;
  const inside = owners.get(ownerKey(hierarchy, `${path}/${CRUN_SUBGROUP}`));
  return inside === undefined ? undefined : `${inside.name} (scope)`;
}

function makeRow(
  node: CgroupNode,
  { hierarchy, figures, atRisk, userName }: RowContext,
  called: string | undefined,
  owner: Owner | undefined,
): Cgroup {
  const title = called ?? titleOfCgroup(node.name, userName);
  const row: Cgroup = {
    hierarchy,
    path: node.path,
    ino: node.ino,
    type: node.type,
    memberCount: node.memberCount,
    populated: node.populated,
    badges: badgesOf(node, figures),
    figures: figures ? figuresOf(node) : {},
  };
  if (node.parent !== undefined) row.parent = node.parent.ino;
  if (owner !== undefined) row.container = owner.key;
  if (title !== undefined && title !== node.name) row.title = title;
  if (figures && node.partition !== undefined) row.partition = node.partition;
  if (figures && node.dyingDescendants !== undefined) row.dyingDescendants = node.dyingDescendants;
  if (node.uid !== 0) row.delegatedUid = node.uid;
  if (owner !== undefined && atRisk.escaping.has(owner.key)) row.badges.push('escapeRisk');
  if (owner !== undefined && atRisk.unknown.has(owner.key)) row.badges.push('escapeUnknown');
  return row;
}

function badgesOf(node: CgroupNode, figures: boolean): CgroupBadge[] {
  const badges: CgroupBadge[] = [];
  if (figures) {
    const { memoryBytes, workingSetBytes = memoryBytes, memoryLimitBytes, tasks, tasksLimit, oomKills } = node.figures;
    if (isNearLimit(workingSetBytes, memoryLimitBytes) || isNearLimit(tasks, tasksLimit)) badges.push('nearLimit');
    if (node.throttled) badges.push('throttled');
    if (node.partition?.invalid !== undefined) badges.push('invalidPartition');
    if ((oomKills ?? 0) > 0) badges.push('oomKilled');
  }
  if (node.frozen === true) badges.push('frozen');
  if (node.populated === false) badges.push('empty');
  if (node.uid !== 0) badges.push('delegated');
  return badges;
}

function figuresOf({ figures }: CgroupNode): CgroupFigures {
  const row: CgroupFigures = {};
  if (figures.cpuUsageMicros !== undefined) row.cpuUsageMicros = figures.cpuUsageMicros;
  if (figures.cpuLimitCores !== undefined) row.cpuLimitCores = figures.cpuLimitCores;
  if (figures.throttledPeriods !== undefined) row.throttledPeriods = figures.throttledPeriods;
  if (figures.periods !== undefined) row.periods = figures.periods;
  if (figures.memoryBytes !== undefined) row.memoryBytes = figures.memoryBytes;
  if (figures.workingSetBytes !== undefined) row.workingSetBytes = figures.workingSetBytes;
  if (figures.memoryLimitBytes !== undefined) row.memoryLimitBytes = figures.memoryLimitBytes;
  if (figures.oomKills !== undefined) row.oomKills = figures.oomKills;
  if (figures.tasks !== undefined) row.tasks = figures.tasks;
  if (figures.tasksLimit !== undefined) row.tasksLimit = figures.tasksLimit;
  return row;
}
