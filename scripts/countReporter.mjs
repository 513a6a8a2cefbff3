/**
 * A reporter for node:test that writes the counts of a run and what failed in it as one line of JSON, for scripts/test.mjs to add
 * up and to say again at the end, where it is not lost among the output of thousands of tests.
 */
const MAX_FAILURE_LENGTH = 2000;

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
async function* countReporter(events) {
  const failures = [];
  for await (const { type, data } of events) {
    // A suite fails with its tests, which are told themselves.
    if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') failures.push(failureText(data));
    // One summary comes for each file, and one without a file for the whole run.
    if (type === 'test:summary' && data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = data.counts;
      yield `${JSON.stringify({ passed, failed: failed + cancelled, skipped: skipped + todo, failures })}\n`;
    }
  }
}

function failureText({ name, details }) {
  const cause = details.error?.cause ?? details.error;
  return `${name}\n${cause?.stack ?? cause?.message ?? cause}`.slice(0, MAX_FAILURE_LENGTH);
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export
export { countReporter as default };
