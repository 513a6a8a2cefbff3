#!/usr/bin/env node
/**
 * Writes helper/kernel/syscallTable.ts from the sources of a kernel: `node scripts/syscallTable.mjs LINUX`. The numbers are those of the tables
 * that the kernel's own headers are made of; how much of an argument a call takes stands where it is defined (SYSCALL_DEFINE, linux/syscalls.h).
 */
import fs from 'node:fs';
import path from 'node:path';

const OUTPUT = path.join(import.meta.dirname, '..', 'helper', 'kernel', 'syscallTable.ts');
/** Where calls of our architectures are defined. */
const SOURCES = [
  'arch/x86',
  'arch/arm64',
  'block',
  'drivers',
  'fs',
  'io_uring',
  'ipc',
  'kernel',
  'lib',
  'mm',
  'net',
  'security',
];
const DEFINITION = /^(COMPAT_SYSCALL|SYSCALL|SYSCALL32)_DEFINE[0-6]\((\w+)\s*,?((?:[^()]|\([^()]*\))*)\)/gm;

/** Bytes of what is neither a pointer nor as long as a register. */
const BYTES = {
  2: ['umode_t', 'compat_mode_t', 'old_uid_t', 'old_gid_t', '__compat_uid_t', '__compat_gid_t'],
  4: [
    'int unsigned u32 __u32 s32 __s32 uint32_t int32_t uid_t gid_t pid_t qid_t clockid_t timer_t key_t mqd_t key_serial_t rwf_t',
    'compat_pid_t compat_uint_t compat_int_t compat_ulong_t compat_long_t compat_size_t compat_ssize_t compat_off_t compat_uptr_t compat_aio_context_t',
    'compat_old_sigset_t compat_uid_t compat_key_t compat_timer_t compat_id_t',
  ],
  8: [
    'long size_t ssize_t off_t loff_t u64 __u64 aio_context_t cap_user_header_t cap_user_data_t old_sigset_t __sighandler_t off_t_or_arg',
    'compat_loff_t compat_arg_u64_dual',
  ],
};
const BYTES_OF = new Map(
  Object.entries(BYTES).flatMap(([bytes, names]) =>
    names.flatMap((list) => list.split(' ')).map((name) => [name, Number(bytes)]),
  ),
);

/** Longer by their type than what is taken of them: clone's flags are cut by lower_32_bits() (kernel/fork.c). */
const CUT = { sys_clone: [4] };

const linux = process.argv[2];
if (linux === undefined) throw new Error('usage: node scripts/syscallTable.mjs LINUX, the sources of a kernel');
const read = (file) => fs.readFileSync(path.join(linux, file), 'utf8');

/** `[{ number, abi, name, entry, compat }]` */
function table(file, abis) {
  return read(file)
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([number, abi]) => /^\d+$/.test(number) && abis.includes(abi))
    .map(([number, abi, name, entry, compat]) => ({ number: Number(number), abi, name, entry, compat }));
}

/** By the name of the entry point, `compat_sys_` for those of 32-bit programs: each definition's list of arguments, there is one a configuration. */
function definitions() {
  const found = new Map();
  for (const file of SOURCES.flatMap(sourcesBelow)) {
    for (const [, kind, name, list] of read(file).matchAll(DEFINITION)) {
      const entry = `${kind === 'COMPAT_SYSCALL' ? 'compat_sys_' : 'sys_'}${name}`;
      found.set(entry, [...(found.get(entry) ?? []), list]);
    }
  }
  return found;
}

/** Bytes of each argument; of several definitions the least, since some kernel takes no more. */
function bytesOfArguments(entry) {
  const all = (defined.get(entry) ?? []).map((list) => {
    const words = list.replaceAll(/(?:compat_arg_u64\w*|SC_ARG64)\(\w+\)/g, 'u32, low, u32, high').split(',');
    return words.flatMap((word, index) => (index % 2 === 0 && word.trim() !== '' ? [bytesOf(word.trim())] : []));
  });
  const longest = Math.max(0, ...all.map(({ length }) => length));
  return Array.from({ length: longest }, (_, index) =>
    Math.min(CUT[entry]?.[index] ?? 8, ...all.map((bytes) => bytes[index] ?? 8)),
  );
}

