/** Requests that are cancelled, at many moments, and requests that fail, at every descriptor: afterwards the helper, and the host, have what they had before. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import { CgroupsSampled, CgroupsSubscribe } from '../../helper/protocol/cgroups.ts';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { HostWatch } from '../../helper/protocol/host.ts';
import { LayersExport, LayersExportEnd, LayersWatch } from '../../helper/protocol/layers.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import type { TerminalsOpenResult } from '../../helper/protocol/programs.ts';
import { METHODS, type Method } from '../../helper/protocol/requests.ts';
import { SandboxesCreate, SandboxesList, SandboxesRemove, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { encodeFrame } from '../../helper/stream/frame.ts';
import { type Belongings, belongingsOf, moreThan } from '../fixtures/belongings.ts';
import { inGuest, isHelperRoot } from '../fixtures/environment.ts';
import { type EveryParams, paramsOf, rootCgroup } from '../fixtures/everyRequest.ts';
import { TELLS_TIMERS } from '../fixtures/heldTimers.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlayRef } from '../fixtures/overlayRef.ts';
import { until } from '../fixtures/until.ts';
import { startSleeper } from '../fixtures/zoo.ts';

const SANDBOX = `isoscope-cancel-${process.pid}`;
/** When it is cancelled, in milliseconds after it was sent; negative: not at all. */
const MOMENTS = [-1, 0, 0, 1, 1, 2, 3, 5, 8, 13, 21, 40];
/** So many descriptors more may be opened, and the next is refused (EMFILE). */
const DESCRIPTORS = [0, 1, 2, 4, 7, 12];

/** An emulated machine takes its time. */
const STRIDE = inGuest ? 4 : 1;
const some = <T>(all: readonly T[]): T[] => all.filter((_, index) => index % STRIDE === 0);

/** A request as it is made here. */
interface Asked {
  title: string;
  method: Method;
  /** Made anew for each time that it is asked. */
  params: () => Promise<object> | object;
}

