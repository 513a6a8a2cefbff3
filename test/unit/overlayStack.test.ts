import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterOverlays, nameHolds } from '../../extension/model/layerFilter.ts';
import {
  childPath,
  copyBelow,
  difference,
  entryOf,
  lastOwnLayer,
  layerNumber,
  layersNotShared,
  parentPath,
  placeKey,
  savedSize,
} from '../../extension/model/overlayStack.ts';
import { wellFormedName, wireName } from '../../extension/plain/fileNameText.ts';
import type { Layer, LayerEntry, LayersProvenanceResult, Overlay } from '../../helper/protocol/layers.ts';

function layer(index: number, role: Layer['role'], more: Partial<Layer> = {}): Layer {
  return { index, role, directory: `/layers/${index}`, id: `8:1:${role}${index}`, sharedWith: [], ...more };
}

function overlay(key: string, layers: Layer[], more: Partial<Overlay> = {}): Overlay {
  return {
    key,
    mountNamespace: { kind: 'mnt', dev: 4, ino: 4026532400 },
    mountId: 100,
    device: '0:52',
    mountPoint: '/',
    alsoAt: [],
    type: 'overlay',
    isRoot: true,
    layers,
    options: [],
    readOnly: false,
    ...more,
  };
}

function entry(more: Partial<LayerEntry> = {}): LayerEntry {
  return {
    name: 'motd',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: 8,
    allocatedBytes: 4096,
    modifiedMillis: 1000,
    links: 1,
    marks: [],
    ...more,
  };
}

const WEB = overlay('web', [layer(0, 'readWrite'), layer(1, 'init'), layer(2, 'image'), layer(3, 'image'), layer(4, 'image')]);

function found(has: LayersProvenanceResult['layers'], seen?: LayerEntry): LayersProvenanceResult {
  const top = seen === undefined ? { exists: false } : { exists: true, entry: seen };
  return { resolved: '/etc/motd', followed: [], ...top, layers: has };
}

test('layers are counted from the lowest, as build steps are', () => {
  assert.deepEqual(
    WEB.layers.map((one) => layerNumber(WEB, one)),
    [1, 1, 3, 2, 1],
  );
});

test('the container’s own layers end where the image’s begin', () => {
  assert.equal(lastOwnLayer(WEB), 1);
  assert.equal(lastOwnLayer(overlay('plain', [layer(0, 'readWrite'), layer(1, 'lower')])), 0);
  assert.equal(lastOwnLayer(overlay('view', [layer(0, 'image'), layer(1, 'image')])), -1);
  assert.equal(lastOwnLayer(overlay('odd', [layer(0, 'readWrite')])), undefined);
});

test('below a deletion lies the copy that was deleted', () => {
  const old = entry({ sizeBytes: 3 });
  const answer = found([
    { layer: 0, has: 'whiteout' },
    { layer: 1, has: 'nothing' },
    { layer: 2, has: 'hidden', entry: old },
    { layer: 3, has: 'hidden', entry: entry() },
  ]);
  assert.deepEqual(copyBelow(answer, 0), { layer: 2, entry: old, path: '/etc/motd' });
  assert.deepEqual(copyBelow(answer, 2), { layer: 3, entry: entry(), path: '/etc/motd' });
  assert.equal(copyBelow(answer, 3), undefined);
});

test('the layer that provides a path is found below the container’s own layers', () => {
  const seen = entry({ providedBy: 2 });
  const answer = found(
    [
      { layer: 0, has: 'nothing' },
      { layer: 1, has: 'nothing' },
      { layer: 2, has: 'provides' },
    ],
    seen,
  );
  assert.deepEqual(copyBelow(answer, 1), { layer: 2, entry: seen, path: '/etc/motd' });
  assert.equal(entryOf(answer, 2), seen);
  assert.equal(entryOf(answer, 0), undefined);
});

test('below a renamed directory the copy has its old path', () => {
  const old = entry({ sizeBytes: 3 });
  const answer = found(
    [
      { layer: 0, has: 'provides' },
      { layer: 1, has: 'hidden', entry: old, path: '/old/motd' },
    ],
    entry(),
  );
  assert.deepEqual(copyBelow(answer, 0), { layer: 1, entry: old, path: '/old/motd' });
});

test('what was deleted before it was made again is no copy below', () => {
  const answer = found(
    [
      { layer: 0, has: 'provides' },
      { layer: 1, has: 'whiteout' },
      { layer: 2, has: 'hidden', entry: entry() },
    ],
    entry({ providedBy: 0 }),
  );
  assert.equal(copyBelow(answer, 0), undefined);
});

test('below an unreadable layer nothing is known', () => {
  const answer = found([
    { layer: 0, has: 'whiteout' },
    { layer: 1, has: 'unknown' },
    { layer: 2, has: 'hidden', entry: entry() },
  ]);
  assert.deepEqual(copyBelow(answer, 0), { unknown: 1 });
});

