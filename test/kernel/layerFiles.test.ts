/** The files of layers, asked of the built helper: what a hostile layer may hold, and what happens when it changes meanwhile. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import { exchangeFiles } from '../../helper/kernel/renameat2.ts';
import {
  type LayerPath,
  LayersChanges,
  LayersExport,
  LayersExportEnd,
  LayersExportRead,
  LayersList,
  LayersMeasure,
  LayersMeasuring,
  LayersProvenance,
  LayersReadDirectory,
  LayersReadFile,
  LayersStat,
  type OverlayRef,
} from '../../helper/protocol/layers.ts';
import { inGuest, isHelperRoot, isRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { makeOverlay, type Overlay } from '../fixtures/overlay.ts';

const skip = !isRoot && 'only root can mount an overlay';
const skipUnprivileged = skip || (!isHelperRoot && 'the helper may not read these layers');

function sh(script: string, cwd: string): void {
  execFileSync('sh', ['-euc', script], { cwd, stdio: 'pipe' });
}

async function refOf(helper: RunningHelper, { merged }: Overlay): Promise<OverlayRef> {
  const { overlays } = await helper.request(LayersList, {});
  const found = overlays.find(({ mountPoint }) => mountPoint === merged);
  assert.ok(found !== undefined, `the overlay at ${merged} is listed`);
  return { mountNamespace: found.mountNamespace, mountId: found.mountId, device: found.device };
}

/** There and back. */
const SWAPS = [
  ['swapped', 'held'],
  ['outside', 'swapped'],
  ['swapped', 'outside'],
  ['held', 'swapped'],
] as const;

async function rejection(promise: Promise<unknown>): Promise<{ message: string; data: { reason: string } }> {
  try {
    await promise;
  } catch (error) {
    return error as { message: string; data: { reason: string } };
  }
  throw new Error('it was not refused');
}

