/** A workbench in a browser, driven as a person would: palette, views, quick picks, terminals, notifications, themes. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import './failureState.ts';
import './knownState.ts';
import { closed, opened } from './openWindows.ts';
import { TOOLTIP_MILLIS, TreeView } from './tree.ts';
import { DEFAULT_WAIT_MILLIS, eventually } from './wait.ts';

export const ARTEFACTS = path.resolve(import.meta.dirname, '../artefacts');

/** The theme's label, and the class by which the workbench shows that it took effect. */
export const THEMES = {
  light: { label: 'Light Modern', bodyClass: 'themes-light_modern-json' },
  dark: { label: 'Dark Modern', bodyClass: 'themes-dark_modern-json' },
  highContrast: { label: 'Dark High Contrast', bodyClass: 'themes-hc_black-json' },
};
export type Theme = keyof typeof THEMES;

/** Within which an open palette has its rows. */
const PALETTE_MILLIS = 5000;
/** Within which a command asks what it has to ask at once. */
const QUESTION_MILLIS = 3000;
/** Within which a click shows the sidebar. */
const SIDEBAR_MILLIS = 3000;
/** A file that has the same size so many times in a row is not being written any more. */
const AT_REST_LOOKS = 6;

/** What `openWorkbench` needs to undo. */
export interface Server {
  address: string;
  settingsFile: string;
  /** Text of every log of the extension host and of the extension. */
  logs(): string;
  stop(): Promise<void>;
}

export class Workbench implements AsyncDisposable {
  /** The playwright page, for what has no helper here. */
  readonly page: Page;
  private readonly browser: Browser;
  private readonly server: Server;
  private readonly size: { width: number; height: number };
  /** Its tests follow from each other. */
  readonly isStory: boolean;
  /** The view container that was opened last. */
  sidebar: string | undefined;
  /** Their panel was closed, and the page does not have them then. */
  private hasHiddenTerminals = false;
  /** What Isoscope's views are filtered by between tests. */
  restingFilter = '';

  constructor(page: Page, browser: Browser, server: Server, isStory: boolean) {
    this.page = page;
    this.browser = browser;
    this.server = server;
    this.isStory = isStory;
    this.size = page.viewportSize() ?? { width: 0, height: 0 };
    opened(this);
  }

  get address(): string {
    return this.server.address;
  }

  /** Loads the page and waits until the workbench is ready for input. */
  async load(): Promise<void> {
    await this.page.goto(this.server.address, { waitUntil: 'domcontentloaded' });
    await this.ready();
  }

  /** Reloads the window as a person would; the extension host starts anew and terminals reconnect. */
  async reload(): Promise<void> {
    await this.page.evaluate('globalThis.isBeforeReload = true');
    await this.runCommand('Developer: Reload Window');
    await eventually('the window to reload', async () => (await this.page.evaluate('globalThis.isBeforeReload')) === undefined);
    await this.ready();
  }

  private async ready(): Promise<void> {
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor({ timeout: 60_000 });
    await this.page.locator('.part.activitybar .action-item').first().waitFor({ timeout: 60_000 });
  }

  /** Runs a command by its whole title in the palette: `Isoscope: Refresh`. Waits until the palette offers it. */
  async runCommand(title: string): Promise<void> {
    // The row's label goes on with the key binding, or with "recently used".
    const exact = new RegExp(`^${title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(,|$)`);
    await eventually(
      `the command "${title}" in the palette`,
      async () => {
        // An extension that is still starting offers its commands only to a palette opened afterwards.
        await this.openPalette(title);
        const position = (await this.quickPickItems()).findIndex((item) => exact.test(item));
        if (position === -1) return false;
        // By keys: a click gives the focus to what is below the palette, and so takes it from what the command opens.
        for (let row = 0; row < position; row += 1) await this.quickInputBox().press('ArrowDown', { timeout: 2000 });
        await this.quickInputBox().press('Enter', { timeout: 2000 });
        return true;
      },
      DEFAULT_WAIT_MILLIS,
      async () => `the palette shows: ${(await this.quickPickItems()).join(' | ')}`,
    );
    // What the command opens may look the same, and must not be taken for the palette that is going away.
    await eventually('the palette to close', async () => {
      const box = this.quickInputBox();
      return !(await box.isVisible()) || !(await box.inputValue({ timeout: 2000 })).startsWith('>');
    });
  }

