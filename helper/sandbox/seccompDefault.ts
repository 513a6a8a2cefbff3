/**
 * The default seccomp profile, with the effect of Docker's: everything may be called but what acts on the whole machine, what old bugs made
 * dangerous, and what only a capability makes useful, which the capability then allows (docs.docker.com/engine/security/seccomp). Pure.
 */
import type { SeccompProfile } from '../protocol/sandboxes.ts';
import { SYSCALL_TABLE } from './syscallTable.ts';

type Rule = NonNullable<SeccompProfile['syscalls']>[number];

/** Refused unless one of the capabilities is in the bounding set. */
const BY_CAPABILITY: Readonly<Record<string, readonly string[]>> = {
  CAP_SYS_ADMIN: [
    'bpf',
    'clone',
    'clone3',
    'fanotify_init',
    'fsconfig',
    'fsmount',
    'fsopen',
    'fspick',
    'lookup_dcookie',
    'mount',
    'mount_setattr',
    'move_mount',
    'open_tree',
    'perf_event_open',
    'quotactl',
    'quotactl_fd',
    'setdomainname',
    'sethostname',
    'setns',
    'syslog',
    'umount2',
    'unshare',
  ],
  CAP_BPF: ['bpf'],
  CAP_DAC_READ_SEARCH: ['open_by_handle_at'],
  CAP_PERFMON: ['perf_event_open'],
  CAP_SYS_BOOT: ['reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: ['delete_module', 'finit_module', 'init_module'],
  CAP_SYS_NICE: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise'],
  CAP_SYS_RAWIO: ['ioperm', 'iopl'],
  CAP_SYS_TIME: ['clock_settime', 'settimeofday'],
  CAP_SYS_TTY_CONFIG: ['vhangup'],
  CAP_SYSLOG: ['syslog'],
};

/** Refused with every capability: not confined by any namespace, without use in a sandbox, or with a history of holes. */
const NEVER: readonly string[] = [
  '_sysctl',
  'add_key',
  'afs_syscall',
  'create_module',
  'get_kernel_syms',
  'getpmsg',
  'io_uring_enter',
  'io_uring_register',
  'io_uring_setup',
  'kexec_file_load',
  'kexec_load',
  'keyctl',
  'migrate_pages',
  'move_pages',
  'nfsservctl',
  'pivot_root',
  'putpmsg',
  'query_module',
  'request_key',
  'security',
  'swapoff',
  'swapon',
  'sysfs',
  'tuxcall',
  'uselib',
  'userfaultfd',
  'ustat',
  'vserver',
];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;
const AF_VSOCK = 40;
/** PER_LINUX, PER_LINUX32, UNAME26 with each, and the question for the present one. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
const ENOSYS = 38;

/** `capabilities`: those of the bounding set, `CAP_…`. */
export function defaultSeccompProfile(capabilities: Iterable<string>): SeccompProfile {
  const held = new Set(capabilities);
  const gated = new Set(Object.values(BY_CAPABILITY).flat());
  const granted = Object.entries(BY_CAPABILITY).flatMap(([capability, names]) => (held.has(capability) ? names : []));
  const byArgument = ['socket', 'personality'];
  const allowed = Object.keys(SYSCALL_TABLE).filter(
    (name) => !gated.has(name) && !NEVER.includes(name) && !byArgument.includes(name),
  );
  const rules: Rule[] = [
    { names: [...allowed, ...granted], action: 'SCMP_ACT_ALLOW' },
    // Virtual sockets reach the hypervisor's host past the net namespace.
    { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }] },
    ...PERSONALITIES.map(
      (value): Rule => ({ names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] }),
    ),
  ];
  if (!held.has('CAP_SYS_ADMIN')) {
    rules.push(
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      // Its flags are in memory, where a filter cannot look; C libraries fall back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    );
  }
  return { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, syscalls: rules };
}
