/** Runs compiled filters in an interpreter of the instructions that they use, and compares with the rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SYSCALL_TABLE, TABLE_VERSION } from '../../helper/kernel/syscallTable.ts';
import type { SeccompOperator, SeccompProfile } from '../../helper/protocol/sandboxes.ts';
import type { Said } from '../../helper/protocol/sentences.ts';
import { compileSeccomp } from '../../helper/sandbox/seccomp/seccomp.ts';
import { defaultSeccompProfile } from '../../helper/sandbox/seccomp/seccompDefault.ts';
import { givenFilter, type RunningOn } from '../../helper/sandbox/seccomp/seccompProfile.ts';
import { SECCOMP_ACTIONS } from '../../helper/sandbox/specification/spec.ts';
import { inEnglish } from '../fixtures/english.ts';

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050000 | 38;
/** Column of the table, architecture of the audit, and bytes of a register. */
const WAYS = {
  x64: { column: 0, audit: 0xc000003e, processor: 'x64' },
  i386: { column: 2, audit: 0x40000003, processor: 'x64' },
  arm64: { column: 3, audit: 0xc00000b7, processor: 'arm64' },
} as const;

type Way = keyof typeof WAYS;

/** `struct seccomp_data`. */
function seccompData(nr: number, args: bigint[], audit: number): Buffer {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr, 0);
  data.writeUInt32LE(audit, 4);
  for (const [at, value] of args.entries()) data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + at * 8);
  return data;
}

/** Whether a conditional jump is taken, by its code. */
const JUMPS = new Map<number, (accumulator: number, k: number) => boolean>([
  [0x15, (accumulator, k) => accumulator === k],
  [0x25, (accumulator, k) => accumulator > k],
  [0x35, (accumulator, k) => accumulator >= k],
]);

/** What the kernel would answer. Classic BPF as seccomp allows it (kernel/seccomp.c). */
function run(program: Buffer, nr: number, args: bigint[] = [], audit: number = WAYS.x64.audit): number {
  const data = seccompData(nr, args, audit);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at += 1) {
    const code = program.readUInt16LE(at * 8);
    const jt = program[at * 8 + 2] ?? 0;
    const jf = program[at * 8 + 3] ?? 0;
    const k = program.readUInt32LE(at * 8 + 4);
    const isTaken = JUMPS.get(code)?.(accumulator, k);
    if (isTaken !== undefined) at += isTaken ? jt : jf;
    else if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x06) return k;
    else assert.fail(`instruction ${code}`);
  }
  assert.fail('the program does not end');
}

function number(name: string, way: Way = 'x64'): number {
  return SYSCALL_TABLE[name]?.[WAYS[way].column] ?? assert.fail(name);
}

function numberedCalls(way: Way): [name: string, nr: number][] {
  return Object.entries(SYSCALL_TABLE).flatMap(([name, entry]): [string, number][] => {
    const nr = entry[WAYS[way].column];
    return nr === null ? [] : [[name, nr]];
  });
}

for (const way of ['x64', 'i386', 'arm64'] as const) {
  const { audit, processor } = WAYS[way];
  test(`every call of ${way} gets what the default profile says of it`, () => {
    const profile = defaultSeccompProfile([], processor);
    const program = compileSeccomp(profile, processor);
    const plain = new Set(
      profile.syscalls
        ?.filter(({ args, action }) => args === undefined && action === 'SCMP_ACT_ALLOW')
        .flatMap(({ names }) => names),
    );
    for (const [name, nr] of numberedCalls(way)) {
      if (['socket', 'personality', 'clone', 'clone3'].includes(name)) continue;
      assert.equal(run(program, nr, [], audit), plain.has(name) ? ALLOW : EPERM, name);
    }
    assert.equal(run(program, 5000, [], audit), ENOSYS);
  });
}

