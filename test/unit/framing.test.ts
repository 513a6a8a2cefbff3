/** The reader of JSON-RPC messages from a sender who is not trusted. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import type { Message } from 'vscode-jsonrpc';
import { createMessageConnection, StreamMessageReader } from 'vscode-jsonrpc/node';
import { messageWriter } from '../../extension/connection/messageWriter.ts';
import { BoundedMessageReader } from '../../helper/framing.ts';
import { MAX_MESSAGE_BYTES } from '../../helper/protocol/transport.ts';

interface Reading {
  stream: PassThrough;
  messages: Message[];
  problems: string[];
  send(...chunks: (string | Buffer)[]): Promise<void>;
}

function reading(): Reading {
  const stream = new PassThrough();
  const messages: Message[] = [];
  const problems: string[] = [];
  new BoundedMessageReader(stream, (problem) => problems.push(problem)).listen((message) => messages.push(message));
  const send = async (...chunks: (string | Buffer)[]) => {
    for (const chunk of chunks) {
      stream.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { stream, messages, problems, send };
}

const framed = (body: string) => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const request = (id: number) => ({ jsonrpc: '2.0', id, method: 'test', params: {} });
const good = (id: number) => framed(JSON.stringify(request(id)));

test('messages arrive however the stream cuts them, with characters of many bytes', async () => {
  const body = JSON.stringify({ ...request(1), params: { text: 'äöü 😀' } });
  const whole = Buffer.from(framed(body) + good(2));
  for (const size of [1, 2, 7, whole.length]) {
    const { messages, problems, send } = reading();
    const chunks: Buffer[] = [];
    for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
    await send(...chunks);
    assert.deepEqual(messages, [JSON.parse(body), request(2)]);
    assert.deepEqual(problems, []);
  }
});

test('after every kind of malformed message the next good one is served', async () => {
  const malformed = {
    'a body that is not JSON': framed('{not json'),
    'a body that is an array': framed('[]'),
    'a body that is null': framed('null'),
    'another protocol': framed('{"jsonrpc":"1.0","id":1,"method":"x"}'),
    'an id that is an object': framed('{"jsonrpc":"2.0","id":{},"method":"x"}'),
    'a method that is a number': framed('{"jsonrpc":"2.0","id":1,"method":5}'),
    'parameters that are a string': framed('{"jsonrpc":"2.0","id":1,"method":"x","params":"y"}'),
    'an empty body': 'Content-Length: 0\r\n\r\n',
    'a negative length': 'Content-Length: -5\r\n\r\n',
    'a length that is no number': 'Content-Length: many\r\n\r\n',
    'a header without a length': 'Content-Type: x\r\n\r\n',
    'bytes that are not UTF-8': Buffer.concat([Buffer.from('Content-Length: 3\r\n\r\n'), Buffer.of(0xff, 0xfe, 0xfd)]),
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    const { messages, problems, send } = reading();
    await send(bytes, good(1));
    assert.deepEqual(messages, [request(1)], what);
    assert.equal(problems.length, 1, what);
  }
});

test('a message over the limit is refused when it is announced and dropped as it comes, unkept', async () => {
  const { messages, problems, send } = reading();
  const size = MAX_MESSAGE_BYTES + 3;
  await send(`Content-Length: ${size}\r\n\r\n`);
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  const before = process.memoryUsage().arrayBuffers;
  for (let sent = 0; sent < size; sent += chunk.length) await send(chunk.subarray(0, Math.min(chunk.length, size - sent)));
  assert.equal(problems.length, 1);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
  await send(good(2));
  assert.deepEqual(messages, [request(2)]);
});

test('garbage without any header is refused in bounded memory, and a message after it is found', async () => {
  const { messages, problems, send } = reading();
  await send(Buffer.alloc(100_000, 'x'), `\n${good(3)}`);
  assert.deepEqual(messages, [request(3)]);
  assert.ok(problems.length >= 1);
});

test('the end of the stream ends the connection, a cut message with it', async () => {
  const stream = new PassThrough();
  const reader = new BoundedMessageReader(stream, () => undefined);
  const closed = new Promise((resolve) => reader.onClose(() => resolve(undefined)));
  reader.listen(() => assert.fail('there is no message'));
  stream.end('Content-Length: 100\r\n\r\n{"jsonrpc"');
  await closed;
  if (!stream.readableEnded) await once(stream, 'end');
});

test('a refused request is named by its id where it has one', async () => {
  const stream = new PassThrough();
  const ids: (string | number | undefined)[] = [];
  new BoundedMessageReader(stream, (_, id) => ids.push(id)).listen(() => assert.fail('it is malformed'));
  stream.write(framed('{"jsonrpc":"2.0","id":7,"method":"x","params":5}') + framed('{"jsonrpc":"2.0","id":{},"method":"x"}'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ids, [7, undefined]);
});

test('a message over the limit is refused by its id, where it stands before what could look like one', async () => {
  const filler = 'x'.repeat(MAX_MESSAGE_BYTES);
  const heads: [head: string, id: string | number | undefined][] = [
    ['{"jsonrpc":"2.0","id":7,"method":"x","params":"', 7],
    ['{"jsonrpc":"2.0","method":"x","id":"a-1","params":"', 'a-1'],
    ['{"jsonrpc":"2.0","method":"x","params":{"id":5,"text":"', undefined],
    ['{"jsonrpc":"2.0","method":"\\",\\"id\\":5,","params":"', undefined],
  ];
  for (const [head, id] of heads) {
    const stream = new PassThrough();
    const ids: (string | number | undefined)[] = [];
    const served: Message[] = [];
    new BoundedMessageReader(stream, (_, named) => ids.push(named)).listen((message) => served.push(message));
    const whole = Buffer.from(framed(`${head}${filler}"}`) + good(2));
    for (let at = 0; at < whole.length; at += 50_000) stream.write(whole.subarray(at, at + 50_000));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([ids, served], [[id], [request(2)]], head);
  }
});

test('a client is told that its message is too large, and none of it is sent', async () => {
  const stream = new PassThrough();
  const connection = createMessageConnection(new StreamMessageReader(new PassThrough()), messageWriter(stream), {
    error: () => undefined,
    warn: () => undefined,
    info: () => undefined,
    log: () => undefined,
  });
  connection.listen();
  const text = 'ä'.repeat(MAX_MESSAGE_BYTES / 2);
  await assert.rejects(connection.sendRequest('x', { text }), /of 16.8 MB .* at most 16 MiB/);
  assert.equal(stream.readableLength, 0);
  void connection.sendRequest('x', { text: 'small' }).catch(() => undefined);
  await once(stream, 'readable');
  assert.match(String(stream.read()), /small/);
  connection.dispose();
});

test('a message at which the connection throws does not keep back the next', async () => {
  const stream = new PassThrough();
  const served: Message[] = [];
  const problems: string[] = [];
  new BoundedMessageReader(stream, (problem) => problems.push(problem)).listen((message) => {
    if ((message as { id?: number }).id === 1) throw new TypeError('what is missing in it');
    served.push(message);
  });
  stream.write(good(1) + good(2));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(served, [request(2)]);
  assert.equal(problems.length, 1);
});
