/**
 * Reads JSON-RPC messages framed by `Content-Length` headers from a stream whose sender is not trusted: sizes are bounded,
 * and a malformed frame is reported and skipped, so that the next good one is served (the reader of vscode-jsonrpc buffers
 * whatever length is announced, and never recovers from a bad header).
 */
import type { Readable } from 'node:stream';
import { AbstractMessageReader, type DataCallback, Disposable, type Message, type MessageReader } from 'vscode-jsonrpc';
import { MAX_MESSAGE_BYTES } from './protocol/transport.ts';

/** The id stands near the beginning, where whoever sent it has it. */
const HEAD_BYTES = 4096;
const MAX_HEADER_BYTES = 4096;
const HEADER_END = Buffer.from('\r\n\r\n');
const FIELD = Buffer.from('Content-Length:');

/** Called with what was wrong, in words for the sender, and the id of the request when it had a sound one. */
export type MalformedCallback = (problem: string, id?: string | number) => void;

export class BoundedMessageReader extends AbstractMessageReader implements MessageReader {
  private readonly stream: Readable;
  private readonly malformed: MalformedCallback;
  private chunks: Buffer[] = [];
  private buffered = 0;
  /** Bytes still to come of the body being read; 0 while a header is awaited. */
  private bodyBytes = 0;
  /** Bytes still to drop of a body that was refused. */
  private dropBytes = 0;
  private callback: DataCallback | undefined;

  constructor(stream: Readable, malformed: MalformedCallback) {
    super();
    this.stream = stream;
    this.malformed = malformed;
  }

  listen(callback: DataCallback): Disposable {
    this.callback = callback;
    const onData = (chunk: Buffer) => this.receive(chunk);
    const onEnd = () => this.fireClose();
    const onError = (error: Error) => this.fireError(error);
    this.stream.on('data', onData).on('end', onEnd).on('error', onError);
    return Disposable.create(() => this.stream.off('data', onData).off('end', onEnd).off('error', onError));
  }

  private receive(chunk: Buffer): void {
    let rest = chunk;
    if (this.dropBytes > 0) {
      const dropped = Math.min(this.dropBytes, rest.length);
      this.dropBytes -= dropped;
      rest = rest.subarray(dropped);
    }
    if (rest.length === 0) return;
    this.chunks.push(rest);
    this.buffered += rest.length;
    while (this.bodyBytes > 0 ? this.takeBody() : this.takeHeader());
  }

  private joined(): Buffer {
    const [first] = this.chunks;
    if (this.chunks.length === 1 && first) return first;
    const whole = Buffer.concat(this.chunks);
    this.chunks = [whole];
    return whole;
  }

  private keep(rest: Buffer): void {
    this.chunks = rest.length > 0 ? [rest] : [];
    this.buffered = rest.length;
  }

  private takeHeader(): boolean {
    if (this.buffered === 0) return false;
    const whole = this.joined();
    const end = whole.indexOf(HEADER_END);
    if (end === -1) {
      if (whole.length > MAX_HEADER_BYTES) this.resynchronise(whole, `no message header within ${MAX_HEADER_BYTES} bytes`);
      return false;
    }
    const header = whole.toString('latin1', 0, end);
    const rest = whole.subarray(end + HEADER_END.length);
    const length = /^content-length:[ \t]*([0-9]{1,12})$/im.exec(header.replaceAll('\r\n', '\n'))?.[1];
    if (end > MAX_HEADER_BYTES || length === undefined) {
      this.keep(rest);
      this.malformed('a message header must be "Content-Length: <bytes>" and at most 4,096 bytes');
      return true;
    }
    const bytes = Number(length);
    if (bytes > MAX_MESSAGE_BYTES) {
      // Its sender waits for an answer to its id.
      if (rest.length < HEAD_BYTES) return false;
      const head = rest.toString('latin1', 0, HEAD_BYTES);
      this.malformed(`a message of ${bytes} bytes is over the limit of ${MAX_MESSAGE_BYTES}`, idIn(head));
      const dropped = Math.min(bytes, rest.length);
      this.dropBytes = bytes - dropped;
      this.keep(rest.subarray(dropped));
      return true;
    }
    this.keep(rest);
    this.bodyBytes = bytes;
    if (bytes === 0) this.malformed('a message is empty');
    return true;
  }

  /** Drops what cannot be a header, but for a header that may have begun at its end. */
  private resynchronise(whole: Buffer, problem: string): void {
    const next = whole.indexOf(FIELD, 1);
    this.keep(next === -1 ? Buffer.alloc(0) : whole.subarray(next));
    this.malformed(problem);
  }

  /** What the connection throws at one message must not keep the next, which may be here already, from being read. */
  private deliver(message: Message): void {
    try {
      this.callback?.(message);
    } catch {
      this.malformed('a message of the protocol itself lacks what it needs');
    }
  }

  private takeBody(): boolean {
    if (this.buffered < this.bodyBytes) return false;
    const whole = this.joined();
    const body = whole.subarray(0, this.bodyBytes);
    this.keep(whole.subarray(this.bodyBytes));
    this.bodyBytes = 0;
    const { message, id } = parseMessage(body);
    if (message === undefined) this.malformed('a message is not a JSON-RPC 2.0 object', id);
    else this.deliver(message);
    return true;
  }
}

/** Of a message whose beginning this is; undefined where it does not stand before all that may hold what looks like one. */
function idIn(head: string): string | number | undefined {
  const id = /^\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*,\s*)*"id"\s*:\s*(\d{1,15}|"[\w-]{1,64}")\s*[,}]/.exec(
    head,
  )?.[1];
  return id === undefined ? undefined : (JSON.parse(id) as string | number);
}

/** A JSON-RPC 2.0 object of the shapes the connection may see; without one, the id to answer to where there is one. */
function parseMessage(body: Buffer): { message?: Message; id?: string | number } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return {};
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const { jsonrpc, method, id, params } = value as Record<string, unknown>;
  const idIsSound = id === undefined || id === null || typeof id === 'string' || typeof id === 'number';
  const methodIsSound = method === undefined || typeof method === 'string';
  const paramsAreSound = params === undefined || (typeof params === 'object' && params !== null);
  if (jsonrpc === '2.0' && idIsSound && methodIsSound && paramsAreSound) return { message: value as unknown as Message };
  return typeof id === 'string' || typeof id === 'number' ? { id } : {};
}
