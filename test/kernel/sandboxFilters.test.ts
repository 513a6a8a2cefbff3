/** Filters that the kernel has loaded, asked by making the calls: in a sandbox, as its programs would. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { SandboxesExplain, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { unlessHas } from '../fixtures/environment.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const NEEDS_PYTHON = unlessHas('python3');
const NEEDS_X86 = process.arch !== 'x64' && 'the processor is not an x86-64';
const EPERM = 1;
const ENOSYS = 38;
const AF_ALG = 38;
const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const NUMBERS = process.arch === 'x64' ? { socket: 41, chmod: 268 } : { socket: 198, chmod: 53 };
const FCHMODAT2 = 452;

/** A program without a C library, for which no 32-bit one is needed: it makes each call of its arguments, and writes what comes back. */
const PROGRAM_32 = `
static long call(long n, long a, long b, long c, long d) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
}
static void show(long result) {
  char text[16];
  int at = sizeof text;
  unsigned long rest = result < 0 ? -result : 0;
  text[--at] = '\\n';
  do text[--at] = '0' + rest % 10; while ((rest /= 10) > 0);
  call(4, 1, (long)(text + at), sizeof text - at, 0);
}
void _start(void) {
  long family[3] = {${AF_ALG}, ${SOCK_SEQPACKET}, 0};
  show(call(20, 0, 0, 0, 0));                                /* getpid */
  show(call(359, 1, ${SOCK_STREAM}, 0, 0));                  /* socket(AF_UNIX) */
  show(call(359, ${AF_ALG}, ${SOCK_SEQPACKET}, 0, 0));
  show(call(359, ${AF_VSOCK}, ${SOCK_STREAM}, 0, 0));
  show(call(102, 1, (long)family, 0, 0));                    /* socketcall(SYS_SOCKET) */
  show(call(310, 0x10000000, 0, 0, 0));                      /* unshare(CLONE_NEWUSER) */
  show(call(288, 0, 0, 0, 0));                               /* keyctl */
  show(call(5000, 0, 0, 0, 0));
  call(252, 0, 0, 0, 0);
}
`;

describe('the filter of system calls', () => {
  const { request, run, inFolder } = sandboxClient('/var/tmp/isoscope-filters-');
  const python = async (text: string, spec: SandboxSpec = {}) => {
    const preamble = 'import ctypes; l=ctypes.CDLL(None, use_errno=True); l.syscall.restype=ctypes.c_long; L=ctypes.c_long';
    const { stdout, exit } = await run({
      ...spec,
      process: { ...spec.process, args: ['python3', '-c', `${preamble}\n${text}`] },
    });
    return { stdout, exit };
  };
  /** The errno that each call ends with, 0 for none. */
  const errnos = async (calls: (number | string)[][], spec: SandboxSpec = {}): Promise<number[]> => {
    const lines = calls.map(
      (all) => `print(0 if l.syscall(${all.map((one) => `L(${one})`).join()}) >= 0 else ctypes.get_errno())`,
    );
    const { stdout } = await python(lines.join('\n'), spec);
    return stdout.trim().split('\n').map(Number);
  };

  test("lets no socket of the kernel's cryptography and none to the hypervisor be made, whatever stands above the int", {
    skip: NEEDS_PYTHON,
  }, async () => {
    const high = [0, 1, 0xffffffff].map((half) => `${half} << 32`);
    const families = [AF_ALG, AF_VSOCK].flatMap((family) => high.map((half) => `(${half}) | ${family}`));
    const calls = families.map((family) => [NUMBERS.socket, family, SOCK_SEQPACKET, 0]);
    assert.deepEqual(
      await errnos(calls),
      calls.map(() => EPERM),
    );
    const unix = high.map((half) => [NUMBERS.socket, `(${half}) | 1`, SOCK_STREAM, 0]);
    assert.deepEqual(await errnos(unix), [0, 0, 0]);
  });

  test('runs 32-bit programs by their own numbers', {
    skip: NEEDS_X86 || unlessHas('gcc'),
  }, async () => {
    const [source, program] = [inFolder('program.c'), inFolder('program')];
    fs.writeFileSync(source, PROGRAM_32);
    const flags = ['-m32', '-nostdlib', '-static', '-ffreestanding', '-fno-stack-protector', '-fno-pie', '-no-pie', '-O1'];
    execFileSync('gcc', [...flags, '-o', program, source]);
    const mounts: SandboxSpec['mounts'] & object = [
      { destination: '/mnt', type: 'bind', source: path.dirname(program), options: ['ro'] },
    ];
    const process = { args: ['/mnt/program'] };
    const { stdout, exit } = await run({ mounts, process });
    assert.equal(exit.reason, 'exit', exit.signal);
    const expected = [0, 0, EPERM, EPERM, EPERM, EPERM, EPERM, ENOSYS];
    assert.deepEqual(stdout.trim().split('\n').map(Number), expected);

    const profile = { defaultAction: 'SCMP_ACT_ALLOW' } as const;
    const { notes } = await request(SandboxesExplain, { spec: { seccomp: profile } });
    assert.ok(
      notes.some((note) => /32-bit programs .*killed by SIGSYS/.test(note)),
      notes.join('\n'),
    );
    const killed = await run({ mounts, seccomp: profile, process });
    assert.equal(killed.exit.signal, 'SIGSYS');
  });

  test('of a given profile refuses a call of the newest kernels as it refuses an old one', { skip: NEEDS_PYTHON }, async () => {
    const seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['chmod', 'fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO', errnoRet: 6 }],
    } as const;
    const spec: SandboxSpec = { seccomp: structuredClone(seccomp) as unknown as SandboxSpec['seccomp'] & object };
    assert.deepEqual(
      await errnos(
        [
          [NUMBERS.chmod, -100, 0, 0],
          [FCHMODAT2, -100, 0, 0, 0],
        ],
        spec,
      ),
      [6, 6],
    );
  });

  test('of a given profile is loaded with its flags, and refused by its field where it cannot be done', async () => {
    const withFlags = (...flags: string[]): SandboxSpec => ({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', flags } });
    const spec = withFlags('SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW');
    const { syscalls } = await request(SandboxesExplain, { spec });
    assert.match(syscalls, /seccomp\(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG\|SECCOMP_FILTER_FLAG_SPEC_ALLOW, /);
    const { stdout } = await run({ ...spec, process: { args: ['sh', '-c', 'grep Seccomp: /proc/self/status'] } });
    assert.match(stdout, /^Seccomp:\s+2$/m);
    const { message } = await refusalOf(
      request(SandboxesExplain, { spec: withFlags('SECCOMP_FILTER_FLAG_NEW_LISTENER') }),
      'invalid',
    );
    assert.match(message, /"seccomp\.flags"/);
  });
});