  /** The commands that the palette offers for a text. */
  async paletteCommands(text: string): Promise<string[]> {
    await this.openPalette(text);
    await this.quickInputRows().first().waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    const items = await this.quickPickItems();
    await this.page.keyboard.press('Escape');
    return items;
  }

  private async openPalette(text: string): Promise<void> {
    await eventually('the palette', async () => {
      if (await this.quickInputBox().isVisible()) await this.escape();
      await this.page.keyboard.press('F1');
      await this.quickInputBox().fill(`>${text}`, { timeout: 8000 });
      // What takes the focus, like a terminal that opens, closes it: then it is opened again.
      await this.quickInputRows().first().waitFor({ timeout: PALETTE_MILLIS });
      return true;
    });
  }

  /** Shows a view container of the activity bar by its title: `Isoscope`. */
  async openSidebar(title: string): Promise<void> {
    this.sidebar = title;
    const item = this.page.locator(`.part.activitybar .action-item:has(.action-label[aria-label^="${title}"])`).first();
    await item.waitFor({ timeout: 60_000 });
    const checked = item.and(this.page.locator('.checked'));
    await eventually(`the sidebar ${title}`, async () => {
      if (await checked.isVisible()) return true;
      // A window that is still restoring its sidebar takes the click for the wish to hide it: then another click shows it.
      await item.click();
      await checked.waitFor({ timeout: SIDEBAR_MILLIS });
      return true;
    });
  }

  view(title: string): TreeView {
    return new TreeView(this.page, title);
  }

  /** Gives the window the size that it began with. */
  async restoreSize(): Promise<void> {
    const now = this.page.viewportSize();
    if (now?.width !== this.size.width || now.height !== this.size.height) await this.page.setViewportSize(this.size);
  }

  /** Has Isoscope's views filtered by a text, or by nothing, unless they are: each says so beside its title. */
  async filterBy(text: string): Promise<void> {
    const beside = await this.page.locator('.part.sidebar .pane-header .description').allInnerTexts();
    const now = beside.map((one) => /“(.*)”/.exec(one)?.[1]).find((one) => one !== undefined) ?? '';
    if (now === text) return;
    await this.runCommand(text === '' ? 'Isoscope: Clear Filter' : 'Isoscope: Filter…');
    if (text !== '') await this.answer(text);
  }

  /** Folds all rows of the views that are open. */
  async foldRows(): Promise<void> {
    for (const title of await this.viewTitles()) await this.view(title).collapseAll();
  }

  /** Titles of the views in the sidebar, top to bottom. */
  async viewTitles(): Promise<string[]> {
    return await this.page
      .locator('.part.sidebar .pane > .pane-header')
      .evaluateAll((headers) => headers.map((header) => (header.getAttribute('aria-label') ?? '').replace(/ Section$/, '')));
  }

  // Quick picks and input boxes

  private quickInputBox(): Locator {
    return this.page.locator('.quick-input-widget:visible .quick-input-box input');
  }

  private quickInputRows(): Locator {
    return this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row');
  }

  /** The open quick pick's or input box's title, placeholder and message, for assertions. */
  async quickInput(): Promise<{ title: string; placeholder: string; message: string; password: boolean; value: string }> {
    const box = this.quickInputBox();
    await box.waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    const widget = this.page.locator('.quick-input-widget:visible');
    return {
      title: (await widget.locator('.quick-input-title').textContent()) ?? '',
      placeholder: (await box.getAttribute('placeholder')) ?? '',
      message: (await widget.locator('.quick-input-message').textContent()) ?? '',
      password: (await box.getAttribute('type')) === 'password',
      value: await box.inputValue(),
    };
  }

