import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindChoices, withHostTools } from '../../extension/programs/kinds.ts';

const host = {
  net: { kind: 'net', dev: 4, ino: 1 },
  mnt: { kind: 'mnt', dev: 4, ino: 2 },
  user: { kind: 'user', dev: 4, ino: 3 },
  pid: { kind: 'pid', dev: 4, ino: 4 },
} as const;
const container = { net: 11, mnt: 12, user: 3, pid: null };

test('the wanted kind is ticked, kinds shared with the host are marked and come last, and a kind that the kernel lacks is left out', () => {
  const choices = kindChoices(container, host, 'net');
  assert.deepEqual(
    choices.map(({ kind, shared, proposed }) => [kind, shared, proposed]),
    [
      ['mnt', false, false],
      ['pid', false, false],
      ['net', false, true],
      ['user', true, false],
    ],
  );
});

test('what may not be read is neither shared nor without a choice', () => {
  assert.deepEqual(
    kindChoices(container, host, 'net').find((choice) => choice.kind === 'pid'),
    { kind: 'pid', ino: null, shared: false, proposed: false },
  );
});

test('a kind that is shared with the host is not ticked even when it is the wanted one', () => {
  assert.ok(kindChoices(container, host, 'user').every((choice) => !choice.proposed));
});

test('the host’s tools stay when everything of the target’s own but its mounts is entered', () => {
  const proposed = withHostTools(kindChoices(container, host, 'net')).filter((choice) => choice.proposed);
  assert.deepEqual(
    proposed.map((choice) => choice.kind),
    ['pid', 'net'],
  );
});
