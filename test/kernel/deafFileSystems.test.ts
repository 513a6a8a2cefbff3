/** File systems that answer no more, below a layer and below /etc of a process: whoever asks about them is told, and nobody else waits. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LayersList, LayersProvenance, LayersReadDirectory, type OverlayRef } from '../../helper/protocol/layers.ts';
import { ProgramsExplain } from '../../helper/protocol.ts';
import { type ServedDirectory, serveDirectory } from '../fixtures/deafFileSystem.ts';
import { isHelperRoot, patient, unlessRootHas } from '../fixtures/environment.ts';
import { paramsOf, REQUESTS, rootCgroup } from '../fixtures/everyRequest.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlayRef } from '../fixtures/overlayRef.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { until } from '../fixtures/until.ts';
import { refOfProcess, type Specimen, startSleeper } from '../fixtures/zoo.ts';

const ANSWER_MILLIS = patient(20_000);
const skip = isHelperRoot ? unlessRootHas('fuse-overlayfs') : 'only root mounts it, or looks into it';

describe('a file system that does not answer', { skip }, () => {
  let folder: string;
  let served: ServedDirectory;
  let helper: RunningHelper;
  let inside: Specimen;
  let overlay: OverlayRef;
  let other: OverlayRef;
  const within = <T>(what: string, asked: Promise<T>): Promise<T> => {
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`${what}: no answer within ${ANSWER_MILLIS} ms`)), ANSWER_MILLIS).unref();
    });
    return Promise.race([asked, late]);
  };

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-deaf-'));
    execFileSync('mount', ['-t', 'tmpfs', 'isoscope-test', folder]);
    const at = (name: string) => path.join(folder, name);
    for (const name of ['source', 'served', 'upper', 'lower', 'merged', 'work', 'upper2', 'merged2', 'work2'])
      mkdirSync(at(name));
    mkdirSync(at('source/layer/directory'), { recursive: true });
    mkdirSync(at('source/etc'));
    writeFileSync(at('source/layer/far'), 'far');
    writeFileSync(at('source/etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
    writeFileSync(at('lower/file'), 'near');
    served = await serveDirectory(at('source'), at('served'));
    const mount = (lower: string, more: string, target: string) =>
      execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${lower},${more}`, 'overlay', target]);
    mount(`${at('served/layer')}:${at('lower')}`, `upperdir=${at('upper')},workdir=${at('work')}`, at('merged'));
    mount(at('lower'), `upperdir=${at('upper2')},workdir=${at('work2')}`, at('merged2'));
    inside = await startSleeper(['unshare', '-m', 'sh', '-c', `mount --bind ${at('served/etc')} /etc && exec "$@"`, 'sh']);
    helper = await startHelper();
    overlay = await mountOverlayRef(helper, at('merged'));
    other = await mountOverlayRef(helper, at('merged2'));
    served.deafen();
  });
  after(async () => {
    served?.revive();
    await helper?.stop();
    await inside?.stop();
    execFileSync('umount', ['--lazy', path.join(folder, 'merged')]);
    served?.[Symbol.dispose]();
    execFileSync('umount', ['--recursive', '--lazy', folder]);
    rmSync(folder, { recursive: true });
  });

  test('is named to whoever asks about it, holds up nobody else, and is read again when it answers', async () => {
    const explaining = Array.from({ length: 4 }, () =>
      helper.request(ProgramsExplain, { process: refOfProcess(inside.pid), terminal: true }),
    );
    const listing = refusalOf(helper.request(LayersReadDirectory, { overlay, layer: 1, path: '/directory' }), 'busy');
    const tracing = helper.request(LayersProvenance, { overlay, path: '/file' });
    const explained = await within('programs/explain', Promise.all(explaining));
    for (const { differences } of explained)
      assert.match(differences.join('\n'), /file system fuse\.fuse-overlayfs at .*served .*does not answer/);
    const listed = await within('layers/readDirectory', listing);
    assert.match(listed.message, /file system fuse\.fuse-overlayfs at .*served .*does not answer/);
    await within(
      'layers/provenance',
      tracing.catch(() => undefined),
    );
    const again = await within('layers/provenance again', helper.request(LayersProvenance, { overlay, path: '/file' }));
    assert.deepEqual(
      again.layers.map(({ has }) => has),
      ['nothing', 'unknown', 'provides'],
    );

    const params = paramsOf({ pid: process.pid, overlay: other, cgroup: await rootCgroup(helper), sandbox: 'isoscope-deaf' });
    for (const request of REQUESTS) {
      assert.ok(request.method in params, `${request.method} has parameters for tests`);
      const answer = helper.request(request, params[request.method]).then(
        () => undefined,
        (error) => error,
      );
      const refusal = await within(request.method, answer);
      assert.notEqual(refusal?.data?.reason, 'busy', `${request.method}: ${String(refusal?.message)}`);
    }
    const { overlays } = await within('layers/list', helper.request(LayersList, {}));
    assert.equal(overlays.length >= 2, true);

    served.revive();
    const names = async () => {
      const { entries } = await helper.request(LayersReadDirectory, { overlay, layer: 1, path: '/' });
      return entries.map(({ name }) => name).join();
    };
    await until(async () => (await names().catch(() => '')) === 'directory,far', 'it is read again', 100);
  });
});
