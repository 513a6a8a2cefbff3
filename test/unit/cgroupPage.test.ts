import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientModel } from '../../extension/model/clientModel.ts';
import type { CgroupCpu, CgroupMemory, Limit } from '../../helper/protocol/cgroups.ts';
import type { Block, Page, Value } from '../../webview/messages.ts';
import { ELSEWHERE, inspectAnswer, NOT_IN_V1, ownLimit } from '../fixtures/cgroupAnswers.ts';
import { told } from '../fixtures/english.ts';

const { cgroupPage } = await import('../../extension/panels/cgroupPage.ts');

const CPU = { hierarchy: 'cpu', path: '/docker/shop' };

/** As v1's `cpu` answers for a container with `--cpu-quota=2000`: the use is counted by `cpuacct`. */
const cpu: CgroupCpu = {
  usageMicros: ELSEWHERE,
  userMicros: ELSEWHERE,
  systemMicros: ELSEWHERE,
  quotaMicros: 2000,
  periodMicros: 100_000,
  burstMicros: { lacking: 'kernel' },
  limit: ownLimit(CPU, 0.02, '2000', 'cpu.cfs_quota_us'),
  weight: { value: 1024, file: 'cpu.shares', shareOfSiblings: 0.5 },
  periods: 1000,
  throttledPeriods: 990,
  throttledMicros: 96_000_000,
  uclamp: { lacking: 'kernel' },
  pressure: NOT_IN_V1,
};

const memory: CgroupMemory = {
  usageBytes: 12 * 2 ** 20,
  workingSetBytes: { unknown: 'permission' },
  peakBytes: 20 * 2 ** 20,
  anonBytes: 0,
  fileBytes: 0,
  kernelBytes: 0,
  slabBytes: NOT_IN_V1,
  swapBytes: 0,
  minBytes: NOT_IN_V1,
  lowBytes: NOT_IN_V1,
  highBytes: NOT_IN_V1,
  limit: {
    own: null,
    raw: '9223372036854771712',
    file: 'memory.limit_in_bytes',
    effective: {
      value: 64 * 2 ** 20,
      by: { hierarchy: 'memory', path: '/docker', ino: 5 },
      raw: '67108864',
      file: 'memory.limit_in_bytes',
    },
    headroom: 10 * 2 ** 20,
  },
  swapLimit: { lacking: 'kernel' },
  events: { max: 3, oomKills: 2 },
  oomGroup: NOT_IN_V1,
  pressure: NOT_IN_V1,
};

function valuesOf(page: Page): Map<string, Value> {
  const values = new Map<string, Value>();
  const collect = (heading: string, blocks: Block[]): void => {
    for (const block of blocks) {
      if (block.kind === 'facts') for (const { label, value } of block.facts) values.set(`${heading}: ${label}`, value);
      if (block.kind === 'details') collect(heading, block.blocks);
    }
  };
  for (const { heading, blocks } of page.sections) collect(heading, blocks);
  return values;
}

function texts(page: Page): string[] {
  return page.sections.flatMap(({ blocks }) => blocks.flatMap((block) => (block.kind === 'text' ? [block.text] : [])));
}

const pageOf = (...answers: Parameters<typeof cgroupPage>[1]) => cgroupPage(new ClientModel(), answers, true);

test('the limit is said in people’s words with the raw value and its file', () => {
  const values = valuesOf(pageOf(inspectAnswer('cpu', '/docker/shop', { cpu })));
  assert.deepEqual(values.get('CPU: Limit'), {
    text: '2 % of one CPU (2,000 µs of every 100,000 µs)',
    note: 'cpu.cfs_quota_us: 2000',
  });
  assert.deepEqual(values.get('CPU: Effective limit'), { text: '2 % of one CPU', note: 'its own binds' });
  assert.deepEqual(values.get('CPU: Throttled now'), {
    text: 'known from the next reading on',
    tone: 'muted',
    note: 'since it was made in 990 of 1,000 periods, 1 min 36 s in total',
  });
});

