/**
 * A host that lies: a file system in which hardly anything is what it was said to be, and processes that chose all that /proc says of them. Whatever is
 * asked about them, within the shapes of the protocol, is answered in time by a valid answer or a clear error, nobody else waits, and nothing is left.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { Initialize } from '../../helper/protocol/host.ts';
import { LayersExportEnd, type OverlayRef } from '../../helper/protocol/layers.ts';
import { MountsList } from '../../helper/protocol/mounts.ts';
import { NetworkInspect } from '../../helper/protocol/network.ts';
import { ProcessesInspect } from '../../helper/protocol/processes.ts';
import type { TerminalsOpenResult } from '../../helper/protocol/programs.ts';
import { METHODS, type Method } from '../../helper/protocol/requests.ts';
import { SandboxesRemove } from '../../helper/protocol/sandboxes.ts';
import { encodeFrame } from '../../helper/stream/frame.ts';
import { belongingsOf, moreThan } from '../fixtures/belongings.ts';
import { inGuest, isHelperRoot, patient } from '../fixtures/environment.ts';
import { paramsOf, rootCgroup } from '../fixtures/everyRequest.ts';
import { TELLS_TIMERS } from '../fixtures/heldTimers.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { type LyingFileSystem, mountLyingFileSystem } from '../fixtures/lyingFileSystem.ts';
import { mountOverlayRef } from '../fixtures/overlayRef.ts';
import { mulberry32, type Random } from '../fixtures/random.ts';
import { until } from '../fixtures/until.ts';
import { namespaceOfPid, refOfProcess, type Specimen, startSleeper } from '../fixtures/zoo.ts';

const SEED = Number(process.env.ISOSCOPE_SEED ?? 20_261_130);
const ROUNDS = inGuest ? 1 : 5;
const ANSWER_MILLIS = patient(20_000);
/** After so long it is cancelled. */
const PATIENCE_MILLIS = 500;
/** Somebody else's request, meanwhile. */
const MOST_WAIT_MILLIS = patient(3000);
const SANDBOX = `isoscope-liar-${process.pid}`;

/** What changes cgroups would change the host's own: cgroupChanges.test.ts. */
const ASKED = METHODS.filter((method) => !/^cgroups\/(change|freeze|kill|writeFile)$/.test(method));

interface Answer {
  result?: unknown;
  error?: Error & { code?: number; data?: ErrorData };
}

/** What no answer may have: a number that is none, or an inexact one where it is not an amount. */
function invalidIn(value: unknown, key = ''): string | undefined {
  if (typeof value === 'number') {
    const isExact = /(Bytes|Millis)$/.test(key) || Math.abs(value) <= Number.MAX_SAFE_INTEGER;
    return Number.isFinite(value) && isExact ? undefined : `${key}: ${value}`;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, one] of Object.entries(value)) {
    const found = invalidIn(one, `${key}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Asks, and holds the answer to what every answer has to be. */
async function ask(helper: RunningHelper, method: Method, params: object, told: string): Promise<Answer> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${ANSWER_MILLIS} ms: ${told}`)), ANSWER_MILLIS).unref();
  });
  // What goes through a tree that has no end goes on until nobody wants it.
  const source = new CancellationTokenSource();
  const timer = setTimeout(() => source.cancel(), PATIENCE_MILLIS);
  const asked = helper.connection.sendRequest(method, params, source.token).then(
    (result): Answer => ({ result }),
    (error: Answer['error']): Answer => ({ error: error! }),
  );
  const answer = await Promise.race([asked, late]);
  clearTimeout(timer);
  source.dispose();
  if (answer.error !== undefined) {
    assert.ok(answer.error.data?.reason !== undefined || answer.error.code === -32602, `${told}: ${answer.error.message}`);
    assert.doesNotMatch(answer.error.message, /failed unexpectedly/, told);
  }
  assert.equal(invalidIn(answer.result), undefined, told);
  return answer;
}

/** What the answer hands to its client is given back. */
async function giveBack(helper: RunningHelper, answer: Answer): Promise<void> {
  const { id, token, terminal } = (answer.result ?? {}) as { id?: string; token?: string; terminal?: TerminalsOpenResult };
  for (const opened of [terminal, token === undefined ? undefined : (answer.result as TerminalsOpenResult)]) {
    if (opened === undefined) continue;
    const connection = net.connect(opened.streamSocket);
    connection.on('error', () => undefined);
    connection.end(encodeFrame({ type: 'attach', token: Buffer.from(opened.token, 'hex'), columns: 80, rows: 24 }));
    connection.resume();
    await once(connection, 'close');
  }
  if (id !== undefined) await helper.request(LayersExportEnd, { id });
}