  /** Rows of the open quick pick that are on screen, as one text each. */
  async quickPickItems(): Promise<string[]> {
    const texts = await this.quickInputRows().evaluateAll((rows) => rows.map((row) => row.getAttribute('aria-label') ?? ''));
    return texts.map((text) => text.trim());
  }

  /** Chooses the first row with this text. */
  async pick(text: string | RegExp, withinMillis = DEFAULT_WAIT_MILLIS): Promise<void> {
    const row = this.quickInputRows().filter({ hasText: text }).first();
    // A click looks for its row twice a second only, and what takes the focus closes the question in less.
    await row.waitFor({ timeout: withinMillis });
    await row.click({ timeout: withinMillis });
  }

  /** Runs a command that asks at once, and picks the row. A webview that comes to the front late takes the focus and so closes the question: it is asked again. */
  async choose(title: string, text: string): Promise<void> {
    await eventually(`"${text}" to be picked for "${title}"`, async () => {
      await this.runCommand(title);
      await this.pick(text, QUESTION_MILLIS);
      return true;
    });
  }

  /** Ticks or clears rows of a quick pick with boxes, so that exactly these are ticked, and accepts. */
  async pickMany(texts: string[]): Promise<void> {
    await this.quickInputRows().first().waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    for (const row of await this.quickInputRows().all()) {
      const label = (await row.locator('.label-name').first().textContent()) ?? '';
      const box = row.locator('.monaco-checkbox, .quick-input-list-checkbox, input[type=checkbox]').first();
      const ticked = (await box.getAttribute('aria-checked')) === 'true' || (await box.isChecked().catch(() => false));
      if (ticked !== texts.includes(label.trim())) await box.click();
    }
    // A box that was clicked has the focus, and would take the key.
    await this.quickInputBox().press('Enter');
  }

  /** Labels of the ticked rows of a quick pick with boxes. */
  async ticked(): Promise<string[]> {
    await this.quickInputRows().first().waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    const labels: string[] = [];
    for (const row of await this.quickInputRows().all()) {
      const box = row.locator('.monaco-checkbox, .quick-input-list-checkbox, input[type=checkbox]').first();
      const isTicked = (await box.getAttribute('aria-checked')) === 'true' || (await box.isChecked().catch(() => false));
      if (isTicked) labels.push(((await row.locator('.label-name').first().textContent()) ?? '').trim());
    }
    return labels;
  }

  /**
   * Types into the open input box and presses Enter, or filters the open quick pick by the text and accepts the row that has it. A quick
   * pick opens before its rows are there and filters a little later than it is typed into: until then it would accept nothing, or another row.
   */
  async answer(text: string): Promise<void> {
    const box = this.quickInputBox();
    await box.fill(text, { timeout: DEFAULT_WAIT_MILLIS });
    if (await this.quickInputHasList()) {
      const focused = this.quickInputRows().and(this.page.locator('.focused'));
      await eventually(
        `the quick pick to offer "${text}"`,
        async () => (await focused.count()) > 0 && (await focused.first().getAttribute('aria-label'))?.includes(text),
        DEFAULT_WAIT_MILLIS,
        async () => `the quick pick shows: ${(await this.quickPickItems()).join(' | ')}`,
      );
    }
    await box.press('Enter');
  }

  /** Whether the open quick input is a quick pick, also one without rows; false: an input box. */
  private async quickInputHasList(): Promise<boolean> {
    const list = this.page.locator('.quick-input-widget:visible .quick-input-list');
    return (await list.count()) > 0 && (await list.evaluate((element) => element.style.display !== 'none'));
  }

  /** Types into the open input box in place of what it has, without accepting. */
  async typeInto(text: string): Promise<void> {
    await this.quickInputBox().fill(text, { timeout: DEFAULT_WAIT_MILLIS });
  }

