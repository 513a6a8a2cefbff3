/** What the helper costs when little or nothing happens, by what happens: a quiet host is as long as a busy one. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CgroupsList } from '../../helper/protocol/cgroups.ts';
import { type HostPart, HostWatch } from '../../helper/protocol/host.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { startHelper } from '../fixtures/helper.ts';
import { cpuMillis, emptyNodeCpuMillis } from './emptyNode.ts';
import type { Figures, Row } from './rows.ts';

const SECONDS = 60;
/** Some eight seconds after its last work V8 collects what that left, once: that belongs to the work. */
const SETTLE_MILLIS = 15_000;
/** As a shell prompt, a health check or a cron job starts them now and then. */
const PROCESSES = 100;

/** What the helper needs of a processor while `work` goes on. */
async function helperMillis(parts: HostPart[], work: () => Promise<void>): Promise<number> {
  const helper = await startHelper();
  try {
    await helper.request(HostWatch, { parts });
    await helper.request(ProcessesList, {});
    if (parts.includes('cgroups')) await helper.request(CgroupsList, {});
    await sleep(SETTLE_MILLIS);
    const before = cpuMillis(helper.process.pid!);
    await work();
    return cpuMillis(helper.process.pid!) - before;
  } finally {
    await helper.stop();
  }
}

/** Others on the host start some, too: each counts as much as one of ours. */
async function open(): Promise<Figures> {
  let spent = 0;
  let started = 0;
  const ours = await helperMillis(['processes', 'namespaces', 'containers', 'cgroups'], async () => {
    const before = forksSinceBoot();
    for (let at = 0; at < PROCESSES; at += 1) {
      await sleep((SECONDS * 1000) / PROCESSES);
      const used = process.cpuUsage();
      spawnSync('true');
      const { user, system } = process.cpuUsage(used);
      spent += (user + system) / 1000;
    }
    started = forksSinceBoot() - before;
  });
  return { ours, peer: (spent / PROCESSES) * started };
}

/** Threads included: proc_stat(5). */
function forksSinceBoot(): number {
  return Number(/^processes (\d+)/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
}

export const idleRows: Row[] = [
  {
    name: 'a minute with views open and 100 and more processes that come and go: helper CPU (peer: starting them, in Node)',
    target: 2,
    unit: 'ms',
    measure: open,
  },
  {
    name: 'a minute with views hidden: helper CPU (peer: the start of an empty Node)',
    target: 0.25,
    unit: 'ms',
    measure: async () => ({ ours: await helperMillis([], () => sleep(SECONDS * 1000)), peer: await emptyNodeCpuMillis() }),
  },
];
