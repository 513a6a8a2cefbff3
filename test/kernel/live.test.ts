/** What is visible follows the host: a change is told at once, its list holds only what changed, and nothing runs unwatched. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Container, ContainersList } from '../../helper/protocol/containers.ts';
import { HostChanged, type HostPart, HostWatch } from '../../helper/protocol/host.ts';
import { NamespacesList } from '../../helper/protocol/namespaces.ts';
import { type Process, ProcessesList } from '../../helper/protocol/processes.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import { makeCgroup, mountWith, setFrozen, withoutControllers } from '../fixtures/cgroup.ts';
import { type Docker, docker, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, isRoot, patient, testUid, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { namespaceOfPid, refOfProcess, startSleeper, startSpecimen, youngest } from '../fixtures/zoo.ts';

const ALL: HostPart[] = ['processes', 'namespaces', 'containers', 'mounts'];
/** For what must come, on a machine that may be busy; how soon it comes is measured by the bench. */
const PATIENCE_MILLIS = patient(15_000);
const ownUid = isHelperRoot ? undefined : testUid;

/** The parts of every notification so far, and a way to wait for what a condition needs. */
function follow(helper: RunningHelper) {
  const told: { parts: HostPart[]; at: number }[] = [];
  let wake: () => void = () => undefined;
  helper.connection.onNotification(HostChanged, ({ parts }) => {
    told.push({ parts, at: performance.now() });
    wake();
  });
  /** Looks after each notification until `found` gives something; rejects when that does not happen. */
  const until = async <T>(what: string, found: () => Promise<T | undefined>): Promise<T> => {
    const deadline = performance.now() + PATIENCE_MILLIS;
    for (;;) {
      const notified = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const value = await found();
      if (value !== undefined) return value;
      const left = deadline - performance.now();
      assert.ok(left > 0, `${what}: not told`);
      await Promise.race([notified, new Promise((resolve) => setTimeout(resolve, left).unref())]);
    }
  };
  return { told, until };
}