function sourcesBelow(folder) {
  const all = fs.existsSync(path.join(linux, folder)) ? fs.readdirSync(path.join(linux, folder), { recursive: true }) : [];
  return all.filter((file) => file.endsWith('.c')).map((file) => path.join(folder, file));
}

function bytesOf(type) {
  const words = type.split(/\s+/).filter((word) => !['const', 'struct', '__user', '__bitwise', 'signed'].includes(word));
  if (type.includes('*')) return 8;
  if (words[0] === 'enum') return 4;
  const name = words.join(' ');
  const simple = name.replace(/^unsigned (int|long|short)$/, '$1');
  const bytes = simple === 'short' ? 2 : BYTES_OF.get(simple);
  if (bytes === undefined) throw new Error(`how long is ${type}?`);
  return bytes;
}

/** `'48'`: four bytes of the first argument, eight of the second. What is as long as a register at the end is left out. */
function widths(entry, register) {
  const bytes = bytesOfArguments(entry).map((one) => Math.min(one, register));
  return bytes.join('').replace(new RegExp(`${register}+$`), '');
}

const defined = definitions();
const arm64Abis = [
  'common',
  '64',
  ...(/^syscall_abis_64 \+= (.*)$/m.exec(read('arch/arm64/kernel/Makefile.syscalls'))?.[1] ?? '').split(' '),
];
const x86 = table('arch/x86/entry/syscalls/syscall_64.tbl', ['common', '64', 'x32']);
const columns = [
  x86.filter(({ abi }) => abi !== 'x32'),
  x86.filter(({ abi }) => abi !== '64'),
  table('arch/x86/entry/syscalls/syscall_32.tbl', ['i386']),
  table('scripts/syscall.tbl', arm64Abis),
];
const calls = new Map();
for (const [column, rows] of columns.entries()) {
  for (const { name, number, entry, compat } of rows) {
    const call = calls.get(name) ?? { numbers: [null, null, null, null], native: '', compat: '' };
    calls.set(name, call);
    call.numbers[column] = number;
    if (column === 2) call.compat = widths(compat ?? entry, 4);
    else if (call.native === '') call.native = widths(entry, 8);
  }
}

const version = ['VERSION', 'PATCHLEVEL'].map((field) =>
  Number(new RegExp(`^${field} = (\\d+)$`, 'm').exec(read('Makefile'))[1]),
);
const rows = [...calls].map(([name, { numbers, native, compat }]) => {
  const rest = compat !== '' ? [`'${native}'`, `'${compat}'`] : native !== '' ? [`'${native}'`] : [];
  return `${name}: [${[...numbers.map(String), ...rest].join(', ')}]`;
});
const lines = [''];
for (const row of rows) {
  if (lines.at(-1).length + row.length > 138) lines.push('');
  lines[lines.length - 1] += `${lines.at(-1) === '' ? '  ' : ' '}${row},`;
}
fs.writeFileSync(
  OUTPUT,
  `/**
 * Every system call of Linux ${version.join('.')} by name. Written by scripts/syscallTable.mjs from arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl,
 * scripts/syscall.tbl and the definitions of the calls; not to be changed by hand.
 */

/**
 * Its number in each of the ways to call Linux, null where it has none; and of each argument how many bytes the kernel takes, '48…', for a 64-bit
 * program and for a 32-bit one. Arguments that are not said are taken whole. What is above them in the register is ignored.
 */
export type SyscallEntry = readonly [
  x64: number | null,
  x32: number | null,
  i386: number | null,
  arm64: number | null,
  widths?: string,
  widths32?: string,
];

/** Of the kernel that the table was made from. */
export const TABLE_VERSION: readonly [major: number, minor: number] = [${version.join(', ')}];

// biome-ignore format: a table of numbers.
export const SYSCALL_TABLE: Readonly<Record<string, SyscallEntry>> = {
${lines.join('\n')}
};
`,
);
