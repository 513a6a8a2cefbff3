/** Holds package.json against the typed ids of extension/ids.ts, package.nls.json, and what the extension registers. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Command } from '../../extension/commandIds.ts';
import { ContextKey, EditorType, PageType, Scheme, Setting, View } from '../../extension/ids.ts';
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

test('every command that is declared is registered, and every one that is registered is declared', () => {
  using _extension = run({ text: 'plain' });
  assert.deepEqual([...bench.commands.keys()].sort(), [...commands].sort());
});

test('commands are listed in order, each once', () => {
  assert.deepEqual(commands, [...new Set(commands)].sort());
});

test('every view and every setting of the code is in package.json, and the other way round', () => {
  assert.deepEqual(views.map(({ id }) => id).sort(), ids(View));
  assert.deepEqual(Object.keys(contributes.configuration.properties).sort(), ids(Setting));
});

test('menus and welcome texts name only commands and views that exist', () => {
  const submenus = contributes.submenus.map(({ id }) => id);
  for (const { command, submenu } of Object.values(contributes.menus).flat())
    assert.ok(submenu === undefined ? commands.includes(command ?? '') : submenus.includes(submenu), command ?? submenu);
  for (const id of submenus) assert.ok((contributes.menus[id]?.length ?? 0) > 0, `${id} has entries`);
  for (const { view } of contributes.viewsWelcome) assert.ok(ids(View).includes(view), view);
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

test('every text of package.json is in package.nls.json, in order and without any that is not used', () => {
  const used = new Set([...manifestText.matchAll(/"%([^%"]+)%"/g)].map(([, key]) => key));
  assert.deepEqual(Object.keys(texts).sort(), [...used].sort());
  assert.deepEqual(Object.keys(texts), Object.keys(texts).sort());
});

test('every document and page that was open before a reload of the window starts the extension', () => {
  // Nothing opens the rows of trees, whose addresses are for colours.
  const schemes = ids(Scheme).filter((scheme) => scheme !== Scheme.row);
  const events = [
    ...schemes.map((scheme) => `onFileSystem:${scheme}`),
    ...ids(PageType).map((type) => `onWebviewPanel:${type}`),
  ];
  assert.deepEqual([...activationEvents].sort(), events.sort());
});

test('every editor of files in the code is in package.json, and the other way round', () => {
  assert.deepEqual(contributes.customEditors.map(({ viewType }) => viewType).sort(), ids(EditorType));
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
