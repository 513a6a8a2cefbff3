/** Judges the page of a webview by axe-core, as a person with a screen reader, without a mouse or with poor sight would have to. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Frame } from 'playwright-core';
import { eventually } from './wait.ts';
import type { Workbench } from './workbench.ts';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
/** All that there are for WCAG 2 to level AA, and what the makers of axe-core recommend beyond. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** The narrowest that a page has to be readable at. */
export const NARROW = 300;

/** What is wrong with the page that is seen, a line each: rule, how bad it is, where, and how it was found. */
export async function violations(workbench: Workbench): Promise<string[]> {
  const frame = await pageFrame(workbench);
  if (!(await frame.evaluate<boolean>('"axe" in globalThis'))) await frame.evaluate(`${AXE}; undefined`);
  // Webviews are transparent, and what the workbench has behind them is in another document.
  await frame.evaluate('document.documentElement.style.background = "var(--vscode-editor-background)"; undefined');
  const options = { runOnly: RULES, resultTypes: ['violations'], iframes: false };
  return await frame.evaluate<string[]>(`axe.run(document, ${JSON.stringify(options)}).then(({ violations }) =>
    violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) =>
      id + ' (' + impact + ') at ' + target.flat().join(' > ') + ': ' + failureSummary.replaceAll(/\\s+/g, ' '))))`);
}

/** Has the page show this, as if the extension had sent it. */
export async function showInPage(workbench: Workbench, message: object): Promise<void> {
  const frame = await pageFrame(workbench);
  const shown = `dispatchEvent(new MessageEvent('message', { data: ${JSON.stringify(message)} })); undefined`;
  await frame.evaluate(shown);
}

async function pageFrame(workbench: Workbench): Promise<Frame> {
  const root = await workbench.webview().locator('html').elementHandle();
  const frame = await root?.ownerFrame();
  if (frame === undefined || frame === null) throw new Error('the webview has no page');
  return frame;
}

/** Runs `look` with the webview as wide as a sidebar, and gives the window its size back. */
export async function whileNarrow<T>(workbench: Workbench, look: () => Promise<T>): Promise<T> {
  const { page } = workbench;
  const before = page.viewportSize();
  if (before === null) throw new Error('the window has no size');
  const width = async () => await (await pageFrame(workbench)).evaluate<number>('innerWidth');
  const beside = before.width - (await width());
  try {
    await page.setViewportSize({ ...before, width: beside + NARROW });
    await eventually(
      `a page of ${NARROW} pixels`,
      async () => (await width()) === NARROW,
      undefined,
      async () => String(await width()),
    );
    return await look();
  } finally {
    await page.setViewportSize(before);
    await eventually('the page to be as wide as before', async () => (await width()) === before.width - beside);
  }
}
