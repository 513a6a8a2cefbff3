/** Reading the whole host with 5,000 extra processes, against lsns; and how soon and how cheaply one more is seen. */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { HostWatch } from '../../helper/protocol/host.ts';
import { NamespacesList } from '../../helper/protocol/namespaces.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { startCrowd } from './crowd.ts';
import { cpuMillis, emptyNodeMegabytes, residentMegabytes } from './emptyNode.ts';
import { type Figures, inTurns, median, millisOf, type Row } from './rows.ts';

const CROWD = 5000;
const run = promisify(execFile);

async function inCrowd(measure: (helper: RunningHelper) => Promise<Figures>): Promise<Figures> {
  const stop = await startCrowd(CROWD);
  const helper = await startHelper();
  try {
    return await measure(helper);
  } finally {
    await helper.stop();
    await stop();
  }
}

/** The whole of it: processes, threads, descriptors, mounts in every mount namespace, owners and parents. */
const discovery: Row = {
  name: 'discovery with 5,000 extra processes (peer: lsns --json)',
  target: 0.25,
  unit: 'ms',
  measure: () =>
    inCrowd((helper) =>
      inTurns(
        5,
        async () => void (await helper.request(NamespacesList, { members: false })),
        async () => void (await run('lsns', ['--json'], { maxBuffer: 64 * 1024 * 1024 })),
      ),
    ),
};

const memory: Row = {
  name: 'helper memory with 5,000 extra processes (peer: an empty Node)',
  target: 2,
  unit: 'MB',
  measure: () =>
    inCrowd(async (helper) => {
      await helper.request(HostWatch, { parts: ['processes', 'namespaces', 'containers'] });
      await helper.request(ProcessesList, {});
      await helper.request(NamespacesList, {});
      return { ours: residentMegabytes(helper.process.pid!), peer: await emptyNodeMegabytes() };
    }),
};

/** Fork to the process being in an answer, with the views open. */
const visible: Row = {
  name: 'a new process is visible after its fork, with 5,000 others (peer: ps -e)',
  target: 0.5,
  unit: 'ms',
  measure: () =>
    inCrowd(async (helper) => {
      const times = await newProcesses(helper, 9);
      const list = () => millisOf(async () => void (await run('ps', ['-e'], { maxBuffer: 64 * 1024 * 1024 })));
      return { ours: median(times.map(({ millis }) => millis)), peer: median([await list(), await list(), await list()]) };
    }),
};

const cost: Row = {
  name: 'helper CPU for one new process, with 5,000 others (peer: reading the stat of each once, in Node)',
  target: 0.1,
  unit: 'ms',
  measure: () =>
    inCrowd(async (helper) => ({
      ours: median((await newProcesses(helper, 9)).map(({ cpu }) => cpu)),
      peer: median([statsCpuMillis(), statsCpuMillis(), statsCpuMillis()]),
    })),
};

async function newProcesses(helper: RunningHelper, count: number): Promise<{ millis: number; cpu: number }[]> {
  await helper.request(HostWatch, { parts: ['processes', 'namespaces', 'containers'] });
  let { revision } = await helper.request(ProcessesList, {});
  const figures: { millis: number; cpu: number }[] = [];
  for (let at = 0; at < count; at += 1) {
    // Out of the pause that follows each notification.
    await new Promise((resolve) => setTimeout(resolve, 500));
    revision = (await helper.request(ProcessesList, { since: revision })).revision;
    const before = cpuMillis(helper.process.pid!);
    const started = performance.now();
    const child = spawn('sleep', ['100000']);
    for (let seen = false; !seen; ) {
      await helper.changed(['processes'], 5000);
      const answer = await helper.request(ProcessesList, { since: revision });
      seen = answer.processes.some(({ pid }) => pid === child.pid);
      revision = answer.revision;
    }
    figures.push({ millis: performance.now() - started, cpu: cpuMillis(helper.process.pid!) - before });
    child.kill('SIGKILL');
  }
  return figures;
}

/** What this process needs of a processor to read one file of each process. */
function statsCpuMillis(): number {
  const before = process.cpuUsage();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      readFileSync(`/proc/${pid}/stat`);
    } catch {
      // It has ended.
    }
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

export const discoveryRows: Row[] = [discovery, memory, visible, cost];
