/** One tree view of the workbench, as a person sees it: rows of text, with twisties, inline actions and context menus. */
import type { Locator, Page } from 'playwright-core';
import { DEFAULT_WAIT_MILLIS, eventually } from './wait.ts';

/** VS Code shows a tooltip half a second after the pointer came to rest. */
export const TOOLTIP_MILLIS = 3000;
/** Within which a click has its effect. */
const CLICK_MILLIS = 3000;
/** Within which the extension says that it was not told which row a menu was of. */
const TOLD_MILLIS = 1000;

/** What is used of an element of the page, whose types are not those of the tests. */
interface PageElement {
  closest(selector: string): PageElement | null;
  dispatchEvent(event: Event): boolean;
}

export interface Row {
  label: string;
  description: string;
  /** Depth, 1 for the outermost. */
  level: number;
  /** Undefined: it has no children. */
  expanded: boolean | undefined;
  selected: boolean;
  /** What a screen reader says. */
  accessibleName: string;
}

/** A row by its whole label, or by a pattern on `label description`. */
export type RowMatch = string | RegExp;

export class TreeView {
  private readonly page: Page;
  /** The view's title, as in package.json: `Containers`. */
  readonly title: string;

  constructor(page: Page, title: string) {
    this.page = page;
    this.title = title;
  }

  /** The pane with its header; views with one pane merge it into the sidebar's. */
  private get pane(): Locator {
    // The header's label is "<view> Section"; of a merged view only the tree's own label carries the title.
    const escaped = this.title.replaceAll('"', '\\"');
    return this.page
      .locator(`.pane:has(> .pane-header[aria-label^="${escaped}"])`)
      .or(this.page.locator(`.pane:has(.monaco-list[aria-label="${escaped}"])`))
      .first();
  }

  /** Unfolds the pane when it is folded. */
  async open(): Promise<void> {
    await this.pane.waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    const header = this.pane.locator('> .pane-header');
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
  }

  /** Folds the pane, so that others have its room. */
  async close(): Promise<void> {
    await this.pane.waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    const header = this.pane.locator('> .pane-header');
    if ((await header.getAttribute('aria-expanded')) === 'true') await header.click();
  }

  /** What stands beside the view's title: how it is grouped, what it is filtered by. */
  async besideTitle(): Promise<string> {
    const texts = await this.pane.locator('> .pane-header .description').allInnerTexts();
    return texts.join(' ').trim();
  }

  /** Folds all rows, also those that are not on screen. */
  async collapseAll(): Promise<void> {
    const unfolded = this.pane.locator('.monaco-list-row[aria-expanded=true]');
    await eventually(`the rows of ${this.title} to fold`, async () => {
      if ((await unfolded.count()) === 0) return true;
      await this.pane.locator('> .pane-header').hover({ timeout: 2000 });
      await this.pane.locator('.action-label[aria-label^="Collapse All"]').first().click({ timeout: 2000 });
      return await eventually('the click to take effect', async () => (await unfolded.count()) === 0, CLICK_MILLIS).catch(
        () => false,
      );
    });
  }

  /** The rows that are on screen: a long tree shows only a part, so make the window tall or fold what is not needed. */
  async rows(): Promise<Row[]> {
    return await this.pane.locator('.monaco-list-row').evaluateAll((elements) =>
      elements
        .map((element) => ({
          position: Number(element.getAttribute('data-index')),
          row: {
            label: element.querySelector('.label-name')?.textContent ?? element.textContent ?? '',
            description: element.querySelector('.label-description')?.textContent ?? '',
            level: Number(element.getAttribute('aria-level')),
            expanded: element.hasAttribute('aria-expanded') ? element.getAttribute('aria-expanded') === 'true' : undefined,
            selected: element.classList.contains('selected'),
            accessibleName: element.getAttribute('aria-label') ?? '',
          },
        }))
        .sort((one, other) => one.position - other.position)
        .map(({ row }) => row),
    );
  }

  /** The rows as indented text, for assertions and for eyes. */
  async text(): Promise<string> {
    const lines = (await this.rows()).map(({ label, description, level, expanded }) => {
      const twistie = expanded === undefined ? ' ' : expanded ? '▾' : '▸';
      return `${'  '.repeat(level - 1)}${twistie} ${label}${description === '' ? '' : `  [${description}]`}`;
    });
    return lines.join('\n');
  }

  /** What the view says instead of rows: its welcome content, and its message. */
  async message(): Promise<string> {
    const texts = await this.pane.locator('.welcome-view-content, .tree-view-message, .message').allInnerTexts();
    return texts.filter((text) => text.trim() !== '').join('\n');
  }

  /** Waits until the view shows rows, or says why it has none, and returns that as text. */
  async shown(withinMillis = DEFAULT_WAIT_MILLIS): Promise<string> {
    await this.open();
    return await eventually(
      `${this.title} to show something`,
      async () => {
        const text = (await this.text()) || (await this.message());
        // The workbench's own words while the extension starts.
        return text === '' || text.startsWith('There is no data provider') ? undefined : text;
      },
      withinMillis,
    );
  }

