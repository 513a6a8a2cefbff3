/**
 * From a seccomp profile, as the OCI specification writes it, to the program that the kernel runs at every system call (seccomp(2),
 * Documentation/userspace-api/seccomp_filter.rst). Pure.
 *
 * A call made in a way that the profile does not name kills the process: its numbers mean other calls; but x32 gets ENOSYS, as from a kernel
 * without it. So does a call that is newer than the table, unless the default action lets it through: programs fall back to an older one.
 */

import { Failure } from '../../failure.ts';
import { ENOSYS, EPERM } from '../../kernel/numbers.ts';
import { SYSCALL_TABLE, type SyscallEntry } from '../../kernel/syscallTable.ts';
import { append } from '../../lists.ts';
import type { SeccompAction, SeccompProfile } from '../../protocol/sandboxes.ts';
import type { SaidArgument } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import {
  ARCHITECTURE_OFFSET,
  answer,
  answerWhen,
  encode,
  type Instruction,
  instruction,
  JUMP,
  JUMP_EQUAL,
  JUMP_GREATER_EQUAL,
  LOAD,
  NUMBER_OFFSET,
} from './seccompInstructions.ts';

export type Rule = NonNullable<SeccompProfile['syscalls']>[number];

/** A way to call Linux: AUDIT_ARCH_… (linux/audit.h), its column of the table, the bytes of a register, and a bit that all its numbers have. */
export interface CallingWay {
  name: string;
  audit: number;
  column: 0 | 1 | 2 | 3;
  register: 4 | 8;
  bit?: number;
}

/** __X32_SYSCALL_BIT. */
const X32_BIT = 0x40000000;
const AUDIT_X86_64 = 0xc000003e;
/** The processor's own first. */
const WAYS: Readonly<Record<string, readonly CallingWay[]>> = {
  x64: [
    { name: 'SCMP_ARCH_X86_64', audit: AUDIT_X86_64, column: 0, register: 8 },
    { name: 'SCMP_ARCH_X32', audit: AUDIT_X86_64, column: 1, register: 8, bit: X32_BIT },
    { name: 'SCMP_ARCH_X86', audit: 0x40000003, column: 2, register: 4 },
  ],
  arm64: [{ name: 'SCMP_ARCH_AARCH64', audit: 0xc00000b7, column: 3, register: 8 }],
};

const RETURN: Record<Exclude<SeccompAction, 'SCMP_ACT_ERRNO'>, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const RETURN_ERRNO = 0x00050000;

/** BPF_MAXINSNS. */
const MOST_INSTRUCTIONS = 4096;
/** Offsets of conditional jumps are one byte. */
const FARTHEST = 255;

/** Throws a `Failure`: `unsupported` on another processor. */
export function waysOf(architecture: string): readonly [CallingWay, ...CallingWay[]] {
  const [own, ...others] = WAYS[architecture] ?? [];
  if (own === undefined) throw new Failure('unsupported', said('noFilterForArchitecture', architecture));
  return [own, ...others];
}

/** Those that the profile is for; without a word of it the processor's own. */
export function coveredWays({ architectures }: SeccompProfile, architecture: string): CallingWay[] {
  const all = waysOf(architecture);
  const named = new Set(architectures ?? [all[0].name]);
  return all.filter(({ name }) => named.has(name));
}

/** Whether a call that no rule names is made. */
export function isPermissive(action: SeccompAction): boolean {
  return action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG';
}

/** How many bytes of the argument the kernel takes. */
export function argumentBytes(
  [, , , , widths = '', widths32 = '']: SyscallEntry,
  { register }: CallingWay,
  index: number,
): number {
  const digit = (register === 8 ? widths : widths32)[index];
  return digit === undefined ? register : Number(digit);
}

/**
 * The instructions, 8 bytes each (`struct sock_filter`, little-endian).
 * @throws Failure `unsupported` on another processor, `invalid` when the profile needs more instructions than the kernel takes.
 */
export function compileSeccomp(profile: SeccompProfile, architecture: string = process.arch): Buffer {
  const ways = coveredWays(profile, architecture);
  const rules = rulesByName(profile);
  const instructions = [instruction(LOAD, ARCHITECTURE_OFFSET)];
  for (const audit of new Set(ways.map((way) => way.audit))) {
    const leaves = leavesOf(
      profile,
      rules,
      ways.filter((way) => way.audit === audit),
    );
    const section = [instruction(LOAD, NUMBER_OFFSET), ...choose(leaves)];
    append(instructions, [instruction(JUMP_EQUAL, audit, 1, 0), instruction(JUMP, section.length), ...section]);
  }
  instructions.push(answer(RETURN.SCMP_ACT_KILL_PROCESS));
  if (instructions.length > MOST_INSTRUCTIONS) throw tooLong(instructions.length);
  return encode(instructions);
}

