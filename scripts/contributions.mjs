#!/usr/bin/env node
/**
 * Writes what package.json contributes to VS Code, its texts in package.nls.json, and the ids of commands in
 * extension/commandIds.ts from what the sources of the extension declare (extension/contributions.ts). With `--check` it writes
 * nothing, and fails when a file is not up to date.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runInThisContext } from 'node:vm';
import { build } from 'esbuild';

const ROOT = path.join(import.meta.dirname, '..');
const ON_LINUX = '!isoscope.unsupportedPlatform';
/** In this order; what else is declared follows. */
const SECTIONS = ['commands', 'submenus', 'menus'];
const MENUS = ['commandPalette', 'view/title', 'view/item/context', 'isoscope.cgroups.limits', 'editor/title'];

/** The constants that the sources declare, as `[name, kind, file]`. */
function declarations() {
  const files = readdirSync(path.join(ROOT, 'extension'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  return files.flatMap((file) =>
    [...readFileSync(path.join(ROOT, 'extension', file), 'utf8').matchAll(/^export const (\w+): (\w+)Contribution = /gm)].map(
      ([, name, kind]) => [name, kind, file],
    ),
  );
}

/**
 * Of modules, only what is used is in a bundle: neither `vscode`, which is there only within VS Code, nor the code beside the
 * declarations.
 */
const onlyWhatIsUsed = {
  name: 'only-what-is-used',
  setup(bundler) {
    bundler.onResolve({ filter: /^/ }, ({ path: name, resolveDir }) => ({
      ...(name.startsWith('.') ? { path: path.join(resolveDir, name) } : { path: name, external: true }),
      sideEffects: false,
    }));
  },
};

/** The declared values, by kind and then by name, and what makes the text of a condition. */
async function declared() {
  const constants = declarations();
  const bundle = await build({
    stdin: {
      contents: [...constants, ['whenText', '', 'when.ts']]
        .map(([name, , file]) => `export { ${name} } from './${file}';`)
        .join('\n'),
      resolveDir: path.join(ROOT, 'extension'),
    },
    bundle: true,
    write: false,
    target: 'node20',
    format: 'iife',
    globalName: 'values',
    plugins: [onlyWhatIsUsed],
    logLevel: 'warning',
  });
  const values = runInThisContext(`${bundle.outputFiles[0].text}; values`);
  const byKind = { Command: {}, Other: {} };
  for (const [name, kind] of constants) byKind[kind][name] = values[name];
  return { ...byKind, whenText: values.whenText };
}

function sortedBy(list, ...keys) {
  const keyOf = (one) => keys.map((key) => key(one));
  const compare = (one, other) => {
    const at = one.findIndex((value, index) => value !== other[index]);
    return at === -1 ? 0 : one[at] < other[at] ? -1 : 1;
  };
  return [...list].sort((one, other) => compare(keyOf(one), keyOf(other)));
}

/** What a command adds to each section. */
function commandSections({ id, title, icon, enablement, onEveryPlatform, palette, keybinding, menus = {} }) {
  const enabled = [onEveryPlatform ? [] : ON_LINUX, enablement ?? []].flat();
  const entries = Object.entries(menus).map(([menu, list]) => [
    menu,
    list.map(({ group, when }) => ({ command: id, ...(when === undefined ? {} : { when }), group })),
  ]);
  if (palette !== undefined) entries.push(['commandPalette', [{ command: id, when: palette }]]);
  return {
    commands: [
      {
        command: id,
        title: { key: `command.${id.replace('isoscope.', '')}`, english: title },
        category: 'Isoscope',
        ...(icon === undefined ? {} : { icon: `$(${icon})` }),
        ...(enabled.length === 0 ? {} : { enablement: enabled }),
      },
    ],
    menus: Object.fromEntries(entries),
    ...(keybinding === undefined ? {} : { keybindings: [{ command: id, ...keybinding }] }),
  };
}

/** Both together: lists one after the other, objects key by key. */
function merged(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) return [...one, ...other];
  if (typeof one !== 'object' || typeof other !== 'object') throw new Error(`declared twice: ${one}, ${other}`);
  const result = { ...one };
  for (const [key, value] of Object.entries(other)) result[key] = key in one ? merged(one[key], value) : value;
  return result;
}

/** The same in an order of its keys that begins with these. */
function ordered(object, first) {
  const keys = [...first.filter((key) => key in object), ...Object.keys(object).filter((key) => !first.includes(key))];
  return Object.fromEntries(keys.map((key) => [key, object[key]]));
}

/** The entries of a menu as VS Code shows them, but for the titles by which it orders those of one place. */
function orderedMenu(entries) {
  const place = ({ group = '' }) => group.split('@');
  return sortedBy(
    entries,
    (entry) => place(entry)[0],
    (entry) => Number(place(entry)[1] ?? 0),
    ({ command, submenu }) => command ?? submenu,
  );
}

function contributesOf({ Command, Other }) {
  const parts = [...Object.values(Command).map(commandSections), ...Object.values(Other)];
  const all = ordered(parts.reduce(merged, {}), SECTIONS);
  all.commands = sortedBy(all.commands, ({ command }) => command);
  all.menus = ordered(sorted(all.menus), MENUS);
  for (const menu of Object.keys(all.menus)) all.menus[menu] = orderedMenu(all.menus[menu]);
  return all;
}

function sorted(object) {
  return Object.fromEntries(sortedBy(Object.entries(object), ([key]) => key));
}

/** A copy with each condition as text, and with a key in the place of each text that a person reads; those go into `texts`. */
function written(value, whenText, texts) {
  if (Array.isArray(value)) return value.map((one) => written(one, whenText, texts));
  if (typeof value !== 'object') return value;
  const { key, english } = value;
  if (english === undefined) {
    const conditions = ['when', 'enablement'];
    const entries = Object.entries(value).map(([name, one]) => [
      name,
      conditions.includes(name) ? whenText(one) : written(one, whenText, texts),
    ]);
    return Object.fromEntries(entries);
  }
  if ((texts[key] ?? english) !== english) throw new Error(`${key} is the key of two texts`);
  texts[key] = english;
  return `%${key}%`;
}

function commandIds(commands) {
  const lines = sortedBy(Object.entries(commands), ([, { id }]) => id).map(([name, { id }]) => {
    if (!name.endsWith('Command')) throw new Error(`${name} declares a command, and should be called ${name}Command`);
    return `  ${name.slice(0, -'Command'.length)}: '${id}',\n`;
  });
  return `/**
 * The ids of commands, each declared beside the command's code (contributions.ts). Written by scripts/contributions.mjs; not to
 * be changed by hand.
 */
export const Command = {
${lines.join('')}} as const;
export type CommandId = (typeof Command)[keyof typeof Command];
`;
}

const declaredNow = await declared();
const read = (name) => readFileSync(path.join(ROOT, name), 'utf8');
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
const manifest = JSON.parse(read('package.json'));
const texts = {};
const contributes = { ...manifest.contributes, ...written(contributesOf(declaredNow), declaredNow.whenText, texts) };
const kept = Object.entries(JSON.parse(read('package.nls.json'))).filter(
  ([key]) => !key.startsWith('command.') && !key.startsWith('submenu.'),
);
const files = {
  'package.json': json({ ...manifest, contributes }),
  'package.nls.json': json(sorted({ ...texts, ...Object.fromEntries(kept) })),
  'extension/commandIds.ts': commandIds(declaredNow.Command),
};
const stale = Object.keys(files).filter((name) => read(name) !== files[name]);
if (!process.argv.includes('--check')) for (const name of stale) writeFileSync(path.join(ROOT, name), files[name]);
else if (stale.length > 0) {
  console.error(
    `Not what extension/ declares: ${stale.join(', ')}. Run "node scripts/contributions.mjs", which writes them anew.`,
  );
  process.exitCode = 1;
}
