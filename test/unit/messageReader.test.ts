import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { messageReader } from '../../extension/connection/messageReader.ts';

test('a helper that was killed in the middle of a message leaves no timer', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const output = new PassThrough();
  const reader = messageReader(output);
  const whole = JSON.stringify({ jsonrpc: '2.0', id: 1, result: 1 });
  const heard = new Promise((resolve) => reader.listen(resolve));
  output.write(`Content-Length: ${whole.length}\r\n\r\n${whole}Content-Length: 100\r\n\r\n{"jsonrpc"`);
  await heard;
  const closed = new Promise((resolve) => reader.onClose(() => resolve(undefined)));
  output.end();
  await closed;
  assert.equal(timers(), before);
});
