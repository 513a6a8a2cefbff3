/**
 * The part of the protocol about sandboxes: what one is made of, and what can be done with it. Types and constants only.
 *
 * Terms are those of the OCI runtime specification (github.com/opencontainers/runtime-spec, config.md and config-linux.md)
 * wherever it has one. Everything that is left out is the safe choice.
 */
import type { Unknown } from './errors.ts';
import { notification, request } from './message.ts';
import type { NamespaceKind, NamespaceRef } from './namespaces.ts';
import type { ProcessRef } from './processes.ts';
import type { ExitStatus, TerminalsOpenResult } from './programs.ts';

// ---------------------------------------------------------------------------------------------------------------------
// What a sandbox is made of

/** Bytes: a number, or as mount(8) writes it for tmpfs: `64K`, `512M`, `1G` (powers of 1024). */
export type Size = number | string;

/** How the root's files may be changed: not at all, for good, or into an upper layer of an overlay. */
export type RootAccess = 'readOnly' | 'readWrite' | 'overlay';

interface WritableRoot {
  /** Default `readOnly` for the host, `readWrite` for a directory. */
  access?: RootAccess;
  /** With `overlay`: a directory of the host that keeps the changes. Left out: a tmpfs, thrown away at the end. */
  upper?: string;
  /** Its files belong inside to whom the new user namespace maps their owners to; on the disk nothing changes. Only root can ask for it. */
  idmap?: boolean;
}

export type SandboxRoot =
  /** The host's own root directory. */
  | ({ type: 'host' } & WritableRoot)
  /** A directory of the host. */
  | ({ type: 'directory'; path: string } & WritableRoot)
  /** An empty file system in memory. */
  | { type: 'tmpfs'; size?: Size; mode?: number }
  /**
   * A file system in memory with nothing but these programs, the loaders, libraries and script interpreters that they
   * need. A name without a slash is looked for in `/bin`, `/sbin` and the rest of PATH. `copy`: own copies of the files;
   * `bind`: the host's files, mounted read-only (default).
   */
  | { type: 'programs'; programs: string[]; files?: 'bind' | 'copy'; size?: Size }
  /** An image on this host, as lower layers of an overlay. */
  | { type: 'image'; image: SandboxImage; upper?: string };

export type SandboxImage =
  /** An OCI layout: a directory with `index.json`. */
  | { format: 'oci'; path: string; reference?: string }
  /** A file made by `docker save`. It and its layers may be compressed by gzip, or by zstd where Node is 22.15 or newer; so may those of the others. */
  | { format: 'dockerArchive'; path: string; reference?: string }
  /** A tar of a root file system (`docker export`). */
  | { format: 'tar'; path: string }
  /** An image in the storage of an engine on this host. */
  | { format: 'docker' | 'podman'; reference: string };

/** `new`, the host's, or that of something that runs. A sandbox is named by its id or name. */
export type NamespaceChoice = 'new' | 'host' | { process: ProcessRef } | { namespace: NamespaceRef } | { sandbox: string };

export interface SandboxIdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/**
 * `root`: root inside is the user who asks. `user`: the user who asks is the same inside. `subids`: root and the ranges of
 * /etc/subuid and /etc/subgid.
 */
export type IdMappings = 'root' | 'user' | 'subids' | { uidMappings: SandboxIdMapping[]; gidMappings: SandboxIdMapping[] };

export interface SandboxMount {
  /** Absolute, and resolved inside the new root. Made when it is lacking. */
  destination: string;
  type: 'bind' | 'tmpfs' | 'proc' | 'sysfs' | 'mqueue' | 'devpts' | 'overlay' | 'cgroup2';
  /** `bind`: an absolute path of the host. */
  source?: string;
  /**
   * As in mount(8) and the OCI specification: `ro`, `rw`, `nosuid`, `nodev`, `noexec`, `noatime`, `bind`, `rbind`, `private`, `rprivate`, `slave`,
   * `rslave`, `shared`, `rshared`, `unbindable`, `runbindable`, `size=64M`, `mode=1777`, and for overlay `lowerdir=`, `upperdir=`, `workdir=`.
   * `bind` without `ro` or `rw` is read-only. With `idmap`, or `ridmap` for what is mounted below, too, files belong inside to whom the new
   * user namespace maps their owners to.
   */
  options?: string[];
}