describe('files of a layer that was made to do harm', { skip: skipUnprivileged }, () => {
  let helper: RunningHelper;
  let overlay: Overlay;
  let ref: OverlayRef;
  const at = (layer: number | 'merged', place: string): LayerPath => ({ overlay: ref, layer, path: place });
  const text = async (layer: number | 'merged', place: string) =>
    Buffer.from((await helper.request(LayersReadFile, at(layer, place))).base64, 'base64').toString();

  before(async () => {
    overlay = makeOverlay(3);
    sh('mkdir -p dir/sub etc big links; echo lower >dir/file; echo 2 >dir/sub/two; echo inner >etc/shadow', overlay.layers[2]!);
    sh(
      `ln -s /etc/shadow shadow; ln -s ../../../../etc/shadow dots; ln -s / root; ln -s dir/sub inner; ln -s loop loop
       mkfifo pipe; mknod null c 1 3; mknod disk b 8 0
       truncate -s 100G sparse; printf end | dd of=sparse bs=1 seek=107374182397 conv=notrunc 2>/dev/null
       printf x >"$(printf 'raw\\377\\300')"; printf y >"$(printf 'two\\nlines')"; printf z >'<img src=x onerror=alert(1)>'
       mkdir links; printf 12345 >links/one; ln links/one links/two; ln links/one links/three`,
      overlay.layers[1]!,
    );
    overlay.mount();
    sh('rm dir/file; rm -r etc; mkdir etc; echo own >etc/passwd; chmod 700 dir/sub', overlay.merged);
    helper = await startHelper();
    ref = await refOf(helper, overlay);
  });

  after(async () => {
    await helper?.stop();
    overlay?.[Symbol.dispose]();
  });

  test('a symbolic link that leads out is told, and never followed', async () => {
    const own = fs.readFileSync('/etc/shadow', 'utf8');
    for (const place of ['/shadow', '/dots', '/root/etc/shadow', '/root']) {
      for (const layer of [1, 'merged'] as const) {
        const { message, data } = await rejection(text(layer, place));
        assert.match(data.reason, /^(notFound|invalid)$/, place);
        assert.ok(!message.includes(own.slice(0, 20)));
      }
    }
    const entry = await helper.request(LayersStat, at(1, '/shadow'));
    assert.deepEqual([entry.type, entry.symlinkTarget], ['symlink', '/etc/shadow']);
    for (const place of ['/../etc/shadow', '/dir/../../etc/shadow', '/./x']) {
      assert.equal((await rejection(text(1, place))).data.reason, 'invalid', place);
    }
  });

  test('provenance follows links inside the root only, and gives up on a loop', async () => {
    const shadow = await helper.request(LayersProvenance, { overlay: ref, path: '/shadow' });
    assert.deepEqual(shadow.followed, [{ path: '/shadow', target: '/etc/shadow' }]);
    assert.deepEqual([shadow.resolved, shadow.exists], ['/etc/shadow', false]);
    assert.deepEqual(
      shadow.layers.map(({ has, because }) => [has, because]),
      [
        ['opaque', '/etc'],
        ['nothing', undefined],
        ['hiddenByParent', '/etc'],
      ],
    );
    const dots = await helper.request(LayersProvenance, { overlay: ref, path: '/root/dots' });
    assert.equal(dots.resolved, '/etc/shadow');
    const inner = await helper.request(LayersProvenance, { overlay: ref, path: '/inner/../file' });
    assert.equal(inner.resolved, '/dir/file');
    for (const above of ['/dir/sub/..', '/inner/..', '/dir/sub/../sub/..']) {
      const { resolved, exists, entry } = await helper.request(LayersProvenance, { overlay: ref, path: above });
      assert.deepEqual([resolved, exists, entry?.type], ['/dir', true, 'directory'], above);
    }
    assert.deepEqual(
      inner.layers.map(({ has }) => has),
      ['whiteout', 'nothing', 'hidden'],
    );
    const last = await helper.request(LayersProvenance, { overlay: ref, path: '/inner', noFollow: true });
    assert.deepEqual([last.resolved, last.entry?.type], ['/inner', 'symlink']);
    assert.equal((await rejection(helper.request(LayersProvenance, { overlay: ref, path: '/loop' }))).data.reason, 'invalid');
  });

  test('under a mount the merged view tells what is seen there, where it comes from, and what of the layers it covers', async () => {
    const source = path.join(overlay.folder, 'volume');
    fs.mkdirSync(source);
    fs.writeFileSync(path.join(source, 'one'), 'of the volume');
    fs.writeFileSync(path.join(source, 'only'), 'here');
    fs.symlinkSync('only', path.join(source, 'current'));
    const place = path.join(overlay.merged, 'links');
    execFileSync('mount', ['--bind', source, place]);
    try {
      const { entries, coveredBy } = await helper.request(LayersReadDirectory, at('merged', '/links'));
      const listed = entries.filter(({ covered }) => covered !== true).map(({ name }) => name);
      assert.deepEqual(listed.sort(), execFileSync('ls', ['-A', place], { encoding: 'utf8' }).trim().split('\n').sort());
      assert.equal(coveredBy?.from, source);
      const hidden = entries.filter(({ covered }) => covered === true).map(({ name }) => name);
      assert.deepEqual(hidden, ['three', 'two']);
      assert.equal(await text('merged', '/links/one'), 'of the volume');
      assert.equal(await text('merged', '/links/two'), '12345', 'what is covered may be looked at all the same');
      const above = await helper.request(LayersReadDirectory, at('merged', '/'));
      assert.equal(above.entries.find(({ name }) => name === 'links')?.coveredBy?.from, source);
      const trace = (file: string) => helper.request(LayersProvenance, { overlay: ref, path: file });
      const seenOf = ({ seen }: Awaited<ReturnType<typeof trace>>) => (seen !== undefined && 'name' in seen ? seen : undefined);
      const one = await trace('/links/one');
      assert.deepEqual([one.exists, one.coveredBy?.from, seenOf(one)?.sizeBytes], [true, source, 'of the volume'.length]);
      const gone = await trace('/links/two');
      assert.deepEqual([gone.exists, gone.coveredBy?.mountPoint, gone.seen], [true, place, undefined]);
      const link = await trace('/links/current');
      assert.deepEqual([link.exists, seenOf(link)?.type], [false, 'file'], 'the link of the volume is followed on the volume');
    } finally {
      execFileSync('umount', [place]);
    }
    assert.equal((await helper.request(LayersProvenance, { overlay: ref, path: '/links/one' })).coveredBy, undefined);
  });

  test('an export of what vanishes or becomes shorter fails, and makes nothing up', async () => {
    const away = path.join(overlay.layers[0]!, 'away');
    fs.mkdirSync(away);
    for (let one = 0; one < 3; one += 1) fs.writeFileSync(path.join(away, `file${one}`), Buffer.alloc(1024 * 1024, 1));
    const begin = () => helper.request(LayersExport, { overlay: ref, layer: 0, path: '/away' });
    const readOn = async (id: string) => {
      while (!(await helper.request(LayersExportRead, { id })).done);
    };
    const shrunk = await begin();
    await helper.request(LayersExportRead, { id: shrunk.id });
    fs.truncateSync(path.join(away, 'file2'), 10);
    fs.truncateSync(path.join(away, 'file1'), 10);
    fs.truncateSync(path.join(away, 'file0'), 10);
    await assert.rejects(readOn(shrunk.id), /file0 changed while it was exported.*became shorter/);
    const vanishing = await begin();
    fs.rmSync(away, { recursive: true });
    await assert.rejects(readOn(vanishing.id), /away changed while it was exported|is not there/);
  });

  test('a mount inside a layer, which the overlay does not have, hides nothing of what is merged', async () => {
    const layer = overlay.layers[2]!;
    sh('mkdir -p deep/data; echo below >deep/data/file', layer);
    const place = path.join(layer, 'deep/data');
    execFileSync('mount', ['-t', 'tmpfs', 'isoscope-test', place]);
    try {
      fs.writeFileSync(path.join(place, 'other'), 'of the tmpfs');
      for (const directory of ['/', '/deep', '/deep/data']) {
        const { entries } = await helper.request(LayersReadDirectory, at('merged', directory));
        assert.deepEqual(
          entries.map(({ name }) => name).filter((name) => !name.startsWith('raw')),
          fs
            .readdirSync(path.join(overlay.merged, directory))
            .filter((name) => !name.startsWith('raw'))
            .sort(),
          directory,
        );
      }
      assert.equal(await text('merged', '/deep/data/file'), 'below\n');
      assert.equal((await helper.request(LayersStat, at('merged', '/deep/data/file'))).sizeBytes, 'below\n'.length);
      const { exists } = await helper.request(LayersProvenance, { overlay: ref, path: '/deep/data/file' });
      assert.deepEqual(exists, { unknown: 'kernel', errno: 'EXDEV' }, 'the layers do not tell');
    } finally {
      execFileSync('umount', ['--lazy', place]);
      sh('rm -r deep', layer);
    }
  });

  test('only a directory has one above', async () => {
    const trace = (file: string) => helper.request(LayersProvenance, { overlay: ref, path: file });
    assert.equal((await rejection(trace('/links/one/..'))).data.reason, 'notFound');
  });

  test('a file with several names is wasted when all of them are hidden, whichever comes first', async () => {
    const [upper = '', lower = ''] = overlay.layers;
    for (const [seen, hidden] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const folder = `wasted-${seen}`;
      for (const layer of [upper, lower]) fs.mkdirSync(path.join(layer, folder));
      fs.writeFileSync(path.join(lower, folder, 'a'), '12345');
      fs.linkSync(path.join(lower, folder, 'a'), path.join(lower, folder, 'b'));
      fs.writeFileSync(path.join(upper, folder, hidden), 'other');
      const { wastedBytes } = await helper.request(LayersMeasure, { ...at(1, `/${folder}`) });
      assert.equal(wastedBytes, 0, `${hidden} is hidden, ${seen} is not`);
      fs.writeFileSync(path.join(upper, folder, seen), 'other');
      const both = await helper.request(LayersMeasure, { ...at(1, `/${folder}`) });
      assert.equal(both.wastedBytes, 5);
      for (const layer of [upper, lower]) fs.rmSync(path.join(layer, folder), { recursive: true });
    }
  });

  test('devices and pipes are listed, and never opened', async () => {
    const { entries } = await helper.request(LayersReadDirectory, at(1, '/'));
    const types = new Map(entries.map(({ name, type, deviceNumber }) => [name, `${type} ${deviceNumber ?? ''}`.trim()]));
    assert.equal(types.get('pipe'), 'fifo');
    assert.equal(types.get('null'), 'characterDevice 1:3');
    assert.equal(types.get('disk'), 'blockDevice 8:0');
    // Opening the pipe would wait for a writer; nobody comes.
    for (const place of ['/pipe', '/null', '/disk', '/dir', '/']) {
      for (const layer of [1, 'merged'] as const) {
        assert.match((await rejection(text(layer, place))).data.reason, /^(invalid|notFound)$/, place);
      }
    }
  });

  test('any part of a sparse file of 100 GB is read at once', async () => {
    const size = 100 * 1024 ** 3;
    const last = await helper.request(LayersReadFile, { ...at(1, '/sparse'), offset: size - 3 });
    assert.deepEqual([Buffer.from(last.base64, 'base64').toString(), last.sizeBytes], ['end', size]);
    const middle = await helper.request(LayersReadFile, { ...at('merged', '/sparse'), offset: size / 2, length: 4 });
    assert.equal(middle.base64, Buffer.alloc(4).toString('base64'));
    const beyond = await helper.request(LayersReadFile, { ...at(1, '/sparse'), offset: size + 5 });
    assert.equal(beyond.base64, '');
    const { allocatedBytes } = await helper.request(LayersMeasure, at(1, '/'));
    assert.ok(allocatedBytes < 1e6, 'a hole takes no room');
  });

  test('a name of any bytes has a text, and the text leads back to it', async () => {
    const { entries } = await helper.request(LayersReadDirectory, at(1, '/'));
    const names = entries.map(({ name }) => name);
    for (const [name, content] of [
      ['raw\udcff\udcc0', 'x'],
      ['two\nlines', 'y'],
      ['<img src=x onerror=alert(1)>', 'z'],
    ] as const) {
      assert.ok(names.includes(name), JSON.stringify(name));
      assert.equal(await text(1, `/${name}`), content);
      assert.equal(await text('merged', `/${name}`), content);
    }
    assert.equal((await rejection(text(1, '/raw\ud800'))).data.reason, 'invalid');
  });

  test('hard links are counted once', async () => {
    const { sizeBytes, entries, children } = await helper.request(LayersMeasure, { ...at(1, '/links'), children: true });
    assert.deepEqual([sizeBytes, entries], [5, 3]);
    assert.deepEqual(
      children?.map(({ sizeBytes: size }) => size),
      [5, 0, 0],
    );
  });

  test('bytes that a layer above replaces or deletes are wasted', async () => {
    const { wastedBytes } = await helper.request(LayersMeasure, at(2, '/'));
    assert.equal(wastedBytes, 'lower\n'.length + 'inner\n'.length);
    const { wastedBytes: ofDirectory } = await helper.request(LayersMeasure, at(2, '/etc'));
    assert.equal(ofDirectory, 'inner\n'.length);
  });

  test('a directory that is exchanged for a link while it is walked never leads out', async () => {
    const layer = overlay.layers[1]!;
    fs.mkdirSync(path.join(layer, 'swapped'));
    for (let at = 0; at < 300; at += 1) fs.writeFileSync(path.join(layer, 'swapped', `own${at}`), '');
    fs.symlinkSync('/etc', path.join(layer, 'outside'));
    let done = false;
    const swapping = (async () => {
      while (!done) {
        for (const [from, to] of SWAPS) fs.renameSync(path.join(layer, from), path.join(layer, to));
        await new Promise(setImmediate);
      }
    })();
    try {
      for (let round = 0; round < 60; round += 1) {
        const asked = [
          helper.request(LayersReadDirectory, at(1, '/swapped')).then(({ entries }) => entries.map(({ name }) => name)),
          helper
            .request(LayersChanges, { overlay: ref, layer: 1 })
            .then(({ changes }) =>
              changes.filter((one) => one.path.startsWith('/swapped/')).map((one) => one.path.slice('/swapped/'.length)),
            ),
        ];
        for (const result of await Promise.allSettled(asked)) {
          if (result.status === 'rejected') assert.match((result.reason as Error).message, /not there/);
          else
            assert.ok(
              result.value.every((name) => name.startsWith('own')),
              String(result.value.slice(0, 3)),
            );
        }
      }
    } finally {
      done = true;
      await swapping;
      sh('rm -r swapped outside', layer);
    }
  });

  test('only entries that are marked, or hold such, are given when that is asked for', async () => {
    const { entries } = await helper.request(LayersReadDirectory, { ...at(0, '/'), changedOnly: true });
    assert.deepEqual(
      entries.map(({ name, marks }) => [name, marks]),
      [
        ['dir', []],
        ['etc', ['opaque']],
      ],
    );
    const { entries: merged } = await helper.request(LayersReadDirectory, { ...at('merged', '/dir'), changedOnly: true });
    assert.deepEqual(
      merged.map(({ name, marks, providedBy }) => [name, marks, providedBy]),
      [['sub', ['modified'], 0]],
    );
  });

  test('an export can be given up, and is unknown then', async () => {
    const { id } = await helper.request(LayersExport, at(1, '/sparse'));
    const first = await helper.request(LayersExportRead, { id });
    assert.equal(first.done, false);
    await helper.request(LayersExportEnd, { id });
    assert.equal((await rejection(helper.request(LayersExportRead, { id }))).data.reason, 'gone');
  });

  test('a layer or a path that is not there is said to be so', async () => {
    assert.equal((await rejection(helper.request(LayersStat, at(9, '/')))).data.reason, 'notFound');
    assert.equal((await rejection(helper.request(LayersStat, at(1, '/nowhere/at/all')))).data.reason, 'notFound');
    assert.equal((await rejection(helper.request(LayersReadDirectory, at(1, '/pipe')))).data.reason, 'notFound');
    const gone = { ...ref, device: '0:999999' };
    assert.equal((await rejection(helper.request(LayersStat, { overlay: gone, layer: 0, path: '/' }))).data.reason, 'gone');
  });
});

