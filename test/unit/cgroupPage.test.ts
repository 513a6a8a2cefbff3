import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostModel } from '../../extension/host/hostModel.ts';
import type { CgroupCpu, CgroupMemory } from '../../helper/protocol/cgroups.ts';
import type { Block, Page, Value } from '../../webview/messages.ts';
import { ELSEWHERE, inspectAnswer, NOT_IN_V1, ownLimit } from '../fixtures/cgroupAnswers.ts';

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

const pageOf = (...answers: Parameters<typeof cgroupPage>[1]) => cgroupPage(new HostModel(), answers, true);

test('the limit is said in people’s words with the raw value and its file', () => {
  const values = valuesOf(pageOf(inspectAnswer('cpu', '/docker/shop', { cpu })));
  assert.deepEqual(values.get('CPU: Limit'), {
    text: '2 % of one CPU (2,000 µs of every 100,000 µs)',
    note: 'cpu.cfs_quota_us: 2000',
  });
  assert.deepEqual(values.get('CPU: Effective limit'), { text: '2 % of one CPU', note: 'its own binds' });
  assert.deepEqual(values.get('CPU: Throttled'), { text: 'in 990 of 1,000 periods', note: '1 min 36 s in total' });
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
    { kind: 'releaseAgent', severity: 'danger', evidence: '/release_agent holds /tmp/x\n', fix: 'Empty it.' },
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
