import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { told } from '../fixtures/english.ts';

const { explainText } = await import('../../extension/words/explainText.ts');

const FILE = `/sys/fs/cgroup/cpu/docker/${'ab'.repeat(32)}/cpu.cfs_quota_us`;

test('each file is named with what stands there and what will', () => {
  const text = explainText({ steps: [{ do: 'write', file: FILE, text: '50000', before: '2000\n' }], warnings: [] });
  assert.equal(text, '/sys/fs/cgroup/cpu/docker/abababababab…/cpu.cfs_quota_us\n2000 → 50000');
});

test('a file that holds nothing yet says so', () => {
  const step = { do: 'write', file: '/blkio.throttle.read_bps_device', text: '8:0 1000', before: '' } as const;
  assert.equal(explainText({ steps: [step], warnings: [] }), '/blkio.throttle.read_bps_device\nempty → 8:0 1000');
});

test('a file that is an order has no value before', () => {
  const step = { do: 'write', file: '/sys/fs/cgroup/a/cgroup.kill', text: '1', before: { unknown: 'unsupported' } } as const;
  assert.equal(explainText({ steps: [step], warnings: [] }), '/sys/fs/cgroup/a/cgroup.kill\nwrite 1');
});

test('warnings come first, and signals say how many processes they reach', () => {
  const text = explainText({
    steps: [{ do: 'signal', signal: 'SIGKILL', processes: 3 }],
    warnings: [{ id: 'root', severity: 'danger', message: told('It is the root.') }],
  });
  assert.equal(text, '⚠ It is the root.\n\nSend SIGKILL to 3 processes');
});

test('values with line breaks stay one line, and many steps are counted', () => {
  const steps = Array.from({ length: 10 }, () => ({ do: 'write', file: '/a', text: 'x\ny', before: 'z' }) as const);
  const lines = explainText({ steps, warnings: [] }).split('\n\n');
  assert.equal(lines.length, 9);
  assert.equal(lines[0], '/a\nz → x⏎y');
  assert.equal(lines.at(-1), 'and 2 more steps');
});