test('what acts on the machine is refused, and a capability allows what is its own', () => {
  const none = compileSeccomp(defaultSeccompProfile([], 'x64'), 'x64');
  const refused =
    'mount unshare setns bpf keyctl kexec_load reboot open_by_handle_at io_uring_setup chroot open_tree_attr lsm_list_modules listns';
  for (const name of refused.split(' ')) assert.equal(run(none, number(name)), EPERM, name);
  for (const name of ['umount', 'stime', 'clock_settime64', 'vm86', 'socketcall']) {
    assert.equal(run(none, number(name, 'i386'), [], WAYS.i386.audit), EPERM, name);
  }
  const admin = compileSeccomp(defaultSeccompProfile(['CAP_SYS_ADMIN'], 'x64'), 'x64');
  for (const name of ['mount', 'unshare', 'clone', 'clone3'])
    assert.equal(run(admin, number(name), [0x10000000n]), ALLOW, name);
  assert.equal(run(admin, number('chroot')), EPERM);
  assert.equal(run(compileSeccomp(defaultSeccompProfile(['CAP_SYS_CHROOT'], 'x64'), 'x64'), number('chroot')), ALLOW);
});

/** High halves of a register that the kernel drops where it takes an int. */
const HIGH = [0n, 1n << 32n, 0xffffffffn << 32n, 0xdeadbeefn << 32n];

test('arguments decide, by what the kernel takes of them: namespaces by clone, families of sockets, personalities', () => {
  const program = compileSeccomp(defaultSeccompProfile([], 'x64'), 'x64');
  assert.equal(run(program, number('clone3'), [0n]), ENOSYS);
  for (const high of HIGH) {
    assert.equal(run(program, number('clone'), [high | 0x11n]), ALLOW);
    for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n]) {
      assert.equal(run(program, number('clone'), [high | flag | 0x11n]), EPERM, flag.toString(16));
    }
    for (let family = 0n; family < 64n; family += 1n) {
      const expected = family === 38n || family === 40n ? EPERM : ALLOW;
      assert.equal(run(program, number('socket'), [high | family]), expected, `${high} ${family}`);
      assert.equal(run(program, number('socket', 'i386'), [family], WAYS.i386.audit), expected, `${family}`);
    }
    assert.equal(run(program, number('personality'), [high | 0xffffffffn]), ALLOW);
    assert.equal(run(program, number('personality'), [high | 0x40000n]), EPERM);
  }
});

test('an architecture that is not named kills, and the x32 ABI is not there unless it is named', () => {
  const program = compileSeccomp(defaultSeccompProfile([], 'x64'), 'x64');
  assert.equal(run(program, number('read', 'arm64'), [], WAYS.arm64.audit), KILL_PROCESS);
  assert.equal(run(program, 0x40000000 + number('read')), ENOSYS);
  const only = compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }, 'x64');
  assert.equal(run(only, number('read', 'i386'), [], WAYS.i386.audit), KILL_PROCESS);
  assert.equal(run(only, 0x40000000 + number('read')), ENOSYS);
  const profile: SeccompProfile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'],
    syscalls: [{ names: ['read', 'ioctl'], action: 'SCMP_ACT_ERRNO' }],
  };
  const x32 = compileSeccomp(profile, 'x64');
  assert.equal(run(x32, 0x40000000 + number('read')), EPERM);
  assert.equal(run(x32, 0x40000000 + 514), EPERM);
  assert.equal(run(x32, 0x40000000 + number('write')), ALLOW);
  assert.throws(() => defaultSeccompProfile([], 'mips'), /no seccomp filter for mips/);
});

test('a deny list holds for every call of the table, and what is newer passes where all passes', () => {
  const names = Object.keys(SYSCALL_TABLE);
  for (const way of ['x64', 'i386', 'arm64'] as const) {
    const { audit, processor } = WAYS[way];
    const architectures = processor === 'x64' ? ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'] : ['SCMP_ARCH_AARCH64'];
    const program = compileSeccomp(
      { defaultAction: 'SCMP_ACT_ALLOW', architectures, syscalls: [{ names, action: 'SCMP_ACT_ERRNO' }] },
      processor,
    );
    for (const [name, nr] of numberedCalls(way)) assert.equal(run(program, nr, [], audit), EPERM, name);
    for (const action of SECCOMP_ACTIONS) {
      const beyond = run(compileSeccomp({ defaultAction: action, architectures }, processor), 5000, [], audit);
      const passes = action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG';
      assert.equal(beyond !== ENOSYS, passes, action);
    }
  }
  for (const name of ['fchmodat2', 'mseal', 'statmount', 'listmount', 'setxattrat', 'file_setattr', 'rseq_slice_yield']) {
    assert.ok(Object.hasOwn(SYSCALL_TABLE, name), name);
  }
});

