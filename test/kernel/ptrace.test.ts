/** Reading the filters of a process, and that it goes on as before. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { readFilters } from '../../helper/kernel/ptrace.ts';
import { isRoot, unlessHas } from '../fixtures/environment.ts';
import { until } from '../fixtures/until.ts';

/** Loads a filter for each of the numbers 1000 to 1002, counts real-time signals, and tells of each. */
const TARGET = `
import ctypes, signal, struct
l = ctypes.CDLL(None)
def load(nr):
  code = struct.pack('HBBI', 0x20, 0, 0, 0) + struct.pack('HBBI', 0x15, 0, 1, nr) + struct.pack('HBBI', 6, 0, 0, 0x50001) + struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
  held = ctypes.create_string_buffer(code)
  assert l.prctl(22, 2, ctypes.byref(ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(held))))) == 0
l.prctl(38, 1, 0, 0, 0)
for nr in (1000, 1001, 1002): load(nr)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
print('ready', flush=True)
while True:
  signal.sigwait([signal.SIGRTMIN])
  print('.', end='', flush=True)
`;

describe('the filters of a process', { skip: (!isRoot && 'only root may read them') || unlessHas('python3') }, () => {
  const target = async (): Promise<{ child: ChildProcess & { pid: number }; written: () => string } & AsyncDisposable> => {
    const child = spawn('python3', ['-c', TARGET], { stdio: ['ignore', 'pipe', 'inherit'] });
    let written = '';
    child.stdout!.on('data', (text) => {
      written += String(text);
    });
    await until(() => written.includes('ready'), 'its filters are loaded');
    return {
      child: child as ChildProcess & { pid: number },
      written: () => written,
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        await once(child, 'close');
      },
    };
  };
  const stateOf = (pid: number) =>
    /^State:\s(\w)[\s\S]*^TracerPid:\s(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))!.slice(1);

  test('are read the oldest first, and it is neither stopped nor traced afterwards', async () => {
    await using process = await target();
    const [one, other] = await Promise.all([readFilters(process.child.pid), readFilters(process.child.pid)]);
    assert.deepEqual(one, other, 'also when it is asked twice at a time');
    const numbers = (await readFilters(process.child.pid)).map(({ instructions }) => instructions.readUInt32LE(12));
    assert.deepEqual(numbers, [1000, 1001, 1002]);
    await until(() => stateOf(process.child.pid).join() === 'S,0', 'it sleeps as before');
  });

  test('are read again and again without the loss of a signal, or of a stop', async () => {
    await using process = await target();
    const { pid } = process.child;
    const COUNT = 200;
    const sender = spawn('sh', ['-c', `i=0; while [ $i -lt ${COUNT} ]; do kill -s RTMIN ${pid}; i=$((i+1)); done`]);
    const sent = once(sender, 'exit');
    for (let round = 0; sender.exitCode === null; round += 1) {
      assert.equal((await readFilters(pid)).length, 3);
      if (round % 10 === 9) await setTimeout(1);
    }
    await sent;
    await until(() => process.written().split('.').length - 1 === COUNT, 'every signal has come');
    process.child.kill('SIGSTOP');
    await until(() => stateOf(pid)[0] === 'T', 'it is stopped by a signal');
    assert.equal((await readFilters(pid)).length, 3);
    await until(() => stateOf(pid).join() === 'T,0', 'it is still stopped, and not traced');
    process.child.kill('SIGCONT');
    await until(() => stateOf(pid).join() === 'S,0', 'it goes on');
  });

  test('being read when the reader is killed leaves it running', async () => {
    await using process = await target();
    const { pid } = process.child;
    const module = path.resolve(import.meta.dirname, '../../helper/kernel/ptrace.ts');
    const script = `import { readFilters } from ${JSON.stringify(module)}; console.log('on'); for (;;) await readFilters(${pid});`;
    for (let round = 0; round < 5; round += 1) {
      const reader = spawn(globalThis.process.execPath, [
        '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
        '--input-type=module',
        '-e',
        script,
      ]);
      await once(reader.stdout, 'data');
      await setTimeout(20 + 7 * round);
      reader.kill('SIGKILL');
      await once(reader, 'exit');
      await until(() => stateOf(pid).join() === 'S,0', 'it sleeps as before');
    }
  });

  test('of a process that cannot be traced are an error at once', async () => {
    await assert.rejects(readFilters(2), { code: 'EPERM' });
  });
});
