/** Adds to the error of a test what its windows showed when it failed, and takes a picture of each: a flaw that comes once must be told then. */
import { afterEach } from 'node:test';
import { openWindows } from './openWindows.ts';
import type { Workbench } from './workbench.ts';

/** The count reporter cuts what is longer than 2,000 characters, stack included. */
const MAX_STATE_LENGTH = 1200;

// A program by hand, as look.ts, is no test.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  afterEach(async (context) => {
    // Of a suite there is no error of its own.
    if (!('error' in context) || !(context.error instanceof Error)) return;
    const { cause } = context.error;
    const told = cause instanceof Error ? cause : context.error;
    for (const workbench of openWindows()) {
      const state = await stateOf(workbench, `failed-${context.name.replaceAll(/[^\w]+/g, '-').slice(0, 60)}`);
      told.stack = `${told.message}\n${state.slice(0, MAX_STATE_LENGTH)}\n${told.stack ?? ''}`;
    }
  });
}

async function stateOf(workbench: Workbench, name: string): Promise<string> {
  try {
    const picture = await workbench.screenshot(name);
    return `${await workbench.shown()}\npicture: ${picture}`;
  } catch (error) {
    return `its window cannot be looked at: ${String(error)}`;
  }
}
