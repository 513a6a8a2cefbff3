/** The files of a cgroup as they are, for whoever knows them: `cgroups/readFile` and `cgroups/writeFile`. */
import fs from 'node:fs';
import { inFieldLater, unknownFrom } from '../../failure.ts';
import { bytesOfName } from '../../proc/fileName.ts';
import type { CgroupFileRef } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { demandAcknowledged, inTurn, writeFile } from './changes.ts';
import { type OpenCgroup, openCgroup, readFile } from './directory.ts';
import { planChange } from './plan.ts';
import { fileRefusal } from './refusals.ts';
import { warningsOf } from './warnings.ts';

/** Throws a `Failure`; `busy` when the kernel does not answer within 2 s. */
export async function readCgroupFile({ cgroup: ref, file }: CgroupFileRef): Promise<{ text: string; writable: boolean }> {
  using cgroup = openCgroup(ref);
  try {
    return { text: await readFile(cgroup.fd, file), writable: isWritable(cgroup, file) };
  } catch (error) {
    throw fileRefusal(cgroup, file, 'read', error);
  }
}

/** Writes once, and says what the file holds afterwards: the kernel rounds, and adds what was left out. */
export async function writeCgroupFile(
  params: CgroupFileRef & { text: string; acknowledged?: string[] },
): Promise<{ text: string | Unknown }> {
  const { cgroup: ref, file, text, acknowledged = [] } = params;
  return inTurn(ref, async () => {
    using cgroup = openCgroup(ref);
    const steps = await planChange(cgroup, { kind: 'write', file, text }, []);
    demandAcknowledged(warningsOf(cgroup, steps), acknowledged);
    await inFieldLater(['text'], () => writeFile(cgroup, file, text));
    try {
      return { text: await readFile(cgroup.fd, file) };
    } catch (error) {
      return { text: unknownFrom(error) };
    }
  });
}

const ANY_WRITE = 0o222;

/**
 * Whether the helper may write it. The permissions of a file without a function to write it have no bit for writing, which root alone could pass over,
 * in vain. False for what is not there.
 */
export function isWritable({ fd, hierarchy }: OpenCgroup, file: string): boolean {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), bytesOfName(file) ?? Buffer.from(file)]);
  if (hierarchy.mount.readOnly) return false;
  try {
    fs.accessSync(path, fs.constants.W_OK);
    return (fs.statSync(path).mode & ANY_WRITE) !== 0;
  } catch {
    return false;
  }
}