test('containers of one image differ only in the layers above it', () => {
  const api = overlay('api', [layer(0, 'readWrite', { id: 'other' }), ...WEB.layers.slice(2)]);
  assert.deepEqual(
    layersNotShared(WEB, api).map(({ index }) => index),
    [0, 1],
  );
  assert.deepEqual(
    layersNotShared(api, WEB).map(({ index }) => index),
    [0],
  );
});

test('layers that cannot be identified are never taken for shared ones', () => {
  const { id: _id, ...unknown } = layer(0, 'image');
  assert.equal(layersNotShared(overlay('one', [unknown]), overlay('other', [unknown])).length, 1);
});

test('a shared layer saves what it would take once more for each other user', () => {
  const size = { sizeBytes: 100, allocatedBytes: 60 };
  assert.deepEqual(savedSize(layer(2, 'image', { sharedWith: ['api', 'db'] }), size), { sizeBytes: 200, allocatedBytes: 120 });
  assert.deepEqual(savedSize(layer(0, 'readWrite'), size), { sizeBytes: 0, allocatedBytes: 0 });
});

test('two containers’ views of a path differ in what can be told without reading it', () => {
  assert.equal(difference(entry({ sizeBytes: 0 }), entry({ sizeBytes: 0 })), undefined);
  assert.equal(difference(undefined, undefined), undefined);
  assert.equal(difference(entry(), entry()), 'unread', 'the size and time of a file do not say what is in it');
  assert.equal(difference(entry(), undefined), 'onlyMine');
  assert.equal(difference(undefined, entry()), 'onlyTheirs');
  assert.equal(difference(entry(), entry({ type: 'directory' })), 'type');
  assert.equal(difference(entry(), entry({ modifiedMillis: 2000 })), 'content');
  assert.equal(difference(entry(), entry({ mode: 0o600 })), 'metadata');
  const directory = (modifiedMillis: number) => entry({ type: 'directory', modifiedMillis, sizeBytes: modifiedMillis });
  assert.equal(difference(directory(1), directory(2)), undefined, 'of a directory its entries are compared');
  const link = (symlinkTarget: string) => entry({ type: 'symlink', symlinkTarget });
  assert.equal(difference(link('/a'), link('/b')), 'content');
});

test('paths are put together and taken apart at the root as elsewhere', () => {
  assert.equal(childPath('/', 'etc'), '/etc');
  assert.equal(childPath('/etc', 'motd'), '/etc/motd');
  assert.equal(parentPath('/etc/motd'), '/etc');
  assert.equal(parentPath('/etc'), '/');
});

test('places are equal only when mount, layer and path are', () => {
  const ref = { mountNamespace: WEB.mountNamespace, mountId: 100, device: '0:52' };
  const key = placeKey({ overlay: ref, layer: 1, path: '/etc' });
  assert.equal(placeKey({ overlay: WEB, layer: 1, path: '/etc' }), key);
  for (const other of [
    { overlay: ref, layer: 'merged' as const, path: '/etc' },
    { overlay: { ...ref, mountId: 101 }, layer: 1, path: '/etc' },
    { overlay: ref, layer: 1, path: '/etc/' },
  ])
    assert.notEqual(placeKey(other), key);
});

test('names with bytes that are not UTF-8 are well-formed in a URI, and come back as they were', () => {
  const names = [
    'plain',
    'caf\udce9',
    '\udcff\udc80',
    '\u241b',
    '\u241be9',
    '\u241b\udce9',
    '😀',
    'a\ud83d\ude00\udce9',
    '100%',
    '#?',
    '[x](command:y) $(trash) \u001b[31m\r\n\u202e\u{e0041}',
    '\u241bu202e;',
  ];
  for (const name of names) {
    const text = wellFormedName(name);
    assert.doesNotThrow(() => encodeURIComponent(text), name);
    assert.equal(wireName(text), name);
    assert.doesNotMatch(text, /\$\(|\]\(|[\p{Cc}\p{Cf}]/u);
  }
  assert.equal(new Set(names.map(wellFormedName)).size, names.length);
});

test('a word of the filter that names a container leaves its layers, any other word leaves files', () => {
  const api = overlay('api', [layer(0, 'readWrite'), layer(1, 'image', { createdBy: 'RUN apt-get install nginx' })]);
  const name = ({ key }: Overlay) => key;
  const left = (text: string) => filterOverlays([WEB, api], text, name).map(({ overlay: { key }, words }) => [key, words]);
  assert.deepEqual(left(''), [
    ['web', []],
    ['api', []],
  ]);
  assert.deepEqual(left('WEB'), [['web', []]]);
  assert.deepEqual(left('apt-get'), [['api', []]]);
  assert.deepEqual(left('api motd'), [['api', ['motd']]]);
  assert.deepEqual(left('motd'), [
    ['web', ['motd']],
    ['api', ['motd']],
  ]);
  assert.deepEqual(left('web apt-get'), []);
  assert.ok(nameHolds('MOTD.old', ['motd', 'old']));
  assert.ok(!nameHolds('motd', ['motd', 'old']));
});
