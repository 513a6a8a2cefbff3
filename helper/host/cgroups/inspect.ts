/** Everything about one cgroup: what `cgroups/inspect` answers. */

import fs from 'node:fs';
import { countDevicePrograms } from '../../kernel/bpfQuery.ts';
import { close, countLines, O_DIRECTORY, openAt, readText } from '../../kernel/files.ts';
import { AT_FDCWD } from '../../kernel/numbers.ts';
import { numberOfBytes, parseFlatKeyed } from '../../proc/cgroupValues.ts';
import { bytesOfName } from '../../proc/fileName.ts';
import { parseStat } from '../../proc/stat.ts';
import type { Cgroup, CgroupRef, CgroupsInspectResult } from '../../protocol/cgroups.ts';
import type { Unknown } from '../../protocol/errors.ts';
import { unreadable } from '../unreadable.ts';
import { type Chain, openChain } from './chain.ts';
import { listNames, type OpenCgroup, readFile } from './directory.ts';
import { type Needed, rowReaders, typeIn } from './figures.ts';
import { isWritable } from './files.ts';
import { readLimitTexts } from './limitTexts.ts';
import { membersBelow, parsePids } from './members.ts';
import { CgroupNode } from './node.ts';
import { ownerOf } from './ownCgroups.ts';
import { Place } from './place.ts';
import { risksOf } from './risks.ts';
import { type RowContext, rowOf } from './row.ts';
import {
  cpuSection,
  cpusetSection,
  type Described,
  descendantsOf,
  freezerSection,
  hugetlbSection,
  ioSection,
  memorySection,
  otherFiles,
  pidsSection,
} from './sections.ts';
import { CgroupTexts, wordsOf } from './texts.ts';
import { usableCpus } from './usableCpus.ts';

const MAX_MEMBERS = 10_000;
/** More than these are not added up for the share that a weight gives. */
const MAX_SIBLINGS = 1000;

/** Throws the `Failure`s of `openCgroup`. `context` is what rows of the list are made with. */
export async function inspectCgroup(ref: CgroupRef, context: RowContext): Promise<CgroupsInspectResult> {
  using chain = openChain(ref);
  const { cgroup, links } = chain;
  const isRoot = cgroup.hierarchy.mount.whole && links.length === 1;
  const { files } = listNames(cgroup.fd);
  const texts = await CgroupTexts.read(cgroup, isRoot, files);
  const described: Described = { texts, chain: await readLimitTexts(chain, texts) };
  const members = await membersOf(texts, await texts.readNow('cgroup.procs'));
  return {
    ...rowOfOpen(chain, texts, context),
    version: cgroup.version,
    directory: cgroup.directory,
    controllers: [...texts.controllers],
    childControllers: texts.figure('', { v2: 'cgroup.subtree_control' }, wordsOf),
    members,
    cpu: cpuSection(
      described,
      texts.isHeldBack ? undefined : weightsOfSiblings(chain),
      await usableCpus(chain, Array.isArray(members) ? members : []),
    ),
    memory: memorySection(described),
    io: ioSection(described),
    pids: pidsSection(described),
    cpuset: cpusetSection(described),
    hugetlb: hugetlbSection(described),
    freezer: freezerSection(described),
    devices: devicesOf(cgroup, texts),
    others: otherFiles(described),
    risks:
      cgroup.version === 1
        ? risksOf(
            await releaseSettings(chain, texts),
            ownerOf(context.owners, ref),
            context.userName,
            Array.isArray(members) ? members : [],
          )
        : [],
    notifyOnRelease: texts.figure('', { v1: 'notify_on_release' }, (text) => text.trim() === '1'),
    events: eventsOf(texts),
    descendants: descendantsOf(described),
    files: files.sort().map((name) => ({ name, mode: modeOf(cgroup, name), writable: isWritable(cgroup, name) })),
  };
}

const EVERYTHING: Needed = { figures: true, settings: true, counters: true, members: true };

/** The same facts as in the list, read now. */
function rowOfOpen({ cgroup, links }: Chain, texts: CgroupTexts, context: RowContext): Cgroup {
  const { ref, fd } = cgroup;
  const above = links[1];
  const parent = above === undefined ? undefined : new CgroupNode(undefined, '', above.ref.ino, above.ref.path);
  const node = new CgroupNode(parent, ref.path.slice(ref.path.lastIndexOf('/') + 1), ref.ino, ref.path);
  node.uid = fs.fstatSync(fd).uid;
  // What did not come back a moment ago would now hold the helper.
  const place = new Place(undefined, '', fd, texts.heldBack);
  for (const read of rowReaders(cgroup.hierarchy)) read(node, place, EVERYTHING);
  if (cgroup.version === 2) node.type = typeIn(place);
  if (texts.isHeldBack) node.populated ??= null;
  else if (cgroup.version === 1 || parent === undefined) node.populated = populatedBelow(fd, node.memberCount);
  return rowOf(node, context);
}

function populatedBelow(fd: number, memberCount: number | null): boolean | null {
  if ((memberCount ?? 0) > 0) return true;
  const { pids, incomplete } = membersBelow(fd);
  return pids.size > 0 ? true : incomplete ? null : false;
}