  /**
   * Answers the dialog that asks where to save, and waits for the file. The dialog puts its own proposal, whose name ends like the file's, in
   * once it has opened, over what was typed before; and it ignores Enter while it reads the folder.
   */
  async saveAs(file: string): Promise<void> {
    await eventually('the save dialog', async () => (await this.quickInput()).value.endsWith(path.extname(file)));
    const box = this.quickInputBox();
    await box.fill(file, { timeout: DEFAULT_WAIT_MILLIS });
    await eventually(`${file} to be written`, async () => {
      if (existsSync(file)) return true;
      if (await box.isVisible()) await box.press('Enter', { timeout: 1000 });
      return false;
    });
    // It is there before it is written: what is in it has to come to rest.
    let size = 0;
    let looks = 0;
    await eventually(`all of ${file} to be written`, async () => {
      const before = size;
      ({ size } = statSync(file));
      looks = size > 0 && size === before ? looks + 1 : 0;
      return looks >= AT_REST_LOOKS;
    });
  }

  /** Takes a folder in the dialog that is open for one, which this VS Code draws as a quick input. */
  async takeFolder(folder: string): Promise<void> {
    await eventually('the dialog', async () => (await this.quickInput()).value.endsWith('/'));
    const box = this.quickInputBox();
    await box.fill(folder, { timeout: DEFAULT_WAIT_MILLIS });
    await eventually(`${folder} to be taken`, async () => {
      if (!(await box.isVisible())) return true;
      await box.press('Enter', { timeout: 1000 });
      return false;
    });
  }

  /** Dismisses whatever is on top: a quick pick, an input box, a menu. */
  async escape(): Promise<void> {
    await this.page.keyboard.press('Escape');
  }

  // Terminals

  /** Text of the visible terminal's screen, without trailing blanks. Needs the DOM renderer, which the harness sets. */
  async terminalText(): Promise<string> {
    const rows = this.page.locator('.terminal-wrapper.active .xterm-rows > div, .terminal-editor .xterm-rows > div');
    const lines = await rows.evaluateAll((elements) =>
      elements.map((element) => (element.textContent ?? '').replaceAll('\u00a0', ' ').trimEnd()),
    );
    return lines.join('\n').trimEnd();
  }

  /** Waits until the visible terminal's screen matches. */
  async terminalShows(pattern: RegExp, withinMillis = DEFAULT_WAIT_MILLIS): Promise<RegExpExecArray> {
    return await eventually(
      `the terminal to show ${pattern}`,
      async () => pattern.exec(await this.terminalText()),
      withinMillis,
      async () => `the terminal shows:\n${await this.terminalText()}`,
    );
  }

  /** Types into the visible terminal; `\n` is Enter. */
  async terminalType(text: string): Promise<void> {
    await this.page.locator('.terminal-wrapper.active .xterm-screen, .terminal-editor .xterm-screen').first().click();
    await this.page.keyboard.type(text);
  }

  /** Gives the room of terminals to the editors. */
  async closePanel(): Promise<void> {
    const panel = this.page.locator('.part.panel');
    this.hasHiddenTerminals ||= (await this.terminals().count()) > 0;
    if (await panel.isVisible()) await this.runCommand('View: Toggle Panel Visibility');
    await panel.waitFor({ state: 'hidden', timeout: DEFAULT_WAIT_MILLIS });
  }

  private terminals(): Locator {
    return this.page.locator('.terminal-wrapper');
  }

  /** Ends what runs in terminals, also in those of a panel that is hidden. */
  async killTerminals(): Promise<void> {
    const count = () => this.terminals().count();
    if (!this.hasHiddenTerminals && (await count()) === 0) return;
    // Of a panel that is hidden it cannot be seen when the last one has ended.
    if (!(await this.page.locator('.part.panel').isVisible())) {
      await this.runCommand('View: Toggle Panel Visibility');
      await eventually('the terminals to be shown', async () => (await count()) > 0);
    }
    await this.runCommand('Terminal: Kill All Terminals');
    await eventually('the terminals to end', async () => (await count()) === 0);
    this.hasHiddenTerminals = false;
  }

