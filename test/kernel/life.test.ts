/** How the helper ends, and that nothing of it stays: no process, no socket, no folder. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createMessageConnection, type MessageConnection, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { messageReader } from '../../extension/connection/messageReader.ts';
import { Initialize } from '../../helper/protocol/host.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { ProgramsRun, TerminalsOpen, type TerminalsOpenResult } from '../../helper/protocol/programs.ts';
import { encodeFrame, type Frame, FrameDecoder } from '../../helper/stream/frame.ts';
import { isRoot, testUid } from '../fixtures/environment.ts';
import { HELPER_PROGRAM } from '../fixtures/helper.ts';
import { markedPids, pids, procText } from '../fixtures/procFiles.ts';
import { until } from '../fixtures/until.ts';
import { refOfProcess } from '../fixtures/zoo.ts';

const UID = isRoot ? testUid : undefined;

/** A helper whose socket folder is made in a folder of the test's. */
interface Subject {
  process: ChildProcess;
  connection: MessageConnection;
  ref: ProcessRef;
}

describe('the helper', () => {
  let folder: string;
  let subject: Subject;
  let marker: string;
  let rounds = 0;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-life-'));
    fs.chmodSync(folder, 0o700);
    if (UID !== undefined) fs.chownSync(folder, UID, UID);
    subject = start();
  });
  afterEach(async () => {
    if (isRunning(subject)) subject.process.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  });

  function start(): Subject {
    rounds += 1;
    marker = `isoscope-life-${process.pid}-${rounds}`;
    const isPrivileged = isRoot && (UID === undefined || UID === 0);
    // Root's folder is made in /run, which is another one in this mount namespace.
    const inOwnRun = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$1" /run && shift && exec "$@"', 'sh', folder];
    const [program = '', ...args] = [...(isPrivileged ? inOwnRun : []), process.execPath, HELPER_PROGRAM];
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: folder },
      ...(UID === undefined ? {} : { uid: UID, gid: UID }),
    });
    child.stdin!.on('error', () => undefined);
    const connection = createMessageConnection(messageReader(child.stdout!), new StreamMessageWriter(child.stdin!));
    connection.onClose(() => connection.dispose());
    connection.onError(() => undefined);
    connection.listen();
    return { process: child, connection, ref: refOfProcess(child.pid!) };
  }

  /** A command that lasts, and can be found. */
  const lasting = () => ({ process: subject.ref, kinds: [], command: ['sh', '-c', `sleep 1000 & sleep 1000; : ${marker}`] });
  const initialized = () => subject.connection.sendRequest(Initialize, {});
  const open = (): Promise<TerminalsOpenResult> =>
    subject.connection.sendRequest<TerminalsOpenResult>(TerminalsOpen.method, lasting());
  const runs = () => until(() => markedPids(marker).length > 0, 'the program runs');

  async function attached(opened: TerminalsOpenResult): Promise<net.Socket> {
    // Of root's helper the path is below another /run.
    const connection = net.connect(path.join(folder, path.basename(path.dirname(opened.streamSocket)), 'stream'));
    connection.on('error', () => undefined);
    await once(connection, 'connect');
    connection.write(encodeFrame({ type: 'attach', token: Buffer.from(opened.token, 'hex'), columns: 80, rows: 24 }));
    return connection;
  }

  async function ended(): Promise<void> {
    await until(() => !isRunning(subject), 'the helper has ended');
  }

  async function assertNothingLeft(): Promise<void> {
    await until(() => markedPids(marker).length === 0, 'every program has ended');
    await until(() => fs.readdirSync(folder).length === 0, 'the folder is removed');
    await until(() => orphans().length === 0, 'no launcher is left');
  }

  test('ends when its standard input ends', async () => {
    await initialized();
    assert.equal(fs.readdirSync(folder).length, 1);
    subject.process.stdin!.end();
    await ended();
    assert.equal(subject.process.exitCode, 0);
    await assertNothingLeft();
  });

  test('ends when its standard input ends before it has begun', async () => {
    subject.process.stdin!.end();
    await ended();
    assert.equal(subject.process.exitCode, 0);
    await assertNothingLeft();
  });

  test('takes the programs that run with it when its standard input ends', async () => {
    await initialized();
    subject.connection.sendRequest(ProgramsRun.method, lasting()).catch(() => undefined);
    await runs();
    subject.process.stdin!.end();
    await ended();
    await assertNothingLeft();
  });

  test('stays after that while a terminal is attached, which goes on working, and ends with it', async () => {
    await initialized();
    const opened = await subject.connection.sendRequest<TerminalsOpenResult>(TerminalsOpen.method, {
      ...lasting(),
      command: ['sh', '-c', 'stty -echo; while read line; do echo "got $line"; done'],
    });
    const terminal = await attached(opened);
    const shown = collect(terminal);
    terminal.write(encodeFrame({ type: 'data', data: Buffer.from('before\n') }));
    await until(() => shown.text().includes('got before'), 'the terminal works');
    subject.process.stdin!.end();
    subject.process.stdout!.destroy();
    terminal.write(encodeFrame({ type: 'data', data: Buffer.from('after\n') }));
    await until(() => shown.text().includes('got after'), 'the terminal still works');
    assert.ok(isRunning(subject));
    terminal.write(encodeFrame({ type: 'data', data: Buffer.from('\u0004') }));
    await until(() => shown.frames.some(({ type }) => type === 'exit'), 'the program has told its end');
    await ended();
    await assertNothingLeft();
  });

  test('does not stay for a terminal that nobody attached to', async () => {
    await initialized();
    await open();
    await runs();
    subject.process.stdin!.end();
    await ended();
    await assertNothingLeft();
  });

  test('ends at once by SIGTERM, with terminals attached and programs running', async () => {
    await initialized();
    await attached(await open());
    subject.connection.sendRequest(ProgramsRun.method, lasting()).catch(() => undefined);
    await runs();
    subject.process.kill('SIGTERM');
    await ended();
    assert.equal(subject.process.exitCode, 0);
    await assertNothingLeft();
  });

  test('a terminal that is closed takes its program with it, and leaves no zombie', async () => {
    await initialized();
    for (let round = 0; round < 3; round += 1) {
      const terminal = await attached(await open());
      await runs();
      terminal.destroy();
      await until(() => markedPids(marker).length === 0, 'the program has ended');
      await subject.connection.sendRequest(ProgramsRun.method, { ...lasting(), command: ['true'] });
    }
    const children = fs.readFileSync(`/proc/${subject.ref.pid}/task/${subject.ref.pid}/children`, 'utf8').trim().split(' ');
    assert.equal(children.length, 2, 'only the guard of the folder, and the launcher that is forked');
    assert.deepEqual(children.map(Number).filter(isZombie), []);
  });

  test('killed at any moment it leaves nothing', async () => {
    // From before its first instruction to long after everything runs, in steps that grow with how long a start takes here.
    const began = Date.now();
    await initialized();
    const startMillis = Date.now() - began;
    subject.process.kill('SIGKILL');
    await ended();
    await assertNothingLeft();
    for (let round = 0; round < 20; round += 1) {
      subject = start();
      const busy = keepBusy();
      await new Promise((resolve) => setTimeout(resolve, (round / 20) * 2.5 * startMillis));
      subject.process.kill('SIGKILL');
      await ended();
      await busy;
      await assertNothingLeft();
    }
  });

  /** Whatever of it can still be done when the helper is killed meanwhile. */
  async function keepBusy(): Promise<void> {
    try {
      await initialized();
      subject.connection.sendRequest(ProgramsRun.method, lasting()).catch(() => undefined);
      const first = await open();
      subject.connection.sendRequest(ProgramsRun.method, lasting()).catch(() => undefined);
      await attached(first);
      await attached(await open());
    } catch {
      // It was killed.
    }
  }
});

function collect(connection: net.Socket): { text(): string; frames: Frame[] } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let text = '';
  connection.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) {
      frames.push(frame);
      if (frame.type === 'data') text += Buffer.from(frame.data).toString('utf8');
    }
  });
  return { text: () => text, frames };
}

function isRunning({ process: { exitCode, signalCode } }: Subject): boolean {
  return exitCode === null && signalCode === null;
}

function isZombie(pid: number): boolean {
  return procText(pid, 'stat').includes(') Z ');
}

/** Launchers whose helper is gone; those of other helpers are theirs. */
function orphans(): number[] {
  return pids().filter((pid) => {
    if (!procText(pid, 'cmdline').startsWith('isoscope-launcher')) return false;
    const parent = /\) \S (\d+) /.exec(procText(pid, 'stat'))?.[1];
    const parentCommand = procText(Number(parent), 'cmdline');
    return parentCommand !== '' && !parentCommand.includes('helper.js') && !parentCommand.startsWith('isoscope-launcher');
  });
}
