/**
 * From a seccomp profile, as the OCI specification writes it, to the program that the kernel runs at every system call (seccomp(2),
 * Documentation/userspace-api/seccomp_filter.rst, linux/bpf_common.h). Pure.
 *
 * A call of another architecture kills the process: its numbers mean other calls. A call that is newer than the table gets ENOSYS, so that
 * programs fall back to an older one, and so does the x32 ABI.
 */
import { Failure } from '../failure.ts';
import type { SeccompAction, SeccompProfile } from '../protocol/sandboxes.ts';
import { SYSCALL_TABLE } from './syscallTable.ts';

type Rule = NonNullable<SeccompProfile['syscalls']>[number];
type Comparison = NonNullable<Rule['args']>[number];

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 (linux/audit.h), with the column of the table. */
const ARCHITECTURES = {
  x64: { audit: 0xc000003e, column: 0, name: 'SCMP_ARCH_X86_64' },
  arm64: { audit: 0xc00000b7, column: 1, name: 'SCMP_ARCH_AARCH64' },
} as const;

const RETURN: Record<Exclude<SeccompAction, 'SCMP_ACT_ERRNO'>, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const RETURN_ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;

/** `struct seccomp_data`: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. */
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER = 0x25;
const JUMP_GREATER_EQUAL = 0x35;
const RETURN_VALUE = 0x06; // BPF_RET | BPF_K

/** BPF_MAXINSNS. */
const MOST_INSTRUCTIONS = 4096;
/** Offsets of conditional jumps are one byte. */
const FARTHEST = 255;
/** __X32_SYSCALL_BIT. */
const X32 = 0x40000000;

interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

const instruction = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });
const answer = (value: number): Instruction => instruction(RETURN_VALUE, value);

/**
 * The instructions, 8 bytes each (`struct sock_filter`, little-endian).
 * @throws Failure `unsupported` on another architecture, `invalid` when the profile needs more instructions than the kernel takes.
 */
export function compileSeccomp(profile: SeccompProfile, architecture: string = process.arch): Buffer {
  const target = ARCHITECTURES[architecture as keyof typeof ARCHITECTURES];
  if (target === undefined) throw new Failure('unsupported', `There is no seccomp filter for ${architecture}.`);
  if (profile.architectures !== undefined && !profile.architectures.includes(target.name)) {
    throw new Failure('invalid', `The seccomp profile is not for this architecture: it lacks ${target.name}.`);
  }
  const otherwise = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const instructions = [
    instruction(LOAD, ARCHITECTURE_OFFSET),
    instruction(JUMP_EQUAL, target.audit, 1, 0),
    answer(RETURN.SCMP_ACT_KILL_PROCESS),
    instruction(LOAD, NUMBER_OFFSET),
    ...choose(leaves(profile, target.column, otherwise)),
  ];
  if (instructions.length > MOST_INSTRUCTIONS) {
    throw new Failure(
      'invalid',
      `The seccomp profile comes to ${instructions.length} instructions; the kernel takes ${MOST_INSTRUCTIONS}.`,
    );
  }
  const program = Buffer.alloc(instructions.length * 8);
  for (const [at, { code, jt, jf, k }] of instructions.entries()) {
    program.writeUInt16LE(code, at * 8);
    program.writeUInt8(jt, at * 8 + 2);
    program.writeUInt8(jf, at * 8 + 3);
    program.writeUInt32LE(k, at * 8 + 4);
  }
  return program;
}

function returnValue(action: SeccompAction, errno: number | undefined): number {
  return action === 'SCMP_ACT_ERRNO' ? RETURN_ERRNO | ((errno ?? EPERM) & 0xffff) : RETURN[action];
}

/** What is done from a number up to the next leaf's. */
interface Leaf {
  from: number;
  code: Instruction[];
}

function leaves(profile: SeccompProfile, column: 0 | 1, otherwise: number): Leaf[] {
  const rules = rulesByName(profile);
  const known = Object.entries(SYSCALL_TABLE)
    .flatMap(([name, numbers]) => (numbers[column] === null ? [] : [{ name, number: numbers[column] }]))
    .sort((one, other) => one.number - other.number);
  const result: Leaf[] = [];
  const add = (from: number, code: Instruction[]) => {
    // Neighbours with the same answer are one leaf.
    if (JSON.stringify(result.at(-1)?.code) !== JSON.stringify(code)) result.push({ from, code });
  };
  let next = 0;
  for (const { name, number } of known) {
    if (number > next) add(next, [answer(otherwise)]);
    add(number, ruleCode(rules.get(name) ?? [], otherwise));
    next = number + 1;
  }
  // An unfiltered profile lets everything else through, too.
  const beyond = otherwise === RETURN.SCMP_ACT_ALLOW ? otherwise : RETURN_ERRNO | ENOSYS;
  add(next, [answer(beyond)]);
  if (column === 0) add(X32, [answer(RETURN_ERRNO | ENOSYS)]);
  return result;
}