export interface PortForward {
  /** Default `tcp`. */
  protocol?: 'tcp' | 'udp';
  /** Of the host; default `127.0.0.1`. One of IPv6 leads to the address of IPv6 inside, if there is one. */
  hostAddress?: string;
  hostPort: number;
  containerPort: number;
}

export type SandboxNetwork =
  /** A network namespace in which nothing is up. */
  | { type: 'none' }
  /** The same with `lo` up (default). */
  | { type: 'loopback' }
  | { type: 'host' }
  /** A pair of interfaces, one inside, one on the host. */
  | {
      type: 'veth';
      /** Address inside with prefix length: `10.77.1.2/24`. Left out: a free /30 of 10.77.0.0/16. */
      address?: string;
      /** Address of the host's end, and default route inside; left out: the lowest of the prefix. */
      gateway?: string;
      /** Also addresses of IPv6. Default: whether one is given. */
      ipv6?: boolean;
      /** Address of IPv6 inside with prefix length: `fd00:77::2/64`. Left out: one of a random private prefix. */
      address6?: string;
      /** Of the host's end, as `gateway`. */
      gateway6?: string;
      /** Name inside; default `eth0`. */
      name?: string;
      /** Translate addresses through nftables, so that the outside is reached. Default false. */
      nat?: boolean;
      /** Reach, through the host, other sandboxes that ask for the same. Default false. */
      peers?: boolean;
      ports?: PortForward[];
      /** For /etc/resolv.conf. Default: with `nat` what the host has, as far as it is reached from inside; else none. */
      nameservers?: string[];
      searchDomains?: string[];
      /** As in resolv.conf(5): `ndots:2`. */
      resolverOptions?: string[];
    };

export interface SandboxResources {
  /** `quota` µs of every `period` µs (default 100,000); `shares` as in v1 (1024 is the norm); `cpus` and `mems` as in cpuset: `0-1,3`. */
  cpu?: { quota?: number; period?: number; shares?: number; cpus?: string; mems?: string };
  /** `limit` of memory; `swap`: how much swap beyond it. */
  memory?: { limit?: Size; swap?: Size };
  pids?: { limit: number };
  /** Bytes and operations a second of one block device, `8:0` or its path. */
  blockIO?: { device: string; readBps?: Size; writeBps?: Size; readIOPS?: number; writeIOPS?: number }[];
}

/** Names of the bits, in their order (include/uapi/linux/capability.h). */
export const CAPABILITIES: readonly string[] = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

export interface SandboxCapabilities {
  bounding?: string[];
  effective?: string[];
  inheritable?: string[];
  permitted?: string[];
  ambient?: string[];
}

/** As in the OCI specification, config-linux.md, "Seccomp". */
export interface SeccompProfile {
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls?: {
    names: string[];
    action: SeccompAction;
    errnoRet?: number;
    args?: { index: number; value: number; valueTwo?: number; op: SeccompOperator }[];
  }[];
}

export const SECCOMP_ACTIONS = [
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
] as const;
export type SeccompAction = (typeof SECCOMP_ACTIONS)[number];
export const SECCOMP_OPERATORS = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
] as const;
export type SeccompOperator = (typeof SECCOMP_OPERATORS)[number];

export interface SandboxProcess {
  /** Program and arguments; the first is looked up in PATH of `env`, inside, when it has no slash. Default: a shell. */
  args?: string[];
  /** The whole environment beside PATH, HOME, TERM and the like. Nothing of the helper's or the host's gets in. */
  env?: Record<string, string>;
  /** Absolute; default `/`. */
  cwd?: string;
  /** A pseudoterminal of its own (default), or pipes. */
  terminal?: boolean;
  /** Ids as they are inside. Default root. */
  user?: { uid: number; gid?: number; additionalGids?: number[]; umask?: number };
  /** Default none. A list means bounding, permitted and effective, and for a user other than root ambient. */
  capabilities?: string[] | SandboxCapabilities;
  /** Default true. */
  noNewPrivileges?: boolean;
  /** `type` is `RLIMIT_NOFILE` and the like. */
  rlimits?: { type: string; soft: number | 'unlimited'; hard: number | 'unlimited' }[];
  /** −1000 to 1000. */
  oomScoreAdj?: number;
  /** Stay as pid 1 and reap (default with a new pid namespace), or be the program itself. */
  init?: boolean;
  /** Seconds after which everything in it is killed. */
  timeout?: number;
}

