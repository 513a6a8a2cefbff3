/** System call numbers by name, for x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) and arm64 (asm-generic/unistd.h). */

const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  rt_sigprocmask: [14, 135],
  ioctl: [16, 29],
  writev: [20, 66],
  sendfile: [40, 71],
  socket: [41, 198],
  sendto: [44, 206],
  bind: [49, 200],
  execve: [59, 221],
  chdir: [80, 49],
  fchdir: [81, 50],
  fchmod: [91, 52],
  fchown: [93, 55],
  umask: [95, 166],
  setsid: [112, 157],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  capset: [126, 91],
  setpriority: [141, 140],
  pivot_root: [155, 41],
  prctl: [157, 167],
  chroot: [161, 51],
  mount: [165, 40],
  umount2: [166, 39],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  keyctl: [250, 219],
  openat: [257, 56],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  fchownat: [260, 54],
  unlinkat: [263, 35],
  symlinkat: [266, 36],
  fchmodat: [268, 53],
  ppoll: [271, 73],
  unshare: [272, 97],
  dup3: [292, 24],
  prlimit64: [302, 261],
  setns: [308, 268],
  renameat2: [316, 276],
  seccomp: [317, 277],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  pidfd_open: [434, 434],
  close_range: [436, 436],
  openat2: [437, 437],
  pidfd_getfd: [438, 438],
  mount_setattr: [442, 442],
} as const satisfies Record<string, readonly [x64: number, arm64: number]>;

export type SyscallName = keyof typeof NUMBERS;

export function syscallNumber(name: SyscallName, architecture: string = process.arch): number {
  const [x64, arm64] = NUMBERS[name];
  if (architecture === 'x64') return x64;
  if (architecture === 'arm64') return arm64;
  throw new Error(`no system call numbers for ${architecture}`);
}
