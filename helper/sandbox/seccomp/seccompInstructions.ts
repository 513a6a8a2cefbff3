/** Instructions of classic BPF as seccomp(2) takes them (linux/bpf_common.h, kernel/seccomp.c), and comparisons of arguments made of them. Pure. */
import type { SeccompProfile } from '../../protocol/sandboxes.ts';

export type Comparison = NonNullable<NonNullable<SeccompProfile['syscalls']>[number]['args']>[number];

/** `struct sock_filter`. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** `struct seccomp_data`: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. */
export const NUMBER_OFFSET = 0;
export const ARCHITECTURE_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;

export const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JUMP = 0x05; // BPF_JMP | BPF_JA
export const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER = 0x25;
export const JUMP_GREATER_EQUAL = 0x35;
const RETURN_VALUE = 0x06; // BPF_RET | BPF_K

export const instruction = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });
export const answer = (value: number): Instruction => instruction(RETURN_VALUE, value);

/** 8 bytes each, little-endian. */
export function encode(instructions: readonly Instruction[]): Buffer {
  const program = Buffer.alloc(instructions.length * 8);
  for (const [at, { code, jt, jf, k }] of instructions.entries()) {
    program.writeUInt16LE(code, at * 8);
    program.writeUInt8(jt, at * 8 + 2);
    program.writeUInt8(jf, at * 8 + 3);
    program.writeUInt32LE(k, at * 8 + 4);
  }
  return program;
}

/**
 * Whether a comparison comes out the same for every value that the kernel takes of an argument of so many bytes; undefined when that depends on the
 * value.
 */
export function foregone({ value, valueTwo = 0, op }: Comparison, bytes: number): boolean | undefined {
  const most = bytes === 8 ? undefined : 2 ** (bytes * 8) - 1;
  if (most === undefined) return undefined;
  if (op === 'SCMP_CMP_MASKED_EQ') return valueTwo > most ? false : undefined;
  if (value <= most) return undefined;
  return op === 'SCMP_CMP_NE' || op === 'SCMP_CMP_LT' || op === 'SCMP_CMP_LE';
}

/**
 * Answers `value` when every comparison holds; else goes on after itself. `bytesOf` tells how much of an argument the kernel takes: what is above it
 * in the register is ignored there, so it is not compared (CVE-2019-10063). None when they can never hold together.
 */
export function answerWhen(args: readonly Comparison[], value: number, bytesOf: (index: number) => number): Instruction[] {
  const open = args.filter((comparison) => foregone(comparison, bytesOf(comparison.index)) !== true);
  if (open.some((comparison) => foregone(comparison, bytesOf(comparison.index)) === false)) return [];
  let code: Instruction[] = [answer(value)];
  for (const comparison of open.reverse()) {
    const bytes = bytesOf(comparison.index);
    code = [...(bytes === 8 ? compareWhole : comparePart)(comparison, code.length, bytes), ...code];
  }
  return code;
}

const lowOf = (index: number): number => ARGUMENTS_OFFSET + index * 8;

/** Goes on right after itself when the comparison holds, and `miss` instructions further when it does not. */
function comparePart({ index, value, valueTwo = 0, op }: Comparison, miss: number, bytes: number): Instruction[] {
  const load = [instruction(LOAD, lowOf(index)), ...(bytes === 2 ? [instruction(AND, 0xffff)] : [])];
  const [, low] = halves(value);
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [...load, instruction(JUMP_EQUAL, low, 0, miss)];
    case 'SCMP_CMP_NE':
      return [...load, instruction(JUMP_EQUAL, low, miss, 0)];
    case 'SCMP_CMP_MASKED_EQ':
      return [...load, instruction(AND, low), instruction(JUMP_EQUAL, valueTwo, 0, miss)];
    case 'SCMP_CMP_GT':
      return [...load, instruction(JUMP_GREATER, low, 0, miss)];
    case 'SCMP_CMP_GE':
      return [...load, instruction(JUMP_GREATER_EQUAL, low, 0, miss)];
    case 'SCMP_CMP_LE':
      return [...load, instruction(JUMP_GREATER, low, miss, 0)];
    case 'SCMP_CMP_LT':
      return [...load, instruction(JUMP_GREATER_EQUAL, low, miss, 0)];
  }
}

/** The same for all 64 bits. */
function compareWhole({ index, value, valueTwo = 0, op }: Comparison, miss: number): Instruction[] {
  const low = lowOf(index);
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
