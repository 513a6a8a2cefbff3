/** Which cgroup a command is to act on: that of the row, that of the container in the right hierarchy, or one that the person chooses. */
import * as vscode from 'vscode';
import type { Cgroup, CgroupHierarchy, CgroupRef } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import { type CgroupModel, refOfCgroup } from '../model/cgroupModel.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import { compareNames, isService } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { say } from '../plain/notify.ts';
import { pick } from '../plain/pick.ts';
import { cgroupTitle, figuresText, hierarchyTitle, shortPath } from '../words/cgroupWords.ts';
import { containerName, parts } from '../words/hostWords.ts';

/** What the hierarchy has to be able to: a controller by its name on v2, or `any`. */
export type Ability = 'cpu' | 'memory' | 'pids' | 'io' | 'freezer' | 'any';

/** v2 freezes without a controller, and says itself where another is not enabled. */
function able({ version, controllers }: CgroupHierarchy, ability: Ability): boolean {
  if (ability === 'any' || version === 2) return true;
  return controllers.includes(ability === 'io' ? 'blkio' : ability);
}

/**
 * All cgroups of a target: the row's own, a container's in every hierarchy. Undefined when it names none. Rejects when those that it
 * names are not in sight: to ask for others would be wrong.
 */
export async function cgroupsOf(host: Host, target: CommandTarget): Promise<readonly CgroupRef[] | undefined> {
  if (target.cgroups !== undefined) return target.cgroups;
  const { container } = target;
  if (container === undefined) return undefined;
  await host.cgroups.load();
  // The container may be newer than the list of cgroups.
  if (inSight(host.cgroups.model, container).length < container.cgroups.length) await host.cgroups.refresh();
  const found = inSight(host.cgroups.model, container);
  if (found.length > 0) return found;
  throw new Error(vscode.l10n.t('No cgroup of {0} can be seen from here.', containerName(container)));
}

function inSight(model: CgroupModel, { cgroups }: Container): readonly CgroupRef[] {
  const known = cgroups.map(({ hierarchy, path }) => model.at(hierarchy, path)).filter((cgroup) => cgroup !== undefined);
  return model.inOrder(known).map(refOfCgroup);
}

/** Undefined when the person chose none. */
export async function pickCgroup(host: Host, target: CommandTarget, ability: Ability): Promise<CgroupRef | undefined> {
  await host.cgroups.load();
  const { model } = host.cgroups;
  const given = (await cgroupsOf(host, target)) ?? [];
  const candidates = usable(model, withContainers(model, given, ability), ability);
  if (given.length > 0 && candidates.length === 0) {
    void say(vscode.l10n.t('{0} does not act on it: this cgroup is of another hierarchy.', ability));
    return undefined;
  }
  if (candidates.length === 1) return candidates[0];
  const known = (candidates.length > 0 ? candidates : usable(model, [...model.cgroups.values()], ability))
    .map((ref) => model.cgroup(ref))
    .filter((cgroup) => cgroup !== undefined);
  return await choose(host, known);
}

/** On v1 a container's cgroup of one hierarchy leads to that of another, where the controller is. */
function withContainers(model: CgroupModel, given: readonly CgroupRef[], ability: Ability): readonly CgroupRef[] {
  if (usable(model, given, ability).length > 0) return given;
  const containers = new Set(given.map((ref) => model.cgroup(ref)?.container));
  return [...containers].flatMap((container) => (container === undefined ? [] : model.ofContainer(container)));
}

/** A v1 hierarchy with the controller is meant before a v2 one beside it, which on a hybrid host has others. */
function usable(model: CgroupModel, cgroups: readonly CgroupRef[], ability: Ability): CgroupRef[] {
  const found = cgroups.filter(({ hierarchy }) => {
    const known = model.hierarchy(hierarchy);
    return known !== undefined && able(known, ability);
  });
  const v1 = found.filter(({ hierarchy }) => model.hierarchy(hierarchy)?.version === 1);
  return ability !== 'any' && v1.length > 0 ? v1.map(refOfCgroup) : found.map(refOfCgroup);
}

/** What a person is likely to mean first: containers, then services, then others, and the roots, which are all of the host, last. */
function byLikelihood(host: Host, cgroups: readonly Cgroup[]): Cgroup[] {
  const rank = ({ container, title, path }: Cgroup) => {
    if (path === '/') return 3;
    if (container !== undefined && !isService(host.model, container)) return 0;
    return title === undefined ? 2 : 1;
  };
  return host.cgroups.model
    .inOrder(cgroups)
    .sort((a, b) => rank(a) - rank(b) || compareNames(cgroupTitle(a), cgroupTitle(b)) || compareNames(a.path, b.path));
}

async function choose(host: Host, cgroups: readonly Cgroup[]): Promise<CgroupRef | undefined> {
  const { model } = host.cgroups;
  const items = byLikelihood(host, cgroups).map((cgroup) => ({
    label: cgroupTitle(cgroup),
    description: hierarchyTitle(cgroup.hierarchy),
    detail: parts(shortPath(cgroup.path), ...figuresText(cgroup, model.coresUsed(cgroup))),
    cgroup,
  }));
  const picked = await pick(items, {
    placeHolder: vscode.l10n.t('Cgroup: its name, container, hierarchy or path'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked === undefined ? undefined : refOfCgroup(picked.cgroup);
}
