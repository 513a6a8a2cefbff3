/** What scripts/contributes.mjs makes of declarations that package.json has no example of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandContribution, ViewContribution } from '../../extension/base/contributions.ts';
import { whenText } from '../../extension/base/when.ts';
import { contributedViews } from '../../extension/trees/contributedViews.ts';
import { manifestParts } from '../../scripts/contributes.mjs';

const COMMAND: CommandContribution = { id: 'isoscope.one', title: 'One' };
const VIEW: ViewContribution = { view: 'layers', name: 'Layers', none: ['None.'] };

function parts(Command: CommandContribution[], View: ViewContribution[] = [VIEW]) {
  const ids = { View: { layers: 'isoscope.layers' }, Setting: {}, Scheme: { layer: 'isoscope-layer' }, PageType: {} };
  return manifestParts({ Command, View, Setting: [], Other: [], ids, contributedViews, whenText });
}

test('a key runs its command under its condition', () => {
  const command: CommandContribution = {
    ...COMMAND,
    keybinding: { key: 'ctrl+k', when: [{ view: 'layers' }, { row: 'file' }] },
  };
  const { keybindings } = parts([command]).contributes;
  const when = 'view == isoscope.layers && viewItem =~ /\\bfile\\b/';
  assert.deepEqual(keybindings, [{ command: 'isoscope.one', key: 'ctrl+k', when }]);
});

test('entries of a menu stand in the order of groups and places, whatever the order of commands', () => {
  const inMenu = (id: CommandContribution['id'], group: string): CommandContribution => ({
    ...COMMAND,
    id,
    menus: { 'view/title': [{ group }] },
  });
  const { menus } = parts([
    inMenu('isoscope.a', '2_b@1'),
    inMenu('isoscope.b', '1_a@10'),
    inMenu('isoscope.c', '1_a@9'),
  ]).contributes;
  assert.deepEqual(menus['view/title'], [
    { command: 'isoscope.c', group: '1_a@9' },
    { command: 'isoscope.b', group: '1_a@10' },
    { command: 'isoscope.a', group: '2_b@1' },
  ]);
});

test('a view that is not declared, or twice, and a key of two texts are refused', () => {
  assert.throws(() => parts([COMMAND], []), /layers is not declared once/);
  assert.throws(() => parts([COMMAND], [VIEW, VIEW]), /layers is not declared once/);
  assert.throws(() => parts([COMMAND, { ...COMMAND, title: 'Another' }]), /command\.one is the key of two texts/);
});