const COMPARISONS = {
  SCMP_CMP_EQ: (argument: bigint, value: bigint) => argument === value,
  SCMP_CMP_NE: (argument: bigint, value: bigint) => argument !== value,
  SCMP_CMP_LT: (argument: bigint, value: bigint) => argument < value,
  SCMP_CMP_LE: (argument: bigint, value: bigint) => argument <= value,
  SCMP_CMP_GT: (argument: bigint, value: bigint) => argument > value,
  SCMP_CMP_GE: (argument: bigint, value: bigint) => argument >= value,
} as const;

/** A filter that refuses `name` when the comparison holds. */
function refusing(name: string, args: { index: number; value: number; valueTwo?: number; op: SeccompOperator }[]): Buffer {
  return compileSeccomp(
    { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [name], action: 'SCMP_ACT_ERRNO', args }] },
    'x64',
  );
}

test('every comparison of 64 bits is exact at its edges', () => {
  const edges = [0, 1, 7, 0xffffffff, 0x100000000, 0x100000001, 2 ** 40, Number.MAX_SAFE_INTEGER];
  for (const [op, holds] of Object.entries(COMPARISONS)) {
    for (const value of edges) {
      const program = refusing('read', [
        { index: 2, value, op: op as keyof typeof COMPARISONS },
        { index: 0, value: 3, op: 'SCMP_CMP_EQ' },
      ]);
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

/** An argument that the kernel takes only the lowest bits of. */
interface PartialArgument {
  name: string;
  nr: number;
  index: number;
  bits: bigint;
}

/** One for each place and width, which tells of all of them. */
function partialArguments(): PartialArgument[] {
  const byShape = new Map<string, PartialArgument>();
  for (const [name, [nr, , , , widths = '']] of Object.entries(SYSCALL_TABLE))
    for (const [index, digit] of [...widths].entries()) {
      const shape = `${index} ${digit}`;
      if (nr === null || digit === '8' || byShape.has(shape)) continue;
      byShape.set(shape, { name, nr, index, bits: BigInt(digit) * 8n });
    }
  return [...byShape.values()];
}

/** Compares the argument with `value` in every way, and looks that the lowest bits alone decide. */
function comparePart({ name, nr, index, bits }: PartialArgument, value: number): void {
  const lows = [0n, 1n, 39n, 40n, 41n, (1n << bits) - 1n];
  const highs = [0n, 1n << bits, 0xffffffffn << 32n];
  const compare = (op: SeccompOperator, holds: (low: bigint) => boolean, valueTwo?: number) => {
    const program = refusing(name, [{ index, value, op, ...(valueTwo === undefined ? {} : { valueTwo }) }]);
    for (const [low, high] of lows.flatMap((low) => highs.map((high) => [low, high] as const))) {
      const args = new Array<bigint>(6).fill(7n).with(index, high | low);
      assert.equal(run(program, nr, args), holds(low) ? EPERM : ALLOW, `${name} ${index}: ${high | low} ${op} ${value}`);
    }
  };
  for (const [op, holds] of Object.entries(COMPARISONS))
    compare(op as keyof typeof COMPARISONS, (low) => holds(low, BigInt(value)));
  compare('SCMP_CMP_MASKED_EQ', (low) => (low & BigInt(value)) === 40n, 40);
}

test('of every argument that the kernel takes a part of, that part is compared, whatever stands above it', () => {
  for (const part of partialArguments()) {
    const size = 2 ** Number(part.bits);
    for (const value of [0, 1, 40, size - 1, size, 2 ** 40 + 1]) comparePart(part, value);
  }
});

const ON: RunningOn = { architecture: 'x64', kernel: TABLE_VERSION };
const NEWER: RunningOn = { architecture: 'x64', kernel: [TABLE_VERSION[0], TABLE_VERSION[1] + 1] };

function notesOf(profile: SeccompProfile, on = ON): string[] {
  const notes: Said[] = [];
  givenFilter({ architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'], ...profile }, notes, on);
  return inEnglish(notes);
}

test('what of a profile does nothing here is a note', () => {
  const rule = (...names: string[]) => [{ names, action: 'SCMP_ACT_ALLOW' as const }];
  assert.deepEqual(notesOf({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: rule('read', 'chown32') }), []);
  assert.match(
    notesOf({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: rule('nonsense', 'read') })[0] ?? '',
    /have no effect: nonsense\./,
  );
  const [foreign, killed] = notesOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_S390'],
    syscalls: rule('read'),
  });
  assert.match(foreign ?? '', /SCMP_ARCH_S390 have no effect/);
  assert.match(killed ?? '', /32-bit programs .*killed by SIGSYS/);
  const elsewhere = notesOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: rule('chown32'),
  });
  assert.ok(elsewhere.some((note) => note.includes('calls of other architectures only, and have no effect: chown32')));
  const args = [{ index: 0, value: 2 ** 32 + 40, op: 'SCMP_CMP_EQ' as const }];
  const [comparison] = notesOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['socket'], action: 'SCMP_ACT_ALLOW', args }],
  });
  assert.match(comparison ?? '', /always come out the same.*socket in syscalls\[0\]/);
});

