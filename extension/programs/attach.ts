/**
 * The program inside a VS Code terminal: relays its tty to the helper's stream socket, and ends as the program there ends.
 * VS Code keeps it running over a reload of the window, and so the terminal lives on.
 *
 * Takes the socket's path and the terminal's one-time token from `ISOSCOPE_STREAM` and `ISOSCOPE_TOKEN`.
 */
import { spawnSync } from 'node:child_process';
import net from 'node:net';
import os from 'node:os';
import { encodeFrame, type Frame, FrameDecoder, MAX_PAYLOAD_BYTES, TOKEN_BYTES } from '../../helper/stream/frame.ts';

const FAILED = 1;
const HEX_TOKEN = /^[0-9a-f]{64}$/;

function attach(path: string, token: Buffer): void {
  const { stdin, stdout } = process;
  const decoder = new FrameDecoder();
  const connection = net.connect(path);
  const send = (frame: Frame) => connection.write(encodeFrame(frame));
  let restore = () => {};
  const size = () => ({ columns: stdout.columns ?? 0, rows: stdout.rows ?? 0 });

  connection.on('connect', () => {
    send({ type: 'attach', token, ...size() });
    restore = makeRaw(stdin);
    stdin.resume();
  });
  connection.on('data', (chunk: Buffer) => {
    try {
      for (const frame of decoder.push(chunk)) receive(frame);
    } catch (error) {
      end(FAILED, `The helper sent something that is not understood: ${String(error)}`);
    }
  });
  connection.on('drain', () => stdin.resume());
  connection.on('error', (error) => end(FAILED, `The helper cannot be reached: ${error.message}`));
  connection.on('close', () => end(FAILED, 'The helper has ended, and with it the program in this terminal.'));

  stdin.on('data', (data: Buffer) => {
    let flowing = true;
    for (let start = 0; start < data.length; start += MAX_PAYLOAD_BYTES) {
      flowing = send({ type: 'data', data: data.subarray(start, start + MAX_PAYLOAD_BYTES) });
    }
    if (!flowing) stdin.pause();
  });
  // The terminal was closed. Without a tty the input may end before the program does.
  stdin.on('end', () => (stdin.isTTY ? connection.destroy() : undefined));
  stdin.on('error', () => connection.destroy());
  stdout.on('error', () => connection.destroy());
  stdout.on('resize', () => send({ type: 'resize', ...size() }));
  stdout.on('drain', () => connection.resume());
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.on(signal, () => end(128 + os.constants.signals[signal]));

  function receive(frame: Frame): void {
    if (frame.type === 'data') {
      if (!stdout.write(frame.data)) connection.pause();
    } else if (frame.type === 'exit') {
      end('signal' in frame ? statusOfSignal(frame.signal) : frame.code);
    } else if (frame.type === 'error') {
      end(FAILED, frame.message);
    }
  }

  /** The first reason to end counts. */
  function end(status: number, message?: string): void {
    connection.removeAllListeners('close');
    restore();
    if (message !== undefined) process.stderr.write(`isoscope: ${message}\r\n`);
    // Once everything before it is written; `drain` would not come for less than the stream's high-water mark.
    stdout.write('', () => process.exit(status));
  }
}

/**
 * Every byte as it is, both ways. Node's own raw mode still turns each newline that is shown into a carriage return and a
 * newline, but that was done by the program's own terminal, where the program can turn it off, as full-screen ones do.
 */
function makeRaw(stdin: typeof process.stdin): () => void {
  if (!stdin.isTTY) return () => {};
  const saved = stty('-g')?.trim();
  if (saved !== undefined && stty('raw', '-echo') !== undefined) return () => stty(saved);
  stdin.setRawMode(true);
  return () => stdin.setRawMode(false);
}

/** What stty(1) printed, undefined when it failed. */
function stty(...settings: string[]): string | undefined {
  const { status, stdout } = spawnSync('stty', settings, {
    stdio: ['inherit', 'pipe', 'ignore'],
    env: { PATH: '/usr/bin:/bin' },
    encoding: 'utf8',
    // It waits until what was written is shown, and a terminal that nobody shows any more never does that.
    timeout: 2000,
  });
  return status === 0 ? stdout : undefined;
}

/** As a shell tells it. */
function statusOfSignal(name: string): number {
  const number = (os.constants.signals as Partial<Record<string, number>>)[name];
  return number === undefined ? FAILED : 128 + number;
}

function takeFromEnvironment(name: string): string {
  const value = process.env[name] ?? '';
  delete process.env[name];
  return value;
}

const path = takeFromEnvironment('ISOSCOPE_STREAM');
const token = takeFromEnvironment('ISOSCOPE_TOKEN');
if (path === '' || !HEX_TOKEN.test(token)) {
  process.stderr.write('isoscope: this program is started by Isoscope, inside a terminal that it opens.\n');
  process.exit(FAILED);
}
attach(path, Buffer.from(token, 'hex').subarray(0, TOKEN_BYTES));
