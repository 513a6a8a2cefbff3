/** The order in which a person is asked to choose: what they are likely to mean first, what is all of the host last. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import { cgroupAnswer, containerAnswer, processAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost } from '../fixtures/quietHost.ts';
import { bench } from '../fixtures/vscodeStandIn.ts';

const { pickContainer, pickProcess } = await import('../../extension/programs/targetPicks.ts');
const { pickCgroup } = await import('../../extension/changes/cgroupPicks.ts');

const containers = [
  containerAnswer('bwrap', 30, { key: 'unnamed 30', engine: 'unnamed' }),
  containerAnswer('web', 20),
  containerAnswer('bank', 10),
  containerAnswer('cron.service', 5, { key: 'systemd cron', engine: 'systemd', isolated: false }),
];
const processes = [
  processAnswer(1, 0, { name: 'init' }),
  processAnswer(5, 1, { name: 'cron', container: 'systemd cron' }),
  processAnswer(20, 1, { name: 'nginx', container: 'docker web' }),
  processAnswer(21, 20, { name: 'worker', container: 'docker web' }),
  processAnswer(10, 1, { name: 'vault', container: 'docker bank' }),
  processAnswer(40, 1, { name: 'bash' }),
];
const connection = {
  request: async ({ method }: { method: string }) => (method === 'containers/list' ? { containers } : { processes }),
} as never;

/** That a list has these labels in this order. */
async function isAskedSo(ask: () => Promise<unknown>, ...labels: string[]): Promise<void> {
  bench.shown.length = 0;
  await ask();
  assert.deepEqual(
    bench.shown.map(({ text }) => text).filter((text) => labels.includes(text)),
    labels,
  );
}

test('containers are asked for by name, and those that no engine claims come last', async () => {
  await isAskedSo(() => pickContainer(connection), 'bank', 'web', 'bwrap');
  assert.ok(!bench.shown.some(({ text }) => text === 'cron.service'));
});

test('processes of containers come first, with the container’s name, and the host’s init last', async () => {
  await isAskedSo(() => pickProcess(connection), 'vault', 'nginx', 'worker', 'bash', 'cron', 'init');
  assert.ok(bench.shown.some(({ text }) => text === 'web · 21 · root'));
});

test('cgroups of containers come first, then those of services, and the root last', async () => {
  const host = quietHost();
  host.model.applyContainers({ revision: 1, containers });
  host.cgroups.load = async () => undefined;
  host.cgroups.model.apply(
    {
      mode: 'v2',
      hierarchies: [{ hierarchy: 'unified', version: 2, controllers: [] }],
      cgroups: [
        cgroupAnswer('unified', '/'),
        cgroupAnswer('unified', '/a'),
        cgroupAnswer('unified', '/cron', { container: 'systemd cron', title: 'cron.service' }),
        cgroupAnswer('unified', '/web', { container: 'docker web', title: 'web' }),
      ],
      unreadable: [],
      truncated: false,
    },
    0,
  );
  await isAskedSo(() => pickCgroup(host, {}, 'any'), '/web', '/cron', '/a', '/');
});
