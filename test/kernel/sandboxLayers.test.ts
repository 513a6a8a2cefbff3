/** The layers of sandboxes' roots, which their mounts name by places that are gone. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ContainersList } from '../../helper/protocol/containers.ts';
import { LayersChanges, LayersList, LayersReadFile, type Overlay } from '../../helper/protocol/layers.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesRemove,
  SandboxesStop,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import type { English } from '../fixtures/english.ts';
import { unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { openFilesOf } from '../fixtures/procFiles.ts';
import { until } from '../fixtures/until.ts';

const CHANGE = 'echo new >/added; rm /doomed; echo done >/ready; exec sleep 1000';

describe('the layers of a sandbox', { skip: unlessHelperIsRoot }, () => {
  let helper: RunningHelper;
  let folder: string;
  let root: string;
  before(async () => {
    helper = await startHelper();
    folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-sandbox-layers-')));
    root = makeBusyboxRoot(path.join(folder, 'root'), ['proc', 'dev', 'sys', 'tmp'], undefined);
    fs.symlinkSync('busybox', path.join(root, 'bin/rm'));
    fs.writeFileSync(path.join(root, 'doomed'), 'of the host\n');
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const layered = (more: Partial<SandboxSpec['root'] & object> = {}): SandboxSpec => ({
    root: { type: 'directory', path: root, access: 'overlay', ...more } as NonNullable<SandboxSpec['root']>,
    process: { args: ['/bin/sh', '-c', CHANGE] },
  });

  async function create(spec: SandboxSpec): Promise<English<Sandbox>> {
    const { sandbox } = await helper.request(SandboxesCreate, { spec });
    const ready = `/proc/${sandbox.process?.pid}/root/ready`;
    await until(() => fs.existsSync(ready) && fs.statSync(ready).size > 0, 'it has made its changes');
    return sandbox;
  }

  async function overlayOf({ namespaces }: English<Sandbox>): Promise<Overlay | undefined> {
    const { overlays } = await helper.request(LayersList, {});
    return overlays.find(({ mountNamespace, mountPoint }) => mountNamespace.ino === namespaces.mnt?.ino && mountPoint === '/');
  }

  const changesOf = async (overlay: Overlay) =>
    (await helper.request(LayersChanges, { overlay: refOf(overlay) })).changes.map((one) => `${one.change} ${one.path}`);
  const read = async (overlay: Overlay, layer: number, file: string) =>
    Buffer.from(
      (await helper.request(LayersReadFile, { overlay: refOf(overlay), layer, path: file })).base64,
      'base64',
    ).toString();

  for (const user of ['host', 'new'] as const) {
    test(`are its changes, which no path leads to, and the directory below, with the ${user} user namespace`, async () => {
      const sandbox = await create({ ...layered(), namespaces: { user } });
      const overlay = (await overlayOf(sandbox))!;
      assert.deepEqual(
        overlay.layers.map(({ role, unreadable }) => [role, unreadable]),
        [
          ['readWrite', undefined],
          ['host', undefined],
        ],
      );
      assert.equal(overlay.layers[1]!.directory, root);
      const { containers } = await helper.request(ContainersList, {});
      const named = containers.find(({ key }) => key === overlay.container);
      assert.deepEqual([named?.engine, named?.name, overlay.isRoot], ['isoscope', sandbox.name, true]);
      assert.equal(fs.readFileSync(`${overlay.layers[0]!.directory}/added`, 'utf8'), 'new\n');
      assert.deepEqual(await changesOf(overlay), ['added /added', 'deleted /doomed', 'added /ready']);
      assert.equal(await read(overlay, 0, '/added'), 'new\n');
      assert.equal(await read(overlay, 1, '/doomed'), 'of the host\n');
      const open = () => openFilesOf(helper.process.pid!);
      await helper.request(SandboxesStop, { sandbox: sandbox.id });
      await until(() => !open().includes('/'), 'the root of the sandbox is closed');
      assert.equal(await overlayOf(sandbox), undefined);
      await assert.rejects(read(overlay, 0, '/added'), /no longer mounted/);
    });
  }

  test('are where its changes were to go, and another helper finds them too', async () => {
    const upper = path.join(folder, 'changes');
    fs.mkdirSync(upper);
    const sandbox = await create({ ...layered({ upper }), persistent: true });
    try {
      for (const again of [false, true]) {
        if (again) {
          await helper.stop();
          helper = await startHelper();
        }
        const overlay = (await overlayOf(sandbox))!;
        assert.deepEqual(
          overlay.layers.map(({ role, directory }) => [role, directory]),
          [
            ['readWrite', path.join(upper, 'upper')],
            ['host', root],
          ],
        );
        assert.deepEqual(await changesOf(overlay), ['added /added', 'deleted /doomed', 'added /ready']);
      }
    } finally {
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });

  test('are said to be out of reach by a helper that did not make them, when they are nowhere else', async () => {
    const sandbox = await create({ ...layered(), persistent: true });
    await helper.stop();
    helper = await startHelper();
    try {
      const overlay = (await overlayOf(sandbox))!;
      assert.deepEqual(
        overlay.layers.map(({ role, unreadable }) => [role, unreadable?.unknown]),
        [
          ['readWrite', 'gone'],
          ['host', undefined],
        ],
      );
      assert.equal(await read(overlay, 1, '/doomed'), 'of the host\n');
    } finally {
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });

  test('are those of an image in a file', async () => {
    const archive = path.join(folder, 'root.tar');
    execFileSync('tar', ['-C', root, '-cf', archive, '.']);
    const sandbox = await create({ ...layered(), root: { type: 'image', image: { format: 'tar', path: archive } } });
    const overlay = (await overlayOf(sandbox))!;
    assert.deepEqual(
      overlay.layers.map(({ role }) => role),
      ['readWrite', 'image'],
    );
    assert.equal(await read(overlay, 1, '/doomed'), 'of the host\n');
    // An image's sandbox gets names of hosts of its own.
    const changes = (await changesOf(overlay)).filter((change) => !change.includes('/etc'));
    assert.deepEqual(changes, ['added /added', 'deleted /doomed', 'added /ready']);
    await helper.request(SandboxesStop, { sandbox: sandbox.id });
  });

  test('are those of an image of Docker, with digest and step, once the Layers view has read the same files', {
    skip: unlessRootHas('docker', 'dockerd'),
  }, async () => {
    await using _ = await startDocker();
    const image = `isoscope-layered-${process.pid}`;
    docker('run', '--name', image, IMAGE, 'sh', '-c', 'echo x >/doomed');
    docker('commit', image, image);
    docker('rm', image);
    try {
      const sandbox = await create({
        ...layered(),
        root: { type: 'image', image: { format: 'docker', reference: image } },
      });
      const overlay = (await overlayOf(sandbox))!;
      const digests: string[] = JSON.parse(docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', image));
      assert.deepEqual(
        overlay.layers.map(({ role, digest }) => [role, digest]),
        [['readWrite', undefined], ...digests.reverse().map((digest) => ['image', digest])],
      );
      assert.match(overlay.layers[1]!.createdBy ?? '', /echo x/);
      await helper.request(SandboxesStop, { sandbox: sandbox.id });
    } finally {
      docker('rmi', image);
    }
  });
});

function refOf({ mountNamespace, mountId, device, key }: Overlay) {
  return { mountNamespace, mountId, device, key };
}
