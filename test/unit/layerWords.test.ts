import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientModel } from '../../extension/model/clientModel.ts';
import type { LayersProvenanceResult, Overlay } from '../../helper/protocol/layers.ts';

const { bothSizesText, hasText, markText, measuredText, sizeText } = await import('../../extension/words/layerWords.ts');
const { stackPage } = await import('../../extension/panels/stackPage.ts');

const KIB = 1024;
const MIB = 1024 * KIB;

test('a size says what is used of the disk where that is another figure, and not where blocks are only rounded up', () => {
  assert.equal(sizeText({ sizeBytes: 6, allocatedBytes: 4 * KIB }), '6 B');
  assert.equal(sizeText({ sizeBytes: 42 * MIB, allocatedBytes: 43 * MIB }), '42 MiB');
  assert.equal(sizeText({ sizeBytes: 10 * KIB * MIB, allocatedBytes: 4 * KIB }), '10 GiB (4.0 KiB used)');
  assert.equal(sizeText({ sizeBytes: 20 * KIB, allocatedBytes: 8 * MIB }), '20 KiB (8.0 MiB used)', 'very many small files');
  assert.equal(bothSizesText({ sizeBytes: 6, allocatedBytes: 4 * KIB }), '6 B (4.0 KiB used)');
  assert.equal(
    measuredText({ sizeBytes: 10 * KIB * MIB, allocatedBytes: 0, outdated: true }),
    '10 GiB (0 B used), changed since',
  );
});

test('what is not known of a layer is never said to be nothing', () => {
  const word = (more: Partial<LayersProvenanceResult['layers'][number]>) => hasText({ layer: 1, has: 'unknown', ...more });
  assert.equal(word({}), 'Unknown: this layer could not be read');
  assert.equal(word({ because: '/d' }), 'Unknown: what /d hides or moves is shown only to root');
  assert.match(markText('perhapsModified'), /^Perhaps modified/);
});

const OVERLAY: Overlay = {
  key: 'web',
  mountNamespace: { kind: 'mnt', dev: 4, ino: 4026532400 },
  mountId: 100,
  device: '0:52',
  mountPoint: '/',
  alsoAt: [],
  type: 'overlay',
  isRoot: true,
  layers: [0, 1].map((index) => ({ index, role: 'lower', directory: `/layers/${index}`, sharedWith: [] })),
  options: [],
  readOnly: false,
};

function stackWith(answer: Partial<LayersProvenanceResult>, sizes: { sizeBytes: number; allocatedBytes: number }[] = []) {
  return stackPage({
    model: { containers: new Map() } as unknown as ClientModel,
    overlay: OVERLAY,
    other: () => undefined,
    measurement: ({ layer }) => {
      const size = sizes[Number(layer)];
      if (size === undefined) return undefined;
      const counts = { entries: 1, added: 0, modified: 1, perhapsModified: 2, deleted: 0 };
      const wasted = { wastedBytes: size.sizeBytes, wastedAllocatedBytes: size.allocatedBytes };
      return { state: 'measured', size: { ...size, ...counts, ...wasted }, outdated: false };
    },
    path: { text: '/d/f', serial: 0 },
    answer: { resolved: '/d/f', followed: [], exists: false, layers: [], ...answer },
  });
}

test('the stack says that it is unknown whether a path exists, and which directory would tell', () => {
  const { answer, slabs } = stackWith({
    exists: { unknown: 'permission' },
    layers: [
      { layer: 0, has: 'nothing' },
      { layer: 1, has: 'unknown', because: '/d', unknown: { unknown: 'permission' } },
    ],
  });
  assert.deepEqual(answer, {
    tone: 'unknown',
    text: 'Whether /d/f exists is unknown: permission denied.',
    notes: ['Whether /d hides or moves what layers below have is shown only to root.'],
  });
  assert.deepEqual(
    slabs.map(({ lit }) => lit?.light),
    ['dark', 'unknown'],
  );
});

test('the stack draws layers by what they take of the disk, and says both', () => {
  const { slabs, totals } = stackWith({}, [
    { sizeBytes: 10 * KIB * MIB, allocatedBytes: MIB },
    { sizeBytes: 2 * MIB, allocatedBytes: 2 * MIB },
  ]);
  assert.deepEqual(
    slabs.map(({ size: { text, share } }) => [text, share]),
    [
      ['10 GiB (1.0 MiB used)', 0.5],
      ['2.0 MiB', 1],
    ],
  );
  assert.deepEqual(
    slabs[0]?.changes.map(({ label }) => label),
    ['1 replaced', '2 perhaps replaced'],
  );
  assert.equal(slabs[0]?.notes[0]?.text, '10 GiB (1.0 MiB used) wasted: replaced or deleted above');
  assert.deepEqual(
    totals.map(({ value }) => value),
    ['10 GiB (3.0 MiB used)', '10 GiB (3.0 MiB used)', '0 B'],
  );
});