describe('many files in a layer', { skip: skipUnprivileged }, () => {
  /** More than a walk holds names of, but where the machine is emulated. */
  const COUNT = inGuest ? 9_000 : 140_000;
  let helper: RunningHelper;
  let overlay: Overlay;
  let ref: OverlayRef;

  before(async () => {
    overlay = makeOverlay(2);
    sh(`mkdir flat; cd flat; seq -f 'file-%.0f' ${COUNT} | xargs touch`, overlay.layers[0]!);
    overlay.mount();
    helper = await startHelper();
    ref = await refOf(helper, overlay);
  });

  after(async () => {
    await helper?.stop();
    overlay?.[Symbol.dispose]();
  });

  test('come page by page, each once, in order', async () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const request = { overlay: ref, limit: 9_999, ...(after === undefined ? {} : { after }) };
      const page = await helper.request(LayersChanges, request);
      seen.push(...page.changes.map((change) => change.path));
      after = page.next;
    } while (after !== undefined);
    assert.equal(seen.length, COUNT + 1);
    assert.deepEqual(seen, [...new Set(seen)].sort());
  });

  test('are listed from any name on', async () => {
    const names = Array.from({ length: COUNT }, (_, at) => `file-${at + 1}`).sort();
    const start = Math.floor(COUNT / 2);
    const page = await helper.request(LayersReadDirectory, {
      overlay: ref,
      layer: 'merged',
      path: '/flat',
      after: names[start]!,
      limit: 10,
    });
    assert.deepEqual(
      page.entries.map(({ name }) => name),
      names.slice(start + 1, start + 11),
    );
    assert.equal(page.next, names[start + 10]);
  });

  test('are measured with progress, while the helper answers others, until it is cancelled', async () => {
    const told: number[] = [];
    const listener = helper.connection.onNotification(LayersMeasuring, ({ progress, entries }) => {
      if (progress === 'mine') told.push(entries);
    });
    const source = new CancellationTokenSource();
    const measuring = helper.connection.sendRequest(
      LayersMeasure,
      { overlay: ref, layer: 0, path: '/', progress: 'mine' },
      source.token,
    );
    const stat = await helper.request(LayersStat, { overlay: ref, layer: 0, path: '/flat' });
    assert.equal(stat.type, 'directory');
    source.cancel();
    assert.match((await rejection(measuring)).message, /cancelled/);
    const { entries } = await helper.request(LayersMeasure, { overlay: ref, layer: 0, path: '/', progress: 'mine' });
    assert.equal(entries, COUNT + 1);
    listener.dispose();
    assert.ok(told.every((count) => count <= entries));
  });

  test('are given up cleanly when the mount vanishes in the middle', async () => {
    const first = await helper.request(LayersChanges, { overlay: ref, limit: 10 });
    overlay.unmount();
    const { data } = await rejection(helper.request(LayersChanges, { overlay: ref, limit: 10, after: first.next! }));
    assert.equal(data.reason, 'gone');
  });
});

