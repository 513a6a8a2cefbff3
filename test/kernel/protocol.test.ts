/** The helper against clients that send anything: every request is answered, and the next one served. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import type { Message } from 'vscode-jsonrpc/node';
import { messageReader } from '../../extension/connection/messageReader.ts';
import { ERROR_CODES, type ErrorData } from '../../helper/protocol/errors.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { ProgramsRun, type ProgramsRunParams } from '../../helper/protocol/programs.ts';
import { METHODS, REQUESTS } from '../../helper/protocol/requests.ts';
import { SandboxesRun } from '../../helper/protocol/sandboxes.ts';
import type { SandboxSpec } from '../../helper/protocol/sandboxSpec.ts';
import { MAX_MESSAGE_BYTES } from '../../helper/protocol/transport.ts';
import { isHelperRoot, isRoot, testUid, unlessHas } from '../fixtures/environment.ts';
import { type EveryParams, paramsOf } from '../fixtures/everyRequest.ts';
import { HELPER_PROGRAM, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { everyPlace } from '../fixtures/schemaPlaces.ts';
import { refOfProcess } from '../fixtures/zoo.ts';

interface Answer {
  id: number | null;
  result?: unknown;
  error?: { code: number; message: string; data?: ErrorData };
}

const ANSWER_MILLIS = 20_000;
/** Those of JSON-RPC itself: parse error, invalid request, method not found, invalid params. */
const STANDARD_CODES = [-32700, -32600, -32601, -32602];