  /** Waits for a row; `within` names rows to unfold on the way, outermost first. */
  async row(match: RowMatch, within: RowMatch[] = [], withinMillis = DEFAULT_WAIT_MILLIS): Promise<Locator> {
    await this.open();
    for (const outer of within) await this.expand(outer);
    return await eventually(
      `the row ${String(match)} in ${this.title}`,
      () => this.find(match),
      withinMillis,
      async () => `${this.title} shows:\n${(await this.text()) || (await this.message())}`,
    );
  }

  private async find(match: RowMatch): Promise<Locator | undefined> {
    const rows = await this.pane.locator('.monaco-list-row').evaluateAll((elements) =>
      elements.map((element) => ({
        id: element.id,
        label: element.querySelector('.label-name')?.textContent ?? element.textContent ?? '',
        description: element.querySelector('.label-description')?.textContent ?? '',
      })),
    );
    const found = rows.find(({ label, description }) =>
      typeof match === 'string' ? label === match : match.test(`${label} ${description}`),
    );
    return found === undefined ? undefined : this.pane.locator(`[id="${found.id}"]`);
  }

  /** Waits until no row matches. */
  async gone(match: RowMatch, withinMillis = DEFAULT_WAIT_MILLIS): Promise<void> {
    await eventually(
      `the row ${String(match)} to leave ${this.title}`,
      async () => (await this.find(match)) === undefined,
      withinMillis,
      () => this.text(),
    );
  }

  async expand(match: RowMatch): Promise<void> {
    await this.setExpanded(match, true);
  }

  async collapse(match: RowMatch): Promise<void> {
    await this.setExpanded(match, false);
  }

  private async setExpanded(match: RowMatch, expanded: boolean): Promise<void> {
    await eventually(`${String(match)} to ${expanded ? 'unfold' : 'fold'}`, async () => {
      const row = await this.row(match);
      // Found anew each time: rows are known by their position, and others may come in above.
      const done = async () => (await (await this.find(match))?.getAttribute('aria-expanded')) === String(expanded);
      if (await done()) return true;
      await row.locator('.monaco-tl-twistie').click({ timeout: 2000 });
      // A second click before the first took effect would undo it.
      return await eventually('the click to take effect', done, CLICK_MILLIS).catch(() => false);
    });
  }

  /** Selects a row, which runs its command when it has one. Rows that go when they are clicked count as selected. */
  async click(match: RowMatch): Promise<void> {
    await this.clickUntil(match, 'the row to be selected', async () => {
      const row = await this.find(match);
      return row === undefined || / selected /.test(` ${await row.getAttribute('class', { timeout: 2000 })} `);
    });
  }

  /** Clicks a row until that has its effect, as a person would: the click on a row that is just being drawn again is lost. */
  async clickUntil(match: RowMatch, effect: string, done: () => Promise<boolean>): Promise<void> {
    await eventually(`${effect} after a click on ${String(match)}`, async () => {
      await this.onRow(match, 'to be clicked', (row) => row.locator('.monaco-icon-label').first().click({ timeout: 2000 }));
      return await eventually(effect, done, CLICK_MILLIS).catch(() => false);
    });
  }

  /** Presses a key in the list of rows, wherever the focus was. */
  async press(key: string): Promise<void> {
    await this.pane.locator('.monaco-list').first().press(key, { timeout: DEFAULT_WAIT_MILLIS });
  }

  /** The names of the actions that a row shows when the pointer is on it. */
  async actions(match: RowMatch): Promise<string[]> {
    let names: string[] = [];
    await this.onRow(match, 'to show its actions', async (row) => {
      await row.hover({ timeout: 2000 });
      const labels = row.locator('.actions .action-label');
      names = await labels.evaluateAll((elements) => elements.map((element) => element.ariaLabel ?? ''));
    });
    return names;
  }

  /** Clicks an inline action by its title. */
  async action(match: RowMatch, title: string): Promise<void> {
    await eventually(`"${title}" to be taken for a row that VS Code knows`, async () => {
      await this.onRow(match, `to take "${title}"`, async (row) => {
        await row.hover({ timeout: 2000 });
        await row.locator(`.actions .action-label[aria-label^="${title}"]`).click({ timeout: 2000 });
      });
      return !(await this.wasUnknownRow());
    });
  }

  /** A row that is drawn anew meanwhile is another element: then it is looked for again. */
  private async onRow(match: RowMatch, what: string, act: (row: Locator) => Promise<void>): Promise<void> {
    await eventually(`${String(match)} ${what}`, async () => {
      // The tooltip of what the pointer still rests on would lie over the rows below.
      await this.page.mouse.move(0, 0);
      await act(await this.row(match));
      return true;
    });
  }

  /** Chooses an entry of a row's context menu. */
  async contextMenu(match: RowMatch, entry: string): Promise<void> {
    await this.chooseInMenu(match, entry);
  }

