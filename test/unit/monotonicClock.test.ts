/** A clock that is set back must not stop anything: the time of day is for people to read, and for nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { sourceFiles } from '../fixtures/sourceFiles.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Where the time of day is meant, and for what. */
const TIME_OF_DAY: Record<string, string> = {
  'helper/sandbox/sandboxes.ts': 'when a sandbox was made, as it is shown',
  'helper/stream/folder.ts': 'how old a folder is, which files tell by no other clock',
  'helper/host/cgroups/subscriptions.ts': 'the label of a sample',
  'helper/host/identity.ts': 'when the host was started, as it is shown',
  'extension/documents/cgroupFileSystem.ts': 'the time of change that an editor is told of a file',
  'webview/monitor.ts': 'the label of the newest sample',
};

test('nothing waits, or measures how long something takes, by the time of day', () => {
  const files = sourceFiles('helper', 'extension', 'webview');
  assert.ok(files.length > 100);
  const using = files.filter((file) => /\bDate\.now\(|new Date\(\)/.test(readFileSync(path.join(ROOT, file), 'utf8')));
  assert.deepEqual(using.sort(), Object.keys(TIME_OF_DAY).sort());
});
