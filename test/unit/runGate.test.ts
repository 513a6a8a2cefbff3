/** What makes the helper start, or run a specification, goes through one place each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const EXTENSION = path.resolve(import.meta.dirname, '../../extension');

/** Names of the files of the extension that contain it, in order. */
function filesWith(pattern: RegExp): string[] {
  const files = sourceFiles('extension').map((file) => path.relative('extension', file));
  return files.filter((file) => pattern.test(readFileSync(path.join(EXTENSION, file), 'utf8')));
}

test('what runs a specification is asked of the helper in one place, which asks the person before', () => {
  assert.deepEqual(filesWith(/\bSandboxes(Create|Run|Restart)\b/), ['programs/sandboxStarter.ts']);
  const starter = readFileSync(path.join(EXTENSION, 'programs/sandboxStarter.ts'), 'utf8');
  const asked = [...starter.matchAll(/whenGiven\([^;]*?=> (?:\{[\s\S]*?\n {4}\}|this\.startNow\([^)]*\))\);/g)].join('');
  const requests = /\bthis\.startNow\(|request\(SandboxesRestart/g;
  assert.equal(asked.match(requests)?.length, 3, 'a new one, one again, and one in the place of another');
  assert.equal(starter.match(requests)?.length, 4, 'and, without being asked, of answers');
});

test('only answers that were just given are run without that question', () => {
  assert.deepEqual(filesWith(/\.startAsAnswered\(/), ['commands/sandboxes/runInNewNamespace.ts']);
});

test('the helper is started in one place, which knows whether a person asked for it', () => {
  assert.deepEqual(filesWith(/[^.\w]startHelper\(/), ['connection/connection.ts', 'connection/startHelper.ts']);
  assert.deepEqual(filesWith(/\bmayStartHelper\(/), ['connection/connection.ts', 'connection/personActs.ts']);
});

test('only commands and views that become visible count as a person’s acts', () => {
  assert.deepEqual(filesWith(/\bnoteAct\(/), [
    'commands/commandRegistration.ts',
    'connection/personActs.ts',
    'trees/baseTree.ts',
  ]);
  assert.deepEqual(filesWith(/commands\.registerCommand\(/), ['commands/commandRegistration.ts']);
});