describe('changes of every kind of file', { skip: skipUnprivileged }, () => {
  test('are told alike with sizes and without', async () => {
    using overlay = makeOverlay(3);
    sh('echo old >changed; touch gone', overlay.layers[1]!);
    overlay.mount();
    sh(
      `mkdir new; cd new; printf 12345 >file; : >empty; ln -s file link; mkfifo pipe; mknod block b 7 0; mknod char c 1 3; mkdir dir
       cd ..; rm gone; echo longer >changed`,
      overlay.merged,
    );
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const { changes } = await helper.request(LayersChanges, { overlay: ref });
    assert.deepEqual(
      changes.map(({ path: place, change, type }) => `${place} ${change} ${type}`),
      [
        '/changed modified file',
        '/gone deleted file',
        '/new added directory',
        '/new/block added blockDevice',
        '/new/char added characterDevice',
        '/new/dir added directory',
        '/new/empty added file',
        '/new/file added file',
        '/new/link added symlink',
        '/new/pipe added fifo',
      ],
    );
    const sized = await helper.request(LayersChanges, { overlay: ref, sizes: true });
    assert.deepEqual(
      sized.changes.map(({ sizeBytes: _, ...change }) => change),
      changes,
    );
    assert.deepEqual(
      sized.changes.filter(({ type }) => type === 'file').map(({ sizeBytes }) => sizeBytes),
      [7, 0, 0, 5],
    );
  });
});