describe('the protocol', () => {
  let helper: ChildProcess;
  let own: ProcessRef;
  let lastId = 0;
  const waiting = new Map<number | null, (answer: Answer) => void>();

  before(() => {
    const uid = isRoot ? testUid : undefined;
    helper = spawn(process.execPath, [HELPER_PROGRAM], {
      stdio: ['pipe', 'pipe', 'ignore'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    own = refOfProcess(helper.pid!);
    messageReader(helper.stdout!).listen((message: Message) => {
      const answer = message as unknown as Answer;
      waiting.get(answer.id)?.(answer);
    });
  });
  after(() => {
    helper.stdin!.end();
  });

  /** Resolves with the answer that has this id; null is that of an answer to what had none. */
  function answerTo(id: number | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MILLIS} ms`)), ANSWER_MILLIS);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(answer);
      });
    });
  }

  const framed = (body: string | Buffer) =>
    Buffer.concat([Buffer.from(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`), Buffer.from(body)]);

  function request(method: unknown, params?: unknown): Promise<Answer> {
    lastId += 1;
    const answer = answerTo(lastId);
    helper.stdin!.write(framed(JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params })));
    return answer;
  }

  async function stillServes(): Promise<void> {
    const { result } = await request('initialize', {});
    assert.equal((result as InitializeResult).pid, helper.pid);
  }

  /** An error that a program can decide on. */
  function assertError({ error }: Answer, what: string): void {
    assert.ok(error, `${what} was accepted`);
    if (STANDARD_CODES.includes(error.code)) return;
    const reason = error.data?.reason;
    assert.ok(reason !== undefined && ERROR_CODES[reason] === error.code, `${what}: ${JSON.stringify(error)}`);
    assert.notEqual(error.message, '');
  }

  test('every malformed message is answered with a parse error, and the next one is served', async () => {
    const malformed: Record<string, Buffer> = {
      'not JSON': framed('{"jsonrpc":"2.0","id":1,'),
      'not UTF-8': framed(Buffer.of(0xff, 0xfe, 0x22)),
      'an array': framed('[1, 2]'),
      'a number': framed('5'),
      'deeply nested': framed('['.repeat(1_000_000)),
      'no length': Buffer.from('Content-Type: text\r\n\r\n'),
      'a negative length': Buffer.from('Content-Length: -1\r\n\r\n'),
      'no header at all': Buffer.alloc(10_000, 'x'),
    };
    for (const [what, bytes] of Object.entries(malformed)) {
      const answer = answerTo(null);
      helper.stdin!.write(bytes);
      assert.equal((await answer).error?.code, -32700, what);
      await stillServes();
    }
  });

  test('a message over the limit is refused before it has come, and the next one is served', async () => {
    const answer = answerTo(null);
    const head = Buffer.alloc(4096, ' ');
    helper.stdin!.write(`Content-Length: ${MAX_MESSAGE_BYTES + 1}\r\n\r\n`);
    helper.stdin!.write(head);
    assert.equal((await answer).error?.code, -32700);
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    for (let left = MAX_MESSAGE_BYTES + 1 - head.length; left > 0; left -= chunk.length)
      helper.stdin!.write(chunk.subarray(0, Math.min(left, chunk.length)));
    await stillServes();
  });

  test('a request over the limit is answered by its id', async () => {
    const answer = answerTo(4711);
    const body = `{"jsonrpc":"2.0","id":4711,"method":"programs/run","params":{"stdin":"${'A'.repeat(MAX_MESSAGE_BYTES)}"}}`;
    helper.stdin!.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
    assert.match((await answer).error?.message ?? '', /over the limit/);
    await stillServes();
  });

  test('methods that there are not are refused by name', async () => {
    for (const method of [
      'no/such',
      '',
      'constructor',
      '__proto__',
      'programs/run/',
      'PROGRAMS/RUN',
      '\u0000',
      'x'.repeat(100_000),
    ]) {
      const { error } = await request(method, {});
      assert.equal(error?.code, -32601, method.slice(0, 40));
    }
    await stillServes();
  });

  test('an answer that nobody asked for, and a notification that there is not, do no harm', async () => {
    helper.stdin!.write(framed(JSON.stringify({ jsonrpc: '2.0', id: 99_999, result: {} })));
    helper.stdin!.write(framed(JSON.stringify({ jsonrpc: '2.0', method: 'no/such', params: {} })));
    helper.stdin!.write(framed(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 99_999 } })));
    helper.stdin!.write(framed(JSON.stringify({ jsonrpc: '2.0', method: '$/cancelRequest', params: {} })));
    await stillServes();
  });

  const JUNK: unknown[] = [
    null,
    true,
    -1,
    0.5,
    1e300,
    Number.MAX_SAFE_INTEGER,
    '',
    'x',
    '\u0000',
    '../..',
    [],
    [null],
    {},
    { a: 1 },
    [[[]]],
    'x'.repeat(300_000),
  ];

  /** Parameters that would be accepted, and lead to nothing that is there. */
  const nothing = { pid: 1, startTime: 0 };
  const namespace: NamespaceRef = { kind: 'net', dev: 4, ino: 1 };
  const program: ProgramsRunParams = {
    process: nothing,
    kinds: ['net'],
    command: ['true'],
    identity: 'root',
    root: false,
    cgroup: false,
    directory: '/',
    environment: { A: 'b' },
  };
  const spec: SandboxSpec = {
    name: 'nothing',
    root: { type: 'directory', path: '/no/such/directory', access: 'readOnly' },
    namespaces: { pid: 'new' },
    mounts: [{ destination: '/mnt', type: 'tmpfs', options: ['size=1M'] }],
    process: { args: ['true'], env: { A: 'b' }, cwd: '/', terminal: false, user: { uid: 1 } },
  };
  const ACCEPTED: EveryParams = {
    ...paramsOf({
      pid: process.pid,
      overlay: { mountNamespace: { kind: 'mnt', dev: 4, ino: 1 }, mountId: 1, device: '0:1' },
      cgroup: { hierarchy: 'unified', path: '/no/such', ino: 1 },
      sandbox: 'nothing',
    }),
    'processes/inspect': { process: nothing },
    'mounts/list': { process: nothing },
    'namespaces/inspect': { namespace },
    'network/inspect': { namespace },
    'network/counters': { namespace },
    'programs/run': { ...program, stdin: 'eA==', timeoutMillis: 1000, outputLimitBytes: 1000 },
    'programs/explain': { ...program, terminal: true },
    'terminals/open': { ...program, columns: 80, rows: 24 },
    'host/watch': { parts: ['processes'] },
    'processes/list': { since: 1 },
    'containers/list': { since: 1 },
    'namespaces/list': { since: 1, kinds: ['net'], members: false },
    'sandboxes/explain': { spec },
    'sandboxes/create': { spec },
    'sandboxes/run': { spec },
  };

  const seen = new Set<unknown>();
  for (const method of METHODS) {
    const params = ACCEPTED[method];
    test(`${method} answers whatever it is asked`, async () => {
      const told = (junk: unknown) => JSON.stringify(junk).slice(0, 60);
      // Some is acceptable, for nothing need be said: then there is a result. An answer there must be.
      for (const junk of JUNK) {
        const answer = await request(method, junk);
        if (answer.error !== undefined) assertError(answer, told(junk));
      }
      const own = placesIn(params).map((place) => ({ value: params as unknown, place }));
      for (const { value, place } of [...own, ...everyPlace(REQUESTS[method].params, params, seen)]) {
        for (const junk of JUNK) {
          const answer = await request(method, replaced(value, place, junk));
          if (answer.error !== undefined) assertError(answer, `${place.join('.')}: ${told(junk)}`);
        }
      }
      await stillServes();
    });
  }

  test('what a type cannot be is invalid', async () => {
    const process = own;
    const invalid: [string, unknown][] = [
      ['programs/run', { process, command: 'true' }],
      ['programs/run', { process, command: [] }],
      ['programs/run', { process, command: [''] }],
      ['programs/run', { process, command: ['a\0b'] }],
      ['programs/run', { process, command: [5] }],
      ['programs/run', { process, command: ['true', 'x'.repeat(200_000)] }],
      ['programs/run', { process, command: Array.from({ length: 5000 }, () => 'x') }],
      ['programs/run', { process, command: ['true'], stdin: 'not base64!' }],
      ['programs/run', { process, command: ['true'], timeoutMillis: 0 }],
      ['programs/run', { process, command: ['true'], timeoutMillis: 3_600_001 }],
      ['programs/run', { process, command: ['true'], outputLimitBytes: 17 * 1024 * 1024 }],
      ['programs/run', { process, command: ['true'], kinds: ['net', 'nothing'] }],
      ['programs/run', { process, command: ['true'], environment: { 'A=B': 'x' } }],
      ['programs/run', { process, command: ['true'], environment: { '': 'x' } }],
      ['programs/run', { process, command: ['true'], environment: { A: 'x\0y' } }],
      ['programs/run', { process, command: ['true'], directory: '' }],
      ['programs/run', { process, command: ['true'], directory: `/${'x'.repeat(5000)}` }],
      ['programs/run', { process, command: ['true'], identity: 'somebody' }],
      ['programs/run', { process, command: ['true'], surprise: 1 }],
      ['programs/run', { process: { ...process, surprise: 1 }, command: ['true'] }],
      ['programs/run', { process: { pid: 0, startTime: 1 }, command: ['true'] }],
      ['programs/run', { process: { pid: -1, startTime: 1 }, command: ['true'] }],
      ['programs/run', { process: { pid: 2 ** 31, startTime: 1 }, command: ['true'] }],
      ['programs/run', { process: process.pid, command: ['true'] }],
      ['terminals/open', { process, columns: 0 }],
      ['terminals/open', { process, rows: 100_000 }],
      ['terminals/open', { process, rows: 1.5 }],
      ['programs/explain', { process, terminal: 'yes' }],
    ];
    for (const [method, params] of invalid) {
      const { error } = await request(method, params);
      assert.equal(
        error?.data?.reason,
        'invalid',
        `${method} ${JSON.stringify(params).slice(0, 100)}: ${JSON.stringify(error)}`,
      );
    }
    await stillServes();
  });

  test('random parameters are answered, whatever they are', async () => {
    const next = random(20260101);
    for (let round = 0; round < 12 * METHODS.length; round += 1) {
      const method = METHODS[next(METHODS.length)]!;
      const answer = await request(method, mutated(ACCEPTED[method], next));
      if (answer.error !== undefined) assertError(answer, method);
    }
    await stillServes();
  });

  function mutated(value: unknown, next: (below: number) => number): unknown {
    if (next(6) === 0) return JUNK[next(JUNK.length)];
    if (Array.isArray(value)) return value.map((item) => mutated(item, next));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value)
      .filter(() => next(5) > 0)
      .map(([key, item]) => [key, mutated(item, next)] as const);
    return Object.fromEntries(entries);
  }
});

