/** File systems that answer no more, below whatever a request names: whoever asks about them is told which one it is, and nobody else waits. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ContainersList } from '../../helper/protocol/containers.ts';
import { LayersList, LayersProvenance, LayersReadDirectory, type OverlayRef } from '../../helper/protocol/layers.ts';
import { ProcessesList } from '../../helper/protocol/processes.ts';
import { ProgramsExplain } from '../../helper/protocol/programs.ts';
import { METHODS } from '../../helper/protocol/requests.ts';
import { SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { type MadeCgroup, makeCgroup, withoutControllers } from '../fixtures/cgroup.ts';
import { type ServedDirectory, serveDirectory } from '../fixtures/deafFileSystem.ts';
import { isHelperRoot, patient, unlessRootHas } from '../fixtures/environment.ts';
import { paramsOf, rootCgroup } from '../fixtures/everyRequest.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlayRef } from '../fixtures/overlayRef.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { tarOf } from '../fixtures/tarOf.ts';
import { until } from '../fixtures/until.ts';
import { refOfProcess, type Specimen, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const ANSWER_MILLIS = patient(20_000);
/** As the helper names the directory that is served. */
const UNANSWERED = /file system fuse\.fuse-overlayfs at .*served .*does not answer/;
const skip = isHelperRoot ? unlessRootHas('fuse-overlayfs') : 'only root mounts it, or looks into it';

