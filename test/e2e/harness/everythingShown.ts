/** Messages to the pages with all that they can show, also what is rare on a real host: every kind of block and tone, every light and size of a layer. */
import type { Block, Tone, ToPage } from '../../../webview/messages.ts';
import type { Light, Slab, SlabRole, ToStack } from '../../../webview/stackMessages.ts';

// As records, so that none is left out.
const TONES = Object.keys({ plain: 0, muted: 0, unknown: 0, danger: 0 } satisfies Record<Tone, 0>) as Tone[];
const ROLES = Object.keys({ readWrite: 0, init: 0, image: 0, host: 0, lower: 0, data: 0 } satisfies Record<
  SlabRole,
  0
>) as SlabRole[];
const LIGHTS = Object.keys({
  provides: 0,
  merges: 0,
  hides: 0,
  hidden: 0,
  dark: 0,
  unknown: 0,
} satisfies Record<Light, 0>) as Light[];
const STATES: Slab['size']['state'][] = ['unmeasured', 'measuring', 'measured', 'failed'];

const values = TONES.flatMap((tone) => [
  { text: `text that is ${tone}`, tone, note: 'a note' },
  { text: `a link that is ${tone}`, tone, link: tone },
]);
const BLOCKS: { [Kind in Block['kind']]: Extract<Block, { kind: Kind }> } = {
  facts: { kind: 'facts', facts: values.map((value) => ({ label: 'Label', value })) },
  table: {
    kind: 'table',
    table: {
      caption: 'A table',
      columns: TONES,
      rows: [{ cells: values }, { cells: values.map((value) => ({ ...value, code: true })), muted: true }],
    },
  },
  names: { kind: 'names', label: 'Names', names: [{ text: 'CAP_CHOWN' }, { text: 'CAP_SYS_ADMIN', danger: true }] },
  heading: { kind: 'heading', text: 'A part' },
  text: { kind: 'text', text: 'A sentence.', tone: 'danger' },
  meter: { kind: 'meter', label: 'Memory', text: '60 of 64 MiB', part: 0.94, close: true },
  chips: {
    kind: 'chips',
    label: 'Chips',
    chips: TONES.map((tone) => ({ text: 'Network', note: tone, tone, link: `namespace ${tone}` })),
  },
  live: {
    kind: 'live',
    figures: [false, true].map((close) => ({
      label: 'CPU',
      text: '2 % of one CPU',
      note: 'throttled in 12 % of its periods',
      points: [0, 1, null, 2, 3],
      top: 4,
      isLimited: close,
      close,
    })),
  },
  layers: {
    kind: 'layers',
    label: 'Layers',
    layers: (['readWrite', 'image', 'other'] as const).map((kind) => ({ kind, text: 'A layer', note: 'a note' })),
  },
  alerts: {
    kind: 'alerts',
    alerts: (['danger', 'caution'] as const).map((severity) => ({
      severity,
      text: 'A danger',
      detail: 'why',
      link: 'process',
    })),
  },
  details: { kind: 'details', summary: 'More', blocks: [{ kind: 'text', text: 'A sentence.', tone: 'unknown' }] },
};

const buttons = [
  { action: 'refresh', label: 'Try again' },
  { action: 'restart', label: 'Restart helper' },
] as const;

export const EVERY_BLOCK: ToPage = {
  type: 'page',
  page: {
    title: 'A page',
    subtitle: 'With all that there is',
    buttons: [...buttons],
    sections: [{ heading: 'A section', blocks: Object.values(BLOCKS) }],
  },
  notice: { text: 'The helper stopped. This is from before.', buttons: [...buttons] },
};
export const FAILURE: ToPage = {
  type: 'failed',
  title: 'It could not be read',
  text: 'The kernel refused it.',
  buttons: [...buttons],
};
export const LOADING: ToPage = { type: 'loading', text: 'Reading…' };

function slab(light: Light | undefined, layer: number): Slab {
  const state = STATES[layer % STATES.length] ?? 'measured';
  return {
    layer,
    role: ROLES[layer % ROLES.length] ?? 'image',
    name: `Layer ${layer}`,
    step: 'COPY . /srv',
    id: 'sha256:0123456789ab',
    size: { state, text: '12 MiB', share: 0.8, wasted: 0.3 },
    entries: '1,204 entries',
    changes: (['added', 'modified', 'deleted'] as const).map((kind) => ({ kind, text: '3', label: `3 ${kind}` })),
    notes: (['shared', 'wasted', 'unknown'] as const).map((kind) => ({ kind, text: `a note: ${kind}` })),
    ...(light === undefined ? {} : { lit: { light, text: `It ${light} it`, detail: 'another path' } }),
  };
}

function stack(lights: readonly (Light | undefined)[], tone: 'plain' | 'missing' | 'unknown', isCovered: boolean): ToStack {
  return {
    type: 'stack',
    state: {},
    notice: { text: 'The helper stopped. This is from before.', buttons: [...buttons] },
    stack: {
      title: 'All that there is',
      subtitle: 'overlay',
      totals: [{ label: 'Size', value: '12 MiB' }],
      buttons: [...buttons],
      field: { label: 'Path', placeholder: '/etc/passwd', path: '/srv', serial: 1000 },
      answer: { tone, text: 'What is known of /srv.', notes: ['A note.'] },
      ...(isCovered ? { cover: { text: 'Covered by the mount at /srv', detail: 'volume' } } : {}),
      hint: 'Show it in the tree',
      slabs: lights.map(slab),
    },
  };
}

/** With a path that is looked up, and one that is covered. */
export const STACKS: ToStack[] = [
  stack(LIGHTS, 'missing', false),
  stack([...LIGHTS].reverse(), 'unknown', true),
  stack(
    LIGHTS.map(() => undefined),
    'plain',
    true,
  ),
];