describe('a directory that was renamed', { skip: skipUnprivileged }, () => {
  test('has what is in it under its old name in the layers below, from where it can be read', async () => {
    using overlay = makeOverlay(3, ['redirect_dir=on']);
    sh('mkdir -p old/sub; echo lowest >old/file; echo deep >old/sub/deep', overlay.layers[2]!);
    sh('mkdir -p old; echo middle >old/file', overlay.layers[1]!);
    overlay.mount();
    sh('mv old new; echo top >new/file; mv new/sub elsewhere; chmod 600 elsewhere/deep', overlay.merged);
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const wordsOf = async (path: string) =>
      (await helper.request(LayersProvenance, { overlay: ref, path })).layers.map((one) => [one.has, one.path]);
    assert.deepEqual(await wordsOf('/new/file'), [
      ['provides', undefined],
      ['hidden', '/old/file'],
      ['hidden', '/old/file'],
    ]);
    assert.deepEqual(await wordsOf('/elsewhere/deep'), [
      ['provides', undefined],
      ['nothing', undefined],
      ['hidden', '/old/sub/deep'],
    ]);
    assert.deepEqual(await wordsOf('/elsewhere'), [
      ['provides', undefined],
      ['nothing', undefined],
      ['merges', '/old/sub'],
    ]);
    for (const [layer, file, content] of [
      [1, '/old/file', 'middle\n'],
      [2, '/old/sub/deep', 'deep\n'],
    ] as const) {
      const { base64 } = await helper.request(LayersReadFile, { overlay: ref, layer, path: file });
      assert.equal(Buffer.from(base64, 'base64').toString(), content);
    }
  });
});

