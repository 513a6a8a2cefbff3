/**
 * The launcher touches no memory but its own, whatever it is sent: built with AddressSanitizer and UndefinedBehaviorSanitizer, over a kernel that
 * is played (test/launcher). The same programs, wrong in the same ways, run for real in test/kernel/launcher.test.ts.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { encodeProgram, integer, result, type Step, string, strings } from '../../helper/launcher/program.ts';
import { told } from '../fixtures/english.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Seeds that once found something: the largest number of a `long` as the descriptor of a keeper's status. */
const FOUND = ['851878221'];
const ROUNDS = 20_000;
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];

const opened = (name: string): Step => ({
  kind: 'syscall',
  name: 'openat2',
  arguments: [integer(-100), string(name), integer(0), integer(24)],
  purpose: told('test'),
});
const executed: Step = {
  kind: 'syscall',
  name: 'execve',
  arguments: [string('/bin/true'), strings(['true', 'a']), strings(['PATH=/bin', 'HOME=/'])],
  purpose: told('test'),
  announce: true,
  ignoreError: true,
  reportResult: true,
};

/** One of each kind of step, on which others hang; and one whose parent cleans up in the end. */
const PROGRAMS: Step[][] = [
  [
    opened('/etc/hostname'),
    { ...opened('/proc/self/setgroups'), ignoreLacking: true },
    { kind: 'tether', signal: 64, purpose: told('test') },
    { kind: 'fork', status: integer(5), cgroup: result(0), keeper: 'isoscope-keeper', purpose: told('test') },
    { kind: 'sync', purpose: told('test') },
    { kind: 'tether', signal: 9, purpose: told('test') },
    { kind: 'init', status: integer(6), purpose: told('test') },
    { kind: 'syscall', name: 'write', arguments: [result(0), string('x'.repeat(300)), integer(300)], purpose: told('test') },
    {
      kind: 'syscall',
      name: 'sendfile',
      arguments: [result(0), result(1), integer(0), integer(70_000)],
      purpose: told('test'),
    },
    { ...opened('/dev/null'), condition: { step: 1, failed: true } },
    { kind: 'syscall', name: 'close', arguments: [result(9)], condition: { step: 9, failed: false }, purpose: told('test') },
    executed,
  ],
  [
    opened('/sys/fs/cgroup'),
    { kind: 'fork', purpose: told('test') },
    { kind: 'tether', signal: 9, purpose: told('test') },
    executed,
    { kind: 'finally', purpose: told('test') },
    { kind: 'syscall', name: 'write', arguments: [integer(4), string('end'), integer(3)], purpose: told('test') },
    { kind: 'syscall', name: 'close', arguments: [result(0)], condition: { step: 5, failed: false }, purpose: told('test') },
  ],
];

let folder: string;
before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-fuzz-'));
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

test('the launcher stays within its memory, whatever it is sent and whatever the kernel answers', (t) => {
  const fuzz = path.join(folder, 'fuzz');
  const sources = ['launcher.c', 'fuzz.c'].map((name) => path.join(ROOT, 'test/launcher', name));
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  execFileSync('gcc', ['-std=c11', '-g', '-O1', ...warnings, ...SANITIZERS, '-o', fuzz, ...sources]);
  const seeds = PROGRAMS.map((steps, index) => {
    const file = path.join(folder, `program${index}`);
    fs.writeFileSync(file, encodeProgram({ steps, descriptors: 8 }));
    return file;
  });
  for (const seed of [...FOUND, String(Math.floor(Math.random() * 2 ** 32))]) {
    const { stdout, stderr, status } = spawnSync(fuzz, [String(ROUNDS), seed, ...seeds], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    t.diagnostic(`seed ${seed}: ${stdout.trim()}`);
    assert.equal(status, 0, `seed ${seed}: ${stderr}`);
    const [malformed, ran] = (/^malformed (\d+), ran (\d+)$/m.exec(stdout) ?? []).slice(1).map(Number);
    // Either way it goes often enough to say something.
    assert.ok(malformed! > ROUNDS / 10 && ran! > ROUNDS / 10, stdout);
  }
});
