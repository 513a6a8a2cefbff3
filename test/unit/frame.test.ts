/** The frames of the stream socket. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameError,
  MAX_PAYLOAD_BYTES,
  TOKEN_BYTES,
} from '../../helper/stream/frame.ts';

const FRAMES: Frame[] = [
  { type: 'attach', token: Buffer.alloc(TOKEN_BYTES, 7), columns: 80, rows: 24 },
  { type: 'data', data: Buffer.from('hello \u0000 world') },
  { type: 'data', data: Buffer.alloc(0) },
  { type: 'resize', columns: 65535, rows: 1 },
  { type: 'exit', code: 255 },
  { type: 'exit', signal: 'SIGKILL' },
  { type: 'error', message: 'Grüße' },
];

/** A linear congruential generator: the same bytes at every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('every frame arrives as it was sent', () => {
  for (const frame of FRAMES) assert.deepEqual([...new FrameDecoder().push(encodeFrame(frame))], [frame]);
});

test('frames arrive whole however the stream cuts them', () => {
  const stream = Buffer.concat(FRAMES.map(encodeFrame));
  const next = random(42);
  for (let round = 0; round < 200; round += 1) {
    const decoder = new FrameDecoder();
    const received: Frame[] = [];
    for (let at = 0; at < stream.length; ) {
      const length = 1 + next(round % 2 === 0 ? 3 : 40);
      // The bytes of a frame may be given out as a part of a chunk that is used again.
      received.push(...structuredClone([...decoder.push(Buffer.from(stream.subarray(at, at + length)))]));
      at += length;
    }
    assert.deepEqual(
      received.map((frame) => encodeFrame(frame)),
      FRAMES.map(encodeFrame),
    );
  }
});

test('a payload over the limit is refused when it is announced, and never sent', () => {
  const announced = Buffer.alloc(5);
  announced.writeUInt8(2, 0);
  announced.writeUInt32BE(MAX_PAYLOAD_BYTES + 1, 1);
  assert.throws(() => [...new FrameDecoder().push(announced)], FrameError);
  assert.throws(() => encodeFrame({ type: 'data', data: Buffer.alloc(MAX_PAYLOAD_BYTES + 1) }), FrameError);
  assert.doesNotThrow(() => encodeFrame({ type: 'data', data: Buffer.alloc(MAX_PAYLOAD_BYTES) }));
});

test('bytes of a stranger are either frames or a FrameError, never anything else', () => {
  const next = random(7);
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: 1 + next(60) }, () => (next(3) === 0 ? next(256) : next(6))));
    const decoder = new FrameDecoder();
    try {
      for (const byte of bytes) for (const _ of decoder.push(Buffer.of(byte)));
    } catch (error) {
      assert.ok(error instanceof FrameError, String(error));
    }
  }
});

test('a frame of the wrong length is refused', () => {
  for (const [type, payload] of [
    [1, Buffer.alloc(4 + TOKEN_BYTES - 1)],
    [3, Buffer.alloc(3)],
    [4, Buffer.alloc(0)],
    [4, Buffer.of(0)],
    [4, Buffer.of(9, 9)],
    [9, Buffer.alloc(0)],
  ] as const) {
    const frame = Buffer.concat([Buffer.of(type, 0, 0, 0, payload.length), payload]);
    assert.throws(() => [...new FrameDecoder().push(frame)], FrameError, `type ${type} with ${payload.length} bytes`);
  }
});

test('a frame before bytes that are none is still given', () => {
  const good = encodeFrame({ type: 'data', data: Buffer.from('x') });
  const frames = new FrameDecoder().push(Buffer.concat([good, Buffer.alloc(100, 0xff)]));
  assert.deepEqual(frames.next().value, { type: 'data', data: Buffer.from('x') });
  assert.throws(() => frames.next(), FrameError);
});
