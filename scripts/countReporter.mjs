/**
 * A reporter for node:test that writes the counts of a run, what failed in it and what was skipped why, as one line of JSON, for scripts/test.mjs to add
 * up and to say again at the end, where it is not lost among the output of thousands of tests.
 */
const MAX_FAILURE_LENGTH = 2000;

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
async function* countReporter(events) {
  const failures = [];
  const skips = [];
  let passed = 0;
  let summed;
  for await (const { type, data } of events) {
    // A suite fails with its tests, which are told themselves.
    if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') failures.push(failureText(data));
    if (type === 'test:pass' && (data.skip !== undefined || data.todo !== undefined)) skips.push(skipOf(data));
    else if (type === 'test:pass' && data.details.type !== 'suite') passed += 1;
    // One summary comes for each file, and one without a file for the whole run; from Node 22 on.
    if (type === 'test:summary' && data.file === undefined) summed = data.counts;
  }
  const counts = summed ?? { passed, failed: failures.length, cancelled: 0, skipped: skips.length, todo: 0 };
  const { failed, cancelled, skipped, todo } = counts;
  yield `${JSON.stringify({ passed: counts.passed, failed: failed + cancelled, skipped: skipped + todo, failures, skips })}\n`;
}

/** Node gives `true` where a test was skipped without a reason. */
function skipOf({ name, skip, todo }) {
  const reason = skip ?? todo;
  return { name, reason: typeof reason === 'string' && reason !== '' ? reason : 'no reason was given' };
}

function failureText({ name, details }) {
  const cause = details.error?.cause ?? details.error;
  return `${name}\n${cause?.stack ?? cause?.message ?? cause}`.slice(0, MAX_FAILURE_LENGTH);
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export
export { countReporter as default };
