/** `layers/list`, `layers/inspect` and `layers/watch` against findmnt(8), Docker's own words, and mounts of every kind made here. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ErrorData, Reason } from '../../helper/protocol/errors.ts';
import { HostWatch } from '../../helper/protocol/host.ts';
import {
  type LayerPath,
  LayersChanged,
  LayersInspect,
  LayersList,
  LayersReadDirectory,
  LayersWatch,
  type Overlay,
  type OverlayRef,
} from '../../helper/protocol/layers.ts';
import { removeEverywhere } from '../fixtures/cgroup.ts';
import { type Docker, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, isRoot, patient, testUid, unlessLinux, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlay } from '../fixtures/mountApi.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { namespaceOfPid, startSleeper } from '../fixtures/zoo.ts';

const CHANGE_MILLIS = patient(10_000);
/** Of a dockerd that was started by hand. */
const CONTAINERD = '/var/run/docker/containerd/containerd.sock';
const REMOVE_ALL = `
ctr --address "$1" -n "$2" task kill -s KILL "$2"; until ctr --address "$1" -n "$2" task rm "$2"; do sleep 0.2; [ $((n += 1)) -gt 50 ] && break; done
ctr --address "$1" -n "$2" container rm "$2"
ctr --address "$1" -n "$2" images rm --sync $(ctr --address "$1" -n "$2" images ls -q)
ctr --address "$1" namespace rm "$2"`;
const NOBODY = 65534;

/** Processes of fuse-overlayfs that serve a mount point. */
function serversOf(mountPoint: string): number[] {
  const found = spawnSync('pgrep', ['-f', `^fuse-overlayfs .*${mountPoint}$`], { encoding: 'utf8' });
  return found.stdout.split('\n').filter(Boolean).map(Number);
}

const skipWithoutRoot = isHelperRoot ? false : 'only root mounts it, or looks into it';
const ownUid = isHelperRoot ? undefined : testUid;

interface Folder extends Disposable {
  path: string;
}

/** On a tmpfs of its own, where whatever is mounted below goes with it. */
function ownFolder(): Folder {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-layers-'));
  if (isRoot) execFileSync('mount', ['-t', 'tmpfs', 'isoscope-test', folder]);
  if (ownUid !== undefined) chownSync(folder, ownUid, ownUid);
  chmodSync(folder, 0o755);
  return {
    path: folder,
    [Symbol.dispose]: () => {
      if (isRoot) execFileSync('umount', ['--recursive', '--lazy', folder]);
      rmSync(folder, { recursive: true });
    },
  };
}

function directories(folder: string, ...names: string[]): string[] {
  const paths = names.map((name) => path.join(folder, name));
  for (const one of paths) mkdirSync(one);
  return paths;
}

function mount(options: string, target: string, cwd = '/'): void {
  execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', target], { cwd });
}

/** A small overlay, mounted in the mount namespace of the tests. */
function mountPlain(folder: string): { lower: string; upper: string; merged: string } {
  const [lower = '', upper = '', work = '', merged = ''] = directories(folder, 'lower', 'upper', 'work', 'merged');
  mount(`lowerdir=${lower},upperdir=${upper},workdir=${work}`, merged);
  return { lower, upper, merged };
}

function refOf({ mountNamespace, mountId, device, key }: Overlay): OverlayRef {
  return { mountNamespace, mountId, device, key };
}

async function overlayAt(helper: RunningHelper, mountPoint: string): Promise<Overlay> {
  const { overlays } = await helper.request(LayersList, {});
  const found = overlays.filter(
    (overlay) => overlay.mountPoint === mountPoint || overlay.alsoAt.some((place) => place.mountPoint === mountPoint),
  );
  assert.equal(found.length, 1, `${mountPoint} is listed ${found.length} times`);
  return found[0]!;
}

/** For `assert.rejects`. */
const refusal = (reason: Reason) => (error: { data?: ErrorData }) => error.data?.reason === reason;

const layerDirectories = ({ layers }: Overlay) => layers.map(({ directory }) => directory);

const readRoot = (helper: RunningHelper, overlay: OverlayRef, layer: number | 'merged') =>
  helper.request(LayersReadDirectory, { overlay, layer, path: '/' });

