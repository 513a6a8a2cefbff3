/** What a person is told, and offered, when a sandbox cannot be made. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { Uri as VsCodeUri } from 'vscode';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import type { SandboxParams } from '../../helper/protocol/sandboxes.ts';
import { bench, Uri } from '../fixtures/vscodeStandIn.ts';

const { HelperError } = await import('../../extension/connection/helperError.ts');
const { showFailure } = await import('../../extension/words/failureMessage.ts');
const { showSandboxFailure } = await import('../../extension/programs/sandboxFailure.ts');
const { specificationIn } = await import('../../extension/programs/sandboxParams.ts');

const FILE = Uri.file('/work/hello.sandbox.json') as unknown as VsCodeUri;
const TEXT = `{
  "root": { "type": "programs", "programs": ["bash"] },
  "process": { "argz": ["ls"] }
}
`;

beforeEach(() => {
  bench.shown.length = 0;
  bench.edits.length = 0;
  bench.pressed = '';
  bench.files.set('/work/hello.sandbox.json', TEXT);
});

const texts = (where: string) => bench.shown.filter((one) => one.where === where).map(({ text }) => text);

/** What was made again, and in whose place. */
async function fail(data: ErrorData, message: string): Promise<{ made: SandboxParams[]; replaced: string[] }> {
  const made: SandboxParams[] = [];
  const replaced: string[] = [];
  await showSandboxFailure(new HelperError(data.reason, message, undefined, data), await specificationIn(FILE), {
    start: async (params) => void made.push(params),
    replace: async (sandbox, params) => {
      replaced.push(sandbox);
      made.push(params);
    },
  });
  return { made, replaced };
}

test('a wrong key is told with its line, and a button opens the file there', async () => {
  bench.pressed = 'Open Line 3';
  await fail({ reason: 'invalid', field: ['spec', 'process', 'argz'] }, 'There is no field "process.argz".');
  assert.deepEqual(texts('error message'), ['hello.sandbox.json, line 3: There is no field "process.argz".']);
  assert.deepEqual(texts('button'), ['Open Line 3']);
});

test('a text that is no JSON is told with its line, and a button opens the file there', async () => {
  bench.files.set('/work/hello.sandbox.json', '{\n  "name": "a",\n}\n');
  await specificationIn(FILE).catch(showFailure);
  assert.deepEqual(texts('error message'), ['hello.sandbox.json is not JSON from line 3 on.']);
  assert.deepEqual(texts('button'), ['Open Line 3']);
});

test('of a refusal with a field in the file the other buttons stay', async () => {
  bench.pressed = 'Restart with the Changes';
  bench.files.set('/work/hello.sandbox.json', '{\n  "name": "hello"\n}\n');
  const data: ErrorData = { reason: 'busy', field: ['spec', 'name'], taken: '0123456789abcdef' };
  const { replaced } = await fail(data, 'There is a sandbox named hello already.');
  assert.deepEqual(replaced, ['0123456789abcdef']);
  assert.deepEqual(texts('error message'), ['hello.sandbox.json, line 2: There is a sandbox named hello already.']);
  assert.deepEqual(texts('button'), ['Restart with the Changes', 'Open Line 2']);
});

test('where the name is taken, the one that has it can be restarted with the changes', async () => {
  bench.pressed = 'Restart with the Changes';
  const { made, replaced } = await fail(
    { reason: 'busy', taken: '0123456789abcdef' },
    'There is a sandbox named hello already.',
  );
  assert.deepEqual(replaced, ['0123456789abcdef']);
  assert.equal(made[0]?.spec.name, 'hello');
});

test('a program that the root lacks is added to it by a button, in the file too, and the sandbox is made', async () => {
  bench.pressed = 'Add ls to the Root';
  const { made } = await fail({ reason: 'notFound', errno: 'ENOENT', step: 7, path: 'ls' }, 'ls: not found.');
  assert.deepEqual(made[0]?.spec.root, { type: 'programs', programs: ['bash', 'ls'] });
  assert.match(bench.edits.join(), /ls/);
  assert.ok(texts('button').includes('Show the Step'));
});

test('a program that this host lacks is not offered to be added', async () => {
  await fail({ reason: 'notFound', path: 'ls' }, 'There is no program ls on this host.');
  assert.deepEqual(texts('button'), []);
});