function tooLong(length: SaidArgument): Failure {
  return new Failure('invalid', said('profileTooLong', length, MOST_INSTRUCTIONS), {
    hint: said('shortenSyscalls'),
  });
}

function returnValue(action: SeccompAction, errno: number | undefined): number {
  return action === 'SCMP_ACT_ERRNO' ? RETURN_ERRNO | ((errno ?? EPERM) & 0xffff) : RETURN[action];
}

/** What is done from a number up to the next leaf's. */
interface Leaf {
  from: number;
  code: Instruction[];
  /** Equal for equal code. */
  key: string;
}

/** In the order of their numbers. `ways` share one architecture of the audit. */
function leavesOf(profile: SeccompProfile, rules: RulesByName, ways: readonly CallingWay[]): Leaf[] {
  const otherwise = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const newer = isPermissive(profile.defaultAction) ? otherwise : RETURN_ERRNO | ENOSYS;
  const leaves: Leaf[] = [];
  let length = 0;
  const add = (from: number, leaf: Pick<Leaf, 'code' | 'key'>) => {
    if (leaves.at(-1)?.key === leaf.key) return;
    leaves.push({ from, ...leaf });
    length += leaf.code.length;
    if (length > MOST_INSTRUCTIONS) throw tooLong(said('moreThan', MOST_INSTRUCTIONS));
  };
  const simple = (value: number) => ({ code: [answer(value)], key: `${value}` });
  for (const way of ways) {
    const bit = way.bit ?? 0;
    let next = bit;
    for (const { entry, number, found } of callsOf(way, rules)) {
      if (number > next) add(next, simple(otherwise));
      add(number, found === undefined ? simple(otherwise) : ruleLeaf(found, otherwise, entry, way));
      next = number + 1;
    }
    add(next, simple(newer));
  }
  // Its numbers lie above all others: they are another way's, or none's.
  if (ways.some(({ column }) => column === 0) && !ways.some(({ bit }) => bit === X32_BIT))
    add(X32_BIT, simple(RETURN_ERRNO | ENOSYS));
  return leaves;
}

function callsOf(way: CallingWay, rules: RulesByName) {
  return Object.entries(SYSCALL_TABLE)
    .flatMap(([name, entry]) => {
      const number = entry[way.column];
      return number === null ? [] : [{ entry, number: number + (way.bit ?? 0), found: rules.get(name) }];
    })
    .sort((one, other) => one.number - other.number);
}

/** Each different rule once, by what it says, in the profile's order. */
type RulesByName = Map<string, Map<string, Rule>>;

function rulesByName({ syscalls = [] }: SeccompProfile): RulesByName {
  const rules: RulesByName = new Map();
  for (const rule of syscalls) {
    const { names, ...what } = rule;
    const key = JSON.stringify(what);
    for (const name of new Set(names)) {
      if (!Object.hasOwn(SYSCALL_TABLE, name)) continue;
      const known = rules.get(name);
      if (known === undefined) rules.set(name, new Map([[key, rule]]));
      else if (!known.has(key)) known.set(key, rule);
    }
  }
  return rules;
}

/** Rules about arguments come first, in the profile's order; then the one without, or the default. */
function ruleLeaf(
  rules: Map<string, Rule>,
  otherwise: number,
  entry: SyscallEntry,
  way: CallingWay,
): Pick<Leaf, 'code' | 'key'> {
  const code: Instruction[] = [];
  let last: number | undefined;
  for (const { args = [], action, errnoRet } of rules.values()) {
    const value = returnValue(action, errnoRet);
    if (args.length === 0) last ??= value;
    else
      append(
        code,
        answerWhen(args, value, (index) => argumentBytes(entry, way, index)),
      );
    if (code.length > MOST_INSTRUCTIONS) throw tooLong(said('moreThan', MOST_INSTRUCTIONS));
  }
  if (code.length === 0) return { code: [answer(last ?? otherwise)], key: `${last ?? otherwise}` };
  const widths = entry[way.register === 8 ? 4 : 5] ?? '';
  return { code: [...code, answer(last ?? otherwise)], key: `${way.register} ${widths} ${[...rules.keys()].join()}` };
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
