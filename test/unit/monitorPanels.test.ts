/** When the monitor's samples are taken: while its panel is open, seen or not, until a person pauses it; and never of more than is bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { HelperConnection } from '../../extension/connection/connection.ts';
import {
  type CgroupRef,
  CgroupsInspect,
  CgroupsList,
  CgroupsSampled,
  type CgroupsSampledParams,
  CgroupsSubscribe,
} from '../../helper/protocol/cgroups.ts';
import type { FromMonitor, MonitorPoint, ToMonitor } from '../../webview/monitorMessages.ts';
import { bench, type Panel, Uri } from '../fixtures/vscodeStandIn.ts';

const { MonitorPanels } = await import('../../extension/panels/monitorPanels.ts');

const ref = (number: number): CgroupRef => ({ hierarchy: 'unified', path: `/group${number}`, ino: number });

interface Subscription {
  subscription: string;
  cgroups: CgroupRef[];
}

/** A helper that takes every subscription, and samples when it is told to. */
class SamplingHelper {
  readonly running = new Map<string, Subscription>();
  private readonly listeners: ((sampled: CgroupsSampledParams) => void)[] = [];

  readonly connection = {
    state: { kind: 'ready' },
    onDidChangeState: () => ({ dispose() {} }),
    onNotification: (type: unknown, listener: (sampled: CgroupsSampledParams) => void) => {
      assert.equal(type, CgroupsSampled);
      this.listeners.push(listener);
      return { dispose: () => void this.listeners.splice(this.listeners.indexOf(listener), 1) };
    },
    request: async (type: unknown, params: Subscription) => {
      if (type === CgroupsInspect) throw new Error('there is no reason for anything');
      if (type === CgroupsSubscribe) {
        if (params.cgroups.length === 0) this.running.delete(params.subscription);
        else this.running.set(params.subscription, params);
        return {};
      }
      assert.equal(type, CgroupsList);
      const hierarchies = [{ hierarchy: 'unified', version: 2, controllers: [] }];
      return { mode: 'v2', hierarchies, cgroups: [], unreadable: [], truncated: false };
    },
  } as unknown as HelperConnection;

  /** How many cgroups are sampled. */
  get sampled(): number {
    return [...this.running.values()].reduce((sum, { cgroups }) => sum + cgroups.length, 0);
  }

  /** One second goes by: every subscription is sent its sample. */
  tick(second: number, memoryBytes: number): void {
    for (const { subscription, cgroups } of this.running.values()) {
      const samples = cgroups.map(() => ({ memoryBytes }));
      const moment = { monotonicMillis: second * 1000, timeMillis: 1_700_000_000_000 + second * 1000 };
      for (const listener of this.listeners) listener({ subscription, ...moment, samples });
    }
  }
}

function panels(helper: SamplingHelper) {
  return new MonitorPanels(helper.connection, Uri.file('/extension') as never);
}

/** What was sent to the page. */
function listenTo(panel: Panel): ToMonitor[] {
  const sent: ToMonitor[] = [];
  panel.webview.postMessage = async (message: ToMonitor) => void sent.push(message);
  return sent;
}

function opened(all: InstanceType<typeof MonitorPanels>, cgroups: CgroupRef[]): { panel: Panel; sent: ToMonitor[] } {
  all.show(cgroups);
  const panel = bench.panels.at(-1)!;
  return { panel, sent: listenTo(panel) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const say = (panel: Panel, message: FromMonitor) => panel.received.fire(message);

/** The whole picture that was sent last. */
function picture(sent: ToMonitor[]): Extract<ToMonitor, { type: 'monitor' }> {
  const last = sent.findLast((message) => message.type === 'monitor');
  assert.ok(last !== undefined);
  return last;
}

function memoryOf(points: MonitorPoint[]): (number | undefined)[] {
  return points.map(({ readings }) => Object.values(readings)[0]?.values.memory);
}

test('what happened while the panel was hidden is in the picture when it is seen again, and nothing was sent meanwhile', async () => {
  const helper = new SamplingHelper();
  using all = disposable(panels(helper));
  const { panel, sent } = opened(all.it, [ref(1)]);
  await settled();
  helper.tick(1, 10);
  panel.see(false);
  sent.length = 0;
  helper.tick(2, 999);
  helper.tick(3, 11);
  assert.deepEqual(sent, []);
  panel.see(true);
  assert.deepEqual(memoryOf(picture(sent).points), [10, 999, 11], 'one line, without a break');
  panel.dispose();
  assert.equal(helper.sampled, 0, 'a panel that is closed is not sampled');
});

test('a panel that its person paused and hid is not sampled, and is still paused when it is seen again', async () => {
  const helper = new SamplingHelper();
  using all = disposable(panels(helper));
  const { panel, sent } = opened(all.it, [ref(1)]);
  await settled();
  helper.tick(1, 10);
  say(panel, { type: 'paused', at: 1_700_000_001_000 });
  assert.equal(helper.sampled, 1, 'while it is seen it can be resumed with what came meanwhile');
  panel.see(false);
  assert.equal(helper.sampled, 0);
  panel.see(true);
  await settled();
  assert.equal(helper.sampled, 1);
  assert.equal(picture(sent).pausedAt, 1_700_000_001_000);
  say(panel, { type: 'paused' });
  panel.see(false);
  assert.equal(helper.sampled, 1);
});

test('hidden panels share as many cgroups as one may have: those that were hidden last go on', async () => {
  const helper = new SamplingHelper();
  using all = disposable(panels(helper));
  const made: Panel[] = [];
  for (const first of [0, 100, 200]) {
    made.push(
      opened(
        all.it,
        Array.from({ length: 30 }, (_, index) => ref(first + index + 1)),
      ).panel,
    );
    await settled();
    made.at(-1)?.see(false);
  }
  await settled();
  assert.equal(helper.sampled, 60, 'two of three');
  const sampled = [...helper.running.values()].flatMap(({ cgroups }) => cgroups.map(({ ino }) => ino));
  assert.ok(sampled.includes(101) && sampled.includes(201) && !sampled.includes(1));
  made[0]?.see(true);
  await settled();
  assert.equal(helper.sampled, 90, 'what is seen is always sampled');
  made[2]?.dispose();
  made[0]?.see(false);
  await settled();
  assert.equal(helper.sampled, 60, 'a panel that is closed leaves its room to another');
});

test('a panel keeps a quarter of an hour, however long it is hidden', async () => {
  const helper = new SamplingHelper();
  using all = disposable(panels(helper));
  const { panel, sent } = opened(all.it, [ref(1)]);
  await settled();
  panel.see(false);
  for (let second = 1; second <= 3000; second += 1) helper.tick(second, second);
  panel.see(true);
  assert.equal(picture(sent).points.length, 15 * 60 + 1);
});

function disposable(it: InstanceType<typeof MonitorPanels>) {
  return { it, [Symbol.dispose]: () => it.dispose() };
}