describe('sizes', { skip: skipUnprivileged }, () => {
  test('of what was moved by renames, nested ones too, are not wasted; only what no path leads to any more is', async () => {
    using overlay = makeOverlay(3, ['redirect_dir=on']);
    const [, middle = '', lowest = ''] = overlay.layers;
    sh('mkdir -p old/sub/inner one two; echo deep >old/sub/deep; echo kept >old/kept; echo gone! >old/gone', lowest);
    sh('echo inner >old/sub/inner/inner; echo 1 >one/one; echo 22 >two/two', lowest);
    sh('mkdir -p old/sub; echo middle >old/middle', middle);
    overlay.mount();
    sh(
      'mv old new; mv new/sub elsewhere; mv elsewhere/inner last; rm new/gone; mkdir old; echo again >old/kept',
      overlay.merged,
    );
    exchangeFiles(path.join(overlay.merged, 'one'), path.join(overlay.merged, 'two'));
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const wasted = async (layer: number, place: string) =>
      (await helper.request(LayersMeasure, { overlay: ref, layer, path: place })).wastedBytes;
    const gone = 'gone!\n'.length;
    assert.deepEqual([await wasted(2, '/'), await wasted(2, '/old'), await wasted(1, '/')], [gone, gone, 0]);
    assert.deepEqual([await wasted(2, '/old/sub'), await wasted(2, '/old/sub/inner'), await wasted(2, '/one')], [0, 0, 0]);
    // With all that is seen of it deleted, all is.
    sh('rm -r new elsewhere last', overlay.merged);
    const all = gone + 'kept\n'.length + 'deep\n'.length + 'inner\n'.length;
    assert.deepEqual([await wasted(2, '/old'), await wasted(1, '/')], [all, 'middle\n'.length]);
  });

  test('are told with what they take of the disk, as du(1) has it', async () => {
    using overlay = makeOverlay(2);
    const [upper = '', lower = ''] = overlay.layers;
    sh(
      'mkdir d; truncate -s 10G d/hole; printf x | dd of=d/hole bs=1 seek=5G conv=notrunc 2>/dev/null; seq 5000 >d/full',
      lower,
    );
    overlay.mount();
    fs.rmSync(path.join(overlay.merged, 'd/hole'));
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const du = (file: string, ...options: string[]) =>
      Number(execFileSync('du', ['--summarize', ...options, file], { encoding: 'utf8' }).split('\t')[0]);
    const hole = await helper.request(LayersStat, { overlay: ref, layer: 1, path: '/d/hole' });
    const inLower = (name: string) => path.join(lower, name);
    assert.deepEqual([hole.sizeBytes, hole.allocatedBytes], [10 * 1024 ** 3, du(inLower('d/hole'), '--block-size=1')]);
    const measured = await helper.request(LayersMeasure, { overlay: ref, layer: 1, path: '/', children: true });
    assert.equal(measured.allocatedBytes, du(inLower('d'), '--block-size=1'));
    assert.equal(measured.sizeBytes, fs.statSync(inLower('d/hole')).size + fs.statSync(inLower('d/full')).size);
    assert.deepEqual(
      measured.children?.map(({ name, allocatedBytes }) => [name, allocatedBytes]),
      [['d', measured.allocatedBytes]],
    );
    assert.deepEqual([measured.wastedBytes, measured.wastedAllocatedBytes], [hole.sizeBytes, hole.allocatedBytes]);
    assert.ok(upper !== '');
  });
});

