/** A seccomp profile that somebody gives: nothing in it is dropped without a word. What does nothing here is a note; what would be a hole is refused. */

import os from 'node:os';
import { Failure, type FieldPath } from '../../failure.ts';
import {
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
} from '../../kernel/numbers.ts';
import { SYSCALL_TABLE, TABLE_VERSION } from '../../kernel/syscallTable.ts';
import { append } from '../../lists.ts';
import type { SeccompFilter } from '../../programs/filters.ts';
import type { SeccompProfile } from '../../protocol/sandboxes.ts';
import type { Said, SaidArgument } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { argumentBytes, type CallingWay, compileSeccomp, coveredWays, isPermissive, type Rule, waysOf } from './seccomp.ts';
import { foregone } from './seccompInstructions.ts';

/** linux/seccomp.h. The others are of no use without somebody who listens. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
};
/** Of names, and of comparisons, that a note tells. */
const MAX_TOLD = 5;

/** The processor, and the version of the running kernel. */
export interface RunningOn {
  architecture: string;
  kernel: readonly [major: number, minor: number];
}

export function runningOn(): RunningOn {
  const [major = 0, minor = 0] = os.release().split('.', 2).map(Number);
  return { architecture: process.arch, kernel: [major, minor] };
}

/** Adds to `notes` what of the profile does nothing. Throws a `Failure` that names the field. */
export function givenFilter(profile: SeccompProfile, notes: Said[], on: RunningOn = runningOn()): SeccompFilter {
  append(notes, checkArchitectures(profile, on));
  const flags = flagsOf(profile);
  checkErrnos(profile);
  append(notes, [...checkNames(profile, on), ...checkComparisons(profile, on)]);
  return {
    instructions: compileSeccomp(profile, on.architecture),
    name: said('givenProfile'),
    ...(flags === undefined ? {} : { flags }),
  };
}

function invalid(field: FieldPath, text: Said, hint: Said): Failure {
  const name = field.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  return new Failure('invalid', said('seccompField', name, text), { field: [...field], hint });
}

function checkArchitectures({ architectures }: SeccompProfile, { architecture }: RunningOn): Said[] {
  const ways = waysOf(architecture);
  const [own] = ways;
  const named = new Set(architectures ?? [own.name]);
  if (!named.has(own.name)) {
    throw invalid(['architectures'], said('profileLacksArchitecture', own.name), said('add', own.name));
  }
  const known = new Set(ways.map(({ name }) => name));
  const foreign = [...named].filter((name) => !known.has(name));
  const notes = foreign.length === 0 ? [] : [said('noteArchitecturesWithoutEffect', listed(foreign))];
  if (architecture === 'arm64' || !named.has('SCMP_ARCH_X86')) {
    notes.push(said(architecture === 'arm64' ? 'noteNot32Bit' : 'noteLacksX86'));
  }
  return notes;
}

function flagsOf({ flags = [] }: SeccompProfile): SeccompFilter['flags'] {
  const distinct = [...new Set(flags)];
  for (const name of distinct) {
    if (FLAGS[name] !== undefined) continue;
    const known = Object.keys(FLAGS);
    throw invalid(['flags'], said('flagsCannotBeGiven', name), said('knownFlags', known));
  }
  if (distinct.length === 0) return undefined;
  return { value: distinct.reduce((all, name) => all | FLAGS[name]!, 0), text: distinct.join('|') };
}

/** config-linux.md: "If the action does not support an errno code, the runtime MUST generate an error if errnoRet is provided." */
function checkErrnos({ defaultAction, defaultErrnoRet, syscalls = [] }: SeccompProfile): void {
  const hint = said('leaveOutOrErrno');
  const check = (field: FieldPath, action: string, errno: number | undefined) => {
    if (errno !== undefined && action !== 'SCMP_ACT_ERRNO') throw invalid(field, said('returnsNoErrorCode', action), hint);
  };
  check(['defaultErrnoRet'], defaultAction, defaultErrnoRet);
  syscalls.forEach(({ action, errnoRet }, index) => {
    check(['syscalls', index, 'errnoRet'], action, errnoRet);
  });
}

/**
 * A call that only a newer kernel than the table's has cannot be filtered by its name. Where the profile lets through what it does not name, a rule
 * against it would be a hole.
 */
function checkNames(profile: SeccompProfile, on: RunningOn): Said[] {
  const ways = coveredWays(profile, on.architecture);
  const [major, minor] = TABLE_VERSION;
  const mayBeNewer = on.kernel[0] > major || (on.kernel[0] === major && on.kernel[1] > minor);
  const unknown = new Set<string>();
  const elsewhere = new Set<string>();
  for (const [index, { names, action }] of (profile.syscalls ?? []).entries()) {
    for (const name of names) {
      const entry = Object.hasOwn(SYSCALL_TABLE, name) ? SYSCALL_TABLE[name] : undefined;
      if (entry !== undefined) {
        if (ways.every(({ column }) => entry[column] === null)) elsewhere.add(name);
        continue;
      }
      if (mayBeNewer && isPermissive(profile.defaultAction) && !isPermissive(action)) {
        const what = said('callIsNotKnown', name, major, minor);
        throw invalid(['syscalls', index, 'names'], what, said('leaveOutOrAllow'));
      }
      unknown.add(name);
    }
  }
  return [...told(unknown, said('callsOfNoLinux', major, minor)), ...told(elsewhere, said('callsOfOtherArchitectures'))];
}

function told(names: ReadonlySet<string>, what: Said): Said[] {
  return names.size === 0 ? [] : [said('noteNamesInSyscalls', what, listed([...names]))];
}

/** What a comparison that is longer than its argument was meant to do, nobody can know. */
function checkComparisons(profile: SeccompProfile, on: RunningOn): Said[] {
  const ways = coveredWays(profile, on.architecture);
  const found: Said[] = [];
  for (const [index, rule] of (profile.syscalls ?? []).entries()) {
    if (rule.args === undefined || rule.args.length === 0) continue;
    for (const name of new Set(rule.names)) {
      if (found.length > MAX_TOLD) break;
      if (isForegone(rule, name, ways)) found.push(said('nameInSyscalls', name, index));
    }
  }
  if (found.length === 0) return [];
  return [said('noteComparisons', listed(found))];
}

function isForegone({ args = [] }: Rule, name: string, ways: readonly CallingWay[]): boolean {
  const entry = Object.hasOwn(SYSCALL_TABLE, name) ? SYSCALL_TABLE[name] : undefined;
  if (entry === undefined) return false;
  // Of 32-bit programs all arguments are short.
  const wide = ways.filter(({ register }) => register === 8);
  return args.some((one) => wide.some((way) => foregone(one, argumentBytes(entry, way, one.index)) !== undefined));
}

function listed(names: readonly SaidArgument[]): SaidArgument {
  const shown = names.slice(0, MAX_TOLD);
  return names.length > MAX_TOLD ? said('andMore', shown, names.length - MAX_TOLD) : shown;
}