export interface SandboxSpec {
  $schema?: string;
  /** For people, and for other sandboxes to join it: letters, digits, `_`, `.`, `-`; at most 63. Default: made from the root and program. */
  name?: string;
  /** Default: the host's, read-only. */
  root?: SandboxRoot;
  /** `pivot_root` (default) leaves nothing of the old root; what `chroot` does not protect from is said in `notes`. */
  changeRoot?: 'pivot_root' | 'chroot';
  /** `pivot_root`: keep the old root at this path inside. It can be left through there; said in `notes`. */
  oldRoot?: string;
  /** Default: `new` for mnt, pid, net, ipc, uts and cgroup; `host` for time; user `new` when the helper has no privilege, else `host`. */
  namespaces?: Partial<Record<NamespaceKind, NamespaceChoice>>;
  /** For a new user namespace; default `root`. */
  idMappings?: IdMappings;
  /** For a new time namespace: seconds added to the clocks. */
  timeOffsets?: { monotonic?: number; boottime?: number };
  /** Default: the name. Needs a new uts namespace. */
  hostname?: string;
  /** `/proc`: an own one with a new pid namespace (default), or none. */
  proc?: 'own' | 'none';
  /** `/dev`: null, zero, full, random, urandom, tty, an own devpts and shm (default), the host's, or nothing. */
  dev?: 'minimal' | 'host' | 'none';
  /** In this order, after proc and dev. */
  mounts?: SandboxMount[];
  /**
   * What of procfs and sysfs acts on the whole host, or tells of it: hidden or read-only wherever one of them is mounted, as Docker has it (default), or
   * `unmasked`; said in `notes`.
   */
  systemPaths?: 'default' | 'unmasked';
  /** Further paths inside whose content is hidden, or cannot be written. What is not there is said in `notes`. */
  maskedPaths?: string[];
  readonlyPaths?: string[];
  /** Default `loopback` with a new net namespace. */
  network?: SandboxNetwork;
  /**
   * Lines of /etc/hosts, beside those of localhost and of the host name. With a net namespace of its own a sandbox has its own file wherever the
   * root has one or is an image, or its network is `veth`; else when this is given.
   */
  hosts?: { address: string; names: string[] }[];
  resources?: SandboxResources;
  /** `default` has the effect of Docker's default profile; `unconfined` is none. */
  seccomp?: 'default' | 'unconfined' | SeccompProfile;
  process?: SandboxProcess;
  /** It survives the helper and VS Code, and is found again. Default false: it ends with its last process, or the helper. */
  persistent?: boolean;
}

// ---------------------------------------------------------------------------------------------------------------------
// Explaining

/** One step of the syscall program. Its index is what `ErrorData.step` counts. */
export interface SandboxStep {
  /** strace-like: `mount("proc", "/proc", "proc", MS_NOSUID, NULL)`. One line, safe to show. */
  call: string;
  /** Completes "could not …": `mount proc on /proc`. */
  purpose: string;
  /** Who does it: the process that stays outside and waits, the pid 1 that reaps, or the one that becomes the program. */
  by: 'parent' | 'init' | 'child';
  /** It may fail, and the program goes on. */
  optional: boolean;
}

export interface SandboxEquivalent {
  tool: 'unshare' | 'bwrap' | 'runc';
  /** For a shell; of several lines where it needs a file. */
  command: string;
  /** What it does not do, or does otherwise. */
  differences: string[];
}

export interface SandboxesExplainResult {
  /** The specification with every default filled in. */
  spec: SandboxSpec;
  steps: SandboxStep[];
  /** The same as text, a step a line with its purpose as a comment. */
  syscalls: string;
  equivalents: SandboxEquivalent[];
  /** What a person should know: a lesser protection, a choice that has no effect here. */
  notes: string[];
  /** Of these, those by which it protects less than the sandbox of an empty specification. */
  weaker: string[];
}

/** Checks and explains without running anything. `directory`: what relative paths of the host in the specification begin at. */
export const SandboxesExplain = request('sandboxes/explain')<SandboxParams, SandboxesExplainResult>();

