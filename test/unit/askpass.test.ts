/** The askpass program, its executable and the server that answers it, as sudo would use them. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type AskForPassword, type PasswordQuestion, servePasswords } from '../../extension/connection/passwordServer.ts';
import { unlessRunsTypescript } from '../fixtures/environment.ts';

const program = { node: process.execPath, script: path.resolve(import.meta.dirname, '../../dist/askpass.js') };

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), "isoscope test's "));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

interface Answered {
  status: number;
  output: string;
}

function runAskpass(askpass: string, prompt: string): Promise<Answered> {
  return new Promise((resolve) => {
    execFile(askpass, [prompt], { timeout: 20_000 }, (error, output) => {
      resolve({ status: error === null ? 0 : Number(error.code), output });
    });
  });
}

const serve = (ask: AskForPassword) => servePasswords([parent], program, ask);

test('the password reaches sudo unchanged, whatever is in it, and the person sees sudo’s prompt', async () => {
  const questions: PasswordQuestion[] = [];
  await using server = await serve(async (question) => {
    questions.push(question);
    return ' pä$$"\'\\ ';
  });
  assert.deepEqual(await runAskpass(server.askpass, '[sudo] password for "o\'neill": '), {
    status: 0,
    output: ' pä$$"\'\\ \n',
  });
  assert.equal(questions[0]?.prompt, '[sudo] password for "o\'neill":');
  assert.equal(questions[0]?.again, false);
});

test('an empty password is an answer, and cancelling is none', async () => {
  const answers = ['', undefined];
  await using server = await serve(async () => answers.shift());
  assert.deepEqual(await runAskpass(server.askpass, 'Password:'), { status: 0, output: '\n' });
  assert.deepEqual(await runAskpass(server.askpass, 'Password:'), { status: 1, output: '' });
});

test('the same prompt a second time is known to follow a wrong password, another prompt is not', async () => {
  const again: boolean[] = [];
  await using server = await serve(async (question) => {
    again.push(question.again);
    return 'x';
  });
  for (const prompt of ['Password:', 'Password:', 'One-time code:']) await runAskpass(server.askpass, prompt);
  assert.deepEqual(again, [false, true, false]);
});

test('the folder is private, and nothing of it is left afterwards', async () => {
  {
    await using server = await serve(async () => undefined);
    assert.equal(statSync(path.dirname(server.askpass)).mode & 0o777, 0o700);
  }
  assert.deepEqual(readdirSync(parent), []);
});

test('a client without the nonce gets nothing and asks nobody', async () => {
  let asked = 0;
  await using server = await serve(async () => {
    asked += 1;
    return 'secret';
  });
  const folder = path.dirname(server.askpass);
  const nonce = readFileSync(path.join(folder, 'nonce'), 'utf8');
  assert.match(nonce, /^[0-9a-f]{64}$/);
  for (const sent of [
    `${JSON.stringify({ nonce: '0'.repeat(64), prompt: 'p' })}\n`,
    `${JSON.stringify({ prompt: 'p' })}\n`,
    'not json\n',
    `${JSON.stringify({ nonce, prompt: 'x'.repeat(100_000) })}\n`,
  ]) {
    assert.equal(await exchange(path.join(folder, 'socket'), sent), '');
  }
  assert.equal(asked, 0);
});

test('a question is abandoned when sudo stops waiting', async () => {
  const asked = new EventEmitter<{ question: [PasswordQuestion] }>();
  await using server = await serve(async (question) => {
    asked.emit('question', question);
    await once(question.abandoned, 'abort');
    return undefined;
  });
  const child = execFile(server.askpass, ['Password:']);
  const [question] = (await once(asked, 'question')) as [PasswordQuestion];
  child.kill();
  await once(question.abandoned, 'abort');
});

test('when the extension is killed while it asks, askpass ends without a password and leaves no folder', {
  skip: unlessRunsTypescript,
}, async () => {
  const server = path.resolve(import.meta.dirname, '../../extension/connection/passwordServer.ts');
  const script = `
    const { servePasswords } = await import(${JSON.stringify(server)});
    const ask = () => { process.stdout.write('asked'); return new Promise(() => {}); };
    const { askpass } = await servePasswords([${JSON.stringify(parent)}], ${JSON.stringify(program)}, ask);
    process.stdout.write(askpass + '\\n');`;
  const extension = spawn(
    process.execPath,
    ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--input-type=module', '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  extension.stdout.setEncoding('utf8');
  const [line] = (await once(extension.stdout, 'data')) as [string];
  const answered = runAskpass(line.trim(), 'Password:');
  await once(extension.stdout, 'data');
  extension.kill('SIGKILL');
  assert.deepEqual(await answered, { status: 1, output: '' });
  assert.deepEqual(readdirSync(parent), []);
});

test('a folder in which nothing can be made is passed over', async () => {
  await using server = await servePasswords(['/proc', parent], program, async () => 'x');
  assert.ok(server.askpass.startsWith(parent));
  await assert.rejects(servePasswords(['/proc'], program, async () => 'x'));
});

async function exchange(socketPath: string, text: string): Promise<string> {
  const socket = net.connect(socketPath);
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return received;
}
