/** Images of an engine on this host as roots, against the engine itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import type { Pack } from 'tar-stream';
import { isAtLeast } from '../../helper/proc/kernelRelease.ts';
import {
  SandboxesExplain,
  SandboxesImages,
  SandboxesRun,
  type SandboxImage,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { type Docker, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

const SKIP = (!isHelperRoot && 'the helper is not root') || unlessRootHas('docker', 'dockerd');
const SAVED = `isoscope-saved-${process.pid}`;
/** Compressed, where this Node can. */
const zstdOr = (zlib as { zstdCompressSync?: (content: Buffer) => Buffer }).zstdCompressSync ?? ((content: Buffer) => content);
const LAYERED = `isoscope-layered-${process.pid}`;

const layersOf = (reference: string) =>
  docker('image', 'inspect', '--format', '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}', reference)
    .split(':')
    .filter((directory) => directory.startsWith('/'));
const openDescriptors = ({ process: { pid } }: RunningHelper) => fs.readdirSync(`/proc/${pid}/fd`).length;

describe('an image of Docker as the root of a sandbox', { skip: SKIP }, () => {
  let daemon: Docker;
  let helper: RunningHelper;
  before(async () => {
    daemon = await startDocker();
    helper = await startHelper();
    // A second layer: a file more, one deleted, one changed, a directory made anew (opaque).
    const script = 'echo new >/added; mkdir -p /etc/kept; rm /bin/ls; rm -rf /dev/shm; mkdir /opaque; echo 1 >/opaque/file';
    const name = `${LAYERED}-build`;
    docker('run', '--name', name, IMAGE, 'sh', '-c', script);
    docker('commit', '--change', 'ENV FROM_IMAGE=yes', '--change', 'WORKDIR /opaque', '--change', 'CMD ["pwd"]', name, LAYERED);
    docker('rm', name);
  });
  after(async () => {
    await helper?.stop();
    docker('rmi', LAYERED);
    await daemon?.[Symbol.asyncDispose]();
  });

  const image = (reference: string): SandboxSpec => ({ root: { type: 'image', image: { format: 'docker', reference } } });

  async function output(spec: SandboxSpec, ...args: string[]): Promise<string> {
    const process = args.length === 0 ? {} : { process: { args } };
    const { stdout, stderr, exit } = await helper.request(SandboxesRun, { spec: { ...spec, ...process } });
    assert.equal(exit.code, 0, stderr);
    return stdout;
  }

  test('is among those to choose from, under each of its names, with its id', async () => {
    const { images } = await helper.request(SandboxesImages, { engine: 'docker' });
    assert.ok(Array.isArray(images));
    for (const name of [IMAGE, LAYERED]) {
      const id = docker('image', 'inspect', '--format', '{{.Id}}', name).replace('sha256:', '');
      const reference = name.includes(':') ? name : `${name}:latest`;
      assert.deepEqual(
        images.filter((one) => one.reference === reference),
        [{ reference, id }],
      );
    }
  });

  test('has the files that the engine’s container has, deletions included', async () => {
    const list = ['sh', '-c', 'for f in /bin/* /added /etc/kept /opaque/*; do [ -e $f ] && echo $f; done; true'];
    for (const reference of [IMAGE, LAYERED]) {
      assert.equal(await output(image(reference), ...list), `${docker('run', '--rm', reference, ...list)}\n`);
    }
    assert.doesNotMatch(await output(image(LAYERED), ...list), /\/bin\/ls$/m);
  });

  test('runs the program of the image, in its directory and environment, unless told otherwise', async () => {
    assert.equal(await output(image(LAYERED)), '/opaque\n');
    assert.match(await output(image(LAYERED), 'env'), /^FROM_IMAGE=yes$/m);
    const { spec } = await helper.request(SandboxesExplain, { spec: image(LAYERED) });
    assert.deepEqual([spec.process?.args, spec.process?.cwd], [['pwd'], '/opaque']);
  });

  test('has what is to be hidden of it hidden in whichever layer it is', async () => {
    const top = `${LAYERED}-top`;
    docker('run', '--name', top, LAYERED, 'sh', '-c', 'echo new >/top; mkdir /data; echo new >/data/file');
    docker('commit', top, top);
    docker('rm', top);
    try {
      const look = ['sh', '-c', 'for f in /added /top; do [ -s $f ] || echo hidden $f; done; echo /data/* /opaque/*'];
      for (const user of ['host', 'new'] as const) {
        const spec = { ...image(top), namespaces: { user }, maskedPaths: ['/added', '/opaque', '/top', '/data'] };
        assert.equal(await output(spec, ...look), 'hidden /added\nhidden /top\n/data/* /opaque/*\n', user);
      }
    } finally {
      docker('rmi', top);
    }
  });

  test('is not changed by what runs in it', async () => {
    await output(image(IMAGE), 'sh', '-c', 'echo changed >/added-by-sandbox; rm -rf /bin');
    assert.equal(await output(image(IMAGE), 'sh', '-c', 'echo /added-by*'), '/added-by*\n');
  });

  test('belongs to root inside in a new user namespace too, deletions included, and is not changed', async (t) => {
    const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const spec = { ...image(LAYERED), idMappings: { uidMappings: ids, gidMappings: ids } };
    const list = ['sh', '-c', 'stat -c "%n %a %u:%g" / /added /bin/* /opaque/* /etc /etc/kept; [ -e /bin/ls ] || echo deleted'];
    const storage = () => execFileSync('find', [...layersOf(LAYERED), '-printf', '%p %m %U:%G %s %C@\n'], { encoding: 'utf8' });
    const [before, descriptors] = [storage(), openDescriptors(helper)];
    const listed = await output(spec, ...list).catch((error: Error & { data?: { reason: string } }) => {
      if (error.data?.reason !== 'unsupported') throw error;
      t.skip(error.message);
    });
    if (listed === undefined) return;
    const withoutRoot = (text: string) => text.replace(/^\/ .*\n/, '');
    assert.equal(withoutRoot(listed), `${withoutRoot(docker('run', '--rm', LAYERED, ...list))}\n`);
    assert.match(listed, /^\/ 755 0:0\n/);
    const change =
      'echo >>/added; chown 7:8 /added; rm -r /opaque; mkdir /opaque; touch /opaque/new; stat -c %u:%g /added; ls /opaque';
    const asRoot = { ...spec, process: { args: ['sh', '-c', change], capabilities: ['CAP_CHOWN'] } };
    assert.equal((await helper.request(SandboxesRun, { spec: asRoot })).stdout, '7:8\nnew\n');
    assert.equal(storage(), before);
    assert.equal(await output(spec, 'cat', '/proc/self/uid_map'), '         0     100000      65536\n');
    await until(() => openDescriptors(helper) <= descriptors, 'what it opened is closed');
  });

  test('in a user namespace can keep its changes, as those of whom the ids are mapped to', async (t) => {
    const upper = fs.mkdtempSync('/var/tmp/isoscope-image-upper-');
    try {
      const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      const root = { type: 'image', image: { format: 'docker', reference: IMAGE }, upper } as const;
      const spec: SandboxSpec = { root, idMappings: { uidMappings: ids, gidMappings: ids } };
      const made = await output(spec, 'sh', '-c', 'echo kept >/kept; rm -r /bin/sh').catch(
        (error: Error & { data?: { reason: string } }) => {
          if (error.data?.reason !== 'unsupported') throw error;
          t.skip(error.message);
        },
      );
      if (made === undefined) return;
      assert.equal(fs.statSync(path.join(upper, 'upper/kept')).uid, 100_000);
      assert.equal(await output(spec, 'busybox', 'cat', '/kept'), 'kept\n');
      await assert.rejects(output(spec, '/bin/sh', '-c', 'true'), /not found/);
    } finally {
      fs.rmSync(upper, { recursive: true, force: true });
    }
  });

  test('is found by the beginning of its id, and what is not there is said', async () => {
    const id = docker('image', 'inspect', '--format', '{{.Id}}', IMAGE).replace('sha256:', '');
    assert.equal(await output(image(id.slice(0, 12)), 'echo', 'found'), 'found\n');
    await assert.rejects(output(image('no-such-image'), 'true'), /no image no-such-image/);
    for (const reference of ['../../../etc/passwd', '..', '/'])
      await assert.rejects(output(image(reference), 'true'), /no image/);
  });
});

