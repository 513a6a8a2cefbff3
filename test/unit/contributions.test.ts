/** Of package.json, what is not so by how scripts/contributions.mjs makes it: above all that what is declared is registered. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Command } from '../../extension/base/commandIds.ts';
import { ContextKey, Setting, View } from '../../extension/base/ids.ts';
import { ENGINES } from '../../helper/protocol/containers.ts';
import { bench } from '../fixtures/vscodeStandIn.ts';
import { run } from '../fixtures/wholeExtension.ts';

const root = path.resolve(import.meta.dirname, '../..');
const manifestText = readFileSync(path.join(root, 'package.json'), 'utf8');

interface MenuItem {
  command?: string;
  submenu?: string;
  when?: string;
}
interface Manifest {
  icon: string;
  activationEvents: string[];
  contributes: {
    commands: { command: string; title: string; enablement?: string; icon?: string }[];
    views: Record<string, { id: string; name: string; icon?: string }[]>;
    viewsContainers: { activitybar: { id: string; icon: string }[] };
    viewsWelcome: { view: string; contents: string; when: string }[];
    customEditors: { viewType: string }[];
    submenus: { id: string; label: string }[];
    menus: Record<string, MenuItem[]>;
    configuration: { properties: Record<string, unknown> };
  };
}
const { icon, activationEvents, contributes } = JSON.parse(manifestText) as Manifest;
const texts = JSON.parse(readFileSync(path.join(root, 'package.nls.json'), 'utf8')) as Record<string, string>;

const ids = (values: object) => Object.values(values).sort();
const commands = contributes.commands.map(({ command }) => command);
const views = Object.values(contributes.views).flat();
const whens = [
  ...Object.values(contributes.menus)
    .flat()
    .map(({ when }) => when ?? ''),
  ...contributes.viewsWelcome.map(({ when }) => when),
  ...contributes.commands.map(({ enablement }) => enablement ?? ''),
];

test('what is declared is registered, and what is registered is declared', () => {
  using _extension = run({ text: 'plain' });
  const registered = (...known: Map<string, unknown>[]) => known.flatMap((one) => [...one.keys()]).sort();
  assert.deepEqual(registered(bench.commands), [...commands].sort());
  assert.deepEqual(registered(bench.views), views.map(({ id }) => id).sort());
  assert.deepEqual(registered(bench.customEditors), contributes.customEditors.map(({ viewType }) => viewType).sort());
  // What was open before a reload of the window starts the extension.
  const ofFiles = registered(bench.documents, bench.fileSystems).map((scheme) => `onFileSystem:${scheme}`);
  const ofPages = registered(bench.serializers).map((type) => `onWebviewPanel:${type}`);
  assert.deepEqual(activationEvents, [...ofFiles, ...ofPages]);
});

test('no two commands have one id, and every setting of the code is declared', () => {
  assert.deepEqual(commands, [...new Set(commands)]);
  assert.deepEqual(Object.keys(contributes.configuration.properties).sort(), ids(Setting));
});

test('every submenu has a name and entries, and buttons of welcome texts run commands that exist', () => {
  const submenus = contributes.submenus.map(({ id }) => id);
  for (const { submenu } of Object.values(contributes.menus).flat())
    assert.ok(submenu === undefined || submenus.includes(submenu), submenu);
  for (const id of submenus) assert.ok((contributes.menus[id]?.length ?? 0) > 0, `${id} has entries`);
  for (const text of Object.values(texts)) {
    for (const [, command] of text.matchAll(/\(command:([^)]+)\)/g)) assert.ok(commands.includes(command ?? ''), command);
  }
});

test('conditions use only context keys and views that exist', () => {
  const known = [...ids(ContextKey), ...ids(View)];
  for (const when of whens) {
    for (const [name] of when.matchAll(/\bisoscope\.[\w.]+/g)) assert.ok(known.includes(name), `${name} in ${when}`);
  }
});

test('no view says that there is nothing before its own list is known, nor for another’s', () => {
  const { viewsWelcome } = contributes;
  for (const { id } of views) {
    const list = id.replace('.', '.list.');
    assert.ok(ids(ContextKey).includes(list), list);
    const of = (ending: string) => viewsWelcome.filter(({ view, contents }) => view === id && contents.includes(ending));
    for (const [ending, state] of [
      ['.none%', 'none'],
      ['.filtered%', 'filtered'],
      ['.unprivileged%', 'none'],
      ['.reading%', 'reading'],
    ] as const)
      for (const { when } of of(ending)) assert.ok(when.includes(`${list} == '${state}'`), `${id} ${ending}: ${when}`);
    assert.ok(of('.none%').length === 1 && of('.reading%').length === 1, id);
  }
});

test('commands that act on a row are not offered without one', () => {
  const hidden = contributes.menus.commandPalette?.filter(({ when }) => when === 'false').map(({ command }) => command);
  for (const command of [Command.copyId, Command.copyPid, Command.copyNsenter, Command.copyText, Command.showMore]) {
    assert.ok(hidden?.includes(command), command);
  }
});

test('every icon that is named exists, and every engine has one for light and for dark themes', () => {
  const files = [
    icon,
    ...contributes.viewsContainers.activitybar.map((one) => one.icon),
    ...views.map((one) => one.icon ?? icon),
  ];
  for (const file of files) assert.ok(existsSync(path.join(root, file)), file);
  const expected = ENGINES.map((engine) => `${engine}.svg`).sort();
  for (const theme of ['light', 'dark'])
    assert.deepEqual(readdirSync(path.join(root, 'media/engines', theme)).sort(), expected);
});

test('the icon is a PNG of 128 by 128', () => {
  const png = readFileSync(path.join(root, icon));
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [128, 128]);
});
