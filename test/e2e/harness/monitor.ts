import assert from 'node:assert/strict';
import type { FrameLocator, Locator } from 'playwright-core';
import { eventually } from './wait.ts';
import type { Workbench } from './workbench.ts';

/** The monitor's page, as a person reads it. */
export class Monitor {
  private readonly workbench: Workbench;

  constructor(workbench: Workbench) {
    this.workbench = workbench;
  }

  private get frame(): FrameLocator {
    return this.workbench.webview();
  }

  chart(figure: string): Locator {
    return this.frame.locator(`.chart[data-figure=${figure}]`);
  }

  stage(figure: string): Locator {
    return this.chart(figure).locator('.stage');
  }

  button(name: string): Locator {
    return this.frame.getByRole('button', { name, exact: true });
  }

  get legend(): Locator {
    return this.frame.locator('.legend li');
  }

  /** `Now`, or the time that the cursor is at. */
  async time(): Promise<string> {
    return await this.frame.locator('.time').innerText();
  }

  /** Of one cgroup, as the chart's heading shows it. */
  async value(figure: string, cgroup: string): Promise<string> {
    const item = this.chart(figure).locator('.readings li').filter({ hasText: cgroup });
    return await item.locator('.value').innerText();
  }

  /** A cell of the table, seen or not. */
  async cell(figure: string, cgroup: string, column: 'now' | 'mean' | 'maximum' | 'limit'): Promise<string> {
    const row = this.frame.locator(`tr[data-figure=${figure}]`).filter({ hasText: cgroup });
    const position = ['now', 'mean', 'maximum', 'limit'].indexOf(column);
    return (await row.locator('td.number').nth(position).textContent()) ?? '';
  }

  /** Titles. */
  async charts(): Promise<string[]> {
    return await this.frame.locator('.chart h2').allInnerTexts();
  }

  /** Why, by the titles of the charts that there are not. */
  async unavailable(): Promise<Record<string, string>> {
    const titles = await this.frame.locator('.unavailable dt').allInnerTexts();
    const reasons = await this.frame.locator('.unavailable dd').allInnerTexts();
    return Object.fromEntries(titles.map((title, position) => [title, reasons[position] ?? '']));
  }

  async showsValues(cgroup: string): Promise<void> {
    await eventually(
      `values of ${cgroup}`,
      async () => /\d/.test(await this.value('cpu', cgroup)),
      60_000,
      async () => await this.frame.locator('body').innerText(),
    );
  }
}

/** "0.02 cores" as a number. */
export function cores(text: string): number {
  const [, number] = /^([\d.]+) cores?$/.exec(text) ?? [];
  assert.ok(number !== undefined, text);
  return Number(number);
}

export async function openMonitor(workbench: Workbench, container: string): Promise<void> {
  const containers = workbench.view('Containers');
  await containers.row(container);
  await containers.contextMenu(container, 'Monitor Cgroups');
}