async function namesIn(helper: RunningHelper, overlay: OverlayRef, layer: number | 'merged'): Promise<string[]> {
  const { entries } = await readRoot(helper, overlay, layer);
  return entries.map(({ name }) => name);
}

describe('layers/list', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  test('an overlay has the id, the device and the place that findmnt shows, and its layers from the top', {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    const { lower, upper, merged } = mountPlain(folder.path);
    const overlay = await overlayAt(helper, merged);
    const [told] = JSON.parse(
      execFileSync('findmnt', ['--json', '--output', 'ID,MAJ:MIN,TARGET,FSTYPE', merged], { encoding: 'utf8' }),
    ).filesystems;
    assert.deepEqual(
      [overlay.mountId, overlay.device, overlay.mountPoint, overlay.type],
      [told.id, told['maj:min'], told.target, told.fstype],
    );
    assert.deepEqual(overlay.mountNamespace, namespaceOfPid('mnt', process.pid));
    assert.deepEqual(
      overlay.layers.map(({ index, role, directory }) => [index, role, directory]),
      [
        [0, 'readWrite', upper],
        [1, 'lower', lower],
      ],
    );
    assert.equal(overlay.readOnly, false);
    assert.equal(overlay.container, undefined);
  });

  test('every overlay that findmnt lists here is listed, once', { skip: skipWithoutRoot }, async () => {
    using folder = ownFolder();
    const { merged } = mountPlain(folder.path);
    const again = path.join(folder.path, 'again');
    mkdirSync(again);
    execFileSync('mount', ['--bind', merged, again]);
    const own = namespaceOfPid('mnt', process.pid);
    const { overlays } = await helper.request(LayersList, {});
    const text = execFileSync('findmnt', ['--list', '--noheadings', '--types', 'overlay', '--output', 'ID'], {
      encoding: 'utf8',
    });
    const ids = overlays.flatMap((overlay) =>
      [overlay, ...overlay.alsoAt].filter(({ mountNamespace }) => mountNamespace.ino === own.ino).map(({ mountId }) => mountId),
    );
    const oracle = text.trim().split(/\s+/).map(Number);
    const mine = oracle.filter((id) => ids.includes(id));
    assert.ok(mine.length >= 2);
    assert.equal(new Set(ids).size, ids.length, 'no mount is told of twice');
    const overlay = await overlayAt(helper, merged);
    const places = [overlay, ...overlay.alsoAt].filter(({ mountNamespace }) => mountNamespace.ino === own.ino);
    assert.deepEqual(places.map(({ mountPoint }) => mountPoint).sort(), [again, merged].sort());
  });

  test('colons, commas, spaces, newlines and backslashes in paths lead to the directories', {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    const names = ['a:b', 'c d', 'e\nf', 'g\\h', 'ü<b>'];
    const paths = directories(folder.path, ...names);
    for (const [index, one] of paths.entries()) writeFileSync(path.join(one, `in${index}`), '');
    const [merged = ''] = directories(folder.path, 'merged at');
    mount(`lowerdir=${paths.map((one) => one.replaceAll(/[\\:]/g, '\\$&')).join(':')}`, merged);
    const overlay = await overlayAt(helper, merged);
    assert.deepEqual(layerDirectories(overlay), paths);
    for (const index of names.keys()) assert.deepEqual(await namesIn(helper, refOf(overlay), index), [`in${index}`]);
    assert.equal(overlay.readOnly, true);
  });

  test("relative paths are found from the folder that Docker's links begin in, and what the option has is told too", {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    const [home = ''] = directories(folder.path, 'overlay2');
    const [, one = '', two = ''] = directories(home, 'l', 'one', 'two');
    const [upper = '', work = '', merged = ''] = directories(one, 'diff', 'work', 'merged');
    const [lower = ''] = directories(two, 'diff');
    symlinkSync('../two/diff', path.join(home, 'l/ABC'));
    mount('lowerdir=l/ABC,upperdir=one/diff,workdir=one/work', merged, home);
    const overlay = await overlayAt(helper, merged);
    assert.deepEqual(layerDirectories(overlay), [upper, lower]);
    assert.deepEqual(
      overlay.layers.map(({ given }) => given),
      ['one/diff', 'l/ABC'],
    );
    assert.equal(overlay.workDirectory, work);
  });

  test('a mount that only another mount namespace has is found there, with its directories of that one', {
    skip: skipWithoutRoot,
  }, async (t) => {
    using folder = ownFolder();
    const [own = ''] = directories(folder.path, 'own');
    const script = `mount -t tmpfs t ${own} && cd ${own} && mkdir low up work merged && echo x > low/only-there &&
      mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay ${own}/merged && exec "$@"`;
    const specimen = await startSleeper(['unshare', '--mount', 'sh', '-c', script, 'sh']);
    t.after(specimen.stop);
    const overlay = await overlayAt(helper, path.join(own, 'merged'));
    const there = namespaceOfPid('mnt', specimen.pid);
    assert.deepEqual(overlay.mountNamespace, there);
    assert.deepEqual(layerDirectories(overlay), [path.join(own, 'up'), path.join(own, 'low')]);
    assert.deepEqual(overlay.layers[1]?.mountNamespace, there);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 1), ['only-there']);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 'merged'), ['only-there']);
  });

  test("an overlay of an ordinary user's own user namespace is found with its option", {
    skip: unlessLinux('5.11'),
  }, async (t) => {
    using folder = ownFolder();
    const script = `cd ${folder.path} && mkdir low up work merged && echo x > low/file &&
      mount -t overlay -o lowerdir=low,upperdir=up,workdir=work,userxattr overlay ${folder.path}/merged && exec "$@"`;
    const uid = isRoot ? (ownUid ?? 1000) : undefined;
    if (uid !== undefined) chownSync(folder.path, uid, uid);
    const specimen = await startSleeper(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh'], { uid });
    t.after(specimen.stop);
    const overlay = await overlayAt(helper, path.join(folder.path, 'merged'));
    assert.ok(overlay.options.includes('userxattr'), overlay.options.join());
    assert.deepEqual(await namesIn(helper, refOf(overlay), 1), ['file']);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 'merged'), ['file']);
  });

  test('128 lower layers are told in their order', { skip: skipWithoutRoot }, async () => {
    using folder = ownFolder();
    const paths = directories(folder.path, ...Array.from({ length: 128 }, (_, at) => `${at}`));
    const [merged = ''] = directories(folder.path, 'merged');
    mount(`lowerdir=${paths.map((one) => path.basename(one)).join(':')}`, merged, folder.path);
    assert.deepEqual(layerDirectories(await overlayAt(helper, merged)), paths);
  });

  test('500 lower layers of the new mount API are told in their order, a data-only one too', {
    skip: skipWithoutRoot,
  }, async (t) => {
    using folder = ownFolder();
    const paths = directories(folder.path, ...Array.from({ length: 499 }, (_, at) => `a layer: ${at}`));
    const [data = '', merged = ''] = directories(folder.path, 'data', 'merged');
    const layers = paths.map((one) => ['lowerdir+', one] as const);
    if (!mountOverlay(merged, [...layers, ['datadir+', data], ['metacopy', 'on']])) {
      t.skip('this kernel has no lowerdir+');
      return;
    }
    const overlay = await overlayAt(helper, merged);
    assert.deepEqual(layerDirectories(overlay), [...paths, data]);
    assert.deepEqual([overlay.layers[498]?.role, overlay.layers[499]?.role], ['lower', 'data']);
  });

  test('layers that two overlays share name each other, by the directory and not by its path', {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    const [common = '', alias = '', one = '', two = ''] = directories(folder.path, 'common', 'alias', 'one', 'two');
    const [lower = ''] = directories(folder.path, 'lower');
    execFileSync('mount', ['--bind', common, alias]);
    mount(`lowerdir=${lower}:${common}`, one);
    mount(`lowerdir=${alias}:${one}`, two);
    const [first, second] = [await overlayAt(helper, one), await overlayAt(helper, two)];
    assert.deepEqual(
      first.layers.map(({ sharedWith }) => sharedWith),
      [[], [second.key]],
    );
    assert.deepEqual(
      second.layers.map(({ sharedWith }) => sharedWith),
      [[first.key], []],
    );
  });

  test('a layer that was deleted, or has another directory in its place, is not looked into', {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    const { lower, upper, merged } = mountPlain(folder.path);
    const known = await overlayAt(helper, merged);
    // Swapped after it was listed.
    renameSync(lower, `${lower}-away`);
    mkdirSync(lower);
    writeFileSync(path.join(lower, 'secret'), '');
    assert.equal((await readRoot(helper, refOf(known), 1)).incomplete?.unknown, 'notFound');
    assert.deepEqual(await namesIn(helper, refOf(known), 1), []);
    rmSync(lower, { recursive: true });
    const unreadable = async () => (await overlayAt(helper, merged)).layers.map((layer) => layer.unreadable?.unknown);
    assert.deepEqual(await unreadable(), [undefined, 'gone']);
    renameSync(`${lower}-away`, lower);
    // Swapped before it is listed.
    renameSync(upper, `${upper}-away`);
    mkdirSync(upper);
    writeFileSync(path.join(upper, 'secret'), '');
    assert.deepEqual(await unreadable(), ['gone', undefined]);
    assert.deepEqual(await namesIn(helper, refOf(known), 0), []);
  });

  test('what is no longer mounted is gone, even when its numbers are given to another', { skip: skipWithoutRoot }, async () => {
    using folder = ownFolder();
    const { lower, upper, merged } = mountPlain(folder.path);
    const before = await overlayAt(helper, merged);
    execFileSync('umount', [merged]);
    mount(`lowerdir=${upper}:${lower}`, merged);
    const gone = refusal('gone');
    const reused = await overlayAt(helper, merged);
    assert.notEqual(reused.key, before.key);
    await assert.rejects(namesIn(helper, refOf(before), 0), gone);
    execFileSync('umount', [merged]);
    await assert.rejects(helper.request(LayersInspect, { overlay: refOf(before) }), gone);
    await assert.rejects(namesIn(helper, refOf(before), 0), gone);
  });

  test('a mount of fuse-overlayfs has the layers that its process was told', {
    skip: skipWithoutRoot || unlessRootHas('fuse-overlayfs'),
  }, async () => {
    using folder = ownFolder();
    const [lower = '', upper = '', work = '', merged = ''] = directories(folder.path, 'low er', 'upper', 'work', 'merged');
    writeFileSync(path.join(lower, 'file'), '');
    execFileSync('fuse-overlayfs', ['-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, merged]);
    const overlay = await overlayAt(helper, merged);
    assert.equal(overlay.type, 'fuse.fuse-overlayfs');
    assert.deepEqual(layerDirectories(overlay), [upper, lower]);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 1), ['file']);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 'merged'), ['file']);
    execFileSync('umount', [merged]);
  });

  test('fuse-overlayfs that an ordinary user mounted in a user namespace has its layers; one that nothing tells of is not empty', {
    skip: skipWithoutRoot || unlessRootHas('fuse-overlayfs', 'setpriv'),
  }, async () => {
    using folder = ownFolder();
    const own = directories(folder.path, 'lower', 'upper', 'work', 'merged');
    const [lower = '', upper = '', work = '', merged = ''] = own;
    writeFileSync(path.join(lower, 'file'), '');
    for (const one of own) chownSync(one, NOBODY, NOBODY);
    const device = path.join(folder.path, 'fuse');
    const mounted = `fuse-overlayfs -o lowerdir=${lower},upperdir=${upper},workdir=${work} ${merged} && exec "$@"`;
    const script = `mknod ${device} c 10 229 && chmod 666 ${device} && mount --bind ${device} /dev/fuse &&
      exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups unshare --user --map-root-user --mount sh -c "$0" sh "$@"`;
    const specimen = await startSleeper(['unshare', '--mount', 'sh', '-c', script, mounted]);
    try {
      const overlay = await overlayAt(helper, merged);
      assert.deepEqual(layerDirectories(overlay), [upper, lower]);
      assert.ok(overlay.options.includes(`user_id=${NOBODY}`), overlay.options.join());
      assert.deepEqual(await namesIn(helper, refOf(overlay), 'merged'), ['file']);
      for (const server of serversOf(merged)) process.kill(server, 'SIGKILL');
      const untold = await untilAnswer(
        'nothing tells of the layers',
        () => overlayAt(helper, merged),
        ({ layers }) => layers.length === 0,
      );
      assert.deepEqual(untold.unknownLayers, { unknown: 'unsupported' });
      await assert.rejects(namesIn(helper, refOf(untold), 'merged'), refusal('unsupported'));
    } finally {
      await specimen.stop();
    }
  });

  test('a mount namespace that no process is in is read too, and its layers are opened', {
    skip: skipWithoutRoot,
  }, async () => {
    using folder = ownFolder();
    execFileSync('mount', ['--make-private', folder.path]);
    const [own = ''] = directories(folder.path, 'own');
    const file = path.join(folder.path, 'namespace');
    writeFileSync(file, '');
    const script = `mount -t tmpfs t ${own} && cd ${own} && mkdir low merged && echo x > low/kept && mkdir top &&
      mount -t overlay -o lowerdir=top:low overlay ${own}/merged && exec "$@"`;
    const specimen = await startSleeper(['unshare', '--mount', 'sh', '-c', script, 'sh']);
    execFileSync('mount', ['--bind', `/proc/${specimen.pid}/ns/mnt`, file]);
    const there = namespaceOfPid('mnt', specimen.pid);
    await specimen.stop();
    const overlay = await overlayAt(helper, path.join(own, 'merged'));
    assert.deepEqual(overlay.mountNamespace, there);
    assert.deepEqual(await namesIn(helper, refOf(overlay), 1), ['kept']);
  });

  test('mounting one is told of', { skip: skipWithoutRoot }, async () => {
    using folder = ownFolder();
    await helper.request(HostWatch, { parts: ['mounts'] });
    const told = helper.changed(['mounts'], CHANGE_MILLIS);
    mountPlain(folder.path);
    await told;
    await helper.request(HostWatch, { parts: [] });
  });

  test('requests of another shape are refused', async () => {
    const overlay = { mountNamespace: namespaceOfPid('mnt', process.pid), mountId: 1, device: '0:x' };
    await assert.rejects(helper.request(LayersInspect, { overlay }), refusal('invalid'));
    const directory = { overlay: { ...overlay, device: '0:1' }, layer: 0, path: '/../etc' };
    await assert.rejects(helper.request(LayersWatch, { subscription: 'test', directories: [directory] }), refusal('invalid'));
  });
});