  /** Names of the terminals, from their tabs or, with one terminal, from the panel's title bar. */
  async terminalNames(): Promise<string[]> {
    const tabs = this.page.locator('.terminal-tabs-entry .label-name, .single-terminal-tab');
    return (await tabs.allInnerTexts()).map((text) => text.trim());
  }

  // Notifications, dialogs, status bar, webviews

  /** Texts of the notifications on screen. */
  async notifications(): Promise<string[]> {
    return await this.page.locator('.notification-toast .notification-list-item-message').allInnerTexts();
  }

  async notificationShows(pattern: RegExp, withinMillis = DEFAULT_WAIT_MILLIS): Promise<string> {
    return await eventually(
      `a notification ${pattern}`,
      async () => (await this.notifications()).find((text) => pattern.test(text)),
      withinMillis,
      async () => `notifications: ${(await this.notifications()).join(' | ')}`,
    );
  }

  /** Clicks a button of a notification. */
  async notificationAction(button: string): Promise<void> {
    const found = this.page.locator('.notification-toast .monaco-button, .notification-toast .action-label');
    await found.filter({ hasText: button }).first().click({ timeout: DEFAULT_WAIT_MILLIS });
  }

  async clearNotifications(): Promise<void> {
    await this.runCommand('Notifications: Clear All Notifications');
  }

  /** What lies over the workbench, for the message of a wait that was in vain. */
  async shown(): Promise<string> {
    const texts = {
      notifications: await this.notifications(),
      'quick pick': await this.quickPickItems(),
      tabs: await this.page.locator('.tab .label-name').allInnerTexts(),
      focus: [await this.page.evaluate<string>('document.activeElement.ariaLabel ?? document.activeElement.className')],
      sidebar: (await this.page.locator('.part.sidebar .monaco-list-row:visible').allInnerTexts()).map((row) =>
        row.slice(0, 40),
      ),
    };
    return Object.entries(texts)
      .map(([what, all]) => `${what}: ${all.join(' | ')}`)
      .join('; ');
  }

  /** Text of the modal dialog on screen. */
  async dialogText(): Promise<string> {
    const box = this.page.locator('.monaco-dialog-box');
    return await eventually(
      'a dialog',
      async () => (await box.count()) > 0 && (await box.innerText()),
      DEFAULT_WAIT_MILLIS,
      () => this.shown(),
    );
  }

  async dialogButton(title: string): Promise<void> {
    await this.page
      .locator('.monaco-dialog-box .monaco-button')
      .filter({ hasText: title })
      .first()
      .click({ timeout: DEFAULT_WAIT_MILLIS });
  }

  /** Texts of the status bar's items. */
  async statusBar(): Promise<string[]> {
    const texts = await this.page.locator('.part.statusbar .statusbar-item').allInnerTexts();
    return texts.map((text) => text.trim()).filter((text) => text !== '');
  }

  statusBarItem(text: string): Locator {
    return this.page.locator('.part.statusbar .statusbar-item').filter({ hasText: text }).first();
  }

  /** Points at something until `text` is told of it, as a person would: what moved from under the pointer meanwhile tells nothing. */
  async hover(target: Locator, text: string): Promise<void> {
    await eventually(`"${text}" below the pointer`, async () => {
      await this.page.mouse.move(0, 0);
      await target.hover({ timeout: TOOLTIP_MILLIS });
      await this.page
        .locator('.monaco-hover:visible, .workbench-hover:visible')
        .filter({ hasText: text })
        .first()
        .waitFor({ timeout: TOOLTIP_MILLIS });
      return true;
    });
  }