describe('files of one size and time', { skip: skipUnprivileged }, () => {
  test('are compared by their content, and perhaps modified when that is too much', async () => {
    using overlay = makeOverlay(2);
    const [upper = '', lower = ''] = overlay.layers;
    const large = Buffer.alloc(9 * 1024 * 1024, 'a');
    const withByte = (at: number) => {
      const other = Buffer.from(large);
      other[at] = 0x62;
      return other;
    };
    const cases: [name: string, below: string | Buffer, above: string | Buffer, change?: string][] = [
      ['small', 'one', 'two', 'modified'],
      ['same', 'one', 'one'],
      ['empty', '', ''],
      ['begins', large, withByte(0), 'modified'],
      ['ends', large, withByte(large.length - 1), 'modified'],
      ['large', large, withByte(large.length / 2), 'perhapsModified'],
      ['large-same', large, large, 'perhapsModified'],
    ];
    const TIME = 1_700_000_000;
    for (const [name, below, above] of cases) {
      for (const [layer, content] of [
        [lower, below],
        [upper, above],
      ] as const) {
        fs.mkdirSync(path.join(layer, 'd'), { recursive: true });
        fs.writeFileSync(path.join(layer, 'd', name), content);
        fs.utimesSync(path.join(layer, 'd', name), TIME, TIME);
      }
    }
    for (const [layer, target] of [
      [lower, 'here'],
      [upper, 'away'],
    ] as const) {
      fs.symlinkSync(target, path.join(layer, 'd/link'));
      fs.lutimesSync(path.join(layer, 'd/link'), TIME, TIME);
    }
    overlay.mount();
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const expected = [...cases.map(([name, , , change]) => [name, change]), ['link', 'modified']].filter(
      ([, change]) => change !== undefined,
    );
    const { changes, incomplete } = await helper.request(LayersChanges, { overlay: ref });
    assert.equal(incomplete, undefined);
    assert.deepEqual(
      changes.slice(1).map((one) => [path.basename(one.path), one.change]),
      [...expected].sort(),
    );
    for (const layer of [0, 'merged'] as const) {
      const { entries } = await helper.request(LayersReadDirectory, { overlay: ref, layer, path: '/d' });
      assert.deepEqual(
        entries.filter(({ marks }) => marks.length > 0).map(({ name, marks }) => [name, ...marks]),
        [...expected].sort(),
      );
    }
    const { modified, perhapsModified } = await helper.request(LayersMeasure, { overlay: ref, layer: 0, path: '/' });
    assert.deepEqual([modified, perhapsModified], [4, 2]);
  });

  test('are read up to a bound for one request, and perhaps modified beyond it', async () => {
    using overlay = makeOverlay(2);
    const [upper = '', lower = ''] = overlay.layers;
    const content = Buffer.alloc(4 * 1024 * 1024, 'x');
    const COUNT = 20;
    for (const layer of [upper, lower]) {
      for (let at = 0; at < COUNT; at += 1) {
        const file = path.join(layer, `file${String(at).padStart(2, '0')}`);
        fs.writeFileSync(file, content);
        fs.utimesSync(file, 1, 1);
      }
    }
    overlay.mount();
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const { changes } = await helper.request(LayersChanges, { overlay: ref });
    assert.deepEqual(
      changes.map((one) => one.change),
      Array(COUNT - 16).fill('perhapsModified'),
      'those within 64 MiB are known to be the same',
    );
  });
});

describe('a tall stack', { skip: skipUnprivileged }, () => {
  test('of a hundred layers is looked up from top to bottom', async () => {
    // Short names: all of them must fit into one page of mount options.
    using overlay = makeOverlay(100);
    for (const [index, layer] of overlay.layers.entries()) {
      fs.mkdirSync(path.join(layer, 'd'));
      fs.writeFileSync(path.join(layer, 'd', `only${index}`), String(index));
      fs.writeFileSync(path.join(layer, 'd/all'), String(index));
    }
    execFileSync('sh', [
      '-c',
      `cd ${overlay.folder} && mount -t overlay -o "lowerdir=$(seq -s: -f layer%.0f 1 99),upperdir=layer0,workdir=work0" o merged`.replace(
        'mount -t',
        'mkdir -p work0 && mount -t',
      ),
    ]);
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const { layers } = await helper.request(LayersProvenance, { overlay: ref, path: '/d/all' });
    assert.deepEqual(
      layers.map(({ has }) => has),
      ['provides', ...Array(99).fill('hidden')],
    );
    const { entries } = await helper.request(LayersReadDirectory, { overlay: ref, layer: 'merged', path: '/d' });
    assert.equal(entries.length, 101);
    assert.equal(entries.find(({ name }) => name === 'only77')?.providedBy, 77);
  });
});

