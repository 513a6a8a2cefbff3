/** What package.json says to VS Code, of what the extension declares (extension/base/contributions.ts). */

const ON_LINUX = '!isoscope.unsupportedPlatform';
/** What is not named here follows. */
const SECTIONS = [
  'viewsContainers',
  'views',
  'viewsWelcome',
  'commands',
  'submenus',
  'menus',
  'configuration',
  'customEditors',
];
const MENUS = ['commandPalette', 'view/title', 'view/item/context', 'isoscope.cgroups.limits', 'editor/title'];

/**
 * `contributes` and `activationEvents` of package.json, and the texts of package.nls.json by their keys. What is declared comes
 * by its kind, and with it `ids`, the module extension/base/ids.ts, and two functions of the extension.
 */
export function manifestParts({ Command, View, Setting, Other, ids, contributedViews, whenText }) {
  const parts = [
    contributedViews(orderedAs(ids.View, View)),
    ...Command.map(commandSections),
    { configuration: { title: 'Isoscope', properties: Object.fromEntries(settings(ids.Setting, Setting)) } },
    ...Other,
  ];
  const contributes = ordered(parts.reduce(merged), SECTIONS);
  contributes.commands = sortedBy(contributes.commands, ({ command }) => command);
  contributes.menus = ordered(sorted(contributes.menus), MENUS);
  for (const menu of Object.keys(contributes.menus)) contributes.menus[menu] = orderedMenu(contributes.menus[menu]);
  const texts = {};
  return {
    activationEvents: activationEvents(ids),
    contributes: written(contributes, whenText, texts),
    texts: sorted(texts),
  };
}

/** Whatever may have been open before a reload of the window starts the extension. */
function activationEvents({ Scheme, PageType }) {
  const schemes = Object.values(Scheme).map((scheme) => `onFileSystem:${scheme}`);
  return [...schemes, ...Object.values(PageType).map((type) => `onWebviewPanel:${type}`)].sort();
}

/** One declaration for each view, in the order of their ids. */
function orderedAs(views, declared) {
  return Object.keys(views).map((key) => {
    const [one, another] = declared.filter(({ view }) => view === key);
    if (one === undefined || another !== undefined) throw new Error(`the view ${key} is not declared once`);
    return one;
  });
}

function settings(known, declared) {
  return declared.map(({ setting, scope, default: value, description, values }) => {
    const text = (key, english) => ({ key: `setting.${key}`, english });
    const property = {
      type: 'string',
      scope,
      enum: Object.keys(values),
      default: value,
      markdownDescription: text(setting, description),
      markdownEnumDescriptions: Object.entries(values).map(([name, words]) => text(`${setting}.${name}`, words)),
    };
    return [known[setting], property];
  });
}

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

function sorted(object) {
  return Object.fromEntries(sortedBy(Object.entries(object), ([key]) => key));
}

/** The same in an order of its keys that begins with these. */
function ordered(object, first) {
  const keys = [...first.filter((key) => key in object), ...Object.keys(object).filter((key) => !first.includes(key))];
  return Object.fromEntries(keys.map((key) => [key, object[key]]));
}

/** A copy in the order of its keys, the first that differs. */
export function sortedBy(list, ...keys) {
  return [...list].sort((one, other) => {
    const key = keys.find((key) => key(one) !== key(other));
    return key === undefined ? 0 : key(one) < key(other) ? -1 : 1;
  });
}
