/**
 * The kernel suites once more on a second kind of host: systemd as pid 1, pure cgroup v2, rootless podman. They run twice, with the helper
 * as root and as the ordinary user whose rootless podman it is, in two guests beside each other.
 */
import { before, describe, test } from 'node:test';
import { assertPassed, type Counts, countsInGuests, type Who } from './suites.ts';

/**
 * What these suites test is the helper's own and the same on every kernel, or needs an engine that the guest has not: emulated they would take
 * longer than all the others together.
 */
const LEFT_OUT = [
  'cancellation',
  'forkServer',
  'launcher',
  'layerDocker',
  'life',
  'programFiles',
  'protocol',
  'requestSizes',
  'sandboxEquivalents',
  'sandboxImages',
  'sandboxPersistence',
  'sandboxRefusals',
  'sandboxSizes',
  'sandboxTars',
  'terminals',
];

const GUESTS = 2;

describe('the kernel suites on systemd and pure cgroup v2', () => {
  let counted: Record<Who, Counts[]>;

  before(async () => {
    const isWanted = (suite: string) => !LEFT_OUT.includes(suite);
    counted = await countsInGuests({ release: 'bookworm', title: 'guest', guests: GUESTS, runs: ['root', 'user'], isWanted });
  });

  test('pass with the helper as root', (t) => {
    assertPassed('guest as root', counted.root, GUESTS, (text) => t.diagnostic(text));
  });

  test('pass with the helper as an ordinary user', (t) => {
    assertPassed('guest as user', counted.user, GUESTS, (text) => t.diagnostic(text));
  });
});