  /** Chooses an entry of a menu within a row's context menu. */
  async contextSubmenu(match: RowMatch, submenu: string, entry: string): Promise<void> {
    await this.chooseInMenu(match, entry, submenu);
  }

  private async chooseInMenu(match: RowMatch, entry: string, submenu?: string): Promise<void> {
    await eventually(`"${entry}" to be chosen for a row that VS Code knows`, async () => {
      await this.pressInMenu(match, entry, submenu);
      return !(await this.wasUnknownRow());
    });
  }

  /** Whether what was just chosen came without its row, which a person is told: then it is chosen again. Puts that away. */
  private async wasUnknownRow(): Promise<boolean> {
    const told = this.page.locator('.notification-toast', { hasText: 'the row is not known any more' }).first();
    const other = this.page.locator('.quick-input-widget:visible, .monaco-dialog-box:visible');
    await told
      .or(other.first())
      .first()
      .waitFor({ timeout: TOLD_MILLIS })
      .catch(() => undefined);
    if (!(await told.isVisible())) return false;
    await told.hover();
    await told.locator('.codicon-notifications-clear').click({ timeout: 2000 });
    return true;
  }

  private async pressInMenu(match: RowMatch, entry: string, submenu?: string): Promise<void> {
    const item = menuItems(this.page).filter({ hasText: entry }).first();
    await eventually(`the menu of ${String(match)} to take "${entry}"`, async () => {
      // Not yet open, or closed by a list that was drawn again.
      if ((await menuItems(this.page).count()) === 0) await this.openContextMenu(match);
      if (submenu !== undefined && !(await item.isVisible())) {
        await menuItems(this.page).filter({ hasText: submenu }).first().hover({ timeout: 2000 });
      }
      // By its key, once it has the focus: VS Code runs what was clicked a moment after the click, and without its target when a
      // list that is drawn again has taken the focus from the menu in that moment.
      await item.hover({ timeout: 2000 });
      return await item.evaluate(pressEnter);
    });
  }

  async contextMenuEntries(match: RowMatch): Promise<string[]> {
    await this.openContextMenu(match);
    const entries = await menuItems(this.page).allInnerTexts();
    await this.page.keyboard.press('Escape');
    return entries.map((entry) => entry.trim()).filter((entry) => entry !== '');
  }

  /** The entries of a row's menu that is still open after what happens meanwhile. */
  async contextMenuAfter(match: RowMatch, meanwhile: () => Promise<void>): Promise<string[]> {
    await this.openContextMenu(match);
    await meanwhile();
    const entries = await menuItems(this.page).allInnerTexts();
    await this.page.keyboard.press('Escape');
    return entries.map((entry) => entry.trim());
  }

  private async openContextMenu(match: RowMatch): Promise<void> {
    await this.onRow(match, 'to show its menu', async (row) => {
      await row.locator('.monaco-icon-label').first().click({ button: 'right', timeout: 2000 });
      await menuItems(this.page).first().waitFor({ timeout: 2000 });
    });
  }

  /** Waits for the tooltip of a row, one with the text `telling`, and returns its text. A row that is drawn anew under the pointer shows none: it is pointed at again. */
  async tooltip(match: RowMatch, telling = ''): Promise<string> {
    const hovers = this.page.locator('.monaco-hover:visible, .workbench-hover:visible');
    return await eventually('a tooltip', async () => {
      const row = await this.row(match);
      await this.page.mouse.move(0, 0);
      // That of what the pointer was on before may stay, and would be taken for the row's.
      const earlier = new Set(await hovers.allInnerTexts());
      await row.locator('.monaco-icon-label').first().hover({ timeout: TOOLTIP_MILLIS });
      const told = async () =>
        (await hovers.allInnerTexts()).find((text) => text !== '' && text.includes(telling) && !earlier.has(text));
      return await eventually('the row to be told of', told, TOOLTIP_MILLIS);
    });
  }

  /** Clicks an action in the view's own title bar. */
  async titleAction(title: string): Promise<void> {
    await this.open();
    await this.pane.locator('> .pane-header').hover();
    const inPane = this.pane.locator(`> .pane-header .action-label[aria-label^="${title}"]`);
    const inSidebar = this.page.locator(`.part.sidebar > .title .action-label[aria-label^="${title}"]`);
    await inPane.or(inSidebar).first().click({ timeout: DEFAULT_WAIT_MILLIS });
  }
}

/** Presses Enter on a menu's entry. Runs within the page, and so in one go: false when the entry has not the focus, or its menu, closed meanwhile, does not take the key. */
function pressEnter(label: PageElement): boolean {
  const page = globalThis as unknown as { KeyboardEvent: new (type: string, init: object) => Event };
  const entry = label.closest('.monaco-menu .action-item.focused');
  const enter = new page.KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, bubbles: true, cancelable: true });
  return entry !== null && !entry.dispatchEvent(enter);
}

/** Menus are drawn in a shadow root, which playwright looks into. */
function menuItems(page: Page): Locator {
  return page.locator('.monaco-menu .action-item:not(.disabled) .action-label:not(.separator)');
}