describe('layers whose marks this user may not see', { skip: skip || (isHelperRoot && 'root sees them') }, () => {
  test('are said to be unknown, and not to be unmarked', async () => {
    using overlay = makeOverlay(2);
    fs.chmodSync(overlay.folder, 0o755);
    sh('mkdir -p d/sub; echo 1 >d/f', overlay.layers[1]!);
    overlay.mount();
    sh('rm -r d; mkdir d; echo 2 >d/g', overlay.merged);
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const { entries } = await helper.request(LayersReadDirectory, { overlay: ref, layer: 0, path: '/' });
    const [directory] = entries;
    assert.equal(directory?.name, 'd');
    assert.ok(directory?.unknown !== undefined, 'whether it is opaque is not known');
    const { incomplete } = await helper.request(LayersChanges, { overlay: ref });
    assert.ok(incomplete !== undefined);
    const { exists, layers } = await helper.request(LayersProvenance, { overlay: ref, path: '/d' });
    assert.equal(exists, true, 'the uppermost layer has it');
    assert.deepEqual(
      layers.map(({ has, because }) => [has, because]),
      [
        ['provides', undefined],
        ['unknown', '/d'],
      ],
    );
    const { id } = await helper.request(LayersExport, { overlay: ref, layer: 0 });
    assert.equal((await rejection(helper.request(LayersExportRead, { id }))).data.reason, 'permission');
  });

  test('may hide what layers below have, or have moved it: whether that exists is unknown, and why', async () => {
    using overlay = makeOverlay(2, ['redirect_dir=on']);
    fs.chmodSync(overlay.folder, 0o755);
    sh(
      'mkdir -p d/sub old plain; echo 1 >d/f; echo 1 >old/moved; echo 1 >plain/file; echo 1 >top; echo 1 >deleted',
      overlay.layers[1]!,
    );
    overlay.mount();
    sh('rm -r d; mkdir d; echo 2 >d/g; mv old new; echo 2 >top; rm deleted; mkdir own; echo 2 >own/file', overlay.merged);
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    const trace = (place: string) => helper.request(LayersProvenance, { overlay: ref, path: place });
    const unknown = { unknown: 'permission' };
    for (const [place, expected] of [
      // Hidden by an opaque directory; below a renamed one.
      ['/d/f', unknown],
      ['/d/sub', unknown],
      ['/new/moved', unknown],
      ['/new/never', unknown],
      // No layer above has the directory; or it is the layer above that has it.
      ['/plain/file', true],
      ['/d/g', true],
      ['/own/file', true],
      ['/top', true],
      ['/plain', true],
      ['/plain/never', false],
      ['/deleted', false],
      ['/never', false],
      ['/', true],
    ] as const) {
      assert.deepEqual((await trace(place)).exists, expected, place);
    }
    const hidden = await trace('/d/f');
    assert.deepEqual(
      hidden.layers.map(({ has, because, entry }) => [has, because, entry?.sizeBytes]),
      [
        ['nothing', undefined, undefined],
        ['unknown', '/d', 2],
      ],
    );
    assert.deepEqual(
      (await trace('/new/moved')).layers.map(({ has, because }) => [has, because]),
      [
        ['nothing', undefined],
        ['unknown', '/new'],
      ],
    );
    // What is listed by way of the layers alone is not known to be there, and the list says so; the mount, where it can be asked, knows.
    const { entries } = await helper.request(LayersReadDirectory, { overlay: ref, layer: 'merged', path: '/d' });
    assert.deepEqual(
      entries.map(({ name }) => name),
      fs.readdirSync(path.join(overlay.merged, 'd')),
    );
    assert.equal(
      (await rejection(helper.request(LayersStat, { overlay: ref, layer: 'merged', path: '/d/f' }))).data.reason,
      'notFound',
    );
    const stat = await helper.request(LayersStat, { overlay: ref, layer: 'merged', path: '/new/moved' });
    assert.equal(stat.type, 'file', 'the mount has it, whatever the layers tell');
  });

  test('are told from directories that may not be looked into, of which nobody says that they are not there', async () => {
    using overlay = makeOverlay(2);
    fs.chmodSync(overlay.folder, 0o755);
    sh('mkdir -p secret/deep open; echo 1 >secret/deep/file; chmod 700 secret', overlay.layers[1]!);
    overlay.mount();
    await using helper = await startHelper();
    const ref = await refOf(helper, overlay);
    for (const place of ['/secret/deep', '/secret/deep/file', '/secret/never']) {
      const { exists, layers } = await helper.request(LayersProvenance, { overlay: ref, path: place });
      assert.deepEqual(exists, { unknown: 'permission', errno: 'EACCES' }, place);
      assert.deepEqual(
        layers.map(({ has }) => has),
        ['nothing', 'unknown'],
        place,
      );
      for (const layer of [1, 'merged'] as const) {
        const where = { overlay: ref, layer, path: place };
        for (const kind of [LayersStat, LayersReadDirectory, LayersReadFile, LayersMeasure] as const) {
          const { data } = await rejection(helper.request(kind as typeof LayersStat, where));
          assert.equal(data.reason, 'permission', `${kind.method} of ${place} in ${layer}`);
        }
      }
    }
    const { exists } = await helper.request(LayersProvenance, { overlay: ref, path: '/secret' });
    assert.equal(exists, true);
    assert.equal((await helper.request(LayersProvenance, { overlay: ref, path: '/open/never' })).exists, false);
  });
});
