/** Marks that are not made by changing files of an overlay: those of fuse-overlayfs and aufs, of image builders, and of data-only layers. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type LayerExportNote,
  LayersChanges,
  LayersExport,
  LayersExportRead,
  LayersList,
  LayersProvenance,
  LayersReadDirectory,
  LayersReadFile,
  LayersStat,
  type OverlayRef,
} from '../../helper/protocol/layers.ts';
import { inGuest, isHelperRoot, isRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mountOverlay } from '../fixtures/mountApi.ts';
import { mulberry32, type Random } from '../fixtures/random.ts';
import { setAttribute } from '../fixtures/xattr.ts';

const skip = (!isRoot && 'only root can mount an overlay') || (!isHelperRoot && 'the helper may not read these layers');
/** The guest is emulated, and slow. */
const STACKS = inGuest ? 3 : 25;
const NAMES = ['a', 'b', 'c', 'd'];

describe('marks', { skip }, () => {
  let helper: RunningHelper;
  let folder: string;
  let merged: string;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  /** Directories on the disk of the machine: before Linux 6.6 a tmpfs has no `user.*` attributes. */
  function inFolder(...names: string[]): string[] & Disposable {
    folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'isoscope-marks-')));
    merged = path.join(folder, 'merged');
    fs.mkdirSync(merged);
    const paths = names.map((name) => path.join(folder, name));
    for (const one of paths) fs.mkdirSync(one);
    const dispose = () => {
      execFileSync('sh', ['-c', `umount -l "$1" 2>/dev/null; rm -r "$2"`, 'sh', merged, folder]);
    };
    return Object.assign(paths, { [Symbol.dispose]: dispose });
  }

  async function mounted(): Promise<OverlayRef> {
    const { overlays } = await helper.request(LayersList, {});
    const found = overlays.find(({ mountPoint }) => mountPoint === merged);
    assert.ok(found !== undefined, `${merged} is listed`);
    const { mountNamespace, mountId, device, key } = found;
    return { mountNamespace, mountId, device, key };
  }

  const text = async (overlay: OverlayRef, layer: number | 'merged', file: string) =>
    Buffer.from((await helper.request(LayersReadFile, { overlay, layer, path: file })).base64, 'base64').toString();

  /** All that is seen, by path: the content of files, and `/` for directories. */
  async function mergedView(overlay: OverlayRef, at = ''): Promise<[string, string][]> {
    const { entries, incomplete } = await helper.request(LayersReadDirectory, { overlay, layer: 'merged', path: at || '/' });
    assert.equal(incomplete, undefined);
    const found: [string, string][] = [];
    for (const { name, type } of entries) {
      const place = `${at}/${name}`;
      if (type === 'directory') found.push([place, '/'], ...(await mergedView(overlay, place)));
      else found.push([place, await text(overlay, 'merged', place)]);
    }
    return found;
  }

  test('of fuse-overlayfs and aufs mean what fuse-overlayfs makes of them', {
    skip: unlessRootHas('fuse-overlayfs'),
  }, async (t) => {
    const first = Number(process.env.ISOSCOPE_SEED ?? Math.floor(Math.random() * 1e9));
    const count = process.env.ISOSCOPE_SEED === undefined ? STACKS : 1;
    const marks = { whiteouts: 0, opaque: 0 };
    const enough = () => marks.whiteouts > count && marks.opaque > count;
    // A few stacks may by chance have too few marks to tell anything: then there are more.
    const more = (made: number) => made < count || (count > 1 && !enough() && made < 10 * count);
    for (let seed = first; more(seed - first); seed += 1) {
      const random = mulberry32(seed);
      using layers = inFolder('upper', 'middle', 'lowest');
      const [upper = '', ...lower] = layers;
      for (const layer of layers) fill(layer, path.basename(layer), random, 0, marks);
      const work = path.join(folder, 'work');
      fs.mkdirSync(work);
      execFileSync('fuse-overlayfs', ['-o', `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`, merged]);
      const overlay = await mounted();
      const seen = viewOf(merged);
      assert.deepEqual(await mergedView(overlay), seen, `ISOSCOPE_SEED=${seed} repeats this`);
      // Not by looking a name up: fuse-overlayfs finds some that it does not list, below directories that an attribute makes opaque.
      const listed = new Set(seen.map(([place]) => place));
      const all = new Set([...listed, ...NAMES.flatMap((one) => NAMES.map((two) => `/${one}/${two}`))]);
      for (const place of all) {
        const { exists } = await helper.request(LayersProvenance, { overlay, path: place });
        assert.equal(exists, listed.has(place), `${place} with ISOSCOPE_SEED=${seed}`);
      }
    }
    t.diagnostic(`${marks.whiteouts} whiteouts and ${marks.opaque} opaque directories, from seed ${first}`);
    assert.ok(count === 1 || enough());
  });

  test('of files are shown as what they do, and not as files', { skip: unlessRootHas('fuse-overlayfs') }, async () => {
    using layers = inFolder('upper', 'lower', 'work');
    const [upper = '', lower = '', work = ''] = layers;
    for (const name of ['gone', 'kept', 'dir/old', 'dir/older']) writeFile(path.join(lower, name), 'below');
    for (const name of ['.wh.gone', 'dir/.wh..wh..opq', 'dir/new']) writeFile(path.join(upper, name), '');
    execFileSync('fuse-overlayfs', ['-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, merged]);
    const overlay = await mounted();
    const { entries } = await helper.request(LayersReadDirectory, { overlay, layer: 0, path: '/' });
    assert.deepEqual(
      entries.map(({ name, type, marks }) => [name, type, marks]),
      [
        ['dir', 'directory', ['opaque']],
        ['gone', 'whiteout', ['deleted']],
      ],
    );
    const { changes } = await helper.request(LayersChanges, { overlay });
    assert.deepEqual(
      changes.map(({ change, path: place }) => `${change} ${place}`),
      ['modified /dir', 'added /dir/new', 'deleted /dir/old', 'deleted /dir/older', 'deleted /gone'],
    );
    const { layers: words } = await helper.request(LayersProvenance, { overlay, path: '/gone' });
    assert.deepEqual(
      words.map(({ has }) => has),
      ['whiteout', 'hidden'],
    );
    assert.deepEqual(await archivedNames(overlay), ['.wh.gone', 'dir/', 'dir/.wh..wh..opq', 'dir/new']);
  });

  async function archive(
    overlay: OverlayRef,
    layer: number | 'merged',
    place = '/',
  ): Promise<{ bytes: Buffer; notes: LayerExportNote[] | undefined }> {
    const { id } = await helper.request(LayersExport, { overlay, layer, path: place });
    const pieces: Buffer[] = [];
    for (;;) {
      const piece = await helper.request(LayersExportRead, { id });
      pieces.push(Buffer.from(piece.base64, 'base64'));
      if (piece.done) return { bytes: Buffer.concat(pieces), notes: piece.notes };
    }
  }

  const namesIn = (bytes: Buffer) =>
    execFileSync('tar', ['-tf', '-'], { input: bytes, encoding: 'utf8' }).trim().split('\n').sort();

  async function archivedNames(overlay: OverlayRef): Promise<string[]> {
    return namesIn((await archive(overlay, 0)).bytes);
  }

  test('are never made by an export of files that are called like them: it leaves them out, or keeps them, and says so', async () => {
    using layers = inFolder('upper', 'lower', 'work');
    const [upper = '', lower = '', work = ''] = layers;
    for (const name of ['foo', 'd/x', 'deleted', '.wh.below', '.wh..opq']) writeFile(path.join(lower, name), 'below');
    execFileSync('mount', [
      ...['-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`],
      ...['overlay', merged],
    ]);
    fs.rmSync(path.join(merged, 'deleted'));
    // What was deleted of that name no layer of an image had; and the second whiteout would read as "everything is deleted".
    for (const name of ['.wh.below', '.wh..opq']) fs.rmSync(path.join(merged, name));
    writeFile(path.join(merged, '.wh.foo'), 'a file');
    fs.linkSync(path.join(merged, '.wh.foo'), path.join(merged, 'linked'));
    writeFile(path.join(merged, 'd/.wh..wh..opq'), 'a file, too');
    writeFile(path.join(merged, '.wh.d/inside'), 'deep');
    const overlay = await mounted();

    const layer = await archive(overlay, 0);
    assert.deepEqual(namesIn(layer.bytes), ['.wh.deleted', 'd/', 'linked']);
    assert.deepEqual(layer.notes, [{ what: 'deletionName', count: 3, paths: ['/.wh.d', '/.wh.foo', '/d/.wh..wh..opq'] }]);
    assert.equal(execFileSync('tar', ['-xOf', '-', 'linked'], { input: layer.bytes, encoding: 'utf8' }), 'a file');
    await assert.rejects(archive(overlay, 0, '/.wh.d/inside'), /its name means a deletion/);

    const whole = await archive(overlay, 'merged');
    assert.deepEqual(
      namesIn(whole.bytes),
      execFileSync('sh', ['-c', 'find . -mindepth 1 -type d -printf "%P/\\n" -o -mindepth 1 -printf "%P\\n"'], {
        cwd: merged,
        encoding: 'utf8',
      })
        .trim()
        .split('\n')
        .sort(),
    );
    assert.deepEqual(whole.notes, [{ what: 'keptName', count: 3, paths: ['/.wh.d', '/.wh.foo', '/d/.wh..wh..opq'] }]);
  });

  test('are not needed for sockets, of which an archive has none and its notes tell', async () => {
    using layers = inFolder('upper', 'lower', 'work');
    const [upper = '', lower = '', work = ''] = layers;
    execFileSync('mount', [
      ...['-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`],
      ...['overlay', merged],
    ]);
    fs.mkdirSync(path.join(merged, 'run'));
    const server = net.createServer().listen(path.join(merged, 'run/socket'));
    try {
      await once(server, 'listening');
      const { bytes, notes } = await archive(await mounted(), 0);
      assert.deepEqual([namesIn(bytes), notes], [['run/'], [{ what: 'socket', count: 1, paths: ['/run/socket'] }]]);
    } finally {
      server.close();
    }
  });

  test('that are attributes of empty files count in a directory that is marked to have such, as the kernel says', async (t) => {
    using layers = inFolder('middle', 'lowest');
    const [middle = '', lowest = ''] = layers;
    for (const name of ['marked/gone', 'marked/kept', 'marked/empty', 'plain/kept'])
      writeFile(path.join(lowest, name), 'below');
    for (const name of ['marked/gone', 'marked/empty', 'marked/own']) writeFile(path.join(middle, name), '');
    setAttribute(path.join(middle, 'marked'), 'trusted.overlay.opaque', 'x');
    setAttribute(path.join(middle, 'marked/gone'), 'trusted.overlay.whiteout', '');
    execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${middle}:${lowest}`, 'overlay', merged]);
    const overlay = await mounted();
    t.diagnostic(fs.existsSync(path.join(merged, 'marked/gone')) ? 'not before Linux 6.7' : 'known to this kernel');
    assert.deepEqual(await mergedView(overlay), viewOf(merged));
    for (const name of ['gone', 'kept', 'empty', 'own', 'never']) {
      const { exists } = await helper.request(LayersProvenance, { overlay, path: `/marked/${name}` });
      assert.equal(exists, fs.existsSync(path.join(merged, 'marked', name)), name);
    }
    const { changes } = await helper.request(LayersChanges, { overlay });
    const isGone = !fs.existsSync(path.join(merged, 'marked/gone'));
    assert.deepEqual(
      changes.map(({ change, path: place }) => `${change} ${place}`),
      ['modified /marked', 'modified /marked/empty', `${isGone ? 'deleted' : 'modified'} /marked/gone`, 'added /marked/own'],
    );
  });

  test('that are attributes of empty files count in the layer’s own directory, too', async () => {
    using layers = inFolder('middle', 'lowest');
    const [middle = '', lowest = ''] = layers;
    for (const name of ['gone', 'kept', 'empty']) writeFile(path.join(lowest, name), 'below');
    for (const name of ['gone', 'empty']) writeFile(path.join(middle, name), '');
    setAttribute(middle, 'trusted.overlay.opaque', 'x');
    setAttribute(path.join(middle, 'gone'), 'trusted.overlay.whiteout', '');
    execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${middle}:${lowest}`, 'overlay', merged]);
    const overlay = await mounted();
    assert.deepEqual(await mergedView(overlay), viewOf(merged));
    const isGone = !fs.existsSync(path.join(merged, 'gone'));
    for (const name of ['gone', 'kept', 'empty']) {
      const { exists } = await helper.request(LayersProvenance, { overlay, path: `/${name}` });
      assert.equal(exists, fs.existsSync(path.join(merged, name)), name);
    }
    const { changes } = await helper.request(LayersChanges, { overlay });
    assert.deepEqual(
      changes.map(({ change, path: place }) => `${change} ${place}`),
      ['modified /empty', `${isGone ? 'deleted' : 'modified'} /gone`],
    );
  });

  test('that lead to a data-only layer give its content', async (t) => {
    using layers = inFolder('upper', 'lower', 'data', 'work');
    const [upper = '', lower = '', data = '', work = ''] = layers;
    writeFile(path.join(data, 'objects/12'), 'the content\n');
    writeFile(path.join(lower, 'dir/file'), '');
    fs.truncateSync(path.join(lower, 'dir/file'), 12);
    setAttribute(path.join(lower, 'dir/file'), 'trusted.overlay.metacopy', '');
    setAttribute(path.join(lower, 'dir/file'), 'trusted.overlay.redirect', '/objects/12');
    const options = [
      ['lowerdir+', lower],
      ['datadir+', data],
      ['upperdir', upper],
      ['workdir', work],
      ['metacopy', 'on'],
      ['redirect_dir', 'on'],
    ] as const;
    if (!mountOverlay(merged, options)) {
      t.skip('this kernel has no datadir+');
      return;
    }
    assert.equal(fs.readFileSync(path.join(merged, 'dir/file'), 'utf8'), 'the content\n');
    const overlay = await mounted();
    assert.deepEqual(await mergedView(overlay), viewOf(merged));
    assert.equal(await text(overlay, 'merged', '/dir/file'), 'the content\n');
    const entry = await helper.request(LayersStat, { overlay, layer: 1, path: '/dir/file' });
    assert.deepEqual([entry.marks, entry.sizeBytes], [['added', 'redirected', 'metadata'], 12]);
    await assert.rejects(text(overlay, 1, '/dir/file'), /only its metadata/);
    // Only the mode is copied up; the content is still where it was.
    fs.chmodSync(path.join(merged, 'dir/file'), 0o600);
    const { changes } = await helper.request(LayersChanges, { overlay });
    assert.deepEqual(
      changes.map(({ change, path: place, marks }) => [change, place, marks]),
      [
        ['modified', '/dir', []],
        ['modified', '/dir/file', ['modified', 'metadata']],
      ],
    );
    const { layers: words } = await helper.request(LayersProvenance, { overlay, path: '/dir/file' });
    assert.deepEqual(
      words.map(({ layer, has }) => [layer, has]),
      [
        [0, 'provides'],
        [1, 'merges'],
      ],
    );
    // Where a mount covers it, that is what is seen.
    const cover = path.join(merged, 'dir/file');
    fs.writeFileSync(path.join(folder, 'cover'), 'covers\n');
    execFileSync('mount', ['--bind', path.join(folder, 'cover'), cover]);
    try {
      assert.equal(await text(overlay, 'merged', '/dir/file'), 'covers\n');
    } finally {
      execFileSync('umount', [cover]);
    }
    assert.equal(await text(overlay, 2, '/objects/12'), 'the content\n');
    const { entries } = await helper.request(LayersReadDirectory, { overlay, layer: 2, path: '/objects' });
    assert.deepEqual(
      entries.map(({ name, marks }) => [name, marks]),
      [['12', []]],
    );
  });

  test('that lead to a data-only layer are followed in a mount of a user, too, and exported', async (t) => {
    using layers = inFolder('lower', 'data');
    const [lower = '', data = ''] = layers;
    writeFile(path.join(data, 'objects/12'), 'the content\n');
    writeFile(path.join(lower, 'dir/file'), '');
    fs.truncateSync(path.join(lower, 'dir/file'), 12);
    setAttribute(path.join(lower, 'dir/file'), 'user.overlay.metacopy', '');
    setAttribute(path.join(lower, 'dir/file'), 'user.overlay.redirect', '/objects/12');
    const options = `ro,userxattr,lowerdir=${lower}::${data}`;
    if (spawnSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged]).status !== 0) {
      t.skip('this kernel has no datadir+ with userxattr');
      return;
    }
    const overlay = await mounted();
    assert.equal(fs.readFileSync(path.join(merged, 'dir/file'), 'utf8'), 'the content\n');
    assert.deepEqual(await mergedView(overlay), viewOf(merged));
    for (const layer of [0, 'merged'] as const) {
      const { bytes } = await archive(overlay, layer);
      const content = execFileSync('tar', ['-xOf', '-', 'dir/file'], { input: bytes, encoding: 'utf8' });
      assert.equal(content, 'the content\n', `of ${layer}`);
    }
  });
});