describe('layers/watch', { skip: skipWithoutRoot }, () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  /** Resolves when `path` of the watch is told of. */
  function toldOf(directory: LayerPath): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${directory.path} is not told of`)), CHANGE_MILLIS);
      const listener = helper.connection.onNotification(LayersChanged, ({ directories: changed }) => {
        if (!changed.some(({ path: one, layer }) => one === directory.path && layer === directory.layer)) return;
        clearTimeout(timer);
        listener.dispose();
        resolve();
      });
    });
  }

  test('names that come and go, and content that changes, are told of', async () => {
    using folder = ownFolder();
    const { lower, merged } = mountPlain(folder.path);
    writeFileSync(path.join(lower, 'old'), 'x');
    execFileSync('mount', ['-o', 'remount', merged]);
    const directory: LayerPath = { overlay: refOf(await overlayAt(helper, merged)), layer: 0, path: '/' };
    assert.deepEqual(await helper.request(LayersWatch, { subscription: 'a', directories: [directory] }), { complete: true });
    for (const change of [
      () => writeFileSync(path.join(merged, 'new'), ''),
      () => appendFileSync(path.join(merged, 'new'), 'more'),
      () => rmSync(path.join(merged, 'old')),
      () => chmodSync(path.join(merged, 'new'), 0o600),
    ]) {
      const told = toldOf(directory);
      change();
      await told;
    }
    await helper.request(LayersWatch, { subscription: 'a', directories: [] });
  });

  test('a directory that the layer does not have yet is told of when it comes, and then what is in it', async () => {
    using folder = ownFolder();
    const { lower, merged } = mountPlain(folder.path);
    mkdirSync(path.join(lower, 'etc'));
    execFileSync('umount', [merged]);
    const options = ['lower', 'upper', 'work'].map((name) => `${name}dir=${path.join(folder.path, name)}`);
    mount(options.join(','), merged);
    const directory: LayerPath = { overlay: refOf(await overlayAt(helper, merged)), layer: 0, path: '/etc/a/b' };
    await helper.request(LayersWatch, { subscription: 'b', directories: [directory] });
    for (const change of [
      () => mkdirSync(path.join(merged, 'etc/a/b'), { recursive: true }),
      () => writeFileSync(path.join(merged, 'etc/a/b/c'), ''),
      () => rmSync(path.join(merged, 'etc/a'), { recursive: true }),
      () => mkdirSync(path.join(merged, 'etc/a/b'), { recursive: true }),
    ]) {
      const told = toldOf(directory);
      change();
      await told;
    }
    await helper.request(LayersWatch, { subscription: 'b', directories: [] });
  });

  test('a recursive watch tells of what changes below, also in directories that came later', async () => {
    using folder = ownFolder();
    const { merged } = mountPlain(folder.path);
    const directory: LayerPath = { overlay: refOf(await overlayAt(helper, merged)), layer: 0, path: '/' };
    await helper.request(LayersWatch, { subscription: 'c', directories: [{ ...directory, recursive: true }] });
    let told = toldOf(directory);
    mkdirSync(path.join(merged, 'x/y'), { recursive: true });
    await told;
    // Asking again after the news was gathered: only the deep directory is touched now.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      told = toldOf(directory);
      writeFileSync(path.join(merged, `x/y/file${attempt}`), '');
      await told;
    }
    await helper.request(LayersWatch, { subscription: 'c', directories: [] });
  });
});

describe("Docker's layers", { skip: unlessRootHas('docker', 'dockerd', 'busybox') }, () => {
  const STEPS = 5;
  const NAME = 'isoscope-layers';
  let daemon: Docker;
  let helper: RunningHelper;
  before(async () => {
    daemon = await startDocker();
    for (let step = 1; step <= STEPS; step += 1) {
      const image = step === 1 ? IMAGE : `${NAME}:${step - 1}`;
      using container = daemon.run(`${NAME}-build`, ['sh', '-c', `echo ${step} > /step${step}`], [], image);
      docker('wait', container.name);
      docker('commit', container.name, `${NAME}:${step}`);
    }
    helper = await startHelper();
  });
  after(async () => {
    await helper?.stop();
    for (let step = STEPS; step >= 1; step -= 1) docker('image', 'rm', `${NAME}:${step}`);
    await daemon?.[Symbol.asyncDispose]();
  });

  const inspect = (name: string, format: string) => JSON.parse(docker('inspect', '--format', `{{json ${format}}}`, name));

  test('have the directories, the digests and the build steps that Docker tells', { skip: skipWithoutRoot }, async () => {
    using container = daemon.run(`${NAME}-1`, undefined, [], `${NAME}:${STEPS}`);
    const { LowerDir, UpperDir, MergedDir, WorkDir } = inspect(container.name, '.GraphDriver.Data');
    const overlay = await overlayAt(helper, MergedDir);
    assert.deepEqual(layerDirectories(overlay), [UpperDir, ...LowerDir.split(':')]);
    assert.equal(overlay.workDirectory, WorkDir);
    assert.deepEqual(
      overlay.layers.map(({ role }) => role),
      ['readWrite', 'init', ...Array.from({ length: STEPS + 1 }, () => 'image')],
    );
    const digests = inspect(`${NAME}:${STEPS}`, '.RootFS.Layers') as string[];
    assert.deepEqual(
      overlay.layers.slice(2).map(({ digest }) => digest),
      digests.toReversed(),
    );
    const history = docker('history', '--no-trunc', '--format', '{{.CreatedBy}}', `${NAME}:${STEPS}`).split('\n');
    assert.deepEqual(
      overlay.layers.slice(2, 2 + STEPS).map(({ createdBy }) => createdBy),
      history.slice(0, STEPS),
    );
    assert.equal(overlay.image, `${NAME}:${STEPS}`);
  });

  test('are those of the container whose root they are, and are shared with others of the image', {
    skip: skipWithoutRoot,
  }, async () => {
    using first = daemon.run(`${NAME}-1`, undefined, [], `${NAME}:${STEPS}`);
    using second = daemon.run(`${NAME}-2`, undefined, [], `${NAME}:${STEPS}`);
    const { overlays } = await helper.request(LayersList, {});
    const rootOf = (id: string) => overlays.find(({ container, isRoot }) => isRoot && container === `docker:${id}`);
    const [one, two] = [rootOf(first.id), rootOf(second.id)];
    assert.ok(one && two);
    assert.deepEqual([one.mountPoint, one.mountNamespace], ['/', namespaceOfPid('mnt', first.pid)]);
    assert.deepEqual(
      one.layers.map(({ sharedWith }) => sharedWith.includes(two.key)),
      one.layers.map(({ role }) => role === 'image'),
    );
    execFileSync('nsenter', ['-t', String(first.pid), '-m', 'touch', '/made-inside']);
    assert.ok((await namesIn(helper, refOf(one), 0)).includes('made-inside'));
    assert.ok((await namesIn(helper, refOf(one), 'merged')).includes('made-inside'));
  });

  test("of which buildah has a copy in its own storage are named by that storage's files", {
    skip: skipWithoutRoot || unlessRootHas('buildah'),
  }, async () => {
    using folder = ownFolder();
    const buildah = (...args: string[]) =>
      execFileSync(
        'buildah',
        [
          '--root',
          path.join(folder.path, 'root'),
          '--runroot',
          path.join(folder.path, 'run'),
          '--storage-driver',
          'overlay',
          ...args,
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      ).trim();
    const container = buildah('from', `docker-daemon:${NAME}:${STEPS}`);
    const overlay = await overlayAt(helper, buildah('mount', container));
    const digests = inspect(`${NAME}:${STEPS}`, '.RootFS.Layers') as string[];
    assert.deepEqual(
      overlay.layers.map(({ digest }) => digest),
      [undefined, ...digests.toReversed()],
    );
    assert.match(overlay.layers[1]?.createdBy ?? '', /echo 5 > /);
    assert.equal(overlay.image, `docker.io/library/${NAME}:${STEPS}`);
  });

  test("of which Docker's containerd has a copy are named by containerd's databases", {
    skip: skipWithoutRoot || unlessRootHas('ctr'),
  }, async (t) => {
    // Known only now that the daemon runs.
    if (!existsSync(CONTAINERD)) return t.skip("Docker's containerd is another one");
    const ctr = (...args: string[]) =>
      execFileSync('ctr', ['--address', CONTAINERD, '--namespace', NAME, ...args], { stdio: 'ignore' });
    using folder = ownFolder();
    const archive = path.join(folder.path, 'image.tar');
    docker('save', '--output', archive, `${NAME}:${STEPS}`);
    const image = `docker.io/library/${NAME}:${STEPS}`;
    ctr('images', 'import', '--snapshotter', 'overlayfs', archive);
    t.after(() => {
      execFileSync('sh', ['-c', REMOVE_ALL, 'sh', CONTAINERD, NAME], { stdio: 'ignore' });
      // It is called after containerd's namespace, and left.
      removeEverywhere(NAME);
    });
    ctr('run', '--detach', '--snapshotter', 'overlayfs', image, NAME, 'sleep', '1000');
    const { overlays } = await helper.request(LayersList, {});
    const overlay = overlays.find((one) => one.image === image && one.workDirectory?.includes('io.containerd'));
    assert.ok(overlay, 'it is not listed with its image');
    const digests = inspect(`${NAME}:${STEPS}`, '.RootFS.Layers') as string[];
    assert.deepEqual(
      overlay.layers.map(({ role, digest }) => [role, digest]),
      [['readWrite', undefined], ...digests.toReversed().map((digest) => ['image', digest])],
    );
    assert.match(overlay.layers[1]?.createdBy ?? '', /echo 5 > /);
  });

  test('that may not be looked into are unknown, not empty', {
    skip: isHelperRoot && 'the helper is root here',
  }, async () => {
    using container = daemon.run(`${NAME}-1`, undefined, [], `${NAME}:${STEPS}`);
    const { MergedDir } = inspect(container.name, '.GraphDriver.Data');
    const overlay = await overlayAt(helper, MergedDir);
    assert.equal(overlay.layers.length, STEPS + 3);
    assert.ok((await helper.request(LayersList, {})).unreadable.count > 0);
    assert.deepEqual(new Set(overlay.layers.map(({ unreadable }) => unreadable?.unknown)), new Set(['permission']));
    assert.equal((await readRoot(helper, refOf(overlay), 0)).incomplete?.unknown, 'permission');
  });
});
