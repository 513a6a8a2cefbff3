/** Requests that are cancelled, at many moments, and requests that fail: afterwards the helper has what it had before. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import { LayersExport, LayersExportEnd } from '../../helper/protocol/layers.ts';
import { SandboxesList, SandboxesRemove } from '../../helper/protocol/sandboxes.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { type AnyRequest, paramsOf, REQUESTS, rootCgroup } from '../fixtures/everyRequest.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlayRef } from '../fixtures/overlayRef.ts';
import { until } from '../fixtures/until.ts';

const SANDBOX = `isoscope-cancel-${process.pid}`;
/** When it is cancelled, in milliseconds after it was sent; negative: not at all. */
const MOMENTS = [-1, 0, 0, 1, 1, 2, 3, 5, 8, 13, 21, 40];
/** What answers waits for its client for half a minute, as it should: a pseudoterminal and its program. */
const WAITS_FOR_ITS_CLIENT = ['terminals/open'];

interface Belongings {
  descriptors: Map<string, number>;
  threads: number;
  watches: number;
  children: number;
}

function belongingsOf(pid: number): Belongings {
  const descriptors = new Map<string, number>();
  let watches = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      // Of sockets and pipes only the kind: each has a number of its own.
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[[0-9]+\]$/, '');
      descriptors.set(target, (descriptors.get(target) ?? 0) + 1);
      if (target === 'anon_inode:inotify')
        watches += readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').match(/^inotify /gm)?.length ?? 0;
    } catch {
      // Closed meanwhile.
    }
  }
  const threads = readdirSync(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) => {
    try {
      return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean);
    } catch {
      return [];
    }
  });
  return { descriptors, threads: threads.length, watches, children: children.length };
}

/** What there is more of than before; empty when nothing. */
function more(before: Belongings, now: Belongings): string {
  const grown = [...now.descriptors].filter(([target, count]) => count > (before.descriptors.get(target) ?? 0));
  const counts = (['threads', 'watches', 'children'] as const).filter((what) => now[what] > before[what]);
  return [...grown.map(([target, count]) => `${target}: ${count}`), ...counts.map((what) => `${what}: ${now[what]}`)].join(
    ', ',
  );
}

describe('a request that is cancelled', { skip: !isHelperRoot && 'only root mounts it, or looks into it' }, () => {
  let folder: string;
  let helper: RunningHelper;
  let params: Record<string, object>;

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
    helper = await startHelper();
    const overlay = await mountOverlayRef(helper, at('merged'));
    params = paramsOf({ pid: process.pid, overlay, cgroup: await rootCgroup(helper), sandbox: SANDBOX });
  });
  after(async () => {
    await helper?.stop();
    execFileSync('umount', ['--recursive', '--lazy', folder]);
    rmSync(folder, { recursive: true });
  });

  async function ask(request: AnyRequest, cancelAfter: number): Promise<void> {
    const source = new CancellationTokenSource();
    const asked = helper.connection.sendRequest(request, params[request.method], source.token).catch(() => undefined);
    if (cancelAfter === 0) source.cancel();
    const timer = setTimeout(() => source.cancel(), cancelAfter < 0 ? 2 ** 30 : cancelAfter);
    const answer = await asked;
    clearTimeout(timer);
    // An export is its client's to end.
    if (request.method === LayersExport.method && answer !== undefined)
      await helper.request(LayersExportEnd, answer as { id: string });
    source.dispose();
  }

  async function removeSandboxes(): Promise<void> {
    const { sandboxes } = await helper.request(SandboxesList, {});
    for (const { id } of sandboxes) await helper.request(SandboxesRemove, { sandbox: id }).catch(() => undefined);
  }

  for (const request of REQUESTS.filter(({ method }) => !WAITS_FOR_ITS_CLIENT.includes(method))) {
    const { method } = request;
    test(`${method} leaves the helper what it had`, async () => {
      await ask(request, -1);
      await ask(request, 2);
      await removeSandboxes();
      // What the first one made once for all is there now: the reader thread, files that stay open.
      const before = belongingsOf(helper.process.pid!);
      for (const moment of MOMENTS) await ask(request, moment);
      await removeSandboxes();
      let grown = '';
      const isAsBefore = () => {
        grown = more(before, belongingsOf(helper.process.pid!));
        return grown === '';
      };
      await until(isAsBefore, () => `${method} left ${grown}`, 50);
      assert.equal(grown, '');
    });
  }
});