/** A linear congruential generator: the same requests at every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Every place in a value, also in what lies in it. */
function placesIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [[key], ...placesIn(item).map((below) => [key, ...below])]);
}

/** The same with something else in one place. */
function replaced(value: unknown, [key, ...below]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...(value as object) };
  Object.assign(copy, { [key]: replaced((value as Record<string, unknown>)[key], below, by) });
  return copy;
}

/** A filter under which the kernel has no system call from a number on, as one of before has not: the numbers of all architectures are the same from 424 on. */
const OLDER_KERNEL = `
import ctypes, os, struct, sys
ins = lambda code, jt, jf, k: struct.pack('HBBI', code, jt, jf, k)
held = ctypes.create_string_buffer(ins(0x20, 0, 0, 0) + ins(0x35, 0, 1, int(sys.argv[1])) + ins(6, 0, 0, 0x50000 | 38) + ins(6, 0, 0, 0x7fff0000))
l = ctypes.CDLL(None)
l.prctl(38, 1, 0, 0, 0)
assert l.prctl(22, 2, ctypes.byref(ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(held))))) == 0
os.execv(sys.argv[2], sys.argv[2:])`;
const openat2 = 437;
const mountSetattr = 442;

describe('on an older kernel', { skip: unlessHas('python3') }, () => {
  test('the helper says how new it must be, where it lacks what nothing can be read safely without', async () => {
    await assert.rejects(
      startHelper({ through: ['python3', '-c', OLDER_KERNEL, String(openat2)] }),
      /Isoscope needs Linux 5\.6 or newer/,
    );
  });

  test('the helper starts, runs programs and says that sandboxes need a newer one, where it lacks what these are mounted by', async () => {
    await using helper = await startHelper({ through: ['python3', '-c', OLDER_KERNEL, String(mountSetattr)] });
    const process = refOfProcess(helper.process.pid!);
    const { exit } = await helper.request(ProgramsRun, { process, kinds: [], seccomp: 'none', command: ['true'] });
    assert.deepEqual(exit, { code: 0 });
    const user = isHelperRoot ? {} : { namespaces: { user: 'new' as const } };
    const refusal = await refusalOf(
      helper.request(SandboxesRun, { spec: { ...user, process: { args: ['true'] } } }),
      'unsupported',
    );
    assert.match(refusal.message, /sandboxes need Linux 5\.12/);
  });
});
