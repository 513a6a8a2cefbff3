#!/usr/bin/env node
/**
 * Writes helper/kernel/numbers.ts and syscallNumbers.ts from the kernel's own headers (linux-libc-dev): `node scripts/kernelNumbers.mjs [NAME...]` makes
 * what is in them anew, and adds NAMEs; `__NR_openat2` is a system call. Any other number that differs between x86-64 and arm64 is refused.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findProgram } from './prerequisites.mjs';

const VERSION = 'LINUX_VERSION_CODE';
const FOLDER = path.join(import.meta.dirname, '..', 'helper', 'kernel');
const OUTPUT = path.join(FOLDER, 'numbers.ts');
const SYSCALLS = path.join(FOLDER, 'syscallNumbers.ts');
const CALL = '__NR_';
const COMPILERS = { x64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' };
const HEADERS = [
  'asm/errno asm/fcntl asm/ioctls asm/poll asm/resource asm/signal asm/socket asm/unistd linux/aio_abi linux/audit',
  'linux/bpf linux/capability linux/cn_proc linux/connector linux/elf linux/fcntl linux/fib_rules linux/fs linux/if',
  'linux/if_addr linux/if_arp linux/if_link linux/if_tun linux/in linux/in6 linux/inet_diag linux/inotify linux/ipv6_route',
  'linux/keyctl linux/magic linux/memfd linux/mount linux/net_namespace linux/netfilter linux/netfilter/nf_tables',
  'linux/netfilter/nfnetlink linux/netlink linux/netlink_diag linux/nsfs linux/openat2 linux/packet_diag linux/prctl',
  'linux/ptrace linux/route linux/rtnetlink linux/sched linux/seccomp linux/sock_diag linux/sockios linux/stat',
  'linux/unix_diag linux/veth linux/vm_sockets linux/wait',
].flatMap((line) => line.split(' '));
/** What some of them want of a C library. */
const SOCKET_HEADER = `#pragma once
typedef unsigned short sa_family_t;
struct sockaddr {
  sa_family_t sa_family;
  char sa_data[14];
};
`;
/**
 * Part of the kernel's interface, but in no header that it gives away: include/linux/socket.h, include/linux/net.h, include/linux/sched.h,
 * include/linux/fs_types.h and include/linux/fs.h, from which C libraries copy them.
 */
const NOT_GIVEN = {
  ...{ AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17, AF_ALG: 38, AF_VSOCK: 40 },
  ...{ SOCK_STREAM: 1, SOCK_DGRAM: 2, SOCK_RAW: 3, SOCK_CLOEXEC: 0o2000000, SCM_RIGHTS: 1 },
  ...{ MSG_DONTWAIT: 0x40, MSG_WAITALL: 0x100, MSG_NOSIGNAL: 0x4000 },
  ...{ DT_UNKNOWN: 0, DT_CHR: 2, DT_DIR: 4, DT_REG: 8, PF_KTHREAD: 0x200000, MNT_DETACH: 2 },
  // Since Linux 6.3.
  ...{ MFD_EXEC: 0x10 },
};

