/**
 * Looks at the extension without writing a test: opens a workbench, does the steps given as arguments, shows what it
 * sees, and closes everything. Run it from the repository's folder with Node 24:
 *
 *   node test/e2e/harness/look.ts [--folder DIR] [--keep] [--size 1400x1000] STEP...
 *
 * `--keep` prints the address and stays until Ctrl-C, so that a browser can be used on it.
 */
import { parseArgs } from 'node:util';
import { openWorkbench } from './open.ts';
import { eventually } from './wait.ts';
import { THEMES, type Theme, type Workbench } from './workbench.ts';

/** `VIEW > ROW` as two parts; a row between slashes is a pattern. */
function viewAndRow(text: string): [view: string, row: string | RegExp, rest: string] {
  const [view = '', row = '', rest = ''] = text.split(' > ').map((part) => part.trim());
  const pattern = /^\/(.*)\/$/.exec(row)?.[1];
  return [view, pattern === undefined ? row : new RegExp(pattern), rest];
}

interface Step {
  usage: string;
  run(workbench: Workbench, text: string): Promise<unknown>;
}

const STEPS: Record<string, Step> = {
  sidebar: { usage: 'TITLE: opens a view container of the activity bar', run: (w, text) => w.openSidebar(text) },
  command: { usage: 'TITLE: runs a command from the palette', run: (w, text) => w.runCommand(text) },
  commands: {
    usage: 'TEXT: lists what the palette offers',
    run: async (w, text) => (await w.paletteCommands(text)).join('\n'),
  },
  rows: {
    usage: 'VIEW: prints the view, or its welcome text',
    run: (w, text) => w.view(text).shown(),
  },
  row: {
    usage: 'VIEW > ROW: waits for the row',
    run: async (w, text) => void (await w.view(viewAndRow(text)[0]).row(viewAndRow(text)[1])),
  },
  expand: { usage: 'VIEW > ROW: unfolds a row', run: (w, text) => w.view(viewAndRow(text)[0]).expand(viewAndRow(text)[1]) },
  click: { usage: 'VIEW > ROW: clicks a row', run: (w, text) => w.view(viewAndRow(text)[0]).click(viewAndRow(text)[1]) },
  actions: {
    usage: 'VIEW > ROW: lists inline actions and the context menu',
    run: async (w, text) => {
      const [view, row] = viewAndRow(text);
      return `inline: ${(await w.view(view).actions(row)).join(' | ')}\nmenu: ${(await w.view(view).contextMenuEntries(row)).join(' | ')}`;
    },
  },
  action: {
    usage: 'VIEW > ROW > TITLE: clicks an inline action',
    run: (w, text) => w.view(viewAndRow(text)[0]).action(viewAndRow(text)[1], viewAndRow(text)[2]),
  },
  menu: {
    usage: 'VIEW > ROW > ENTRY: chooses from the context menu',
    run: (w, text) => w.view(viewAndRow(text)[0]).contextMenu(viewAndRow(text)[1], viewAndRow(text)[2]),
  },
  tooltip: {
    usage: "VIEW > ROW: prints a row's tooltip",
    run: (w, text) => w.view(viewAndRow(text)[0]).tooltip(viewAndRow(text)[1]),
  },
  title: {
    usage: "VIEW > ACTION: clicks an action of the view's title bar",
    run: (w, text) => w.view(viewAndRow(text)[0]).titleAction(String(viewAndRow(text)[1])),
  },
  pick: { usage: 'TEXT: chooses from the open quick pick', run: (w, text) => w.pick(text) },
  picks: {
    usage: 'A, B: ticks exactly these and accepts',
    run: (w, text) => w.pickMany(text.split(',').map((part) => part.trim())),
  },
  items: {
    usage: 'lists the open quick pick',
    run: async (w) => `${JSON.stringify(await w.quickInput())}\n${(await w.quickPickItems()).join('\n')}`,
  },
  answer: { usage: 'TEXT: fills the open input box and presses Enter', run: (w, text) => w.answer(text) },
  key: {
    usage: 'KEY: presses a key, as playwright names it (Escape, Control+C)',
    run: (w, text) => w.page.keyboard.press(text),
  },
  type: { usage: 'TEXT: types into the terminal and presses Enter', run: (w, text) => w.terminalType(`${text}\n`) },
  terminal: {
    usage: '[PATTERN]: waits for the pattern and prints the terminal',
    run: async (w, text) => {
      if (text !== '') await w.terminalShows(new RegExp(text));
      return `${(await w.terminalNames()).join(' | ')}\n${await w.terminalText()}`;
    },
  },
  editor: { usage: 'prints the active editor', run: (w) => w.editorText() },
  webview: { usage: 'prints the text of the visible webview', run: (w) => w.webview().locator('body').innerText() },
  text: {
    usage: 'TEXT: waits until the text is somewhere on the page',
    run: async (w, text) => void (await eventually(text, async () => (await w.page.getByText(text).count()) > 0)),
  },
  notifications: { usage: 'prints the notifications', run: async (w) => (await w.notifications()).join('\n') },
  status: { usage: 'prints the status bar', run: async (w) => (await w.statusBar()).join(' | ') },
  views: { usage: "prints the titles of the sidebar's views", run: async (w) => (await w.viewTitles()).join(' | ') },
  theme: { usage: `${Object.keys(THEMES).join('|')}: changes the theme`, run: (w, text) => w.setTheme(text as Theme) },
  reload: { usage: 'reloads the window', run: (w) => w.reload() },
  logs: {
    usage: '[PATTERN]: prints the lines of the logs that match',
    run: async (w, text) =>
      w
        .logs()
        .split('\n')
        .filter((line) => new RegExp(text).test(line))
        .join('\n'),
  },
  shot: { usage: 'NAME: writes test/e2e/artefacts/NAME.png', run: (w, text) => w.screenshot(text) },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    size: { type: 'string', default: '1400x1000' },
  },
});

function usage(): string {
  return Object.entries(STEPS)
    .map(([name, step]) => `  ${name.padEnd(14)}${step.usage}`)
    .join('\n');
}

async function look(): Promise<void> {
  const [width = 1400, height = 1000] = values.size.split('x').map(Number);
  await using workbench = await openWorkbench({
    width,
    height,
    ...(values.folder === undefined ? {} : { folder: values.folder }),
  });
  try {
    for (const text of positionals) {
      const [name = '', ...words] = text.split(' ');
      const step = STEPS[name];
      if (step === undefined) throw new Error(`no step "${name}"; the steps are:\n${usage()}`);
      process.stdout.write(`# ${text}\n`);
      const shown = await step.run(workbench, words.join(' '));
      if (typeof shown === 'string') process.stdout.write(`${shown}\n`);
    }
  } catch (error) {
    process.stdout.write(`failed; see ${await workbench.screenshot('look-failed')}\n`);
    throw error;
  }
  if (values.keep) {
    process.stdout.write(`${workbench.address}\n`);
    await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  }
}

if (positionals.length === 0 && !values.keep) process.stdout.write(`steps:\n${usage()}\n`);
else await look();