test('what is throttled now is told of the last periods, and that since the cgroup was made beside it', () => {
  const at = (periods: number, throttledPeriods: number) =>
    inspectAnswer('cpu', '/docker/shop', { cpu: { ...cpu, periods, throttledPeriods } });
  const page = (now: [number, number], before?: [number, number]) =>
    cgroupPage(new ClientModel(), [at(...now)], true, before && [at(...before)]);
  const told = (...args: Parameters<typeof page>) => {
    const { text } = valuesOf(page(...args)).get('CPU: Throttled now') ?? {};
    return [text, meterOf(page(...args), 'Throttled now')];
  };
  const resting = { label: 'Throttled now', text: 'no', part: 0, close: false };
  assert.deepEqual(told([1020, 1009], [1000, 990]), [
    'in 19 of the last 20 periods',
    { label: 'Throttled now', text: 'in 19 of the last 20 periods (95 %)', part: 0.95, close: true },
  ]);
  // It was throttled for long, and is not any more: nothing of that is now.
  assert.deepEqual(told([1020, 990], [1000, 990]), ['no', resting]);
  assert.deepEqual(told([1000, 990], [1000, 990]), ['no', resting]);
  assert.deepEqual(told([1000, 990])[0], 'known from the next reading on');
  assert.deepEqual(told([5, 5], [1000, 990])[0], 'known from the next reading on', 'the counters began anew');
  assert.equal(valuesOf(page([1020, 0], [1000, 0])).get('CPU: Throttled now')?.note, 'never since it was made');
});

function meterOf(page: Page, label: string) {
  const blocks = page.sections.flatMap(({ blocks }) => blocks);
  const found = blocks.find((block) => block.kind === 'meter' && block.label === label);
  if (found?.kind !== 'meter') return undefined;
  const { kind: _, ...meter } = found;
  return meter;
}

test('what binds a CPU limit is named: a quota, a cpuset with its CPUs, or those that the host has online', () => {
  const cpuset = { hierarchy: 'cpuset', path: '/docker/shop', ino: 7 };
  const noteOf = (effective: NonNullable<Limit['effective']>, ...others: Parameters<typeof cgroupPage>[1][number][]) => {
    const limit: Limit = { own: 4, raw: '400000', file: 'cpu.cfs_quota_us', effective, headroom: effective.value };
    const values = valuesOf(pageOf(inspectAnswer('cpu', '/docker/shop', { cpu: { ...cpu, limit } }), ...others));
    assert.equal(values.get('CPU: Headroom'), undefined, 'CPUs are not used up');
    return [values.get('CPU: Effective limit')?.text, values.get('CPU: Effective limit')?.note];
  };
  const online = { value: 2, raw: '0-1', file: '/sys/devices/system/cpu/online' };
  assert.deepEqual(noteOf(online), ['2 CPUs', 'the host has no more online (/sys/devices/system/cpu/online: 0-1)']);
  const narrow = { value: 1, raw: '0', file: 'cpuset.effective_cpus', by: cpuset };
  const own = { ...inspectAnswer('cpuset', '/docker/shop'), ...cpuset };
  assert.deepEqual(noteOf(narrow, own), ['one CPU', 'its cpuset has no more (cpuset.effective_cpus: 0)']);
  assert.deepEqual(noteOf({ ...narrow, by: { ...cpuset, path: '/docker', ino: 8 } }, own), [
    'one CPU',
    'set by /docker (cpuset.effective_cpus: 0)',
  ]);
});

test('reservations of huge pages, partitions of CPUs and cgroups that were removed stand on the page', () => {
  const limit = ownLimit({ hierarchy: 'unified', path: '/shop' }, 4 * 2 ** 20, '4194304', 'hugetlb.2MB.rsvd.max');
  const v2 = inspectAnswer('unified', '/shop', {
    version: 2,
    hugetlb: [{ pageSize: '2MB', usageBytes: 2 ** 21, limit, reservedBytes: 2 ** 22, reservationLimit: limit }],
    cpuset: { cpus: '0', effectiveCpus: '0', mems: '', effectiveMems: '0', cpuPartition: { kind: 'isolated', invalid: 'No' } },
    descendants: { live: 3, dying: 2, dyingOf: { memory: 2 } },
  });
  const values = valuesOf(pageOf(v2));
  assert.deepEqual(values.get('Which CPUs and memory nodes: CPU partition'), {
    text: 'CPUs of its own, without load balancing, not in effect: No',
    tone: 'danger',
  });
  assert.deepEqual(values.get('Events and children: Removed but kept'), {
    text: '2',
    note: 'something is still charged to them: memory 2',
  });
  const table = pageOf(v2)
    .sections.find(({ heading }) => heading === 'Huge pages')
    ?.blocks.find((block) => block.kind === 'table');
  assert.deepEqual(table?.kind === 'table' && table.table.rows[0]?.cells.map(({ text }) => text), [
    '2MB',
    '2 MiB',
    '4 MiB',
    '4 MiB',
    '4 MiB',
  ]);
  const v1 = texts(pageOf(inspectAnswer('memory', '/docker/shop', { memory })));
  assert.ok(
    v1.some((text) => /^Not in this version of cgroups: .*Removed but kept/.test(text)),
    v1.join('\n'),
  );
});