test('what of a profile would be a hole, or cannot be done, is refused by its field', () => {
  const deny = [{ names: ['brand_new'], action: 'SCMP_ACT_ERRNO' as const }];
  assert.throws(
    () => notesOf({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: deny }, NEWER),
    /"seccomp.syscalls\[0\].names": brand_new/,
  );
  assert.match(notesOf({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: deny })[0] ?? '', /brand_new/);
  assert.match(notesOf({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: deny }, NEWER)[0] ?? '', /brand_new/);
  assert.throws(
    () => notesOf({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_ARM'] }),
    /"seccomp.architectures": .*SCMP_ARCH_X86_64/,
  );
  for (const flag of ['SECCOMP_FILTER_FLAG_NEW_LISTENER', 'SECCOMP_FILTER_FLAG_NOT_YET']) {
    assert.throws(() => notesOf({ defaultAction: 'SCMP_ACT_ALLOW', flags: [flag] }), new RegExp(`"seccomp.flags": ${flag}`));
  }
  assert.throws(() => notesOf({ defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 }), /"seccomp.defaultErrnoRet"/);
  const withErrno = [{ names: ['read'], action: 'SCMP_ACT_KILL' as const, errnoRet: 1 }];
  assert.throws(() => notesOf({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: withErrno }), /"seccomp.syscalls\[0\].errnoRet"/);
});

test("flags are the kernel's numbers", () => {
  const flags = ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_LOG'];
  assert.deepEqual(givenFilter({ defaultAction: 'SCMP_ACT_ALLOW', flags }, []).flags, {
    value: 6,
    text: 'SECCOMP_FILTER_FLAG_LOG|SECCOMP_FILTER_FLAG_SPEC_ALLOW',
  });
});

test('a name that is repeated costs no more than its text, and too many rules are refused before they are compiled', () => {
  const names = new Array<string>(1024).fill('read');
  const syscalls = Array.from({ length: 512 }, () => ({ names, action: 'SCMP_ACT_ERRNO' as const }));
  const once = { defaultAction: 'SCMP_ACT_ALLOW' as const, syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO' as const }] };
  assert.deepEqual(compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }, 'x64'), compileSeccomp(once, 'x64'));
  const everything = Array.from({ length: 512 }, (_, value) => ({
    names: Object.keys(SYSCALL_TABLE),
    action: 'SCMP_ACT_ERRNO' as const,
    args: [{ index: 0, value, op: 'SCMP_CMP_EQ' as const }],
  }));
  assert.throws(
    () => compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: everything }, 'x64'),
    /the kernel takes 4096/,
  );
});