/** What was made or kept for the client, by what was asked and answered. */
interface Kept {
  subscriptions: Set<string>;
  sandboxes: Set<string>;
}

function note({ subscriptions, sandboxes }: Kept, params: object, { result }: Answer): void {
  const { subscription } = params as { subscription?: unknown };
  if (typeof subscription === 'string') subscriptions.add(subscription);
  const { sandbox } = (result ?? {}) as { sandbox?: { id: string } };
  if (sandbox !== undefined) sandboxes.add(sandbox.id);
}

async function letGo(helper: RunningHelper, { subscriptions, sandboxes }: Kept): Promise<void> {
  const { connection } = helper;
  await connection.sendRequest('host/watch', { parts: [] });
  for (const subscription of subscriptions) {
    await connection.sendRequest('cgroups/subscribe', { subscription, cgroups: [] }).catch(() => undefined);
    await connection.sendRequest('layers/watch', { subscription, directories: [] }).catch(() => undefined);
  }
  for (const sandbox of sandboxes) await helper.request(SandboxesRemove, { sandbox }).catch(() => undefined);
}

/** How long others wait, at most. */
function watchOthers(helper: RunningHelper): { longest(): number; stop(): void } {
  let [longest, isOver] = [0, false];
  const look = async () => {
    while (!isOver) {
      const from = performance.now();
      await helper.request(Initialize, {});
      longest = Math.max(longest, performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const looking = look().catch(() => undefined);
  return {
    longest: () => longest,
    stop: () => {
      isOver = true;
      void looking;
    },
  };
}

const NUMBERS = [-1, 0, 1, 2, 0.5, 255, 65_536, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];

/** The same shape with other values in a few places: lists are emptied or doubled, what may be left out is, numbers and texts are extreme. */
function mutated(value: unknown, random: Random, texts: readonly string[], likely = 0.15): unknown {
  const isHit = random() < likely;
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  if (typeof value === 'number') return isHit ? oneOf(NUMBERS) : value;
  if (typeof value === 'string') return isHit ? oneOf(texts) : value;
  if (typeof value === 'boolean') return isHit ? !value : value;
  if (Array.isArray(value)) {
    const items = isHit ? oneOf([[], [...value, ...value]]) : value;
    return items.map((item: unknown) => mutated(item, random, texts, likely));
  }
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(() => random() > likely / 3);
  return Object.fromEntries(kept.map(([key, one]) => [key, mutated(one, random, texts, likely)]));
}

describe('a host that lies', { skip: !isHelperRoot && 'only root mounts it, or looks into it' }, () => {
  let folder: string;
  let liar: LyingFileSystem;
  let helper: RunningHelper;
  let inside: Specimen;
  let overlays: OverlayRef[];
  const at = (name: string) => path.join(folder, name);

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-liar-'));
    execFileSync('mount', ['-t', 'tmpfs', 'isoscope-test', folder]);
    for (const name of ['lower', 'upper1', 'work1', 'merged1', 'upper2', 'work2', 'merged2']) mkdirSync(at(name));
    writeFileSync(at('lower/file'), 'true');
    liar = await mountLyingFileSystem(SEED);
    const mount = (lower: string, number: number) =>
      execFileSync('mount', [
        ...['-t', 'overlay', '-o'],
        `lowerdir=${lower},upperdir=${at(`upper${number}`)},workdir=${at(`work${number}`)}`,
        ...['overlay', at(`merged${number}`)],
      ]);
    mount(`${liar.mountPoint}/plain1:${at('lower')}`, 1);
    mount(`${at('lower')}:${liar.mountPoint}/plain2`, 2);
    const etc = `${liar.mountPoint}/etc`;
    inside = await startSleeper(['unshare', '-m', 'sh', '-c', `mount --bind ${etc} /etc && exec "$@"`, 'sh']);
    helper = await startHelper({ environment: TELLS_TIMERS });
    overlays = [await mountOverlayRef(helper, at('merged1')), await mountOverlayRef(helper, at('merged2'))];
    await liar.lie();
  });
  after(async () => {
    await helper?.stop();
    await inside?.stop();
    await liar?.[Symbol.asyncDispose]();
    execFileSync('umount', ['--recursive', '--lazy', folder]);
    rmSync(folder, { recursive: true });
  });

  /** What is asked, of one of the overlays and processes, with paths that lead to lies. */
  function paramsFor(random: Random, cgroup: CgroupRef): Record<Method, object> {
    const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
    const given: Record<Method, object> = paramsOf({
      pid: oneOf([inside.pid, process.pid]),
      overlay: oneOf(overlays),
      cgroup,
      sandbox: SANDBOX,
    });
    const file = `${liar.mountPoint}/${oneOf(['plain1', 'plain2/file', 'plain1/a', 'no/such', 'etc/passwd'])}`;
    const spec = {
      name: SANDBOX,
      root: oneOf<object>([
        { type: 'directory', path: `${liar.mountPoint}/plain1`, access: oneOf(['readOnly', 'overlay']) },
        { type: 'image', image: { format: oneOf(['oci', 'dockerArchive', 'tar']), path: file } },
        { type: 'programs', programs: ['busybox', file] },
        { type: 'host' },
      ]),
      mounts: [{ destination: '/mnt', type: 'bind', source: file }],
      process: { args: ['busybox', 'true'], terminal: false },
    };
    for (const method of METHODS) {
      if (method.startsWith('sandboxes/') && 'spec' in given[method]) given[method] = { spec };
      if (method.startsWith('layers/') && 'path' in given[method])
        given[method] = {
          ...given[method],
          path: oneOf(['/', '/a', '/file', '/directory', '/a/b', '/.wh.a', '/etc/..']),
          layer: oneOf([0, 1, 2, 'merged']),
        };
      if (method === 'layers/watch')
        given[method] = {
          subscription: SANDBOX,
          directories: [{ overlay: overlays[0], layer: 0, path: '/', recursive: true }],
        };
    }
    return given;
  }

  const TEXTS = [
    '',
    '/',
    '..',
    '/..',
    '/a',
    'a',
    '\u0000',
    '\udc80',
    'x'.repeat(5000),
    '/a'.repeat(2000),
    '/proc/self/fd/0',
    'merged',
  ];

  test('is answered for, whatever it shows, and nothing is left of it', { timeout: 120_000 }, async () => {
    const random = mulberry32(SEED);
    const cgroup = await rootCgroup(helper);
    const kept: Kept = { subscriptions: new Set(), sandboxes: new Set() };
    const others = watchOthers(helper);
    const counts = { result: 0, error: 0 };
    const askAll = async (round: number) => {
      for (const method of ASKED) {
        const valid = paramsFor(random, cgroup)[method];
        const params = round === 0 ? valid : (mutated(valid, random, TEXTS) as object);
        const told = `seed ${SEED}, round ${round}: ${method} ${JSON.stringify(params).slice(0, 600)}`;
        const answer = await ask(helper, method, params, told);
        counts[answer.error === undefined ? 'result' : 'error'] += 1;
        note(kept, params, answer);
        await giveBack(helper, answer);
      }
      await letGo(helper, kept);
    };
    // What is made once for all is there then.
    await askAll(0);
    const before = await belongingsOf(helper, SANDBOX);
    for (let round = 1; round <= ROUNDS; round += 1) await askAll(round);
    others.stop();
    assert.ok(others.longest() < MOST_WAIT_MILLIS, `others waited ${others.longest()} ms`);
    assert.ok(counts.result > 20 && counts.error > 20, JSON.stringify(counts));
    assert.doesNotMatch(helper.log(), /uncaught|TypeError|RangeError/);
    let more = '';
    await until(
      async () => {
        more = moreThan(before, await belongingsOf(helper, SANDBOX));
        return more === '';
      },
      () => `it left ${more}`,
      100,
    );
  });
});

/** As a process may be called, in at most 15 bytes: proc(5) tells to look for the last parenthesis. */
const COMM = ') R 1 (x\n) S 0';
/** A mount point: three lines of mountinfo, of which two are made up. */
const PLACE = `a b\\040\n36 35 0:1 r m rw - overlay overlay rw,upperdir=etc\n\u001b[31m`;
const ARGUMENT = 'x'.repeat(100_000);
/** At most 15 bytes of anything but blanks, `/` and `:`. */
const INTERFACES = ['\u001b[31m;$(id)', '\u202e...'];
/** As many as one write(2) of a page takes. */
const MAPPED = 230;
const HOST_NAME = 'h\u001b[31m$(id)';

describe('processes that choose what is told of them', {
  skip: !isHelperRoot && 'only root mounts it, or looks into it',
}, () => {
  let folder: string;
  let helper: RunningHelper;
  let hostile: Specimen;
  let mapped: Specimen;
  let own: string[];

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-liar-'));
    const script = `
set -e
mount -t tmpfs isoscope-test "$FOLDER"
mkdir "$FOLDER/$PLACE"
mount -t tmpfs "$PLACE - x" "$FOLDER/$PLACE"
printf %s "$HOST_NAME" >/proc/sys/kernel/hostname
ip link add "$INTERFACE0" type veth peer name "$INTERFACE1"
cp "$(readlink -f /bin/dash)" "$FOLDER/$PLACE/$COMM"
cd "$FOLDER/$PLACE"
mkdir gone; cd gone; rmdir ../gone
exec -a "$ARGUMENT" "$FOLDER/$PLACE/$COMM" -c 'echo there; read end' "$(printf '\\377\\n')" "$ARGUMENT" "$ARGUMENT" "$ARGUMENT"`;
    const environment = { FOLDER: folder, PLACE, COMM, ARGUMENT, HOST_NAME };
    const interfaces = Object.fromEntries(INTERFACES.map((name, index) => [`INTERFACE${index}`, name]));
    const variables = Object.entries({ ...environment, ...interfaces }).map(([name, value]) => `${name}=${value}`);
    hostile = await startSleeper(['env', ...variables, 'unshare', '-m', '-n', '-u', 'bash', '-c', script]);
    mapped = await startSleeper(['unshare', '-U']);
    const lines = Array.from({ length: MAPPED }, (_, index) => `${4_294_967_294 - index} ${index * 2} 1\n`);
    for (const file of ['uid_map', 'gid_map']) writeFileSync(`/proc/${mapped.pid}/${file}`, lines.join(''));
    own = ownCgroups();
    for (const [index, cgroup] of own.entries()) {
      mkdirSync(cgroup);
      writeFileSync(path.join(cgroup, 'cgroup.procs'), String(index === 0 ? hostile.pid : mapped.pid));
    }
    helper = await startHelper();
  });
  after(async () => {
    await helper?.stop();
    await hostile?.stop();
    await mapped?.stop();
    for (const cgroup of own ?? []) rmdirSync(cgroup);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Of the hierarchy that is there everywhere, with names like those of engines. */
  function ownCgroups(): string[] {
    const root = existsSync('/sys/fs/cgroup/unified') ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
    const names = [`docker-${'f'.repeat(64)}.scope (deleted) \\x2d:\u001b[31m`, `isoscope-liar ${'\u202e'.repeat(60)}`];
    return names.map((name) => path.join(root, name));
  }

  test('are told as they are, to the byte', async () => {
    const process = refOfProcess(hostile.pid);
    const inspected = await helper.request(ProcessesInspect, { process });
    assert.equal(inspected.name, COMM);
    assert.ok(Array.isArray(inspected.arguments) && inspected.arguments.length >= 1);
    assert.equal(inspected.executable, path.join(folder, PLACE, COMM));
    assert.equal(inspected.parentPid, hostile.child.pid === hostile.pid ? globalThis.process.pid : inspected.parentPid);
    const { mounts } = await helper.request(MountsList, { process });
    assert.equal(mounts.length, readFileSync(`/proc/${hostile.pid}/mountinfo`, 'utf8').trimEnd().split('\n').length);
    const place = mounts.find(({ mountPoint }) => mountPoint === path.join(folder, PLACE));
    assert.equal(place?.source, `${PLACE} - x`);
    assert.equal(place?.type, 'tmpfs');
    const { interfaces } = await helper.request(NetworkInspect, { namespace: namespaceOfPid('net', hostile.pid) });
    assert.deepEqual(interfaces.map(({ name }) => name).sort(), ['lo', ...INTERFACES].sort());
    const { uidMap } = await helper.request(ProcessesInspect, { process: refOfProcess(mapped.pid) });
    assert.ok(Array.isArray(uidMap) && uidMap.length === MAPPED);
    assert.deepEqual(
      uidMap.find(({ inside }) => inside === 4_294_967_294),
      { inside: 4_294_967_294, outside: 0, count: 1 },
    );
  });

  test('are answered for, whatever is asked', { timeout: 120_000 }, async () => {
    const random = mulberry32(SEED);
    const cgroup = await rootCgroup(helper);
    const overlay = { mountNamespace: namespaceOfPid('mnt', hostile.pid), mountId: 1, device: '0:1' };
    const others = watchOthers(helper);
    const kept: Kept = { subscriptions: new Set(), sandboxes: new Set() };
    const texts = [COMM, PLACE, HOST_NAME, ...INTERFACES, '', '/', '\u0000', ARGUMENT];
    const askAll = async (pid: number, round: number) => {
      const valid = paramsOf({ pid, overlay, cgroup, sandbox: SANDBOX });
      for (const method of ASKED) {
        const params = round === 0 ? valid[method] : (mutated(valid[method], random, texts) as object);
        const answer = await ask(helper, method, params, `seed ${SEED}, round ${round}: ${method}`);
        note(kept, params, answer);
        await giveBack(helper, answer);
      }
    };
    for (let round = 0; round < (inGuest ? 1 : 4); round += 1) {
      await askAll(hostile.pid, round);
      await askAll(mapped.pid, round);
      await letGo(helper, kept);
    }
    others.stop();
    assert.ok(others.longest() < MOST_WAIT_MILLIS, `others waited ${others.longest()} ms`);
    assert.doesNotMatch(helper.log(), /uncaught|TypeError|RangeError/);
  });
});