/** An image that a sandbox's root can be made of, as `SandboxImage` refers to it. */
export interface StoredImage {
  /** Its name, or the id of one that has none. */
  reference: string;
  /** Without `sha256:`. */
  id: string;
}

/** The images in the storage of an engine on this host, by name, from the engine's files. Empty where there is no such storage. */
export const SandboxesImages = request('sandboxes/images')<
  { engine: 'docker' | 'podman' },
  { images: StoredImage[] | Unknown }
>();

// ---------------------------------------------------------------------------------------------------------------------
// Life

export interface SandboxParams {
  spec: SandboxSpec;
  /** Absolute; relative paths of the host in the specification begin here. Without it they are refused. */
  directory?: string;
}

/** How a sandbox ended. */
export interface SandboxExit extends ExitStatus {
  reason: 'exit' | 'signal' | 'oom' | 'timeout' | 'stopped';
  /** One sentence for a person. */
  message: string;
}

export interface Sandbox {
  /** Sixteen hexadecimal digits. */
  id: string;
  name: string;
  spec: SandboxSpec;
  /** `ended`: only of persistent ones, which stay until they are removed. */
  state: 'running' | 'ended';
  /** The process that the namespaces are shown by: pid 1 of the new pid namespace, or the program. Absent once ended. */
  process?: ProcessRef;
  /** Its own namespaces, of the kinds that are not the host's. */
  namespaces: Partial<Record<NamespaceKind, NamespaceRef>>;
  /** Its own cgroups, as seen from the root of each hierarchy. Empty when it has none of its own. */
  cgroups: { hierarchy: string; path: string }[];
  persistent: boolean;
  /** What a person should know of it, as `sandboxes/explain` says it. Empty once it has ended. */
  notes: string[];
  /** Milliseconds since the Unix epoch. */
  createdMillis: number;
  exit?: SandboxExit;
}

export interface SandboxesCreateParams extends SandboxParams {
  columns?: number;
  rows?: number;
}

export interface SandboxesCreateResult {
  sandbox: Sandbox;
  /** How to attach to its terminal, unless it has none. */
  terminal?: TerminalsOpenResult;
  notes: string[];
}

/** Makes and starts it. When a step fails nothing of it is left, and `ErrorData.step` tells which. */
export const SandboxesCreate = request('sandboxes/create')<SandboxesCreateParams, SandboxesCreateResult>();

export interface SandboxesRunParams extends SandboxParams {
  /** Standard input, base64. Default: empty. */
  stdin?: string;
  /** Bytes of standard output and of standard error that are kept. Default 1 MiB; at most 16 MiB. */
  outputLimitBytes?: number;
}

export interface SandboxesRunResult {
  stdout: string;
  stderr: string;
  encoding: 'utf8' | 'base64';
  truncated: boolean;
  exit: SandboxExit;
  notes: string[];
}

/** Makes one, runs its program to the end with pipes, and removes it. */
export const SandboxesRun = request('sandboxes/run')<SandboxesRunParams, SandboxesRunResult>();

/** `host/changed` with `sandboxes` says when to ask again. */
export const SandboxesList = request('sandboxes/list')<Record<string, never>, { sandboxes: Sandbox[] }>();

export interface SandboxesStopParams {
  sandbox: string;
  /** Asks with SIGTERM first, and kills after this time. Default 0: kills at once. */
  graceMillis?: number;
}

/** Answers when nothing runs in it any more. One that is not persistent is removed with it. */
export const SandboxesStop = request('sandboxes/stop')<SandboxesStopParams, Record<string, never>>();

/** Stops it and removes all that is left of it, but what the specification says to keep. */
export const SandboxesRemove = request('sandboxes/remove')<{ sandbox: string }, Record<string, never>>();

/** Stops it and makes it again from its specification, under the same id and name. */
export const SandboxesRestart = request('sandboxes/restart')<
  { sandbox: string; columns?: number; rows?: number },
  SandboxesCreateResult
>();

export interface SandboxesEndedParams {
  id: string;
  name: string;
  exit: SandboxExit;
}

/** One has ended, with how. Sent once, whether or not anybody watches. */
export const SandboxesEnded = notification('sandboxes/ended')<SandboxesEndedParams>();
