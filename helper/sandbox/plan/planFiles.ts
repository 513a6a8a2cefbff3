/** Plans, on a reader thread, what files of the host decide: findFiles.ts asks for it. */
import { inField } from '../../failure.ts';
import type { Said } from '../../protocol/sentences.ts';
import type { JobTable } from '../../reading/answering.ts';
import { HostMounts } from '../hostFiles/hostMounts.ts';
import { notesOnPaths } from '../hostFiles/hostPath.ts';
import { blockDevices } from '../hostFiles/limitedDevices.ts';
import { HeldTrees } from '../idMaps/heldTrees.ts';
import { planIdMaps } from '../idMaps/planIdMaps.ts';
import { type FilesAsked, type FilesFound, freshKinds, PlanFiles, PlanIdMaps } from './findFiles.ts';
import { withResolverOfHost } from './nameFiles.ts';
import { planCovers } from './planCovers.ts';
import { placeIn, planMounts } from './planMounts.ts';
import type { Place } from './plannedMounts.ts';
import { chrootPlace, planRoot, type RootPlan } from './planRoot.ts';
import { planUser } from './planUser.ts';
import { weaknessesOf } from './weaknesses.ts';

export function answerPlanFiles(jobs: JobTable): void {
  jobs.on(PlanFiles, (asked, { give, whyDeaf }) => planFiles(asked, give, (path) => whyDeaf(path) !== undefined));
  jobs.on(PlanIdMaps, ({ asked }) => inField(['idMappings'], () => planIdMaps(asked, [])));
}

/**
 * `keep` is told of each descriptor that is opened for the plan. `isDeaf`: what need not be looked at is not, there. Throws a `Failure`.
 */
export function planFiles(
  asked: FilesAsked,
  keep: (descriptor: number) => void,
  isDeaf: (path: string) => boolean = () => false,
): FilesFound {
  const { given, directory, image, joined, isRunning } = asked;
  const notes: Said[] = [];
  const folder = directory === undefined ? {} : { folder: directory };
  const leaving = notesOnPaths(given, directory);
  const spec = { ...asked.spec };
  if (spec.network.type === 'veth') spec.network = withResolverOfHost(spec.network, notes);
  const fresh = freshKinds(spec);
  const hasUserNamespace = fresh.has('user');
  const idMaps = hasUserNamespace ? inField(['idMappings'], () => planIdMaps(spec.idMappings ?? 'root', notes)) : undefined;
  const user = inField(['process'], () => planUser(spec, idMaps, notes));
  const trees = new HeldTrees(idMaps, keep);
  const root = inField(['root'], () => planRoot(spec, { ...(image === undefined ? {} : { image }), trees, notes, ...folder }));
  const hostMounts = new HostMounts();
  const ownsHost = spec.namespaces.user === 'host';
  const hasMounts = fresh.has('mnt');
  const context = { user, notes, hasUserNamespace, ownsHost, trees, hostMounts, keep, ...folder };
  const mounts = hasMounts ? planMounts(spec, root, context) : [];
  const covers = planCovers(mounts, root, { spec, hostMounts, notes });
  return {
    spec,
    ...(idMaps === undefined ? {} : { idMaps }),
    user,
    root,
    ...(hasMounts && spec.changeRoot === 'chroot' ? { chrootPlace: chrootPlace(root) } : {}),
    ...(spec.oldRoot === undefined ? {} : { oldRoot: placeOfOldRoot(root, spec.oldRoot) }),
    mounts,
    covers,
    trees: trees.taken,
    devices: isRunning ? new Map() : inField(['resources'], () => blockDevices(spec.resources)),
    notes: [...leaving, ...notes],
    leaving,
    weaknesses: weaknessesOf({ spec, fresh, joined, root, mounts, user, trees: trees.taken }, hostMounts, isDeaf),
  };
}

function placeOfOldRoot(root: RootPlan, oldRoot: string): Place {
  return inField(['oldRoot'], () => placeIn(root, oldRoot, false));
}