describe('while something visible shows the host', () => {
  let helper: RunningHelper;
  let watched: ReturnType<typeof follow>;
  before(async () => {
    helper = await startHelper();
    watched = follow(helper);
    await helper.request(HostWatch, { parts: ALL });
  });
  after(() => helper?.stop());

  /** Everything there is now; what follows is asked for as changes since then. */
  const now = async () => (await helper.request(ProcessesList, {})).revision;

  /** Collects changes since `revision` until one satisfies `found`. */
  function processUntil(what: string, revision: number, isIt: (process: Process) => boolean): Promise<Process> {
    let since = revision;
    return watched.until(what, async () => {
      const answer = await helper.request(ProcessesList, { since });
      assert.ok(!answer.complete, 'a change is told as a change');
      since = answer.revision;
      return answer.processes.find(isIt);
    });
  }

  test('a new process is told, with the program that it executed, and so is its end', async () => {
    const revision = await now();
    const sleeper = await startSleeper([]);
    const { pid } = sleeper;
    const shown = await processUntil(
      'the new process',
      revision,
      (process) => process.pid === pid && process.name === 'busybox',
    );
    assert.deepEqual([shown.startTime, shown.parentPid], [refOfProcess(pid).startTime, process.pid]);
    await sleeper.stop();
    const since = revision;
    await watched.until('its end', async () => {
      const { gone } = await helper.request(ProcessesList, { since });
      return gone.find((ended) => ended.pid === pid && ended.startTime === shown.startTime);
    });
  });

  test('of a host with many processes only what changed is sent', async () => {
    const revision = await now();
    const sleeper = await startSleeper([]);
    try {
      await processUntil('the new process', revision, ({ pid }) => pid === sleeper.pid);
      const { processes: all } = await helper.request(ProcessesList, {});
      const { processes } = await helper.request(ProcessesList, { since: revision });
      assert.ok(processes.length < all.length, `${processes.length} of ${all.length}`);
    } finally {
      await sleeper.stop();
    }
  });

  test('processes whose events the kernel has dropped are in the next answer all the same', {
    skip: !isHelperRoot && 'only root hears process events',
  }, async (t) => {
    // The next slow scan is far away then.
    const revision = await now();
    const { pid } = helper.process;
    assert.ok(pid);
    process.kill(pid, 'SIGSTOP');
    t.after(() => process.kill(pid, 'SIGCONT'));
    // Two events each; the socket holds about a thousand for each megabyte.
    execFileSync('sh', ['-c', 'i=0; while [ $i -lt 12000 ]; do (:); i=$((i + 1)); done']);
    const sleepers = [await startSleeper([]), await startSleeper([]), await startSleeper([])];
    for (const { stop } of sleepers) t.after(stop);
    process.kill(pid, 'SIGCONT');
    const { processes } = await helper.request(ProcessesList, { since: revision });
    const found = sleepers.map((sleeper) => processes.some((one) => one.pid === sleeper.pid));
    assert.deepEqual(found, [true, true, true]);
  });

  test('a process that enters a namespace after it started is seen there, though no event says so', async (t) => {
    const revision = await now();
    // unshare(1) with --fork enters by itself, executes nothing afterwards, and waits for its child.
    const enter = ['unshare', '--user', '--map-root-user', '--uts', '--fork', '--kill-child'];
    const specimen = await startSleeper(enter, { uid: ownUid });
    t.after(specimen.stop);
    const { ino } = namespaceOfPid('uts', specimen.pid);
    const shown = await processUntil(
      'its namespace',
      revision,
      ({ pid, namespaces }) => pid === specimen.pid && namespaces.uts === ino,
    );
    assert.equal(shown.name, 'unshare');
    const { namespaces } = await helper.request(NamespacesList, { since: revision, members: false });
    assert.deepEqual(namespaces.find((namespace) => namespace.ino === ino)?.leader?.pid, specimen.pid);
  });

  test('a bind mount of a namespace is told, and so is its end', { skip: unlessRootHas('ip') }, async (t) => {
    const name = `isoscope-live-${process.pid}`;
    let since = await now();
    const bound = async () => {
      const answer = await helper.request(NamespacesList, { since, members: false });
      since = answer.revision;
      return answer.namespaces.find(({ pins }) =>
        pins.some((pin) => pin.by === 'bindMount' && pin.mountPoint.endsWith(`/${name}`)),
      );
    };
    // Others see the same mounts: what is mounted goes on to them, and what is unmounted is gone there too.
    const other = await startSleeper(['unshare', '--mount', '--propagation', 'slave']);
    t.after(other.stop);
    execFileSync('ip', ['netns', 'add', name]);
    let added = true;
    const remove = () => {
      if (added) execFileSync('ip', ['netns', 'delete', name]);
      added = false;
    };
    t.after(remove);
    const namespace = await watched.until('the bind mount', bound);
    assert.deepEqual([namespace.kind, namespace.processCount], ['net', 0]);
    remove();
    await watched.until('its end', async () => ((await bound()) === undefined ? true : undefined));
  });

  test('a zombie goes when its parent has waited for it', async (t) => {
    // Pids that are compared tell of a zombie only when it is gone; the scan that would tell comes as seldom as it costs.
    if (helper.host.changes === 'scan') return t.skip('this kernel gives an ordinary user no events');
    const revision = await now();
    const parent = await startSpecimen(['sh', '-c', 'sleep 1 & echo there; wait; read end'], { uid: ownUid });
    t.after(parent.stop);
    // Stopped, it cannot wait for its child.
    parent.child.kill('SIGSTOP');
    const zombie = await processUntil(
      'the zombie',
      revision,
      ({ parentPid, state }) => parentPid === parent.pid && state === 'Z',
    );
    parent.child.kill('SIGCONT');
    await watched.until('its end', async () => {
      const { processes, gone, complete } = await helper.request(ProcessesList, { since: revision });
      const isGone = gone.some(({ pid }) => pid === zombie.pid);
      return isGone || (complete && !processes.some(({ pid }) => pid === zombie.pid)) ? true : undefined;
    });
  });

  test('there are at most five notifications a second, and the first one does not wait', async () => {
    await now();
    const begin = performance.now();
    const before = watched.told.length;
    for (let at = 0; at < 40; at += 1) {
      // Long enough to be seen: what begins and ends at once is never told.
      await new Promise((resolve) => spawn('sleep', ['0.05'], { stdio: 'ignore' }).once('exit', resolve));
    }
    const told = watched.told.slice(before);
    const seconds = (performance.now() - begin) / 1000;
    // Where pids are compared, what ends within a second is not seen.
    if (helper.host.changes === 'events') assert.ok(told.length >= 1, 'something was told');
    assert.ok(told.length <= 5 * seconds + 2, `${told.length} notifications in ${seconds.toFixed(1)} s`);
  });

  // The freezer of v1 where it is one, and v2, which a hybrid host has for little else.
  for (const controller of mountWith('freezer')?.type === 'cgroup' ? ['freezer', 'hugetlb'] : ['freezer']) {
    test(`a container is paused when a cgroup above it is frozen, and whoever would enter it is told at once (${controller})`, {
      skip: withoutControllers(controller),
    }, async (t) => {
      const above = makeCgroup(controller, `isoscope-above-${process.pid}`);
      // Frozen processes of v1 do not end when they are killed.
      t.after(() => {
        setFrozen(above, false);
        above[Symbol.dispose]();
      });
      const name = `frozen-${process.pid}`;
      const own = above.child(`lxc.payload.${name}`);
      const join = ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', own.directory];
      const sleeper = await startSleeper([...join, 'unshare', '--mount', '--uts', '--ipc']);
      t.after(sleeper.stop);
      let revision = (await helper.request(ContainersList, {})).revision;
      const untilState = (state: Container['state']) =>
        watched.until(state, async () => {
          const answer = await helper.request(ContainersList, { since: revision });
          revision = answer.revision;
          return answer.containers.find((container) => container.id === name && container.state === state);
        });
      await untilState('running');
      setFrozen(above, true);
      const { leader } = await untilState('paused');
      if (isHelperRoot) await refusalOf(helper.request(ProgramsRun, { process: leader, command: ['true'] }), 'busy');
      setFrozen(above, false);
      await untilState('running');
    });
  }

  describe('containers', { skip: unlessRootHas('docker', 'dockerd') }, () => {
    let engine: Docker;
    before(async () => {
      engine = await startDocker();
    });
    after(() => engine?.[Symbol.asyncDispose]());
    const name = `isoscope-live-${process.pid}`;

    const untilContainer = (what: string, id: string, state: string | undefined) => {
      let since = 0;
      return watched.until(what, async () => {
        const answer = await helper.request(ContainersList, { since });
        since = answer.revision;
        return answer.containers.find((container) => container.id === id)?.state === state ? true : undefined;
      });
    };

    test('appear, are paused, go on and disappear as they do', async () => {
      using made = engine.run(name);
      await untilContainer('the container', made.id, 'running');
      docker('pause', name);
      await untilContainer('the pause', made.id, 'paused');
      docker('unpause', name);
      await untilContainer('the end of the pause', made.id, 'running');
      made[Symbol.dispose]();
      await untilContainer('the end of the container', made.id, undefined);
    });
  });
});

