/** System call numbers by name, for x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) and arm64 (asm-generic/unistd.h). */

const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  rt_sigprocmask: [14, 135],
  ioctl: [16, 29],
  execve: [59, 221],
  chdir: [80, 49],
  fchdir: [81, 50],
  umask: [95, 166],
  setsid: [112, 157],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  capset: [126, 91],
  prctl: [157, 167],
  chroot: [161, 51],
  keyctl: [250, 219],
  openat: [257, 56],
  mkdirat: [258, 34],
  unlinkat: [263, 35],
  prlimit64: [302, 261],
  setns: [308, 268],
} as const satisfies Record<string, readonly [x64: number, arm64: number]>;

export type SyscallName = keyof typeof NUMBERS;

export function syscallNumber(name: SyscallName, architecture: string = process.arch): number {
  const [x64, arm64] = NUMBERS[name];
  if (architecture === 'x64') return x64;
  if (architecture === 'arm64') return arm64;
  throw new Error(`no system call numbers for ${architecture}`);
}
