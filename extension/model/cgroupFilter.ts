/** Which cgroups the text filter of the trees finds. Pure functions of the model. */
import type { Cgroup } from '../../helper/protocol/cgroups.ts';
import { type CgroupKey, type CgroupModel, keyOfCgroup, nameOfCgroup } from './cgroupModel.ts';
import { matcher } from './filter.ts';

/**
 * What a text finds among the cgroups of one state of the model, by name, title or container. Something found shows all that is below it,
 * and the way to it stays visible.
 */
export class CgroupFindings {
  private readonly found = new Set<CgroupKey>();
  private readonly onTheWay = new Set<CgroupKey>();

  constructor(model: CgroupModel, text: string) {
    const matches = matcher(text);
    // Parents come before children.
    for (const cgroup of model.cgroups.values()) {
      const parent = model.parentOf(cgroup);
      const below = parent !== undefined && this.found.has(keyOfCgroup(parent));
      if (!below && !matches(`${nameOfCgroup(cgroup)}\n${cgroup.title ?? ''}\n${cgroup.container ?? ''}`)) continue;
      this.found.add(keyOfCgroup(cgroup));
      for (
        let at: Cgroup | undefined = cgroup;
        at !== undefined && !this.onTheWay.has(keyOfCgroup(at));
        at = model.parentOf(at)
      ) {
        this.onTheWay.add(keyOfCgroup(at));
      }
    }
  }

  /** It is found, or one above it: so are its processes. */
  cgroupItself(cgroup: Cgroup): boolean {
    return this.found.has(keyOfCgroup(cgroup));
  }

  /** It is found, or one below it is. */
  cgroupOrBelow(cgroup: Cgroup): boolean {
    return this.onTheWay.has(keyOfCgroup(cgroup));
  }
}