function within<T>(what: string, asked: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${what}: no answer within ${ANSWER_MILLIS} ms`)), ANSWER_MILLIS).unref();
  });
  return Promise.race([asked, late]);
}

describe('a file system that does not answer', { skip }, () => {
  let folder: string;
  let served: ServedDirectory;
  let helper: RunningHelper;
  let inside: Specimen;
  let overlay: OverlayRef;
  let other: OverlayRef;
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
    for (const { differences } of explained) assert.match(differences.join('\n'), UNANSWERED);
    const listed = await within('layers/readDirectory', listing);
    assert.match(listed.message, UNANSWERED);
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
    for (const method of METHODS) {
      const answer = helper.connection.sendRequest(method, params[method]).then(
        () => undefined,
        (error) => error,
      );
      const refusal = await within(method, answer);
      assert.notEqual(refusal?.data?.reason, 'busy', `${method}: ${String(refusal?.message)}`);
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

describe('a file system that a sandbox is made of and that does not answer', { skip }, () => {
  let folder: string;
  let served: ServedDirectory;
  let helper: RunningHelper;
  let specs: [what: string, spec: SandboxSpec][];

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-deaf-'));
    const at = (name: string) => path.join(folder, name);
    for (const name of ['source/root', 'source/data', 'source/layout', 'served']) mkdirSync(at(name), { recursive: true });
    copyFileSync('/bin/true', at('source/program'));
    writeFileSync(at('source/image.tar'), await tarOf([[{ name: 'etc', type: 'directory' }]]));
    writeFileSync(at('source/layout/index.json'), '{}');
    symlinkSync(at('served/data'), at('link'));
    served = await serveDirectory(at('source'), at('served'));
    const process: SandboxSpec['process'] = { args: ['true'], terminal: false };
    specs = [
      ['a root', { root: { type: 'directory', path: at('served/root') }, process }],
      ['a mount', { mounts: [{ type: 'bind', source: at('served/data'), destination: '/mnt' }], process }],
      ['a mount through a link', { mounts: [{ type: 'bind', source: at('link'), destination: '/mnt' }], process }],
      ['a program of a minimal root', { root: { type: 'programs', programs: [at('served/program')] }, process }],
      ['a layer', { mounts: [{ type: 'overlay', destination: '/mnt', options: [`lowerdir=${at('served/data')}`] }], process }],
      ['an OCI layout', { root: { type: 'image', image: { format: 'oci', path: at('served/layout') } }, process }],
      ['changes', { root: { type: 'host', access: 'overlay', upper: at('served/data') }, process }],
      ['a device', { resources: { blockIO: [{ device: at('served/device'), readBps: '1M' }] }, process }],
    ];
    helper = await startHelper();
    served.deafen();
  });
  after(async () => {
    served?.revive();
    await helper?.stop();
    served?.[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  test('is named to whoever asks for the sandbox, and other sandboxes are made meanwhile', async () => {
    const tar: SandboxSpec = { root: { type: 'image', image: { format: 'tar', path: path.join(folder, 'served/image.tar') } } };
    const running = [...specs, ['the tar of an image', tar] as const].map(async ([what, spec]) => {
      const refusal = await within(what, refusalOf(helper.request(SandboxesRun, { spec }), 'busy'));
      assert.match(refusal.message, UNANSWERED, what);
    });
    const explaining = specs.map(async ([what, spec]) => {
      const refusal = await within(what, refusalOf(helper.request(SandboxesExplain, { spec }), 'busy'));
      assert.match(refusal.message, UNANSWERED, what);
    });
    await within('processes/list', helper.request(ProcessesList, {}));
    await Promise.all([...running, ...explaining]);

    for (const [what, spec] of specs) {
      await within(what, refusalOf(helper.request(SandboxesExplain, { spec }), 'busy'));
      const whole: SandboxSpec = { process: { args: ['echo', what], terminal: false } };
      const { stdout } = await within('sandboxes/run', helper.request(SandboxesRun, { spec: whole }));
      assert.equal(stdout, `${what}\n`);
    }
    // Each thread that is lost says so once.
    assert.equal(helper.log().match(/does not answer/g)?.length, 1, helper.log());
  });

  test('is read again when it answers', async () => {
    served.revive();
    const [, spec] = specs[0]!;
    const explain = async () => {
      const { steps } = await helper.request(SandboxesExplain, { spec });
      return steps.length > 0;
    };
    await until(() => explain().catch(() => false), 'the sandbox is explained', 100);
  });
});

describe('a file system that a container or the host keeps its records on, and that does not answer', {
  skip: skip || withoutControllers('pids'),
}, () => {
  const id = 'deaf'.padEnd(64, '0').replaceAll(/[^0-9a-f]/g, 'f');
  let folder: string;
  let served: ServedDirectory;
  let helper: RunningHelper;
  let daemon: Specimen;
  let inside: Specimen;
  let cgroup: MadeCgroup;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-deaf-'));
    const at = (name: string) => path.join(folder, name);
    const record = { Name: '/deaf', Config: { Image: 'far:1' } };
    mkdirSync(at(`source/docker/containers/${id}`), { recursive: true });
    writeFileSync(at(`source/docker/containers/${id}/config.v2.json`), JSON.stringify(record));
    mkdirSync(at('served'));
    copyFileSync('/bin/bash', at('dockerd'));
    writeFileSync(at('passwd'), 'root:x:0:0::/root:/bin/sh\nbefore:x:54321:54321::/:/bin/sh\n');
    writeFileSync(at('source/passwd'), 'root:x:0:0::/root:/bin/sh\nafterwards:x:54321:54321::/:/bin/sh\n');
    served = await serveDirectory(at('source'), at('served'));
    cgroup = makeCgroup('pids', `docker-${id}.scope`);
    inside = await startSleeper(['unshare', '--uts', '--mount']);
    cgroup.write('cgroup.procs', String(inside.pid));
    daemon = await startSpecimen([at('dockerd'), '-c', 'echo there; read end', 'dockerd', '--data-root', at('served/docker')]);
    const mounting = `mount --bind ${at('passwd')} /etc/passwd && exec "$@"`;
    helper = await startHelper({ through: ['unshare', '--mount', 'sh', '-c', mounting, 'sh'] });
    const enter = ['--target', String(helper.host.pid), '--mount', '--'];
    execFileSync('nsenter', [...enter, 'mount', '--bind', at('served/passwd'), '/etc/passwd']);
    served.deafen();
  });
  after(async () => {
    served?.revive();
    await helper?.stop();
    await inside?.stop();
    await daemon?.stop();
    cgroup?.[Symbol.dispose]();
    served?.[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  const container = async () => {
    const { containers } = await within('containers/list', helper.request(ContainersList, {}));
    const found = containers.find((one) => one.id === id);
    assert.ok(found !== undefined, 'the container is listed');
    return found;
  };

  test('is named beside the container, and names of users stay those that were known', async () => {
    const asked = [container(), container(), within('processes/list', helper.request(ProcessesList, {}))] as const;
    const [first] = await Promise.all(asked);
    assert.equal(first.name, id.slice(0, 12));
    assert.match(first.unanswered ?? '', UNANSWERED);
    for (let count = 0; count < 3; count += 1) assert.match((await container()).unanswered ?? '', UNANSWERED);
    await within('processes/list', helper.request(ProcessesList, {}));
    await within('sandboxes/explain', helper.request(SandboxesExplain, { spec: {} }));
    assert.equal(helper.log().match(/does not answer/g)?.length, 1, helper.log());
  });

  test('is read when it answers again', async () => {
    served.revive();
    const isNamed = async () => {
      const { name, image, unanswered } = await container();
      return name === 'deaf' && image === 'far:1' && unanswered === undefined;
    };
    await until(isNamed, 'the container is named', 100);
  });
});