function rulesByName({ syscalls = [] }: SeccompProfile): Map<string, Rule[]> {
  const rules = new Map<string, Rule[]>();
  for (const rule of syscalls) {
    // A name that this kernel's table lacks is passed over, as runc does: profiles name calls of every architecture.
    for (const name of rule.names) rules.set(name, [...(rules.get(name) ?? []), rule]);
  }
  return rules;
}

/** Rules about arguments come first, in the profile's order; then the one without, or the default. */
function ruleCode(rules: readonly Rule[], otherwise: number): Instruction[] {
  const plain = rules.find(({ args = [] }) => args.length === 0);
  const last = plain === undefined ? otherwise : returnValue(plain.action, plain.errnoRet);
  const code: Instruction[] = [];
  for (const rule of rules) {
    const args = rule.args ?? [];
    if (args.length > 0) code.push(...allOf(args, returnValue(rule.action, rule.errnoRet)));
  }
  return [...code, answer(last)];
}

/** Answers `value` when every comparison holds; else goes on after itself. */
function allOf(args: readonly Comparison[], value: number): Instruction[] {
  let code: Instruction[] = [answer(value)];
  for (const comparison of [...args].reverse()) code = [...compare(comparison, code.length), ...code];
  return code;
}

/** Goes on right after itself when the comparison holds, and `miss` instructions further when it does not. */
function compare({ index, value, valueTwo = 0, op }: Comparison, miss: number): Instruction[] {
  const low = ARGUMENTS_OFFSET + index * 8;
  const high = low + 4;
  const [valueHigh, valueLow] = halves(value);
  const [secondHigh, secondLow] = halves(valueTwo);
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [
        instruction(LOAD, high),
        instruction(JUMP_EQUAL, valueHigh, 0, miss + 2),
        instruction(LOAD, low),
        instruction(JUMP_EQUAL, valueLow, 0, miss),
      ];
    case 'SCMP_CMP_NE':
      return [
        instruction(LOAD, high),
        instruction(JUMP_EQUAL, valueHigh, 0, 2),
        instruction(LOAD, low),
        instruction(JUMP_EQUAL, valueLow, miss, 0),
      ];
    case 'SCMP_CMP_MASKED_EQ':
      return [
        instruction(LOAD, high),
        instruction(AND, valueHigh),
        instruction(JUMP_EQUAL, secondHigh, 0, miss + 3),
        instruction(LOAD, low),
        instruction(AND, valueLow),
        instruction(JUMP_EQUAL, secondLow, 0, miss),
      ];
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_GE':
      return ordered(high, low, valueHigh, valueLow, op === 'SCMP_CMP_GT' ? JUMP_GREATER : JUMP_GREATER_EQUAL, 0, miss);
    case 'SCMP_CMP_LE':
    case 'SCMP_CMP_LT':
      return ordered(high, low, valueHigh, valueLow, op === 'SCMP_CMP_LE' ? JUMP_GREATER : JUMP_GREATER_EQUAL, miss, 0);
  }
}

/** Goes `above` further when the argument is greater (or equal, by `jump`), `below` further when it is not. */
function ordered(
  high: number,
  low: number,
  valueHigh: number,
  valueLow: number,
  jump: number,
  above: number,
  below: number,
): Instruction[] {
  return [
    instruction(LOAD, high),
    instruction(JUMP_GREATER, valueHigh, above + 3, 0),
    instruction(JUMP_EQUAL, valueHigh, 0, below + 2),
    instruction(LOAD, low),
    instruction(jump, valueLow, above, below),
  ];
}

function halves(value: number): [high: number, low: number] {
  const whole = BigInt.asUintN(64, BigInt(value));
  return [Number(whole >> 32n), Number(whole & 0xffffffffn)];
}

/** A search by halves: with the number loaded, ends in the leaf that it belongs to. */
function choose(sorted: readonly Leaf[]): Instruction[] {
  const [only] = sorted;
  if (sorted.length === 1 && only !== undefined) return only.code;
  const middle = Math.floor(sorted.length / 2);
  const lower = choose(sorted.slice(0, middle));
  const upper = choose(sorted.slice(middle));
  const from = sorted[middle]?.from ?? 0;
  return lower.length <= FARTHEST
    ? [instruction(JUMP_GREATER_EQUAL, from, lower.length, 0), ...lower, ...upper]
    : [instruction(JUMP_GREATER_EQUAL, from, 0, 1), instruction(JUMP, lower.length), ...lower, ...upper];
}