/** The processes that are members, or the threads when it is threaded. */
async function membersOf(texts: CgroupTexts, processes: string | Unknown): Promise<CgroupsInspectResult['members']> {
  if (typeof processes === 'string') return membersOfPids(processes, '');
  // EOPNOTSUPP, by libuv's name for it.
  if (processes.errno !== 'ENOTSUP') return processes;
  const threads = await texts.readNow('cgroup.threads');
  return typeof threads === 'string' ? membersOfPids(threads, 'thread') : [];
}

/** What ended meanwhile is left out. v1 names a process twice when it is moved while the list is read. */
function membersOfPids(text: string, kind: '' | 'thread'): Exclude<CgroupsInspectResult['members'], { unknown: unknown }> {
  const members: Exclude<CgroupsInspectResult['members'], { unknown: unknown }> = [];
  for (const id of new Set(parsePids(text).slice(0, MAX_MEMBERS))) {
    const pid = kind === 'thread' ? processOfThread(id) : id;
    const stat = pid === undefined ? undefined : statOf(`/proc/${pid}/stat`);
    if (pid === undefined || stat === undefined) continue;
    const thread = kind === 'thread' ? statOf(`/proc/${pid}/task/${id}/stat`) : undefined;
    const member = { pid, startTime: stat.startTime, name: thread?.name ?? stat.name };
    members.push(kind === 'thread' ? { ...member, tid: id } : member);
  }
  return members;
}

function processOfThread(tid: number): number | undefined {
  const status = readText(AT_FDCWD, `/proc/${tid}/status`, 8192);
  const tgid = typeof status === 'number' ? undefined : /^Tgid:\s+([0-9]+)$/m.exec(status)?.[1];
  return tgid === undefined ? undefined : Number(tgid);
}

function statOf(path: string): { startTime: number; name: string } | undefined {
  const text = readText(AT_FDCWD, path, 4096);
  return typeof text === 'number' ? undefined : parseStat(text);
}

/** Weights of the cgroups with a process in them that share the parent, its own included; undefined when there are too many. */
function weightsOfSiblings({ cgroup, links }: Chain): number[] | undefined {
  const [self, parent] = links;
  if (self === undefined || parent === undefined) return undefined;
  const { cgroups } = listNames(parent.fd);
  if (cgroups.length > MAX_SIBLINGS) return undefined;
  const file = cgroup.version === 1 ? 'cpu.shares' : 'cpu.weight';
  const own = self.ref.path.slice(self.ref.path.lastIndexOf('/') + 1);
  const weights: number[] = [];
  for (const name of cgroups) {
    using place = new Place(undefined, '', openAt(parent.fd, bytesWithEnd(name), O_DIRECTORY));
    if (place.fd < 0 || (name !== own && !competes(place, cgroup.version))) continue;
    const weight = place.read(file);
    const value = typeof weight === 'number' ? undefined : numberOfBytes(weight);
    if (value !== undefined) weights.push(value);
  }
  return weights;
}

/** Whether there is a process in it or, in v2, below it. */
function competes(place: Place, version: 1 | 2): boolean {
  if (version === 1) return countLines(place.fd, 'cgroup.procs') > 0 || membersBelow(place.fd).pids.size > 0;
  const events = place.read('cgroup.events');
  return typeof events !== 'number' && parseFlatKeyed(events.toString('latin1')).get('populated') === 1;
}

function bytesWithEnd(name: string): Buffer {
  return Buffer.concat([bytesOfName(name) ?? Buffer.from(name), Buffer.of(0)]);
}

function devicesOf(cgroup: OpenCgroup, texts: CgroupTexts): CgroupsInspectResult['devices'] {
  if (cgroup.version === 2) return { bpf: hasDeviceProgram(cgroup) };
  const list = texts.get('devices.list');
  if (typeof list === 'string') return { list: list.split('\n').filter((line) => line !== '') };
  return { lacking: 'controller' };
}

function hasDeviceProgram({ fd }: OpenCgroup): ReturnType<typeof unreadable> | boolean {
  const directory = openAt(fd, '.', O_DIRECTORY);
  if (directory < 0) return unreadable(directory);
  try {
    const count = countDevicePrograms(directory);
    return count < 0 ? unreadable(count) : count > 0;
  } finally {
    close(directory);
  }
}

/** Only the root of a hierarchy has the file. */
const QUIETLY = { throwIfNoEntry: false } as const;

async function releaseSettings({ cgroup, links }: Chain, texts: CgroupTexts): Promise<Parameters<typeof risksOf>[0]> {
  const root = links.at(-1);
  const agent = root === undefined ? undefined : await readFile(root.fd, 'release_agent').catch(() => undefined);
  const notify = texts.get('notify_on_release');
  return {
    releaseAgent: typeof agent === 'string' ? agent.trimEnd() : undefined,
    notifyOnRelease: typeof notify === 'string' ? notify.trim() === '1' : undefined,
    agentFile: root === undefined ? undefined : fs.statSync(`/proc/self/fd/${root.fd}/release_agent`, QUIETLY),
    hierarchy: cgroup.ref.hierarchy,
    path: cgroup.ref.path,
  };
}

function eventsOf(texts: CgroupTexts): CgroupsInspectResult['events'] {
  if (texts.version === 2 && texts.isRoot) return { lacking: 'root' };
  return texts.figure('', { v2: 'cgroup.events' }, (text) => Object.fromEntries(parseFlatKeyed(text)));
}

function modeOf({ fd }: OpenCgroup, name: string): number {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), bytesOfName(name) ?? Buffer.from(name)]);
  return (fs.lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o7777;
}