test('when nothing is visible any more nothing is told and nothing runs', async (t) => {
  await using helper = await startHelper();
  const { told, until } = follow(helper);
  await helper.request(HostWatch, { parts: ['processes'] });
  await helper.request(ProcessesList, {});
  // What begins and ends at once is never told.
  const sleeper = await startSleeper([]);
  t.after(sleeper.stop);
  await until('anything', async () => (told.length > 0 ? true : undefined));
  await helper.request(HostWatch, { parts: [] });
  const { length } = told;
  const pid = helper.process.pid!;
  await standsStill(pid);
  const before = waitsOf(pid);
  for (let at = 0; at < 10; at += 1) await new Promise((resolve) => spawn('true', { stdio: 'ignore' }).once('exit', resolve));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(told.length, length);
  // What Node itself does when idle is a handful of wake-ups at most.
  const waits = waitsOf(pid) - before;
  assert.ok(waits < 20, `its threads went back to sleep ${waits} times`);
});

test('a helper that watches ends when its client goes, and at once', async () => {
  const helper = await startHelper();
  await helper.request(HostWatch, { parts: ALL });
  await helper.request(ProcessesList, {});
  await helper.stop();
  assert.deepEqual([helper.process.exitCode, helper.process.signalCode], [0, null]);
});

test('where the kernel gives no events the processes are compared, about once a second', {
  skip: !isRoot && 'only root can make a pid namespace',
}, async (t) => {
  // The events are for the initial pid namespace only.
  const through = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
  await using helper = await startHelper({ uid: 0, through });
  assert.equal(helper.host.changes, 'scan');
  const { until } = follow(helper);
  await helper.request(HostWatch, { parts: ALL });
  const { revision } = await helper.request(ProcessesList, {});
  const inside = `--pid=/proc/${youngest(helper.process.pid ?? 0)}/ns/pid`;
  const sleeper = await startSleeper(['nsenter', inside, '--']);
  t.after(sleeper.stop);
  let since = revision;
  await until('the new process', async () => {
    const { processes, revision: next } = await helper.request(ProcessesList, { since });
    since = next;
    return processes.find(({ name }) => name === 'busybox');
  });
});

/**
 * How often any of its threads had nothing more to do and waited: `voluntary_ctxt_switches` in proc_pid_status(5). What the scheduler takes away and gives back
 * on a busy machine does not count.
 */
function waitsOf(pid: number): number {
  const tids = readdirSync(`/proc/${pid}/task`);
  const counts = tids.map((tid) =>
    Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))?.[1]),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Until what was under way is done, V8's collection of what that left included: next to nothing runs for a tenth of a second. */
async function standsStill(pid: number): Promise<void> {
  let last = Number.NEGATIVE_INFINITY;
  for (let waited = 0; waited < PATIENCE_MILLIS; waited += 100) {
    const now = waitsOf(pid);
    if (now - last <= 1) return;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('its threads never stand still');
}