  /** The content of the visible webview: an iframe in an iframe. */
  webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready:visible').last().frameLocator('#active-frame');
  }

  /** Text of the page in the visible webview. */
  async pageText(): Promise<string> {
    return await this.webview().locator('body').innerText();
  }

  /** Text of the active editor's visible lines. */
  async editorText(): Promise<string> {
    const lines = await this.page.locator('.editor-instance .view-lines .view-line').evaluateAll((elements) =>
      elements
        .map((element) => ({
          top: Number.parseInt((element as unknown as { style: { top: string } }).style.top, 10),
          text: element.textContent ?? '',
        }))
        .sort((one, other) => one.top - other.top)
        .map(({ text }) => text.replaceAll('\u00a0', ' ')),
    );
    return lines.join('\n');
  }

  /** Replaces the whole text of the active editor, without saving. */
  async typeInEditor(text: string): Promise<void> {
    await this.page.locator('.editor-instance .view-lines').first().click();
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.insertText(text);
  }

  /** Replaces the whole text of the active editor, and saves it as a person would: whether it is taken is shown. */
  async saveInEditor(text: string): Promise<void> {
    await this.typeInEditor(text);
    await this.page.keyboard.press('Control+S');
  }

  /** What "copy" commands left on the clipboard. */
  async clipboard(): Promise<string> {
    return await this.page.evaluate<string>('navigator.clipboard.readText()');
  }

  // Settings, themes, pictures

  /** Merges into the user's settings, in an editor as a person would: this VS Code overlooks a file that another program wrote. */
  async changeSettings(changes: Record<string, unknown>): Promise<void> {
    const current = JSON.parse(readFileSync(this.server.settingsFile, 'utf8')) as Record<string, unknown>;
    const wanted = JSON.stringify({ ...current, ...changes }, undefined, 2);
    await this.runCommand('Preferences: Open User Settings (JSON)');
    await this.page.locator('.tab.active[data-resource-name="settings.json"]').waitFor({ timeout: DEFAULT_WAIT_MILLIS });
    await this.saveInEditor(wanted);
    await eventually('the settings to be saved', async () => readFileSync(this.server.settingsFile, 'utf8') === wanted);
    await this.runCommand('View: Close Editor');
  }

  private async themeClasses(): Promise<string> {
    return (await this.page.locator('.monaco-workbench').first().getAttribute('class')) ?? '';
  }

  /** Gives the window the theme that it began with. One that has just been opened shows none yet, and has it. */
  async restoreTheme(): Promise<void> {
    const classes = await this.themeClasses();
    if ([THEMES.light, THEMES.highContrast].some(({ bodyClass }) => classes.includes(bodyClass))) await this.setTheme('dark');
  }

  async setTheme(theme: Theme): Promise<void> {
    const { label, bodyClass } = THEMES[theme];
    const classes = () => this.themeClasses();
    if ((await classes()).includes(bodyClass)) return;
    await this.runCommand('Preferences: Color Theme');
    await this.answer(label);
    await eventually(`the ${theme} theme`, async () => (await classes()).includes(bodyClass), DEFAULT_WAIT_MILLIS, classes);
    await this.quickInputBox().waitFor({ state: 'hidden', timeout: DEFAULT_WAIT_MILLIS });
  }

  /** Writes `test/e2e/artefacts/<name>.png` and returns its path. Waits until nothing moves: a change of colours is a transition. */
  async screenshot(name: string): Promise<string> {
    mkdirSync(ARTEFACTS, { recursive: true });
    const file = path.join(ARTEFACTS, `${name}.png`);
    await eventually('the transitions to end', () =>
      this.page.evaluate<boolean>(
        "document.getAnimations().every((one) => one.playState !== 'running' || !(one instanceof CSSTransition))",
      ),
    );
    await this.page.screenshot({ path: file });
    return file;
  }

  /** `<name>-<theme>.png` of what is shown, in each of the themes; it is dark again afterwards. */
  async screenshots(name: string, themes: readonly Theme[] = ['dark', 'light']): Promise<void> {
    for (const theme of themes) {
      await this.setTheme(theme);
      await this.screenshot(`${name}-${theme}`);
    }
    await this.setTheme('dark');
  }

  /** Logs of the extension host and of the extensions' output channels, as far as they are written. */
  logs(): string {
    return this.server.logs();
  }

  /** Closes the browser, stops code-server and removes its folder. */
  async close(): Promise<void> {
    closed(this);
    await this.browser.close();
    await this.server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
