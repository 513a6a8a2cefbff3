/** Runs compiled filters in an interpreter of the instructions that they use, and compares with the rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeccompProfile } from '../../helper/protocol/sandboxes.ts';
import { compileSeccomp } from '../../helper/sandbox/seccomp.ts';
import { defaultSeccompProfile } from '../../helper/sandbox/seccompDefault.ts';
import { SYSCALL_TABLE } from '../../helper/sandbox/syscallTable.ts';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050000 | 38;
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 };

type Architecture = keyof typeof AUDIT;

/** What the kernel would answer. Classic BPF as seccomp allows it (kernel/seccomp.c). */
function run(program: Buffer, nr: number, args: bigint[] = [], audit: number = AUDIT.x64): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr, 0);
  data.writeUInt32LE(audit, 4);
  for (const [at, value] of args.entries()) data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + at * 8);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at += 1) {
    const code = program.readUInt16LE(at * 8);
    const jt = program[at * 8 + 2] ?? 0;
    const jf = program[at * 8 + 3] ?? 0;
    const k = program.readUInt32LE(at * 8 + 4);
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x25) at += accumulator > k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x06) return k;
    else assert.fail(`instruction ${code}`);
  }
  assert.fail('the program does not end');
}

function number(name: string, architecture: Architecture = 'x64'): number {
  return SYSCALL_TABLE[name]?.[architecture === 'x64' ? 0 : 1] ?? assert.fail(name);
}

for (const architecture of ['x64', 'arm64'] as const) {
  test(`every call of ${architecture} gets what the default profile says of it`, () => {
    const profile = defaultSeccompProfile([]);
    const program = compileSeccomp(profile, architecture);
    const plain = new Set(
      profile.syscalls
        ?.filter(({ args, action }) => args === undefined && action === 'SCMP_ACT_ALLOW')
        .flatMap(({ names }) => names),
    );
    for (const [name, numbers] of Object.entries(SYSCALL_TABLE)) {
      const nr = numbers[architecture === 'x64' ? 0 : 1];
      if (nr === null || ['socket', 'personality', 'clone', 'clone3'].includes(name)) continue;
      assert.equal(run(program, nr, [], AUDIT[architecture]), plain.has(name) ? ALLOW : EPERM, name);
    }
    assert.equal(run(program, 5000, [], AUDIT[architecture]), ENOSYS);
  });
}

test('what acts on the machine is refused, and a capability allows what is its own', () => {
  const none = compileSeccomp(defaultSeccompProfile([]), 'x64');
  for (const name of [
    'mount',
    'unshare',
    'setns',
    'bpf',
    'keyctl',
    'kexec_load',
    'reboot',
    'open_by_handle_at',
    'io_uring_setup',
    'chroot',
  ]) {
    assert.equal(run(none, number(name)), EPERM, name);
  }
  const admin = compileSeccomp(defaultSeccompProfile(['CAP_SYS_ADMIN']), 'x64');
  for (const name of ['mount', 'unshare', 'clone', 'clone3'])
    assert.equal(run(admin, number(name), [0x10000000n]), ALLOW, name);
  assert.equal(run(admin, number('chroot')), EPERM);
  assert.equal(run(compileSeccomp(defaultSeccompProfile(['CAP_SYS_CHROOT']), 'x64'), number('chroot')), ALLOW);
});

test('arguments decide: namespaces by clone, virtual sockets, personalities', () => {
  const program = compileSeccomp(defaultSeccompProfile([]), 'x64');
  assert.equal(run(program, number('clone'), [0x11n]), ALLOW);
  for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n]) {
    assert.equal(run(program, number('clone'), [flag | 0x11n]), EPERM, flag.toString(16));
  }
  assert.equal(run(program, number('clone3'), [0n]), ENOSYS);
  assert.equal(run(program, number('socket'), [2n]), ALLOW);
  assert.equal(run(program, number('socket'), [40n]), EPERM);
  assert.equal(run(program, number('personality'), [0xffffffffn]), ALLOW);
  assert.equal(run(program, number('personality'), [0x40000n]), EPERM);
});

test('another architecture kills, and the x32 ABI is not there', () => {
  const program = compileSeccomp(defaultSeccompProfile([]), 'x64');
  assert.equal(run(program, number('read'), [], 0x40000003), 0x80000000);
  assert.equal(run(program, 0x40000000 + number('read')), ENOSYS);
  assert.throws(() => compileSeccomp(defaultSeccompProfile([]), 'mips'), /no seccomp filter for mips/);
});

const COMPARISONS = {
  SCMP_CMP_EQ: (argument: bigint, value: bigint) => argument === value,
  SCMP_CMP_NE: (argument: bigint, value: bigint) => argument !== value,
  SCMP_CMP_LT: (argument: bigint, value: bigint) => argument < value,
  SCMP_CMP_LE: (argument: bigint, value: bigint) => argument <= value,
  SCMP_CMP_GT: (argument: bigint, value: bigint) => argument > value,
  SCMP_CMP_GE: (argument: bigint, value: bigint) => argument >= value,
} as const;

test('every comparison of 64 bits is exact at its edges', () => {
  const edges = [0, 1, 7, 0xffffffff, 0x100000000, 0x100000001, 2 ** 40, Number.MAX_SAFE_INTEGER];
  for (const [op, holds] of Object.entries(COMPARISONS)) {
    for (const value of edges) {
      const profile: SeccompProfile = {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [
          {
            names: ['read'],
            action: 'SCMP_ACT_ERRNO',
            args: [
              { index: 2, value, op: op as keyof typeof COMPARISONS },
              { index: 0, value: 3, op: 'SCMP_CMP_EQ' },
            ],
          },
        ],
      };
      const program = compileSeccomp(profile, 'x64');
      for (const edge of edges) {
        for (const argument of [BigInt(edge) - 1n, BigInt(edge), BigInt(edge) + 1n].filter((one) => one >= 0n)) {
          assert.equal(
            run(program, number('read'), [3n, 0n, argument]),
            holds(argument, BigInt(value)) ? EPERM : ALLOW,
            `${argument} ${op} ${value}`,
          );
          assert.equal(run(program, number('read'), [4n, 0n, argument]), ALLOW);
        }
      }
    }
  }
});

test('a profile that names calls of other architectures, or of no kernel, is taken without them', () => {
  const program = compileSeccomp(
    { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['chown32', 'nonsense', 'read'], action: 'SCMP_ACT_ALLOW' }] },
    'x64',
  );
  assert.equal(run(program, number('read')), ALLOW);
  assert.equal(run(program, number('write')), EPERM);
});
