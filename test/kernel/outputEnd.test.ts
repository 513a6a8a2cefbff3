/** The end of what a program writes is never lost, whichever Node runs the helper: VS Code brings its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { before, describe, test } from 'node:test';
import { SandboxesCreate, SandboxesList, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { encodeFrame, FrameDecoder } from '../../helper/stream/frame.ts';
import { ensureOldNodes } from '../../scripts/prerequisites.mjs';
import { inGuest } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

/** Some 8 KB: one read of a terminal gives 4,095 bytes at most, and the kernel holds some 12 KB that nobody has read (drivers/tty/pty.c). */
const LINES = 1800;
/** In one write, and as it is: of many small ones the kernel holds less, and the program would wait for somebody to read. */
const SCRIPT = `stty -opost; printf '%s\\nthe-end' "$(seq 1 ${LINES})"`;
const counted = (count: number, end: string) => Array.from({ length: count }, (_, index) => `${index + 1}${end}`).join('');
const ROUNDS = 5;

/** What a client is shown that attaches only once the program has ended, as a busy window does. */
async function shownLate(helper: RunningHelper, spec: SandboxSpec): Promise<string> {
  const { sandbox, terminal } = await helper.request(SandboxesCreate, { spec });
  const isOver = async () => !(await helper.request(SandboxesList, {})).sandboxes.some(({ id }) => id === sandbox.id);
  await until(isOver, 'the program has ended');
  const connection = net.connect(terminal!.streamSocket);
  await once(connection, 'connect');
  connection.write(encodeFrame({ type: 'attach', token: Buffer.from(terminal!.token, 'hex'), columns: 80, rows: 24 }));
  const decoder = new FrameDecoder();
  let text = '';
  let exit: unknown;
  connection.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) {
      if (frame.type === 'data') text += Buffer.from(frame.data).toString('utf8');
      else exit = frame;
    }
  });
  await once(connection, 'close');
  assert.deepEqual(exit, { type: 'exit', code: 0 });
  return text;
}

describe('to its end', () => {
  let nodes: { version: string; program: string }[] = [];
  before(async () => {
    // The guest has no network.
    nodes = [...(inGuest ? [] : await ensureOldNodes()), { version: process.versions.node, program: process.execPath }];
  });

  test('a terminal shows what was written, on every Node that the helper may run on', async () => {
    for (const { version, program } of nodes) {
      await using helper = await startHelper({ node: program });
      for (let round = 0; round < ROUNDS; round += 1) {
        const text = await shownLate(helper, { process: { args: ['sh', '-c', SCRIPT] } });
        assert.equal(text, `${counted(LINES, '\n')}the-end`, `Node ${version}`);
      }
    }
  });

  test('a program that is run gives what it wrote, on every Node that the helper may run on', async () => {
    for (const { version, program } of nodes) {
      await using helper = await startHelper({ node: program });
      for (let round = 0; round < ROUNDS; round += 1) {
        const script = 'seq 1 100000; printf the-end; seq 1 50000 >&2';
        const { stdout, stderr } = await helper.request(SandboxesRun, { spec: { process: { args: ['sh', '-c', script] } } });
        assert.ok(stdout === `${counted(100_000, '\n')}the-end`, `Node ${version}: ${stdout.length} characters`);
        assert.ok(stderr === counted(50_000, '\n'), `Node ${version}: ${stderr.length} characters`);
      }
    }
  });
});
