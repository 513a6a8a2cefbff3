/** What the engines' files said of containers when they were last read, which a reader thread does: names, images, pods. */
import { Failure } from '../failure.ts';
import type { Container, Engine } from '../protocol/containers.ts';
import type { Said } from '../protocol/sentences.ts';
import { readers } from '../reading/readers.ts';
import type { ContainerGroup } from './containerGroup.ts';
import { daemonsOf } from './engines/daemons.ts';
import type { Claimed, Told } from './engines/description.ts';
import type { Description } from './engines/engineFiles.ts';
import { DescribeContainers, NameByPid, type NamesByPid } from './engines/engineJobs.ts';
import type { HostModel } from './hostModel.ts';
import type { ProcessRecord } from './processRecord.ts';
import { sandboxOf } from './sandboxGroups.ts';

/** As long as `docker ps` shows. */
const SHORT_ID = 12;
/** Whose files tell of a container. */
const WITH_FILES: readonly Engine[] = ['docker', 'podman', 'cri-o', 'containerd', 'kubernetes', 'systemd-nspawn'];
/** A list that only calls containers by their names reads them no more often. */
const RECENT_MILLIS = 10_000;
/** Where each usually keeps what is read. */
const USUAL: Partial<Record<Engine, string>> = {
  docker: '/var/lib/docker',
  podman: '/var/lib/containers/storage',
  'cri-o': '/var/lib/containers/storage',
};

type Known = Told & { unanswered?: Said };

export class ContainerNames {
  private readonly model: HostModel;
  /** By key. */
  private known = new Map<string, Known>();
  private readAt = Number.NEGATIVE_INFINITY;
  /** Directories of an engine, of a user, that were looked into. */
  private readonly directories = new Map<string, Set<string>>();
  private byPid: NamesByPid = { tasks: new Map(), runtimes: new Map() };
  /** Uids whose runtimes were asked about since the last reading. */
  private readonly wanted = new Set<number>();
  /** Raised when other names are known by pid. */
  revision = 0;

  constructor(model: HostModel) {
    this.model = model;
  }

  /** The id that containerd runs it by, whose first process this is. */
  task(pid: number): string | undefined {
    this.wanted.add(0);
    return this.byPid.tasks.get(pid);
  }

  /** The id that a low-level runtime of that user runs it by. */
  inRuntime(pid: number, uid: number): string | undefined {
    this.wanted.add(uid);
    return this.byPid.runtimes.get(uid)?.get(pid);
  }

  /** Reads the names that were asked for by pid since the last time. False when a file system does not answer. */
  async readByPid(): Promise<boolean> {
    if (this.wanted.size === 0) return true;
    const uids = [...this.wanted];
    const daemons = daemonsOf(this.model);
    const paths = ['/run', ...uids.map((uid) => `/run/user/${uid}`)];
    const read = await readers.ask(NameByPid, () => ({ params: { uids, daemons }, paths })).catch(orUnanswered);
    if (read instanceof Failure) return false;
    for (const uid of uids) this.wanted.delete(uid);
    if (isSame(read, this.byPid)) return true;
    this.byPid = read;
    this.revision += 1;
    return true;
  }

  /** As `read`, unless all are known and were read not long ago. */
  async readUnlessKnown(groups: readonly ContainerGroup[]): Promise<void> {
    const areKnown = groups.every(({ key, claim }) => !WITH_FILES.includes(claim.engine) || this.known.has(key));
    if (!areKnown || performance.now() - this.readAt > RECENT_MILLIS) await this.read(groups);
  }

  /** Reads what is known of each anew, by engine and user: the storage of one that does not answer says nothing of the others. */
  async read(groups: Iterable<ContainerGroup>): Promise<void> {
    const asked = new Map<string, ContainerGroup[]>();
    for (const group of groups) {
      const { engine, uid = 0 } = group.claim;
      if (!WITH_FILES.includes(engine)) continue;
      const of = `${engine} ${uid}`;
      asked.set(of, [...(asked.get(of) ?? []), group]);
    }
    const before = this.known;
    const after = new Map<string, Known>();
    const reading = [...asked].map(async ([of, ofEngine]) => {
      const told = await this.ask(of, ofEngine).catch(orUnanswered);
      for (const [index, { key, claim }] of ofEngine.entries()) {
        const unanswered =
          told instanceof Failure ? { ...(before.get(key) ?? { engine: claim.engine }), unanswered: told.text } : undefined;
        after.set(key, unanswered ?? (told as Told[])[index]!);
      }
    });
    await Promise.all(reading);
    this.known = after;
    this.readAt = performance.now();
  }

  private ask(of: string, groups: readonly ContainerGroup[]): Promise<Told[]> {
    let directories = this.directories.get(of);
    if (directories === undefined) {
      const usual = USUAL[groups[0]!.claim.engine];
      directories = new Set(usual === undefined ? [] : [usual]);
      this.directories.set(of, directories);
    }
    const looked = directories;
    const containers = groups.map((group) => this.claimed(group));
    const daemons = daemonsOf(this.model);
    const prepare = () => ({ params: { containers, daemons }, paths: [...looked] });
    return readers.ask(DescribeContainers, prepare, { tell: (directory) => looked.add(directory) });
  }

  private claimed({ claim: { engine, isGuess, id, uid }, leader }: ContainerGroup): Claimed {
    const parent = isGuess === undefined ? undefined : this.model.process(leader.parentPid);
    return {
      engine,
      id,
      ...(isGuess === undefined ? {} : { isGuess }),
      ...(uid === undefined ? {} : { uid }),
      ...(parent === undefined ? {} : { shim: { name: parent.name, uid: parent.uid, arguments: parent.arguments } }),
    };
  }

  /** Always a name: its shortened id, or its leader's command, when no file tells one. */
  describe({ key, claim, leader }: ContainerGroup): Pick<Container, 'engine' | 'name' | 'image' | 'unanswered'> & {
    pod: Container['pod'] | undefined;
  } {
    const told = this.known.get(key);
    const found = claim.engine === 'isoscope' ? this.sandbox(claim.id, leader) : told?.found;
    const description = {
      engine: told?.engine ?? claim.engine,
      name: fallbackName(claim, leader),
      ...found,
      ...(told?.unanswered === undefined ? {} : { unanswered: told.unanswered }),
    };
    return claim.pod === undefined
      ? { ...description, pod: undefined }
      : { ...description, pod: { ...claim.pod, ...found?.pod } };
  }

  private sandbox(id: string, leader: ProcessRecord): Description | undefined {
    const title = sandboxOf(leader, this.model);
    return title?.id === id ? { name: title.name } : undefined;
  }
}

function orUnanswered(error: unknown): Failure {
  if (error instanceof Failure && error.reason === 'busy') return error;
  throw error;
}

function isSame(one: NamesByPid, other: NamesByPid): boolean {
  return text(one) === text(other);
}

function text({ tasks, runtimes }: NamesByPid): string {
  return JSON.stringify([[...tasks], [...runtimes].map(([uid, names]) => [uid, [...names]])]);
}

function fallbackName({ engine, id, name }: ContainerGroup['claim'], leader: ProcessRecord): string {
  if (name !== undefined) return name;
  if (engine === 'unnamed') return leader.name;
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, SHORT_ID) : id;
}
