/**
 * Names of users as the processes themselves have them: those in another mount namespace by the /etc/passwd of their own root directory, since the
 * host's names another user by the same number. A number until that is read, and where it says nothing: no name of the host's, which would be a guess.
 */

import { close, O_DIRECTORY, openDirectory, readNamespaceLink, readText } from '../kernel/files.ts';
import { AT_FDCWD, O_PATH } from '../kernel/numbers.ts';
import { parseIdMap } from '../proc/idMap.ts';
import { parsePasswd } from '../proc/passwd.ts';
import { openAtSlowly } from '../reading/openAt.ts';
import { readFileInRoot } from './fileInRoot.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import type { IndexedNamespace, NamespaceIndex } from './namespaceIndex.ts';
import { namespaceOf, type ProcessRecord } from './processRecord.ts';
import { userNames } from './users.ts';

const MAX_PASSWD_BYTES = 256 * 1024;
const MAX_MAP_BYTES = 16 * 1024;
/** A name that is not there may have been added since; the file is not looked at more often for it. */
const LOOK_AGAIN_MILLIS = 30_000;
/** useradd(8). What else stands there is not shown as somebody's name. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/;

const own = ownNamespaces();

interface Names {
  /** By uid as the helper sees it. */
  byUid: ReadonlyMap<number, string>;
  readAt: number;
  reading: Promise<void> | undefined;
}

export class ContainerUsers {
  /** By the mount namespace, then by the user namespace. The number of one that ended is soon given to another, which is another entry of the index. */
  private readonly known = new WeakMap<IndexedNamespace, Map<unknown, Names>>();
  private readonly index: NamespaceIndex;
  private readonly learned: (mountNamespace: IndexedNamespace) => void;

  /** `learned` is told when names of processes in a mount namespace became known, or others. */
  constructor(index: NamespaceIndex, learned: (mountNamespace: IndexedNamespace) => void) {
    this.index = index;
    this.learned = learned;
  }

  /** For many processes at once. `isContained`: the cgroup says that a container has it, whatever of it may be read. */
  names(isContained: (record: ProcessRecord) => boolean): (record: ProcessRecord) => string {
    const hostName = userNames();
    return (record) => {
      const mountNamespace = namespaceOf(record, 'mnt');
      if (mountNamespace === own.mnt?.ino) return hostName(record.uid);
      if (typeof mountNamespace === 'number') {
        const name = this.nameIn(mountNamespace, record);
        // Until its own is read: a service of the host mostly sees the host's file.
        return name ?? (isContained(record) ? numberOf(record.uid) : hostName(record.uid));
      }
      return isContained(record) ? numberOf(record.uid) : hostName(record.uid);
    };
  }

  /** Resolves when the names of the process's mount namespace have been read, or could not be. */
  async learn(record: ProcessRecord): Promise<void> {
    const mountNamespace = namespaceOf(record, 'mnt');
    if (typeof mountNamespace !== 'number' || mountNamespace === own.mnt?.ino) return;
    this.nameIn(mountNamespace, record);
    await this.namesFor(mountNamespace, record)?.reading;
  }

  /** Undefined as long as that is not known. */
  private nameIn(mountNamespace: number, record: ProcessRecord): string | undefined {
    // Root of the host is that wherever it is, and whatever a container calls it.
    if (record.uid === 0) return numberOf(0);
    const names = this.namesFor(mountNamespace, record);
    if (names === undefined) return undefined;
    const isRead = names.readAt !== Number.NEGATIVE_INFINITY;
    return names.byUid.get(record.uid) ?? (isRead ? numberOf(record.uid) : undefined);
  }

  private namesFor(mountNamespace: number, record: ProcessRecord): Names | undefined {
    const namespace = this.index.get(mountNamespace);
    if (namespace === undefined) return undefined;
    const names = this.entry(namespace, namespaceOf(record, 'user'));
    const isDue = !names.byUid.has(record.uid) && performance.now() - names.readAt > LOOK_AGAIN_MILLIS;
    if (isDue && names.reading === undefined) names.reading = this.read(names, namespace, record);
    return names;
  }

  private entry(namespace: IndexedNamespace, user: unknown): Names {
    let byUser = this.known.get(namespace);
    if (byUser === undefined) {
      byUser = new Map();
      this.known.set(namespace, byUser);
    }
    let names = byUser.get(user);
    if (names === undefined) {
      names = { byUid: new Map(), readAt: Number.NEGATIVE_INFINITY, reading: undefined };
      byUser.set(user, names);
    }
    return names;
  }

  private async read(names: Names, namespace: IndexedNamespace, { pid }: ProcessRecord): Promise<void> {
    const before = names.byUid.size;
    // What cannot be read, or does not answer, names nobody.
    names.byUid = (await namesIn(pid, namespace.ino).catch(() => undefined)) ?? names.byUid;
    names.readAt = performance.now();
    names.reading = undefined;
    if (names.byUid.size > 0 || before > 0) this.learned(namespace);
  }
}

function numberOf(uid: number): string {
  return uid === 0 ? 'root' : String(uid);
}

/** Undefined when nothing of the process can be looked at, or it is elsewhere by now. */
async function namesIn(pid: number, mountNamespace: number): Promise<Map<number, string> | undefined> {
  const directory = openDirectory(AT_FDCWD, `/proc/${pid}`);
  if (directory < 0) return undefined;
  let root = -1;
  let uids: string | number;
  let isThere: boolean;
  try {
    uids = readText(directory, 'uid_map', MAX_MAP_BYTES);
    root = await openAtSlowly(directory, 'root', O_PATH | O_DIRECTORY);
    isThere = readNamespaceLink(directory, 'ns/mnt') === mountNamespace;
  } catch (error) {
    if (root >= 0) close(root);
    throw error;
  } finally {
    close(directory);
  }
  if (root < 0) return undefined;
  try {
    const passwd = isThere && typeof uids === 'string' ? await readFileInRoot(root, 'etc/passwd', MAX_PASSWD_BYTES) : undefined;
    return passwd === undefined ? undefined : outside(parsePasswd(passwd.toString('utf8')), uids as string);
  } finally {
    close(root);
  }
}

/** By the uids that the helper sees. A file that calls another user "root" is not believed. */
function outside(names: ReadonlyMap<number, string>, map: string): Map<number, string> {
  const ranges = parseIdMap(map);
  const found = new Map<number, string>();
  for (const [uid, name] of names) {
    const range = ranges.find(({ inside, count }) => uid >= inside && uid - inside < count);
    if (range === undefined || !NAME.test(name) || (name === 'root' && uid !== 0)) continue;
    found.set(range.outside + uid - range.inside, name);
  }
  return found;
}