function writeFile(place: string, content: string): void {
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.writeFileSync(place, content);
}

/** One layer: files, directories, and marks in every way that they are written in. */
function fill(directory: string, content: string, random: Random, depth: number, marks: { whiteouts: number; opaque: number }) {
  for (const name of NAMES) {
    const place = path.join(directory, name);
    const choice = random();
    if (choice < 0.2) fs.writeFileSync(place, `${content} ${random()}`);
    else if (choice < 0.35) {
      marks.whiteouts += 1;
      if (random() < 0.7) fs.writeFileSync(path.join(directory, `.wh.${name}`), '');
      else execFileSync('mknod', [place, 'c', '0', '0']);
    } else if (choice < 0.75 && depth < 2) {
      fs.mkdirSync(place);
      fill(place, content, random, depth + 1, marks);
      if (random() < 0.25) makeOpaque(place, random, marks);
    }
  }
}

const OPAQUE = ['trusted.overlay.opaque', 'user.fuseoverlayfs.opaque'];

function makeOpaque(directory: string, random: Random, marks: { opaque: number }): void {
  marks.opaque += 1;
  const how = Math.floor(random() * (OPAQUE.length + 1));
  if (how === OPAQUE.length) fs.writeFileSync(path.join(directory, '.wh..wh..opq'), '');
  else setAttribute(directory, OPAQUE[how]!, 'y');
}

function viewOf(root: string, at = ''): [string, string][] {
  return fs
    .readdirSync(root + at)
    .sort()
    .flatMap((name) => {
      const place = `${at}/${name}`;
      if (!fs.statSync(root + place).isDirectory()) return [[place, fs.readFileSync(root + place, 'utf8')] as [string, string]];
      return [[place, '/'] as [string, string], ...viewOf(root, place)];
    });
}
