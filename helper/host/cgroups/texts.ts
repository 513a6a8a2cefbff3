/** The files of one cgroup, read at one time, and what becomes a figure of them. */
import { unknownFrom } from '../../failure.ts';
import { parseInteger } from '../../proc/cgroupValues.ts';
import type { Figure, Lacking } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { type OpenCgroup, readFile } from './directory.ts';

/** Files without a word for people, long, or costly to read: each line of `memory.numa_stat` is summed over all CPUs. */
const LEFT_OUT =
  /^(cgroup\.procs|cgroup\.threads|tasks|cgroup\.event_control|cgroup\.sane_behavior|memory\.(numa_stat|kmem\.slabinfo|pressure_level|force_empty|reclaim)|cpuacct\.usage_(all|percpu.*))$/;

export class CgroupTexts {
  readonly version: 1 | 2;
  /** Those that act on the cgroup. */
  readonly controllers: readonly string[];
  readonly isRoot: boolean;
  readonly names: readonly string[];
  private readonly named: ReadonlySet<string>;
  /** Files that the kernel did not give within the limit of time. */
  readonly heldBack = new Set<string>();
  private readonly cgroup: OpenCgroup;
  private readonly texts: ReadonlyMap<string, string | Unknown>;

  private constructor(cgroup: OpenCgroup, isRoot: boolean, names: readonly string[], texts: Map<string, string | Unknown>) {
    this.cgroup = cgroup;
    this.version = cgroup.version;
    this.isRoot = isRoot;
    this.names = names;
    this.named = new Set(names);
    this.texts = texts;
    for (const [name, text] of texts) this.noteHeldBack(name, text);
    const enabled = texts.get('cgroup.controllers');
    this.controllers =
      cgroup.version === 1 ? cgroup.hierarchy.controllers : typeof enabled === 'string' ? wordsOf(enabled) : [];
  }

  /** One file after the other: a kernel that holds one back then holds one thread of libuv's pool, and not all. */
  static async read(cgroup: OpenCgroup, isRoot: boolean, names: readonly string[]): Promise<CgroupTexts> {
    const texts = new Map<string, string | Unknown>();
    for (const name of names) if (!LEFT_OUT.test(name)) texts.set(name, await readOrWhyNot(cgroup, name));
    // Without permission to read (`cgroup.kill`) there is nothing to say of it.
    return new CgroupTexts(cgroup, isRoot, names, texts);
  }

  get isHeldBack(): boolean {
    return this.heldBack.size > 0;
  }

  /** A file that is not among the texts, read now. */
  async readNow(name: string): Promise<string | Unknown> {
    const text = await readOrWhyNot(this.cgroup, name);
    this.noteHeldBack(name, text);
    return text;
  }

  /** A system error has an errno; what did not come has none. */
  private noteHeldBack(name: string, text: string | Unknown): void {
    if (typeof text !== 'string' && text.unknown === 'busy' && text.errno === undefined) this.heldBack.add(name);
  }

  /** The text; why it is unknown; `undefined` when there is no such file. */
  get(file: string): string | Unknown | undefined {
    return this.texts.get(file);
  }

  has(file: string): boolean {
    return this.named.has(file);
  }

  /**
   * What `parse` makes of a file of a controller. `files` are the names that it has in v1 and in v2, the first that is there counts; none: that version
   * has no such thing.
   */
  figure<T>(
    controller: string,
    files: { v1?: string | string[]; v2?: string | string[] },
    parse: (text: string) => T | undefined,
  ): Figure<T> {
    const named = this.version === 1 ? files.v1 : files.v2;
    if (named === undefined) return { lacking: 'version' };
    const text = [named]
      .flat()
      .map((name) => this.texts.get(name))
      .find((found) => found !== undefined);
    if (text === undefined) return this.lacking(controller);
    if (typeof text !== 'string') return text;
    const value = parse(text);
    return value === undefined ? NOT_UNDERSTOOD : value;
  }

  number(controller: string, files: { v1?: string | string[]; v2?: string | string[] }): Figure<number> {
    return this.figure(controller, files, parseInteger);
  }

  /** Why a cgroup has no file of this controller. */
  lacking(controller: string): Lacking {
    if (!this.controllers.includes(controller)) return { lacking: 'controller' };
    return { lacking: this.isRoot ? 'root' : 'kernel' };
  }
}

const NOT_UNDERSTOOD: Unknown = { unknown: 'unsupported' };

export function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

async function readOrWhyNot(cgroup: OpenCgroup, name: string): Promise<string | Unknown> {
  try {
    return await readFile(cgroup.fd, name);
  } catch (error) {
    return unknownFrom(error);
  }
}
