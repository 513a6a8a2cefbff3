/** As whom a program enters, and with which environment: what docker-exec(1) would choose, where the engine's record tells. */

import { readFileInRoot } from '../host/fileInRoot.ts';
import { groupsOfMember } from '../proc/group.ts';
import { parsePasswd } from '../proc/passwd.ts';
import type { ProgramParams } from '../protocol/programs.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import { type EngineRecord, recordOf, recordOfContainer } from './engineRecord.ts';
import { Environment } from './environment.ts';
import { runsInUserNamespaceOf, type Who } from './identity.ts';
import type { HeldProcess, HeldTarget } from './target.ts';

const MAX_FILE_BYTES = 64 * 1024;

export interface EnteredAs {
  as: Who;
  /** What the engine recorded, when that and not the process decides. */
  record?: EngineRecord;
}

/**
 * `root` is the root directory of the process, when the program is to have it, as an `O_PATH` descriptor. The first process of a container is
 * entered as the engine starts programs there, unless its own identity is asked for.
 */
export async function enteredAs(params: ProgramParams, target: HeldTarget, root: number | undefined): Promise<EnteredAs> {
  const { process } = target;
  const who = params.identity ?? (target.complete ? undefined : 'root');
  if (process === undefined || who === 'target') return { as: { who: who ?? 'target' } };
  if (who === 'root') {
    // With the tools of the host, root is the host's: that is what they are taken along for.
    if (root === undefined || !runsInUserNamespaceOf(target, process)) return { as: { who } };
    const record = await recordOfContainer(process.ref);
    const as: Who = { who: 'inside', recorded: record, groups: await groupsOfRoot(record, root) };
    return { as, ...(record === undefined ? {} : { record }) };
  }
  const record = root === undefined ? undefined : await recordOf(process.ref);
  return record === undefined ? { as: { who: 'target' } } : { as: { who: 'configured', recorded: record }, record };
}

/** As Docker has it: those that list root in the container's /etc/group, and those that the container was given beside its user's own. */
async function groupsOfRoot(record: EngineRecord | undefined, root: number): Promise<number[]> {
  if (record === undefined) return [];
  const { uid, gid, groups } = record.user;
  if (uid === 0) return groups;
  const [passwd, group] = await Promise.all(['etc/passwd', 'etc/group'].map((file) => textIn(root, file)));
  const user = parsePasswd(passwd!).get(uid);
  const own = new Set([gid, ...(user === undefined ? [] : groupsOfMember(group!, user))]);
  // Since CVE-2022-36109 engines give the main group as a further one, too.
  const main = groups.includes(gid) ? [0] : [];
  return [...main, ...groupsOfMember(group!, 'root'), ...groups.filter((given) => !own.has(given))];
}

async function textIn(root: number, file: string): Promise<string> {
  return (await readFileInRoot(root, file, MAX_FILE_BYTES))?.toString('utf8') ?? '';
}

/**
 * The environment for a program in the root directory of the process: the engine's record when it decides, else what the process has in memory. What it has
 * overwritten is unknown, and said to be, unless the engine recorded that of its container.
 */
export async function environmentInside(
  process: HeldProcess,
  record: EngineRecord | undefined,
  differences: Said[],
): Promise<Environment> {
  if (record !== undefined) return Environment.from(record.environment);
  const remembered = Environment.of(process);
  if (remembered !== undefined) return remembered;
  const container = await recordOfContainer(process.ref);
  if (container !== undefined) {
    differences.push(said('differsOverwrittenEnvironment', process.ref.pid, container.by));
    return Environment.from(container.environment);
  }
  differences.push(said('differsUnknownEnvironment', process.ref.pid));
  return new Environment();
}
