/**
 * The frames of the stream socket, between the helper and the program inside a VS Code terminal. A frame is a type (1 byte),
 * the length of its payload (4 bytes, big-endian) and the payload. The first frame on a connection is `attach`; after it
 * the client sends `data` and `resize`, the helper `data` and, as its last, `exit` or `error`.
 */

export type Frame =
  /** The one-time token of a terminal, 32 bytes, and the size of the client's screen in characters. */
  | { type: 'attach'; token: Uint8Array; columns: number; rows: number }
  | { type: 'data'; data: Uint8Array }
  | { type: 'resize'; columns: number; rows: number }
  /** The program ended, with an exit status 0–255 or by a signal, `SIGKILL`. */
  | { type: 'exit'; code: number }
  | { type: 'exit'; signal: string }
  /** Why there is nothing to attach to, in words for a person. */
  | { type: 'error'; message: string };

export const TOKEN_BYTES = 32;
/** Of a payload. Whoever sends more at once is not one of ours. */
export const MAX_PAYLOAD_BYTES = 256 * 1024;
const HEADER_BYTES = 5;
const TYPES = { attach: 1, data: 2, resize: 3, exit: 4, error: 5 } as const;
const EXITED = 0;
const SIGNALED = 1;

/** Bytes that are no frame: the connection cannot go on. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Throws a `FrameError` when the payload is over the limit. */
export function encodeFrame(frame: Frame): Buffer {
  const payload = payloadOf(frame);
  if (payload.length > MAX_PAYLOAD_BYTES) throw new FrameError(`a frame has at most ${MAX_PAYLOAD_BYTES} bytes`);
  const encoded = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  encoded.writeUInt8(TYPES[frame.type], 0);
  encoded.writeUInt32BE(payload.length, 1);
  encoded.set(payload, HEADER_BYTES);
  return encoded;
}

function payloadOf(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'attach':
      return Buffer.concat([sizeOf(frame), frame.token]);
    case 'data':
      return frame.data;
    case 'resize':
      return sizeOf(frame);
    case 'exit':
      return 'signal' in frame ? Buffer.from(`${String.fromCharCode(SIGNALED)}${frame.signal}`) : Buffer.of(EXITED, frame.code);
    case 'error':
      return Buffer.from(frame.message, 'utf8').subarray(0, 4096);
  }
}

function sizeOf({ columns, rows }: { columns: number; rows: number }): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt16BE(clamped(columns), 0);
  size.writeUInt16BE(clamped(rows), 2);
  return size;
}

function clamped(length: number): number {
  return Math.min(0xffff, Math.max(0, Math.trunc(length)));
}

/** Takes bytes as they arrive and gives the frames that they complete. */
export class FrameDecoder {
  private rest: Buffer = Buffer.alloc(0);
  private missing = 0;
  private parts: Buffer[] = [];

  /**
   * The frames that are complete with `chunk`; take them all before the next one. Throws a `FrameError` at bytes that are no
   * frame, after the frames before them: nothing that comes later can be understood.
   */
  *push(chunk: Buffer): Generator<Frame, void> {
    // A large frame arrives in many chunks; they are joined once, when it is whole.
    this.parts.push(chunk);
    this.missing -= chunk.length;
    if (this.missing > 0) return;
    this.rest = this.parts.length === 1 ? chunk : Buffer.concat(this.parts);
    for (let frame = this.take(); frame !== undefined; frame = this.take()) yield frame;
    this.parts = this.rest.length === 0 ? [] : [this.rest];
  }

  private take(): Frame | undefined {
    if (this.rest.length < HEADER_BYTES) {
      this.missing = HEADER_BYTES - this.rest.length;
      return undefined;
    }
    const length = this.rest.readUInt32BE(1);
    if (length > MAX_PAYLOAD_BYTES) throw new FrameError(`a frame of ${length} bytes is over the limit`);
    const end = HEADER_BYTES + length;
    if (this.rest.length < end) {
      this.missing = end - this.rest.length;
      return undefined;
    }
    const frame = decodeFrame(this.rest.readUInt8(0), this.rest.subarray(HEADER_BYTES, end));
    this.rest = this.rest.subarray(end);
    return frame;
  }
}

function decodeFrame(type: number, payload: Buffer): Frame {
  switch (type) {
    case TYPES.attach:
      requireLength(payload, 4 + TOKEN_BYTES);
      return { type: 'attach', ...sizeIn(payload), token: payload.subarray(4) };
    case TYPES.data:
      return { type: 'data', data: payload };
    case TYPES.resize:
      requireLength(payload, 4);
      return { type: 'resize', ...sizeIn(payload) };
    case TYPES.exit:
      return decodeExit(payload);
    case TYPES.error:
      return { type: 'error', message: payload.toString('utf8') };
    default:
      throw new FrameError(`there is no frame of type ${type}`);
  }
}

function decodeExit(payload: Buffer): Frame {
  if (payload[0] === EXITED && payload.length === 2) return { type: 'exit', code: payload[1]! };
  if (payload[0] === SIGNALED && payload.length <= 32) return { type: 'exit', signal: payload.toString('latin1', 1) };
  throw new FrameError('a frame tells no way to end');
}

function sizeIn(payload: Buffer): { columns: number; rows: number } {
  return { columns: payload.readUInt16BE(0), rows: payload.readUInt16BE(2) };
}

function requireLength(payload: Buffer, length: number): void {
  if (payload.length !== length) throw new FrameError(`a frame has ${payload.length} bytes where it should have ${length}`);
}
