/**
 * The kernel suites on the oldest kernel that a supported Debian had when the extension was made: Linux 5.10, of Debian 11. What it lacks is said, and not
 * shown as something else.
 */
import { before, describe, test } from 'node:test';
import { assertPassed, type Counts, countsInGuests, type Who } from '../vm/suites.ts';

/** Without those on mounts, whose oracle there is too old, and on sandboxes, which need Linux 5.12: that this is said is in the suite on the protocol. */
const SUITES = [
  'namespaces',
  'processes',
  'inspect',
  'network',
  'programs',
  'protocol',
  'cgroupLists',
  'cgroupInspect',
  'layers',
];
const GUESTS = 1;

describe('the kernel suites on Linux 5.10', () => {
  let counted: Record<Who, Counts[]>;

  before(async () => {
    const isWanted = (suite: string) => SUITES.includes(suite);
    counted = await countsInGuests({ release: 'bullseye', title: 'old guest', guests: GUESTS, runs: ['root'], isWanted });
  });

  test('pass with the helper as root', (t) => {
    assertPassed('old guest as root', counted.root, GUESTS, (text) => t.diagnostic(text));
  });
});