describe('an image in a file as the root of a sandbox', { skip: SKIP }, () => {
  let daemon: Docker;
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    daemon = await startDocker();
    helper = await startHelper();
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-images-'));
    const script =
      'echo new >/added; chown 7:8 /added; chmod 4755 /added; rm /bin/ls; rm -rf /dev/shm; ln /added /hard; ln -s /added /soft';
    const name = `${SAVED}-build`;
    docker('run', '--name', name, IMAGE, 'sh', '-c', script);
    docker('commit', '--change', 'ENV FROM_IMAGE=yes', '--change', 'CMD ["cat", "/soft"]', name, SAVED);
    docker('save', '-o', path.join(folder, 'saved.tar'), SAVED, IMAGE);
    docker('export', '-o', path.join(folder, 'root.tar'), name);
    docker('rm', name);
    for (const tar of ['root.tar', 'saved.tar']) execFileSync('gzip', ['-k', path.join(folder, tar)]);
    makeLayout(path.join(folder, 'layout'));
  });
  after(async () => {
    await helper?.stop();
    docker('rmi', SAVED);
    fs.rmSync(folder, { recursive: true, force: true });
    await daemon?.[Symbol.asyncDispose]();
  });

  const file = (name: string) => path.join(folder, name);
  const ofImage = (image: SandboxImage): SandboxSpec => ({ root: { type: 'image', image } });
  const images = (): Record<string, SandboxImage> => ({
    'docker save': { format: 'dockerArchive', path: file('saved.tar'), reference: SAVED },
    'docker save, compressed': { format: 'dockerArchive', path: file('saved.tar.gz'), reference: SAVED },
    'a tar': { format: 'tar', path: file('root.tar') },
    'a compressed tar': { format: 'tar', path: file('root.tar.gz') },
    'an OCI layout': { format: 'oci', path: file('layout'), reference: 'some:tag' },
  });

  /** An OCI layout as other tools write it, of the two layers that docker save wrote, one of them compressed. */
  function makeLayout(layout: string): void {
    const unpacked = file('unpacked');
    fs.mkdirSync(unpacked);
    execFileSync('tar', ['-xf', file('saved.tar'), '-C', unpacked]);
    const [saved] = JSON.parse(fs.readFileSync(path.join(unpacked, 'manifest.json'), 'utf8')).filter(
      ({ RepoTags: tags }: { RepoTags: string[] }) => tags.includes(`${SAVED}:latest`),
    );
    fs.mkdirSync(path.join(layout, 'blobs/sha256'), { recursive: true });
    const blob = (content: Buffer) => {
      const hash = crypto.createHash('sha256').update(content).digest('hex');
      fs.writeFileSync(path.join(layout, 'blobs/sha256', hash), content);
      return { digest: `sha256:${hash}`, size: content.length };
    };
    const read = (name: string) => fs.readFileSync(path.join(unpacked, name));
    const layers = saved.Layers.map((name: string, index: number) =>
      blob(index === 0 ? zlib.gzipSync(read(name)) : zstdOr(read(name))),
    );
    const manifest = blob(Buffer.from(JSON.stringify({ schemaVersion: 2, config: blob(read(saved.Config)), layers })));
    const manifests = [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'some:tag' } }];
    fs.writeFileSync(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    fs.writeFileSync(path.join(layout, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}');
  }

  async function output(spec: SandboxSpec, ...args: string[]): Promise<string> {
    const process = args.length === 0 ? {} : { process: { args } };
    const { stdout, stderr, exit } = await helper.request(SandboxesRun, { spec: { ...spec, ...process } });
    assert.equal(exit.code, 0, stderr);
    return stdout;
  }

  test('has the files, owners, modes, links and deletions of the engine’s container', async () => {
    const list = [
      'sh',
      '-c',
      'stat -c "%n %a %u:%g %h" /added /hard; readlink /soft; cat /hard; for f in /bin/*; do echo $f; done; [ -e /dev/shm/x ]; true',
    ];
    const expected = `${docker('run', '--rm', SAVED, ...list)}\n`;
    for (const [name, image] of Object.entries(images())) assert.equal(await output(ofImage(image), ...list), expected, name);
  });

  const whole = async (fill: (into: Pack) => void): Promise<Buffer> => {
    const { default: tar } = await import('tar-stream');
    const into = tar.pack();
    fill(into);
    into.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of into) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };

  test('may have many layers', async () => {
    const numbers = Array.from({ length: 120 }, (_, number) => number);
    const layers = await Promise.all(
      numbers.map((number) =>
        whole((into) => {
          into.entry({ name: 'bin', type: 'directory', mode: 0o755 });
          if (number === 0) into.entry({ name: 'bin/busybox', mode: 0o755 }, fs.readFileSync('/bin/busybox'));
          into.entry({ name: `bin/${number}` }, String(number));
        }),
      ),
    );
    const saved = await whole((into) => {
      for (const [number, layer] of layers.entries()) into.entry({ name: `${number}.tar` }, layer);
      into.entry({ name: 'config.json' }, JSON.stringify({ rootfs: { diff_ids: [`sha256:${'0'.repeat(64)}`] } }));
      const Layers = numbers.map((number) => `${number}.tar`);
      into.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: 'config.json', RepoTags: ['x:latest'], Layers }]));
    });
    fs.writeFileSync(file('many.tar'), saved);
    const spec = ofImage({ format: 'dockerArchive', path: file('many.tar') });
    const listed = await output(spec, '/bin/busybox', 'ls', '/bin').catch((error: { data?: { reason?: string } }) => {
      // Layers are named one by one since Linux 6.8.
      assert.ok(!isAtLeast(os.release(), 6, 8) && error.data?.reason === 'unsupported', String(error));
    });
    if (listed !== undefined) assert.deepEqual(listed.trim().split('\n').sort(), [...numbers.map(String), 'busybox'].sort());
  });

  test('of docker save may have a layer twice, or as a link to that of another image', async () => {
    const layer = await whole((into) => {
      into.entry({ name: 'bin', type: 'directory', mode: 0o755 });
      into.entry({ name: 'bin/busybox', mode: 0o755 }, fs.readFileSync('/bin/busybox'));
    });
    const config = JSON.stringify({ rootfs: { diff_ids: [`sha256:${'0'.repeat(64)}`] } });
    const Layers = ['one/layer.tar', 'two/layer.tar', 'one/layer.tar'];
    const saved = await whole((into) => {
      into.entry({ name: 'two/layer.tar', type: 'symlink', linkname: '../one/layer.tar' });
      into.entry({ name: 'one/layer.tar' }, layer);
      into.entry({ name: 'config.json' }, config);
      into.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: 'config.json', RepoTags: ['x:latest'], Layers }]));
    });
    fs.writeFileSync(file('twice.tar'), saved);
    const spec = ofImage({ format: 'dockerArchive', path: file('twice.tar') });
    assert.equal(await output(spec, '/bin/busybox', 'ls', '/bin'), 'busybox\n');
  });

  test('runs the program of the image where that says one', async () => {
    for (const name of ['docker save', 'an OCI layout']) {
      assert.equal(await output(ofImage(images()[name]!)), 'new\n');
      const { spec, steps } = await helper.request(SandboxesExplain, { spec: ofImage(images()[name]!) });
      assert.equal(spec.process?.env?.FROM_IMAGE, 'yes');
      assert.ok(steps.some(({ call }) => call.includes('image/layer1:image/layer0')));
    }
  });

  test('an image that is not in it, or more than one, is said with those that are', async () => {
    const lacking = ofImage({ format: 'dockerArchive', path: file('saved.tar'), reference: 'other' });
    const hint = await helper.request(SandboxesRun, { spec: lacking }).then(
      () => '',
      (error: Error & { data?: { hint?: string } }) => error.data?.hint,
    );
    assert.match(hint ?? '', new RegExp(SAVED));
    await assert.rejects(output(ofImage({ format: 'dockerArchive', path: file('saved.tar') })), /more than one/);
    await assert.rejects(output(ofImage({ format: 'tar', path: file('layout/index.json') }), 'true'), /not a tar/);
    await assert.rejects(output(ofImage({ format: 'tar', path: file('no-such.tar') }), 'true'), /cannot be read/);
  });

  test('a hostile one writes nothing outside, and what it opens is closed', async () => {
    const outside = file('outside');
    fs.mkdirSync(outside);
    const descriptors = () => fs.readdirSync(`/proc/${helper.process.pid}/fd`).length;
    const before = descriptors();
    // Not at the top: a machine without Docker need not have it.
    const { default: tar } = await import('tar-stream');
    const hostile: [string, Pack][] = [];
    const pack = (name: string, fill: (into: Pack) => void) => {
      const into = tar.pack();
      fill(into);
      into.finalize();
      hostile.push([name, into]);
    };
    pack('up', (into) => into.entry({ name: `../../../../../..${outside}/up` }, 'x'));
    pack('through a link', (into) => {
      into.entry({ name: 'link', type: 'symlink', linkname: outside });
      into.entry({ name: 'link/through' }, 'x');
    });
    pack('over a link', (into) => {
      into.entry({ name: 'link', type: 'symlink', linkname: `${outside}/over` });
      into.entry({ name: 'link' }, 'x');
    });
    pack('a hard link', (into) => into.entry({ name: 'hard', type: 'link', linkname: '/etc/passwd' }));
    pack('deleting', (into) => into.entry({ name: '.wh...' }, ''));
    pack('compressed by nobody', (into) => into.entry({ name: 'x'.repeat(300) }, 'x'));
    pack('opaque through a link', (into) => {
      into.entry({ name: 'link', type: 'symlink', linkname: outside });
      into.entry({ name: 'link/.wh..wh..opq' }, '');
    });
    for (const [name, content] of hostile) {
      const archive = file('hostile.tar');
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(chunk as Buffer);
      fs.writeFileSync(archive, Buffer.concat(chunks));
      await helper
        .request(SandboxesRun, { spec: { ...ofImage({ format: 'tar', path: archive }), process: { args: ['/x'] } } })
        .catch(() => undefined);
      assert.deepEqual(fs.readdirSync(outside), [], name);
    }
    assert.ok(fs.existsSync('/etc/passwd'));
    // A stream that was given up is closed a moment later.
    for (const end = Date.now() + 10_000; descriptors() > before; ) {
      assert.ok(Date.now() < end, `${descriptors()} descriptors instead of ${before}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
});
