/** Names and images from the engines' own files, as recorded; and files of another shape, which tell nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { describeContainerd, namespaceOfShim, parseBundle } from '../../helper/host/engines/containerd.ts';
import { parseLayers } from '../../helper/host/engines/containersLayers.ts';
import { daemonsOf } from '../../helper/host/engines/daemons.ts';
import { parseConfig } from '../../helper/host/engines/docker.ts';
import { parseImageConfig, stepsOf } from '../../helper/host/engines/imageConfig.ts';
import { parseMachine } from '../../helper/host/engines/nspawn.ts';
import { machineOfSupervisor } from '../../helper/host/engines/nspawnSupervisor.ts';
import { parseOciProcess } from '../../helper/host/engines/ociProcess.ts';
import { parseContainers } from '../../helper/host/engines/podman.ts';
import { parseCrunBundle, parseCrunStatus, parseRuncBundle, parseRuncState } from '../../helper/host/engines/runtimes.ts';
import type { HostModel } from '../../helper/host/hostModel.ts';
import type { ProcessRecord } from '../../helper/host/processRecord.ts';

const ID = 'ea8efe9f16c0609c58ea4341b7726be2b533651cb2f166d0c359fb312e128a98';

test("Docker's config.v2.json gives the name without its slash, and the image", () => {
  const text =
    '{"StreamConfig":{},"State":{"Running":true},"Name":"/web","Config":{"Image":"busybox","Labels":{}},"Driver":"overlay2"}';
  assert.deepEqual(parseConfig(text), { name: 'web', image: 'busybox' });
});

test('a container that the kubelet started with Docker has the names of Kubernetes', () => {
  const Labels = {
    'io.kubernetes.container.name': 'app',
    'io.kubernetes.pod.name': 'shop-0',
    'io.kubernetes.pod.namespace': 'prod',
  };
  const text = JSON.stringify({ Name: '/k8s_app_shop-0_prod_1_0', Config: { Image: 'sha256:1', Labels } });
  assert.deepEqual(parseConfig(text), { name: 'app', image: 'sha256:1', pod: { name: 'shop-0', namespace: 'prod' } });
});

test("podman's containers.json gives name and image", () => {
  const metadata = '{"image-name":"localhost/img:latest","image-id":"99","name":"pod","created-at":1795486526}';
  const text = JSON.stringify([{ id: ID, names: ['pod'], image: '99', metadata, flags: { MountLabel: '' } }]);
  assert.deepEqual(parseContainers(text)?.get(ID), { name: 'pod', image: 'localhost/img:latest' });
});

test("CRI-O's entry gives the names of container and pod", () => {
  const metadata = JSON.stringify({
    'pod-name': 'k8s_shop-0_prod',
    'image-name': 'docker.io/library/nginx:1',
    name: 'k8s_app_shop-0_prod_1_0',
    'metadata-name': 'app',
    namespace: 'prod',
  });
  const text = JSON.stringify([{ id: ID, names: ['k8s_app_shop-0_prod_1_0'], metadata }]);
  const expected = { name: 'app', image: 'docker.io/library/nginx:1', pod: { name: 'k8s_shop-0_prod', namespace: 'prod' } };
  assert.deepEqual(parseContainers(text)?.get(ID), expected);
});

test("the bundle of a pod's container gives container, pod and image", () => {
  const annotations = {
    'io.kubernetes.cri.container-name': 'app',
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.image-name': 'docker.io/library/nginx:1',
    'io.kubernetes.cri.sandbox-name': 'shop-0',
    'io.kubernetes.cri.sandbox-namespace': 'prod',
  };
  assert.deepEqual(parseBundle(JSON.stringify({ ociVersion: '1.0.2', annotations }), ID), {
    name: 'app',
    image: 'docker.io/library/nginx:1',
    pod: { name: 'shop-0', namespace: 'prod' },
  });
});

test("a pod's sandbox is told from its containers", () => {
  const annotations = { 'io.kubernetes.cri.container-type': 'sandbox', 'io.kubernetes.cri.sandbox-name': 'shop-0' };
  assert.equal(parseBundle(JSON.stringify({ annotations }), ID)?.name, 'shop-0 (pod)');
});

test('a bundle without annotations gives the shortened id', () => {
  assert.deepEqual(parseBundle('{"ociVersion":"1.0.2"}', ID), { name: 'ea8efe9f16c0' });
});

test('a machine that systemd-machined knows has its root directory for an image', () => {
  const text =
    '# This is private data. Do not parse.\nNAME=debian\nSCOPE=machine-debian.scope\nROOT=/var/lib/machines/debian\nLEADER=7\n';
  assert.deepEqual(parseMachine(text, 'debian'), { name: 'debian', image: '/var/lib/machines/debian' });
});

test('systemd-nspawn names its machine by option or by the directory', () => {
  const machine = (...words: string[]) =>
    machineOfSupervisor({ pid: 9, name: 'systemd-nspawn', arguments: ['systemd-nspawn', ...words] } as ProcessRecord);
  assert.equal(machine('--machine', 'one', '-D', '/srv/two'), 'one');
  assert.equal(machine('--machine=one'), 'one');
  assert.equal(machine('-Mone', '--directory=/srv/two'), 'one');
  assert.equal(machine('-D', '/srv/two/'), 'two');
  assert.equal(machine('--image=/srv/three.raw'), 'three');
  assert.equal(machineOfSupervisor({ name: 'bash', arguments: ['bash'] } as unknown as ProcessRecord), undefined);
});

test('runc and crun tell the first process of a container', () => {
  assert.equal(parseRuncState('{"id":"a","init_process_pid":21785,"config":{}}'), 21785);
  assert.equal(parseCrunStatus('{ "pid": 4711, "cgroup-path": "/a" }'), 4711);
});

test('files of another shape, cut off or empty tell nothing', () => {
  for (const text of ['', '{', '[]', 'null', '7', '{"Name":7}', '[{"id":7}]', '{"annotations":[]}']) {
    assert.equal(parseConfig(text), undefined, text);
    assert.equal(parseRuncState(text), undefined, text);
    assert.equal(parseContainers(text)?.size ?? 0, 0, text);
  }
});

test("the layers.json of podman and buildah gives each layer's digest and the one below it", () => {
  const text =
    '[{"id":"4f95","created":"2026-11-25T13:49:48.643047093Z","compressed-diff-digest":"sha256:4f","compressed-size":2129920,"diff-digest":"sha256:4f","diff-size":2129920,"uidset":[0],"gidset":[0]},{"id":"5dde","parent":"4f95","diff-digest":"sha256:fb"},{"id":"7a70","parent":"5dde"}]';
  assert.deepEqual(
    parseLayers(text),
    new Map([
      ['4f95', { parent: undefined, digest: 'sha256:4f' }],
      ['5dde', { parent: '4f95', digest: 'sha256:fb' }],
      ['7a70', { parent: '5dde', digest: undefined }],
    ]),
  );
});

test('an image gives each layer its build step, in the words of the Dockerfile', () => {
  const text = JSON.stringify({
    rootfs: { type: 'layers', diff_ids: ['sha256:1', 'sha256:2', 'sha256:3', 'sha256:4'] },
    history: [
      { created: '2026-11-25T09:11:09.281653526Z', comment: 'Imported from -' },
      { created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
      { created_by: '/bin/sh -c apt-get update' },
      { created_by: '/bin/sh -c #(nop) COPY file:5 in / ' },
      { created_by: 'RUN /bin/sh -c make install # buildkit', comment: 'buildkit.dockerfile.v0' },
    ],
  });
  const config = parseImageConfig(text);
  assert.ok(config);
  assert.deepEqual(
    [...stepsOf(config, ['sha256:1', 'sha256:2', 'sha256:3', 'sha256:4'])],
    [
      [0, 'Imported from -'],
      [1, 'RUN apt-get update'],
      [2, 'COPY file:5 in / '],
      [3, 'RUN make install'],
    ],
  );
});

test('a history that is not of these layers names no step', () => {
  const config = { diffIds: ['sha256:1', 'sha256:2'], steps: ['RUN a', 'RUN b'] };
  assert.equal(stepsOf(config, ['sha256:1', 'sha256:9']).size, 0);
  assert.equal(stepsOf(config, ['sha256:1']).size, 0);
  assert.equal(stepsOf({ ...config, steps: ['RUN a'] }, config.diffIds).size, 0);
});

test('what is no image and no list of layers gives nothing', () => {
  for (const text of ['', '{', '[]', '{}', '{"rootfs":{"diff_ids":[1]}}', '[{"id":1}]', 'null']) {
    assert.equal(parseImageConfig(text), undefined, text);
    assert.equal(parseLayers(text)?.size ?? 0, 0, text);
  }
});

function daemon(name: string, words: string[], uid = 0): ProcessRecord {
  return { pid: 7, name, arguments: words, uid } as unknown as ProcessRecord;
}

test("containerd's tasks are looked for where every containerd that runs as root was told to keep them", (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-containerd-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const states = ['told', 'joined', 'configured', 'users'].map((name) => path.join(folder, name));
  for (const [at, state] of states.entries()) {
    const bundle = path.join(state, 'io.containerd.runtime.v2.task/k8s.io', `${at}`.padEnd(64, 'a'));
    mkdirSync(bundle, { recursive: true });
    const annotations = { 'io.kubernetes.cri.container-name': path.basename(state) };
    writeFileSync(path.join(bundle, 'config.json'), JSON.stringify({ annotations }));
  }
  const config = path.join(folder, 'config.toml');
  writeFileSync(config, `version = 2\nroot = "/x"\nstate = "${states[2]}"\n`);
  const processes = [
    daemon('containerd', ['containerd', '--state', states[0]!]),
    daemon('containerd', ['/var/lib/k0s/bin/containerd', `--state=${states[1]}`, '--address=/run/k0s/containerd.sock']),
    daemon('containerd', ['containerd', '--config', config]),
    daemon('containerd', ['containerd', '--state', states[3]!], 1000),
  ];
  const daemons = daemonsOf({ processes } as unknown as HostModel);
  const names = states.map((_, at) => describeContainerd(`${at}`.padEnd(64, 'a'), { daemons, tell: () => undefined })?.name);
  assert.deepEqual(names, ['told', 'joined', 'configured', undefined]);
});

test('whose container a shim supervises is told by the shim itself, when it is one of root and of this container', () => {
  const words = [
    '/usr/bin/containerd-shim-runc-v2',
    '-namespace',
    'moby',
    '-id',
    ID,
    '-address',
    '/run/containerd/containerd.sock',
  ];
  assert.equal(namespaceOfShim(daemon('containerd-shim', words), ID), 'moby');
  assert.equal(namespaceOfShim(daemon('containerd-shim', words), ID.replace('e', 'f')), undefined);
  assert.equal(namespaceOfShim(daemon('containerd-shim', words, 1000), ID), undefined);
  assert.equal(namespaceOfShim(daemon('bash', words), ID), undefined);
  assert.equal(namespaceOfShim(undefined, ID), undefined);
});

test('the process of a bundle has its environment, user and capabilities, and what is of another shape none', () => {
  const user = { uid: 1000, gid: 1001, additionalGids: [1001, 44], umask: 18 };
  const capabilities = { bounding: ['CAP_CHOWN', 'CAP_KILL', 'CAP_OF_THE_FUTURE'], permitted: ['CAP_KILL'] };
  const env = ['PATH=/bin', 'A=b=c', 'no value', '=x', 'EMPTY='];
  assert.deepEqual(parseOciProcess(JSON.stringify({ process: { user, capabilities, env } })), {
    environment: ['PATH=/bin', 'A=b=c', 'EMPTY='],
    user: { uid: 1000, gid: 1001, groups: [1001, 44] },
    capabilities: { bounding: 0x21n, permitted: 0x20n, effective: 0n, inheritable: 0n, ambient: 0n },
  });
  for (const wrong of [
    { uid: -1, gid: 0 },
    { uid: 2 ** 32, gid: 0 },
    { uid: 0.5, gid: 0 },
    { uid: 'root', gid: 0 },
    { uid: 0 },
  ]) {
    assert.equal(parseOciProcess(JSON.stringify({ process: { user: wrong } })), undefined);
  }
  for (const text of ['', '{', '[]', '{}', '{"process":null}']) assert.equal(parseOciProcess(text), undefined);
});

test('the state of runc and of crun leads to the bundle of a process that started then', () => {
  const runc = { id: 'a', init_process_pid: 7, init_process_start: 99, config: { labels: ['x=y', 'bundle=/srv/a=b'] } };
  assert.deepEqual(parseRuncBundle(JSON.stringify(runc)), { pid: 7, startTime: 99, path: '/srv/a=b' });
  assert.equal(parseRuncBundle(JSON.stringify({ ...runc, config: {} })), undefined);
  const crun = { pid: 7, 'process-start-time': 99, bundle: '/srv/a' };
  assert.deepEqual(parseCrunBundle(JSON.stringify(crun)), { pid: 7, startTime: 99, path: '/srv/a' });
  assert.equal(parseCrunBundle(JSON.stringify({ ...crun, 'process-start-time': undefined })), undefined);
});
