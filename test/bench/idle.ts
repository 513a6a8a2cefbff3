/** What the helper costs when nothing happens. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CgroupsList } from '../../helper/protocol/cgroups.ts';
import { type HostPart, HostWatch, ProcessesList } from '../../helper/protocol.ts';
import { startHelper } from '../fixtures/helper.ts';
import type { Row } from './rows.ts';

const SECONDS = 60;
/** Some eight seconds after its last work V8 collects what that left, once: that belongs to the work. */
const SETTLE_MILLIS = 15_000;
const TICKS_PER_SECOND = 100;

function idleRow(name: string, parts: HostPart[], target: number): Row {
  return {
    name,
    target,
    unit: '%',
    measure: async () => {
      const helper = await startHelper();
      try {
        await helper.request(HostWatch, { parts });
        await helper.request(ProcessesList, {});
        if (parts.includes('cgroups')) await helper.request(CgroupsList, {});
        await sleep(SETTLE_MILLIS);
        const before = cpuTicks(helper.process.pid ?? 0);
        await sleep(SECONDS * 1000);
        return { ours: ((cpuTicks(helper.process.pid ?? 0) - before) / TICKS_PER_SECOND / SECONDS) * 100 };
      } finally {
        await helper.stop();
      }
    },
  };
}

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

export const idleRows: Row[] = [
  idleRow('idle for 60 s with views open: helper CPU', ['processes', 'namespaces', 'containers', 'cgroups'], 0.2),
  // One tick of the clock is the finest that the kernel tells here: 0.017 % of 60 s.
  idleRow('idle for 60 s with views hidden: helper CPU', [], 0.017),
];