test('an ancestor that binds is named, and what is left of its limit is said to be shared', () => {
  const values = valuesOf(pageOf(inspectAnswer('memory', '/docker/shop', { memory })));
  assert.deepEqual(values.get('Memory: Limit'), {
    text: 'none of its own',
    tone: 'muted',
    note: 'memory.limit_in_bytes: 9223372036854771712',
  });
  assert.deepEqual(values.get('Memory: Effective limit'), { text: '64 MiB', note: 'set by /docker (memory.limit_in_bytes)' });
  assert.deepEqual(values.get('Memory: Headroom'), { text: '10 MiB', note: 'shared with all below /docker' });
});

test('what is unknown is said to be unknown, and what a version lacks is said to be lacking; neither is none', () => {
  const page = pageOf(inspectAnswer('memory', '/docker/shop', { memory }));
  assert.deepEqual(valuesOf(page).get('Memory: Working set'), { text: 'unknown: permission denied', tone: 'unknown' });
  assert.ok(
    texts(page).includes('Not in this version of cgroups: Throttled above, Protected (low), Protected (min), Killed together'),
  );
  assert.ok(texts(page).includes('Not in this kernel: Swap limit'));
});

test('the hierarchies of one place are one page: what one does not count another does', () => {
  const usage = { ...cpu, usageMicros: 5_000_000, limit: ELSEWHERE, quotaMicros: ELSEWHERE, periods: ELSEWHERE };
  const page = pageOf(
    inspectAnswer('cpuacct', '/docker/shop', { cpu: usage }),
    inspectAnswer('cpu', '/docker/shop', { cpu }),
    inspectAnswer('memory', '/docker/shop', { memory }),
  );
  const values = valuesOf(page);
  assert.equal(values.get('CPU: Used')?.text, '5 s');
  assert.equal(values.get('CPU: Effective limit')?.note, 'its own binds');
  assert.equal(values.get('Memory: Used')?.text, '12 MiB');
  const elsewhere = texts(page).find((text) => /in another hierarchy: .*I\/O/.test(text)) ?? '';
  assert.match(elsewhere, /Tasks/);
  assert.doesNotMatch(elsewhere, /CPU,|Memory,/);
});

test('kills for want of memory and ways out of a container stand out', () => {
  const risks = [
    { kind: 'releaseAgent', severity: 'danger', evidence: told('/release_agent holds /tmp/x\n'), fix: told('Empty it.') },
  ] as const;
  const page = pageOf(inspectAnswer('memory', '/docker/shop', { memory, risks: [...risks] }));
  assert.equal(valuesOf(page).get('Memory: Events')?.tone, 'danger');
  assert.equal(page.sections[0]?.heading, 'Ways out of a container');
  assert.equal(valuesOf(page).get('Ways out of a container: Evidence')?.text, '/release_agent holds /tmp/x⏎');
});

test('a clamp is told in percent, and its absence by whose fault it is', () => {
  const clamped = { ...cpu, uclamp: { minPercent: 12.5, maxPercent: 80 } };
  assert.equal(
    valuesOf(pageOf(inspectAnswer('cpu', '/docker/shop', { cpu: clamped }))).get('CPU: Clamp')?.text,
    '12.5 % to 80 %',
  );
  const without = pageOf(inspectAnswer('cpu', '/docker/shop', { cpu }));
  assert.ok(texts(without).some((text) => /^Not in this kernel: .*\bClamp\b/.test(text)));
  // The hierarchy whose controller it is of knows, whichever answers first.
  const counting = inspectAnswer('cpuacct', '/docker/shop', { cpu: { ...cpu, usageMicros: 5_000_000, uclamp: ELSEWHERE } });
  const together = pageOf(counting, inspectAnswer('cpu', '/docker/shop', { cpu }));
  assert.ok(
    texts(together).some((text) => /^Not in this kernel: .*\bClamp\b/.test(text)),
    texts(together).join('\n'),
  );
});