/** The numbers of these names on one of the architectures, those that its headers know. Undefined without a compiler for it. */
export function numbersOf(names, architecture) {
  const compiler = findProgram(COMPILERS[architecture]);
  if (compiler === undefined) return undefined;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-numbers-'));
  try {
    fs.mkdirSync(path.join(folder, 'sys'));
    fs.writeFileSync(path.join(folder, 'sys/socket.h'), SOCKET_HEADER);
    return compiled(compiler, names, folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** The numbers that the headers know, as a macro or the name of an enumeration: what is neither, the compiler says. */
function compiled(compiler, names, folder) {
  const source = path.join(folder, 'numbers.c');
  const includes = ['linux/version', ...HEADERS].map((name) => `#include <${name}.h>\n`).join('');
  const args = ['-w', '-I', folder, '-fmax-errors=0', '-S', '-o', '-', source];
  for (let known = [VERSION, ...names]; ; ) {
    const lines = known.map((name, index) => `#line ${index + 1} "names"\nlong long number_${index} = (long long)(${name});\n`);
    fs.writeFileSync(source, `${includes}${lines.join('')}`);
    const { status, stdout, stderr } = spawnSync(compiler, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    if (status === 0) return new Map(known.map((name, index) => [name, valueIn(stdout, index)]));
    const failed = new Set([...stderr.matchAll(/^names:(\d+):\d+: error/gm)].map(([, line]) => Number(line) - 1));
    if (failed.size === 0 || failed.has(0)) throw new Error(stderr);
    known = known.filter((_, index) => !failed.has(index));
  }
}

/** Of assembly: what a variable of eight bytes is set to, or nothing but its room when it is zero. */
function valueIn(assembly, index) {
  const [, body] = new RegExp(`^number_${index}:\\n((?:\\s+\\..*\\n)+)`, 'm').exec(assembly);
  return BigInt(/\.(?:quad|xword)\s+(-?\w+)/.exec(body)?.[1] ?? 0);
}

/** What both architectures say, and the version of the headers. Throws for what they do not know, or do not agree in. */
export function numbers(names) {
  const [x64, arm64] = ['x64', 'arm64'].map((architecture) => numbersOf(names, architecture));
  if (x64 === undefined || arm64 === undefined)
    throw new Error('install gcc-x86-64-linux-gnu and gcc-aarch64-linux-gnu, of which one is gcc here');
  const agreed = (name) => {
    const value = x64.get(name) ?? (name in NOT_GIVEN ? BigInt(NOT_GIVEN[name]) : undefined);
    if (value === undefined) throw new Error(`${name} is in none of the headers`);
    if (x64.get(name) !== arm64.get(name)) throw new Error(`${name} is ${value} on x86-64 and ${arm64.get(name)} on arm64`);
    return value;
  };
  const code = Number(x64.get(VERSION));
  return { version: [code >> 16, (code >> 8) & 255], values: new Map(names.map((name) => [name, agreed(name)])) };
}

function written(value, name) {
  if (value < 10n || /^(E[A-Z0-9]+|AF_|SIG|PR_|RTM_|IFLA_|NFTA_|F_)/.test(name)) return String(value);
  return `0x${value.toString(16)}`;
}

/** Of system calls by name, those of x86-64 and arm64. Throws for what one of them does not have. */
export function syscallNumbers(names) {
  const calls = names.map((name) => `${CALL}${name}`);
  const both = ['x64', 'arm64'].map((architecture) => numbersOf(calls, architecture));
  return new Map(
    names.map((name) => {
      const pair = both.map((numbers) => numbers?.get(`${CALL}${name}`));
      if (pair.includes(undefined)) throw new Error(`not every architecture, or compiler, has ${name}`);
      return [name, pair.map(Number)];
    }),
  );
}

/** The names that a file has already, and those that are given. In order. */
function namesIn(file, pattern, given) {
  const now = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  return [...new Set([...now.matchAll(pattern)].map(([, name]) => name).concat(given))].sort();
}

function writeNumbers(given) {
  const { version, values } = numbers(namesIn(OUTPUT, /^export const (\w+) =/gm, given));
  const lines = [...values].map(([name, value]) => `export const ${name} = ${written(value, name)};`);
  fs.writeFileSync(
    OUTPUT,
    `/**
 * Numbers of the kernel's interface that are the same on x86-64 and arm64, from the headers of Linux ${version.join('.')}. Written by
 * scripts/kernelNumbers.mjs; not to be changed by hand. What each is for is said in the manual page of the call that takes it.
 */
${lines.join('\n')}
`,
  );
}

function writeSyscallNumbers(given) {
  const lines = [...syscallNumbers(namesIn(SYSCALLS, /^ {2}(\w+): \[/gm, given))].map(
    ([name, pair]) => `  ${name}: [${pair.join(', ')}],`,
  );
  fs.writeFileSync(
    SYSCALLS,
    `/**
 * The system calls that the helper and its launchers make, from the headers of the kernel (asm/unistd.h). Written by scripts/kernelNumbers.mjs; not to be
 * changed by hand. Those that a filter may name, which are all, are in syscallTable.ts.
 */
export const SYSCALL_NUMBERS = {
${lines.join('\n')}
} as const satisfies Record<string, readonly [x64: number, arm64: number]>;
`,
  );
}

// Not where a test has it within its bundle.
if (path.basename(process.argv[1] ?? '') === 'kernelNumbers.mjs') {
  const given = process.argv.slice(2);
  writeNumbers(given.filter((name) => !name.startsWith(CALL)));
  writeSyscallNumbers(given.filter((name) => name.startsWith(CALL)).map((name) => name.slice(CALL.length)));
}
