/** What is told of cgroups, and found in the list, while somebody watches them; v1, v2 and hybrid. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Cgroup, CgroupsList } from '../../helper/protocol/cgroups.ts';
import { HostChanged, HostWatch } from '../../helper/protocol/host.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { type MadeCgroup, makeCgroup, setFrozen, unifiedMount, withoutControllers } from '../fixtures/cgroup.ts';
import { cgroupClient } from '../fixtures/cgroupClient.ts';
import { startHelper } from '../fixtures/helper.ts';
import { openFilesOf } from '../fixtures/procFiles.ts';
import { untilAnswer, WAIT_MILLIS } from '../fixtures/until.ts';
import { startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NAME = `isoscope-test-${process.pid}`;

describe('cgroups', () => {
  const client = cgroupClient();
  const { request, list, row } = client;

  describe('while they are watched', () => {
    before(() => request(HostWatch, { parts: ['cgroups'] }));
    after(() => request(HostWatch, { parts: [] }));

    /** What happens in between raises a notification; the list then shows it. */
    async function told<T>(what: string, happen: () => void, ask: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
      let count = 0;
      const listener = client.helper.connection.onNotification(HostChanged, ({ parts }) => {
        if (parts.includes('cgroups')) count += 1;
      });
      try {
        happen();
        await untilAnswer(
          `host/changed for ${what}`,
          async () => count,
          (notified) => notified > 0,
        );
        return await untilAnswer(what, ask, isIt);
      } finally {
        listener.dispose();
      }
    }

    test('a new one and the end of one are told, also deep below', { skip: withoutControllers('pids') }, async () => {
      await list();
      const made: MadeCgroup[] = [];
      const isListed = async () => {
        const inos = new Set((await list()).cgroups.map(({ ino, hierarchy }) => `${hierarchy} ${ino}`));
        return made.filter(({ ref }) => inos.has(`${ref.hierarchy} ${ref.ino}`)).length;
      };
      const create = (make: () => MadeCgroup) =>
        told(
          'a new cgroup',
          () => made.push(make()),
          isListed,
          (count) => count === made.length,
        );
      await create(() => makeCgroup('pids', NAME));
      await create(() => made[0]!.child('inner'));
      await create(() => made[1]!.child('innermost'));
      await told(
        'the end of three',
        () => made[0]?.[Symbol.dispose](),
        isListed,
        (count) => count === 0,
      );
    });

    test('a limit that someone writes is told, and so is a process that moves in and ends', {
      skip: withoutControllers('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', NAME);
      await untilAnswer(
        'the cgroup',
        () => list(),
        ({ cgroups }) => cgroups.some(({ path }) => path === made.ref.path),
      );
      const ask = () => row(made);
      await told(
        'the limit',
        () => made.write('pids.max', '77'),
        ask,
        ({ figures }) => figures.tasksLimit === 77,
      );
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      const move = () => made.write('cgroup.procs', String(sleeper.pid));
      await told('the process', move, ask, ({ memberCount, populated }) => memberCount === 1 && populated === true);
      await sleeper.stop();
      await untilAnswer(
        'the end of the process',
        ask,
        ({ memberCount, populated, figures }) => memberCount === 0 && populated === false && figures.tasks === 0,
      );
    });

    test('the end of a process is counted where it was moved to, though no event told whence', {
      skip: withoutControllers('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', `${NAME}-moved`);
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      // It knows the process from where it was before.
      await using other = await startHelper();
      await other.request(HostWatch, { parts: ['processes', 'cgroups'] });
      await other.request(ProcessesList, {});
      const count = async () => {
        const { cgroups } = await other.request(CgroupsList, { hierarchy: made.ref.hierarchy });
        return cgroups.find(({ path }) => path === made.ref.path)?.memberCount;
      };
      assert.equal(await count(), 0);
      made.write('cgroup.procs', String(sleeper.pid));
      assert.equal(await count(), 1);
      await sleeper.stop();
      const knows = async () => (await other.request(ProcessesList, {})).processes.some(({ pid }) => pid === sleeper.pid);
      await untilAnswer('the end of the process', knows, (isKnown) => !isKnown);
      assert.equal(await count(), 0);
    });

    test('its processes are counted right as they fork, end and are moved', { skip: withoutControllers('pids') }, async (t) => {
      using one = makeCgroup('pids', `${NAME}-one`);
      using other = makeCgroup('pids', `${NAME}-other`);
      const counted = async () => {
        const { cgroups } = await list(one.ref.hierarchy);
        return [one, other].map(({ ref }) => cgroups.find(({ path }) => path === ref.path)?.memberCount);
      };
      const listed = () => [one, other].map((made) => made.read('cgroup.procs').split('\n').filter(Boolean).length);
      assert.deepEqual(await counted(), [0, 0]);
      const shell = await startSpecimen(['busybox', 'sh', '-c', 'echo there; while read line; do sleep 1000 & done']);
      t.after(shell.stop);
      one.write('cgroup.procs', String(shell.pid));
      assert.deepEqual(await counted(), [1, 0]);
      assert.deepEqual(await counted(), [1, 0]);
      shell.child.stdin?.write('\n\n');
      await untilAnswer('both that were forked', counted, ([count]) => count === 3);
      assert.deepEqual(listed(), [3, 0]);
      process.kill(Number(one.read('cgroup.procs').trim().split('\n').at(-1)), 'SIGKILL');
      await untilAnswer('the end of one', counted, ([count]) => count === 2);
      other.write('cgroup.procs', String(shell.pid));
      assert.deepEqual(await counted(), [1, 1]);
      assert.deepEqual(listed(), [1, 1]);
      one.kill();
      await untilAnswer('the end of all', counted, ([count]) => count === 0);
    });

    test('a thread of a process of another cgroup counts as long as it lives', {
      skip: withoutControllers('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', NAME);
      if (made.version === 2) return t.skip('v2 has threads in threaded cgroups only');
      const threads = await startSpecimen(['node', '-e', 'setInterval(() => undefined, 1e9); console.log("there")']);
      t.after(threads.stop);
      const tid = readdirSync(`/proc/${threads.pid}/task`).find((id) => Number(id) !== threads.pid);
      assert.equal((await row(made)).memberCount, 0);
      made.write('tasks', String(tid));
      assert.equal((await row(made)).memberCount, 1);
      await threads.stop();
      await untilAnswer(
        'the end of the thread',
        () => row(made),
        ({ memberCount, populated }) => memberCount === 0 && populated === false,
      );
    });

    test('a file of a cgroup stays open only while it has processes and is watched', {
      skip: withoutControllers('pids'),
    }, async (t) => {
      using made = makeCgroup('pids', NAME);
      const sleeper = await startSleeper([]);
      t.after(sleeper.stop);
      const held = async () => {
        await list(made.ref.hierarchy);
        return openFilesOf(client.helper.process.pid!).filter((file) => file.startsWith(`${made.directory}/`));
      };
      made.write('cgroup.procs', String(sleeper.pid));
      await untilAnswer('an open file', held, (files) => files.length > 0);
      await sleeper.stop();
      await untilAnswer('no open file', held, (files) => files.length === 0);
      const another = await startSleeper([]);
      t.after(another.stop);
      made.write('cgroup.procs', String(another.pid));
      await untilAnswer('an open file', held, (files) => files.length > 0);
      await request(HostWatch, { parts: [] });
      assert.deepEqual(await held(), []);
      await request(HostWatch, { parts: ['cgroups'] });
    });

    test('what happened while they were not watched is there when they are again', {
      skip: withoutControllers('pids'),
    }, async () => {
      using made = makeCgroup('pids', NAME);
      made.write('pids.max', '77');
      using old = made.child('old', ['pids']);
      const before = await row(made);
      assert.equal(before.figures.tasksLimit, 77);
      await request(HostWatch, { parts: [] });
      await list();
      made.write('pids.max', '78');
      using other = makeCgroup('pids', `${NAME}-other`);
      old[Symbol.dispose]();
      using child = made.child('new', ['pids']);
      await request(HostWatch, { parts: ['cgroups'] });
      assert.equal((await row(made)).figures.tasksLimit, 78);
      assert.equal((await row(other)).parent, before.parent);
      assert.equal((await row(child)).parent, made.ref.ino);
    });

    test('a list holds what was written just before it', { skip: withoutControllers('pids') }, async () => {
      using made = makeCgroup('pids', NAME);
      for (let limit = 50; limit < 80; limit += 1) {
        made.write('pids.max', String(limit));
        assert.equal((await row(made)).figures.tasksLimit, limit);
      }
    });

    test('one that is made through a mount in another cgroup namespace is told too', {
      skip: withoutControllers('pids'),
    }, async () => {
      const mount = unifiedMount();
      if (mount === undefined) return;
      const directory = `${mount.mountPoint}/${NAME}`;
      mkdirSync(`${directory}/quiet`, { recursive: true });
      try {
        const known = ({ cgroups }: { cgroups: Cgroup[] }) => cgroups.some(({ path }) => path === `/${NAME}/quiet`);
        await untilAnswer('the cgroup', () => list('unified'), known);
        const inside = `mount -t cgroup2 none /mnt && mkdir /mnt/quiet/inner`;
        const enter = `echo $$ > "${directory}/cgroup.procs"; exec unshare --cgroup --mount sh -c "$1"`;
        const happen = () => void execFileSync('sh', ['-c', enter, 'sh', inside]);
        const isThere = ({ cgroups }: { cgroups: Cgroup[] }) => cgroups.some(({ path }) => path === `/${NAME}/quiet/inner`);
        await told('the inner cgroup', happen, () => list('unified'), isThere);
      } finally {
        for (const path of [`${directory}/quiet/inner`, `${directory}/quiet`, directory]) if (existsSync(path)) rmdirSync(path);
      }
    });

    test('a frozen one is told', { skip: withoutControllers('freezer') }, async () => {
      using made = makeCgroup('freezer', NAME);
      const inner = made.child('inner');
      await untilAnswer(
        'the cgroup',
        () => list(),
        ({ cgroups }) => cgroups.some(({ path }) => path === inner.ref.path),
      );
      // v1 freezes only what has a process that can be; without any it is frozen at once.
      await told(
        'the frozen child',
        () => setFrozen(made, true),
        () => row(inner),
        ({ badges }) => badges.includes('frozen'),
      );
    });
  });

  test('new ones are told to a user who may watch only a few directories', { skip: withoutControllers('pids') }, async () => {
    const few = 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$@"';
    await using limited = await startHelper({ through: ['unshare', '--user', '--map-root-user', 'sh', '-c', few, 'sh'] });
    await limited.request(HostWatch, { parts: ['cgroups'] });
    await limited.request(CgroupsList, {});
    const changed = limited.changed(['cgroups'], WAIT_MILLIS);
    using top = makeCgroup('pids', NAME);
    const inner = top.child('inner');
    await changed;
    const { cgroups } = await limited.request(CgroupsList, {});
    assert.ok(cgroups.some(({ ino, hierarchy }) => ino === inner.ref.ino && hierarchy === inner.ref.hierarchy));
  });

  test('nothing is told while they are not watched', { skip: withoutControllers('pids') }, async () => {
    await request(HostWatch, { parts: ['processes'] });
    let told = 0;
    const listener = client.helper.connection.onNotification(HostChanged, ({ parts }) => {
      if (parts.includes('cgroups')) told += 1;
    });
    await list();
    using made = makeCgroup('pids', NAME);
    assert.equal((await row(made)).path, made.ref.path);
    // A notification of another part comes after any that the cgroup could have raised.
    const changed = client.helper.changed(['processes'], WAIT_MILLIS);
    const sleeper = await startSleeper([]);
    await changed;
    await sleeper.stop();
    listener.dispose();
    await request(HostWatch, { parts: [] });
    assert.equal(told, 0);
  });
});
