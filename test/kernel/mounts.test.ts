/** `mounts/list` against findmnt. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mountView } from '../../extension/words/mountComparison.ts';
import { parseStat } from '../../helper/proc/stat.ts';
import { type MountEntry, MountsList } from '../../helper/protocol/mounts.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { unlessHelperIsRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { startSleeper, startSpecimen } from '../fixtures/zoo.ts';

/** Of a namespace with a table that is longer than what is sent; doubled so often. */
const DOUBLINGS = 16;

interface Found {
  id: number;
  parent: number;
  'maj:min': string;
  fsroot: string;
  target: string;
  'vfs-options': string;
  fstype: string;
  source: string;
  'fs-options': string;
}

/** What findmnt(8) says of a process's mounts, in the shape of `mounts/list`, by id. */
function findmnt(pid: number): unknown[] {
  const columns = 'ID,PARENT,MAJ:MIN,FSROOT,TARGET,VFS-OPTIONS,FSTYPE,SOURCE,FS-OPTIONS';
  const options = ['--task', String(pid), '--json', '--list', '--nofsroot', '--output', columns];
  const { filesystems } = JSON.parse(execFileSync('findmnt', options, { encoding: 'utf8' })) as { filesystems: Found[] };
  const entries = filesystems.map((found) => ({
    id: found.id,
    parentId: found.parent,
    device: found['maj:min'].trim(),
    root: found.fsroot,
    mountPoint: found.target,
    options: found['vfs-options'].split(','),
    type: found.fstype,
    source: found.source,
    superOptions: found['fs-options'].split(','),
  }));
  return entries.sort((one, other) => one.id - other.id);
}

function comparable(mounts: MountEntry[]): unknown[] {
  const entries = mounts.map(({ propagation: _propagation, ...entry }) => entry);
  return entries.sort((one, other) => one.id - other.id);
}

function refOf(pid: number): ProcessRef {
  return { pid, startTime: parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))!.startTime };
}

/**
 * What `ask` gives while the mounts of a process stay the same, with their ids in order. Others on this host mount and unmount, which a directory
 * that is removed does in every namespace.
 */
async function still<T extends object>(pid: number, ask: () => Promise<T>): Promise<T & { ids: string[] }> {
  const idsNow = () => readFileSync(`/proc/${pid}/mountinfo`, 'utf8').match(/^\d+/gm) ?? [];
  for (;;) {
    const ids = idsNow();
    const answer = await ask();
    if (idsNow().join() === ids.join()) return { ...answer, ids };
  }
}

describe('mounts/list', () => {
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    helper = await startHelper();
    folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-mounts-'));
  });
  after(async () => {
    await helper?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const list = (ref?: ProcessRef) => helper.request(MountsList, ref === undefined ? {} : { process: ref });

  test("gives the host's mounts as findmnt does, in the order of mountinfo", async () => {
    const { mounts, omitted, ids } = await still(helper.process.pid!, () => list());
    assert.equal(omitted, 0);
    assert.deepEqual(comparable([...mounts]), findmnt(helper.process.pid!));
    assert.deepEqual(
      mounts.map(({ id }) => String(id)),
      ids,
    );
  });

  test('gives those of a process in a mount namespace of its own, and only what it mounted differs', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const before = await list();
    const point = path.join(folder, 'a b\nc');
    mkdirSync(point);
    const script = 'mount -t tmpfs -o size=1m "$1" "$2" && shift 2 && exec "$@"';
    const specimen = await startSleeper(['unshare', '--mount', 'sh', '-c', script, 'sh', 'my tmpfs', point]);
    t.after(specimen.stop);
    const { mounts } = await still(specimen.pid, () => list(refOf(specimen.pid)));
    assert.deepEqual(comparable([...mounts]), findmnt(specimen.pid));
    const said = ({ device, root, mountPoint, type, options }: MountEntry) =>
      JSON.stringify([device, root, mountPoint, type, options]);
    const host = new Set([...before.mounts, ...(await list()).mounts].map(said));
    const differing = mounts.filter((mount) => !host.has(said(mount)));
    assert.deepEqual(
      differing.map(({ mountPoint, type, source }) => [mountPoint, type, source]),
      [[point, 'tmpfs', 'my tmpfs']],
    );
  });

  test('tells as much as decides which mount each path leads to, and which of them no path does', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const script = [
      'mount -t tmpfs base "$1" && cd "$1" && mkdir -p a/b/c d f/g',
      'mount -t tmpfs deep a/b/c && mount -t tmpfs over a/b && mkdir a/b/c',
      'mount -t tmpfs one d && mount -t tmpfs two d && mkdir d/e && mount -t tmpfs inner d/e',
      'mount -t tmpfs part f/g && mount --bind d a/b/c && mount -t tmpfs whole f && mkdir f/g',
      // What each mount point leads to, as the kernel says of an open file.
      'ids() { awk -v under="$1" \'index($5, under) == 1 { print $5 }\' /proc/self/mountinfo | sort -u | while read -r at; do',
      '  { echo "$at $(sed -n "s/^mnt_id:[[:space:]]*//p" /proc/self/fdinfo/3)"; } 3<"$at"',
      'done; }',
      'said=$(ids "$1") && echo "$said" && read end',
    ].join('\n');
    let told = '';
    const said = (text: string) => {
      told = text;
    };
    const specimen = await startSpecimen(['unshare', '--mount', 'sh', '-c', script, 'sh', folder], { said });
    t.after(specimen.stop);
    const { mounts } = await list(refOf(specimen.pid));
    const mine = mounts.filter(({ mountPoint }) => mountPoint.startsWith(folder));
    const { seen, hidden } = mountView(mounts);
    const leadsTo = Object.fromEntries(
      told
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    ) as Record<string, string>;
    const reached = mine.filter(({ id, mountPoint }) => leadsTo[mountPoint] === String(id));
    assert.ok(reached.length >= 5 && reached.length < mine.length, 'some are hidden');
    const found = [...seen.values()].map(({ mount }) => mount).filter((mount) => mine.includes(mount));
    const byId = (list: MountEntry[]) => list.map(({ id }) => id).sort((one, other) => one - other);
    assert.deepEqual(byId(found), byId(reached));
    assert.equal(hidden.filter(({ mount }) => mine.includes(mount)).length, mine.length - reached.length);
  });

  test('sends what fits of a table that somebody made endless, and says how much is left out', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const script = [
      `mount -t tmpfs endless "$1" && mount --make-rprivate "$1" && cd "$1"`,
      `for i in $(seq ${DOUBLINGS}); do mkdir d$i && mount --rbind . d$i || exit; done`,
      'echo there; read end',
    ].join('\n');
    const specimen = await startSpecimen(['unshare', '--mount', 'sh', '-c', script, 'sh', folder]);
    t.after(specimen.stop);
    const { mounts, omitted, ids } = await still(specimen.pid, () => list(refOf(specimen.pid)));
    assert.ok(ids.length > 2 ** DOUBLINGS);
    assert.ok(omitted > 0 && mounts.length > 1000);
    assert.equal(mounts.length + omitted, ids.length);
  });

  test('does nothing about another process that has the pid now', async () => {
    const { pid, startTime } = refOf(process.pid);
    await refusalOf(list({ pid, startTime: startTime + 1 }), 'gone');
  });
});