describe('a request that is cancelled, or fails', { skip: !isHelperRoot && 'only root mounts it, or looks into it' }, () => {
  let folder: string;
  let helper: RunningHelper;
  let params: EveryParams;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-cancel-'));
    execFileSync('mount', ['-t', 'tmpfs', 'isoscope-test', folder]);
    const at = (name: string) => path.join(folder, name);
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name));
    // Deep and wide enough that a walk has turns.
    for (let one = 0; one < 40; one += 1) {
      const deep = path.join(at('lower'), `one${one}`, ...Array.from({ length: 20 }, (_, level) => `level${level}`));
      mkdirSync(deep, { recursive: true });
      for (let file = 0; file < 100; file += 1) writeFileSync(path.join(deep, `file${file}`), '');
      mkdirSync(deep.replace(at('lower'), at('upper')), { recursive: true });
    }
    writeFileSync(at('lower/file'), 'content');
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', at('merged')]);
    helper = await startHelper({ environment: TELLS_TIMERS });
    const overlay = await mountOverlayRef(helper, at('merged'));
    const cgroup = await rootCgroup(helper);
    // What is made once for all, and only with the first sample.
    const sampled = new Promise((resolve) => helper.connection.onNotification(CgroupsSampled, resolve));
    await helper.request(CgroupsSubscribe, { cgroups: [cgroup], subscription: SANDBOX });
    await sampled;
    params = paramsOf({ pid: process.pid, overlay, cgroup, sandbox: SANDBOX });
  });
  after(async () => {
    await helper?.stop();
    execFileSync('umount', ['--recursive', '--lazy', folder]);
    rmSync(folder, { recursive: true });
  });

  const limits: SandboxSpec = {
    name: SANDBOX,
    root: { type: 'programs', programs: ['busybox'] },
    mounts: [{ destination: '/data', type: 'bind', source: '/etc' }],
    resources: { pids: { limit: 10 } },
    process: { args: ['busybox', 'sleep', '1000'], terminal: false },
  };
  const persistent: SandboxSpec = { ...limits, persistent: true };

  /** A sandbox that is there already, by its name. */
  async function made(): Promise<{ sandbox: string }> {
    await helper.request(SandboxesCreate, { spec: persistent });
    return { sandbox: SANDBOX };
  }
  const ask = (method: Method, title: string, of: Asked['params']): Asked => ({
    title: `${method}, ${title},`,
    method,
    params: of,
  });
  /** All that may be asked, and of some what is kept or made besides. */
  const ALL: Asked[] = [
    ...METHODS.map((method): Asked => ({ title: method, method, params: () => params[method] })),
    ask('host/watch', 'of all parts', () => ({
      parts: ['processes', 'namespaces', 'containers', 'network', 'cgroups', 'mounts', 'sandboxes'],
    })),
    ask('cgroups/subscribe', 'to one', () => ({
      cgroups: [params['cgroups/inspect'].cgroup],
      subscription: SANDBOX,
    })),
    ask('layers/watch', 'of all below', () => {
      const directory = { ...params['layers/export'], layer: 0, path: '/', recursive: true };
      return { subscription: SANDBOX, directories: [directory] };
    }),
    ask('layers/exportRead', 'of one that was begun', () =>
      helper.request(LayersExport, { ...params['layers/export'], layer: 1 }),
    ),
    ask('sandboxes/create', 'that goes on running', () => ({ spec: limits })),
    ask('sandboxes/create', 'persistent', () => ({ spec: persistent })),
    ask('sandboxes/create', 'with a pair of interfaces', () => ({ spec: { ...limits, network: { type: 'veth' } } })),
    ask('sandboxes/create', 'with a terminal', () => ({ spec: { ...limits, process: { args: ['busybox', 'cat'] } } })),
    ask('sandboxes/run', 'that waits', () => ({ spec: { ...limits, process: { args: ['busybox', 'sleep', '0.02'] } } })),
    ask('sandboxes/restart', 'of one that runs', made),
    ask('sandboxes/stop', 'of one that runs', made),
    ask('sandboxes/remove', 'of one that runs', made),
    ask('terminals/open', 'in a sandbox', async () => ({ ...(await made()), command: ['busybox', 'cat'] })),
    ask('programs/run', 'in a sandbox', async () => ({ ...(await made()), command: ['busybox', 'true'] })),
  ];

  /** Asks once, and gives back what the answer hands to its client. */
  async function askOnce({ method, params: of }: Asked, cancelAfter: number, before?: () => Disposable): Promise<void> {
    const given = await of();
    const source = new CancellationTokenSource();
    using _limit = before?.();
    const asked = helper.connection.sendRequest(method, given, source.token).catch((error: Error & { data?: ErrorData }) => {
      const told = `${method}: ${error.data?.reason}: ${error.message}`;
      (before === undefined ? usual : refusals).add(told);
      return undefined;
    });
    if (cancelAfter === 0) source.cancel();
    const timer = setTimeout(() => source.cancel(), cancelAfter < 0 ? 2 ** 30 : cancelAfter);
    const answer = (await asked) as { id?: string; token?: string; terminal?: TerminalsOpenResult } | undefined;
    clearTimeout(timer);
    source.dispose();
    _limit?.[Symbol.dispose]();
    for (const opened of [answer?.terminal, answer?.token === undefined ? undefined : (answer as TerminalsOpenResult)])
      if (opened !== undefined) await hangUp(opened);
    for (const id of [answer?.id, (given as { id?: string }).id])
      if (id !== undefined) await helper.request(LayersExportEnd, { id });
  }

  /** As a terminal that is closed at once. */
  async function hangUp({ streamSocket, token }: TerminalsOpenResult): Promise<void> {
    const connection = net.connect(streamSocket);
    connection.on('error', () => undefined);
    connection.end(encodeFrame({ type: 'attach', token: Buffer.from(token, 'hex'), columns: 80, rows: 24 }));
    connection.resume();
    await once(connection, 'close');
  }

  /** What the client asked to be kept, it lets go. */
  async function letGo(): Promise<void> {
    await helper.request(HostWatch, { parts: [] });
    await helper.request(CgroupsSubscribe, { cgroups: [], subscription: SANDBOX });
    await helper.request(LayersWatch, { subscription: SANDBOX, directories: [] });
    const { sandboxes } = await helper.request(SandboxesList, {});
    for (const { id } of sandboxes) await helper.request(SandboxesRemove, { sandbox: id }).catch(() => undefined);
  }

  /** Lets the helper open so many descriptors more, until it is disposed of. */
  function allowDescriptors(more: number): Disposable {
    const pid = helper.process.pid!;
    const most = /^Max open files +\S+ +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))![1]!;
    const set = (soft: string) => execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${soft}:${most}`]);
    const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
    let limit = 0;
    for (let free = 0; free < more; limit += 1) if (!taken.has(limit)) free += 1;
    set(String(limit));
    return { [Symbol.dispose]: () => void set(most) };
  }

  /** What was answered for want of a descriptor, and without. */
  const refusals = new Set<string>();
  const usual = new Set<string>();

  async function leavesNothing(asked: Asked, times: readonly (() => Promise<void>)[]): Promise<void> {
    await letGo();
    for (const moment of [-1, 2]) {
      await askOnce(asked, moment);
      await letGo();
    }
    // What the first one made once for all is there now: the reader thread, files that stay open.
    const before: Belongings = await belongingsOf(helper, SANDBOX);
    for (const time of times) {
      await time();
      await letGo();
    }
    let more = '';
    const isAsBefore = async () => {
      more = moreThan(before, await belongingsOf(helper, SANDBOX));
      return more === '';
    };
    await until(isAsBefore, () => `${asked.title} left ${more}`, 50);
    assert.equal(more, '');
  }

  for (const asked of ALL) {
    test(`${asked.title} leaves nothing when it is cancelled`, () =>
      leavesNothing(
        asked,
        some(MOMENTS).map((moment) => () => askOnce(asked, moment)),
      ));
    test(`${asked.title} leaves nothing when it fails for want of a descriptor`, () =>
      leavesNothing(
        asked,
        some(DESCRIPTORS).map((count) => () => askOnce(asked, -1, () => allowDescriptors(count))),
      ));
  }

  test('and what is there is not said to be gone for want of a descriptor', () => {
    const untrue = [...refusals].filter((one) => /: (gone|notFound): /.test(one) && !usual.has(one));
    assert.deepEqual(untrue, []);
    assert.ok(refusals.size > 30, 'descriptors were wanting');
  });

  test('and the host is followed again once there are descriptors', async () => {
    await helper.request(HostWatch, { parts: ['processes'] });
    const { revision } = await helper.request(ProcessesList, {});
    const limit = allowDescriptors(0);
    const meanwhile = await startSleeper([]);
    await assert.rejects(helper.request(ProcessesList, { since: revision }), /EMFILE/);
    limit[Symbol.dispose]();
    const isListed = async () => {
      const { processes } = await helper.request(ProcessesList, { since: revision });
      return processes.some(({ pid }) => pid === meanwhile.pid);
    };
    await until(isListed, 'it is listed', 50);
    const later = await startSleeper([]);
    const { processes } = await helper.request(ProcessesList, {});
    assert.ok(processes.some(({ pid }) => pid === later.pid));
    await helper.request(HostWatch, { parts: [] });
    for (const specimen of [meanwhile, later]) await specimen.stop();
  });
});
