/** A reporter for node:test that writes the counts of a run as one line of JSON, for scripts/test.mjs to add up. */

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
async function* countReporter(events) {
  for await (const { type, data } of events) {
    // One summary comes for each file, and one without a file for the whole run.
    if (type === 'test:summary' && data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = data.counts;
      yield `${JSON.stringify({ passed, failed: failed + cancelled, skipped: skipped + todo })}\n`;
    }
  }
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export
export { countReporter as default };
