/** Listing 5,000 cgroups with their figures, against systemd-cgtop and against find with cat; and what a monitor of twenty costs. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { type CgroupRef, CgroupsList, CgroupsSampled, CgroupsSubscribe } from '../../helper/protocol/cgroups.ts';
import { HostWatch } from '../../helper/protocol/host.ts';
import { makeCgroup } from '../fixtures/cgroup.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { cpuMillis } from './emptyNode.ts';
import { type Figures, inTurns, type Row } from './rows.ts';

const CGROUPS = 5000;
/** Of the containers, so many run a process; the others are what engines and units leave behind. */
const USUAL = 50;
/** Every one of them, where there are no more: one hierarchy alone has as many containers as cgroups. */
const ALL = 1000;
const GROUP = 'isoscope-bench';
const SLICES = 10;
const run = promisify(execFile);

/** 5,000 cgroups as engines make them: the same ones in every hierarchy that is mounted, the first ones with a process. */
async function withCgroups(populated: number, measure: (helper: RunningHelper) => Promise<Figures>): Promise<Figures> {
  const roots = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    .filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
    .map(({ mountPoint }) => mountPoint);
  const containers = Math.ceil(CGROUPS / roots.length);
  const folders = Array.from({ length: containers }, (_, at) => path.join(GROUP, `slice${at % SLICES}`, `container${at}`));
  const sleepers = folders.slice(0, populated).map(() => spawn('sleep', ['100000'], { stdio: 'ignore' }));
  try {
    for (const root of roots) {
      for (const folder of folders) mkdirSync(path.join(root, folder), { recursive: true });
      for (const [at, { pid }] of sleepers.entries()) {
        giveProcessors(root, folders[at]!);
        writeFileSync(path.join(root, folders[at]!, 'cgroup.procs'), String(pid));
      }
    }
    const helper = await startHelper();
    try {
      return await measure(helper);
    } finally {
      await helper.stop();
    }
  } finally {
    for (const sleeper of sleepers) {
      const ended = once(sleeper, 'exit');
      sleeper.kill('SIGKILL');
      await ended;
    }
    for (const root of roots) removeTree(path.join(root, GROUP));
  }
}

/** A cpuset of v1 takes no process before it and those above it were given CPUs and memory. */
function giveProcessors(root: string, folder: string): void {
  if (existsSync(path.join(root, 'cgroup.controllers'))) return;
  for (const file of ['cpuset.cpus', 'cpuset.mems'].filter((name) => existsSync(path.join(root, name)))) {
    const all = readFileSync(path.join(root, file));
    for (const level of [GROUP, path.dirname(folder), folder]) writeFileSync(path.join(root, level, file), all);
  }
}

function removeTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(path.join(directory, entry.name));
  }
  rmdirSync(directory);
}

/** As the tree asks: the view is open, so that the helper follows what changes. */
async function openView(helper: RunningHelper): Promise<() => Promise<void>> {
  await helper.request(HostWatch, { parts: ['cgroups', 'containers'] });
  const { cgroups } = await helper.request(CgroupsList, {});
  if (cgroups.length < CGROUPS) throw new Error(`only ${cgroups.length} cgroups are listed`);
  return async () => void (await helper.request(CgroupsList, {}));
}

function againstTop(what: string, populated: number): Row {
  return {
    name: `listing 5,000 cgroups with figures, ${what} (peer: systemd-cgtop -b -n1)`,
    target: 0.5,
    unit: 'ms',
    measure: () =>
      withCgroups(populated, async (helper) => {
        const list = await openView(helper);
        return inTurns(7, list, async () => void (await run('systemd-cgtop', ['-b', '-n1'], { maxBuffer: 64 * 1024 * 1024 })));
      }),
  };
}

/** Those files that the figures of a row come from, in v1 and v2. */
const FILES =
  'cgroup.procs cgroup.events cpu.stat cpu.max cpu.cfs_quota_us cpuacct.usage memory.current memory.max ' +
  'memory.usage_in_bytes memory.limit_in_bytes pids.current pids.max freezer.state';

const againstFind: Row = {
  name: 'listing 5,000 cgroups with figures, not followed (peer: find and cat of the same files)',
  target: 0.5,
  unit: 'ms',
  measure: () =>
    withCgroups(USUAL, async (helper) => {
      const names = FILES.split(' ')
        .flatMap((name) => ['-o', '-name', name])
        .slice(1);
      const peer = ['/sys/fs/cgroup', '(', ...names, ')', '-exec', 'cat', '{}', '+'];
      return inTurns(
        5,
        async () => void (await helper.request(CgroupsList, {})),
        // A cgroup of which cat may not read a file makes it fail at the end.
        async () => void (await run('find', peer, { maxBuffer: 64 * 1024 * 1024 }).catch(() => undefined)),
      );
    }),
};

const MONITORED = 20;
/** As long as somebody looks at one: V8 collects some of what it left in that time, or not, in a shorter one. */
const MONITOR_SECONDS = 60;

const monitor: Row = {
  name: 'helper CPU for a monitor of 20 cgroups over a minute (peer: reading their files as often, in Node)',
  target: 1,
  unit: 'ms',
  measure: async () => {
    const made = Array.from({ length: MONITORED }, (_, at) => makeCgroup(at % 2 === 0 ? 'memory' : 'cpu', `${GROUP}-${at}`));
    const helper = await startHelper();
    try {
      const cgroups = made.map(({ ref }) => ref);
      return { ours: await monitorMillis(helper, cgroups), peer: readingMillis(made.map(({ directory }) => directory)) };
    } finally {
      await helper.stop();
      for (const cgroup of made) cgroup[Symbol.dispose]();
    }
  },
};

/** What the helper needs of a processor for so many samples. */
async function monitorMillis(helper: RunningHelper, cgroups: CgroupRef[]): Promise<number> {
  const pid = helper.process.pid!;
  let samples = 0;
  let begin = 0;
  const measured = new Promise<number>((resolve) => {
    helper.connection.onNotification(CgroupsSampled, () => {
      samples += 1;
      // The first ones open the files.
      if (samples === 3) begin = cpuMillis(pid);
      if (samples === 3 + MONITOR_SECONDS) resolve(cpuMillis(pid) - begin);
    });
  });
  await helper.request(CgroupsSubscribe, { cgroups, subscription: 'bench' });
  return await measured;
}

/** What this process needs to read every file there that can be read, as often. */
function readingMillis(directories: readonly string[]): number {
  const before = process.cpuUsage();
  for (let time = 0; time < MONITOR_SECONDS; time += 1) {
    for (const file of directories.flatMap((directory) => readdirSync(directory).map((name) => path.join(directory, name)))) {
      try {
        readFileSync(file);
      } catch {
        // Only to be written to.
      }
    }
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

export const cgroupRows: Row[] = [
  againstTop('the view open', USUAL),
  againstTop('the view open, with a process in each', ALL),
  againstFind,
  monitor,
];
