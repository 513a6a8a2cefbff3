/** `cgroups/list` against the raw files and find(1); v1, v2 and hybrid. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { CgroupsList } from '../../helper/protocol/cgroups.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { makeCgroup, mountWith, withoutControllers } from '../fixtures/cgroup.ts';
import { cgroupClient } from '../fixtures/cgroupClient.ts';
import { unlessHelperIsRoot } from '../fixtures/environment.ts';
import { startHelper } from '../fixtures/helper.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { refOfProcess, startSleeper } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-${process.pid}`;

describe('the list of cgroups', () => {
  const { request, list, inspect, row } = cgroupClient();

  test('has every hierarchy of /proc/self/cgroup, and of each what is mounted', async () => {
    const { hierarchies, mode, unreadable, truncated } = await list();
    const expected = parseCgroups(readFileSync('/proc/self/cgroup', 'utf8')).map(({ hierarchy }) => hierarchy);
    assert.deepEqual(hierarchies.map(({ hierarchy }) => hierarchy).sort(), expected.sort());
    const versions = new Set(hierarchies.filter(({ mountPoint }) => mountPoint !== undefined).map(({ version }) => version));
    assert.equal(mode, versions.size === 2 ? 'hybrid' : versions.has(1) ? 'v1' : 'v2');
    assert.equal(truncated, false);
    const unmounted = hierarchies.filter(({ mountPoint }) => mountPoint === undefined).map(({ hierarchy }) => hierarchy);
    assert.deepEqual(unreadable.map(({ hierarchy }) => hierarchy).sort(), unmounted.sort());
  });

  test('has the parent of every cgroup before it', async () => {
    const { cgroups } = await list();
    const seen = new Set<string>();
    for (const { hierarchy, path, ino, parent } of cgroups) {
      assert.ok(parent === undefined ? path === '/' : seen.has(`${hierarchy} ${parent}`), `${hierarchy} ${path}`);
      seen.add(`${hierarchy} ${ino}`);
    }
  });

  test('has the cgroups that find shows, whatever they are called', { skip: withoutControllers('pids') }, async () => {
    using top = makeCgroup('pids', NAME);
    const names = ['plain', 'with space', 'back\\slash\\x2d', 'ümläut', '-1', '#', 'x'.repeat(255)];
    for (const name of names) top.child(name);
    top.child(Buffer.from([0x61, 0xff, 0xfe, 0x62]));
    const { cgroups } = await list(top.ref.hierarchy);
    const below = cgroups.filter(({ parent }) => parent === top.ref.ino).map(({ path }) => path.slice(top.ref.path.length + 1));
    assert.deepEqual(below.sort(), [...names, 'a\udcff\udcfeb'].sort());
    const listed = cgroups.filter(({ path }) => path.startsWith(top.ref.path)).map(({ ino }) => ino);
    const found = execFileSync('find', [top.directory, '-type', 'd', '-printf', '%i\\n'], { encoding: 'utf8' });
    assert.deepEqual(listed.sort(), found.trim().split('\n').map(Number).sort());
  });

  test('can be asked for one hierarchy, and without figures', async () => {
    const all = await list();
    const [first] = all.hierarchies.filter(({ mountPoint }) => mountPoint !== undefined);
    assert.ok(first);
    const { cgroups } = await request(CgroupsList, { hierarchy: first.hierarchy, figures: false });
    assert.ok(cgroups.length > 0);
    for (const { hierarchy, figures } of cgroups) assert.deepEqual([hierarchy, figures], [first.hierarchy, {}]);
    await assert.rejects(list('no such hierarchy'), { data: { reason: 'notFound', hint: 'Refresh the view.' } });
  });

  test('counts members, tells populated from empty, and whom it is delegated to', {
    skip: withoutControllers('pids'),
  }, async (t) => {
    using top = makeCgroup('pids', NAME);
    const inner = top.child('inner');
    assert.deepEqual([(await row(top)).populated, (await row(top)).badges], [false, ['empty']]);
    const sleeper = await startSleeper([]);
    t.after(sleeper.stop);
    inner.write('cgroup.procs', String(sleeper.pid));
    chownSync(top.directory, 1234, 1234);
    const [outerRow, innerRow] = [await row(top), await row(inner)];
    assert.deepEqual([outerRow.memberCount, outerRow.populated, outerRow.delegatedUid], [0, true, 1234]);
    assert.deepEqual([innerRow.memberCount, innerRow.populated, innerRow.delegatedUid], [1, true, undefined]);
    assert.deepEqual(outerRow.badges, ['delegated']);
    const { members } = await inspect(inner.ref);
    assert.ok(Array.isArray(members));
    assert.deepEqual(members, [{ ...refOfProcess(sleeper.pid), name: 'busybox' }]);
  });

  test('a hierarchy whose files do not answer is busy, and holds up nothing but its own rows', {
    skip: unlessHelperIsRoot,
  }, async (t) => {
    const mount = mountWith('pids');
    if (mount === undefined) return t.skip('no hierarchy with pids is mounted');
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-fifo-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const fifo = path.join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const cover = `mount --bind "${fifo}" "${mount.mountPoint}/cgroup.procs"; exec "$@"`;
    await using held = await startHelper({
      through: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', cover, 'sh'],
    });
    const listing = held.request(CgroupsList, {});
    assert.ok((await held.request(ProcessesList, {})).processes.length > 0);
    const { unreadable, cgroups } = await listing;
    const name = mount.type === 'cgroup2' ? 'unified' : 'pids';
    assert.deepEqual(unreadable, [{ hierarchy: name, why: { unknown: 'busy' } }]);
    assert.ok(mount.type === 'cgroup2' || cgroups.length > 0);
    for (let again = 0; again < 3; again += 1)
      assert.deepEqual((await held.request(CgroupsList, {})).unreadable, unreadable, 'the others are still read');
    execFileSync('nsenter', [
      `--mount=/proc/${held.process.pid}/ns/mnt`,
      'umount',
      '--lazy',
      `${mount.mountPoint}/cgroup.procs`,
    ]);
    writeFileSync(fifo, '\n');
    const again = await untilAnswer(
      'the hierarchy',
      () => held.request(CgroupsList, {}),
      (answer) => answer.unreadable.length === 0,
    );
    assert.ok(again.cgroups.some(({ hierarchy }) => hierarchy === name));
  });

  test('a hierarchy that a cgroup namespace hides is unreadable, not empty', {
    skip: unlessHelperIsRoot,
  }, async () => {
    using made = makeCgroup('pids', NAME);
    const enter = `echo $$ > "${made.directory}/cgroup.procs"; exec "$@"`;
    await using hidden = await startHelper({
      through: ['sh', '-c', enter, 'sh', 'unshare', '--cgroup', '--mount', '--propagation', 'private'],
    });
    const { unreadable, cgroups } = await hidden.request(CgroupsList, {});
    const why = unreadable.find(({ hierarchy }) => hierarchy === made.ref.hierarchy)?.why;
    assert.deepEqual(why, { unknown: 'unsupported' });
    assert.ok(!cgroups.some(({ hierarchy }) => hierarchy === made.ref.hierarchy));
  });
});
