/**
 * The protocol between the extension and the helper: every request and notification with its parameters, its result
 * and its errors. Types and constants only; both sides import it, and scripts may rely on the method names.
 *
 * Transport: JSON-RPC 2.0 with `Content-Length` headers (vscode-jsonrpc) over the helper's stdin and stdout. Bulk bytes
 * (terminals) go over a Unix stream socket instead, framed as `helper/stream/frame.ts` says.
 */
import { NotificationType, RequestType } from 'vscode-jsonrpc';

/** The protocol's version: raised when a method or a field changes its meaning, not when one is added. */
export const PROTOCOL_VERSION = 1;

/** No request comes near this; a larger one is refused unread, and a client does not send it. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

// ---------------------------------------------------------------------------------------------------------------------
// Errors

/** Why a request failed. Programs decide on this, never on the message's words. */
export type Reason = 'notFound' | 'gone' | 'permission' | 'unsupported' | 'invalid' | 'busy' | 'kernel' | 'unfiltered';

/** The `data` of every error response. */
export interface ErrorData {
  reason: Reason;
  /** The kernel's error, by name: `EPERM`. */
  errno?: string;
  syscall?: string;
  path?: string;
  /** What the person can do about it. */
  hint?: string;
  /** Of a sandbox: the index of the step that failed, among the `steps` of `sandboxes/explain`. */
  step?: number;
  /** The field of the parameters that cannot be accepted, from the outermost: `['spec', 'mounts', 0, 'type']`. */
  field?: (string | number)[];
  /** Id of the sandbox that has the name that was wished for. */
  taken?: string;
}

/** JSON-RPC error codes, one for each reason, outside the range that JSON-RPC reserves. */
export const ERROR_CODES: Record<Reason, number> = {
  notFound: 1001,
  gone: 1002,
  permission: 1003,
  unsupported: 1004,
  invalid: 1005,
  busy: 1006,
  kernel: 1007,
  unfiltered: 1008,
};

// ---------------------------------------------------------------------------------------------------------------------
// Identity

/** The eight kinds of namespace, by the names of their links in `/proc/PID/ns` (namespaces(7)). */
export const NAMESPACE_KINDS = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const;
export type NamespaceKind = (typeof NAMESPACE_KINDS)[number];

/** A process. A PID alone is reused; a PID with its start time is not. */
export interface ProcessRef {
  pid: number;
  /** Field 22 of `/proc/PID/stat`: clock ticks from boot to the start of the process. */
  startTime: number;
}

/** A namespace: its kind, and the device and inode number of its nsfs file. Shown as `net:[4026531840]`. */
export interface NamespaceRef {
  kind: NamespaceKind;
  dev: number;
  ino: number;
}

/** A fact that could not be read, with why. Never to be shown as "none". */
export interface Unknown {
  /** The reason, and the kernel's error by name when there was one. */
  unknown: Reason;
  errno?: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// initialize

export interface InitializeParams {
  /** The client's protocol version; the helper refuses another with `unsupported`. */
  protocolVersion?: number;
}

export interface CgroupHierarchy {
  /** Second field of `/proc/self/cgroup` (`cpu,cpuacct`, `name=systemd`), or `unified` for v2. */
  hierarchy: string;
  version: 1 | 2;
  controllers: string[];
  /** Where it is mounted in the helper's mount namespace, if it is. */
  mountPoint?: string;
  mountOptions?: string[];
}

export interface InitializeResult {
  protocolVersion: number;
  /** The helper's own version, as in package.json. */
  version: string;
  pid: number;
  /** `uname -r`. */
  kernelRelease: string;
  architecture: string;
  hostname: string;
  /** Effective user id. */
  uid: number;
  user: string;
  /** Names of the effective capabilities: `CAP_SYS_ADMIN`. */
  capabilities: string[];
  /** `privileged` with `CAP_SYS_ADMIN` and `CAP_SYS_PTRACE` in the initial user namespace. */
  mode: 'privileged' | 'unprivileged';
  cgroups: { mode: 'v1' | 'v2' | 'hybrid' | 'none'; hierarchies: CgroupHierarchy[] };
  /** The helper's own namespaces, which stand for "the host's". A kind the kernel lacks is absent. */
  namespaces: Partial<Record<NamespaceKind, NamespaceRef>>;
  /** Clock ticks per second, the unit of `startTime`. */
  clockTicks: number;
  /** Boot time in milliseconds since the Unix epoch. */
  bootTimeMillis: number;
  /** Path of the stream socket for terminals. */
  streamSocket: string;
  /** How changes are noticed: by events of the kernel, or by scanning while a view is visible. */
  changes: 'events' | 'scan';
}

export const Initialize = new RequestType<InitializeParams, InitializeResult, ErrorData>('initialize');

// ---------------------------------------------------------------------------------------------------------------------
// host

export type HostPart = 'processes' | 'namespaces' | 'containers' | 'network' | 'cgroups' | 'mounts' | 'sandboxes';

export interface HostChangedParams {
  /** Which parts changed since the last notification. */
  parts: HostPart[];
}

/** Something changed; at most five of these a second. Ask the lists again with `since`. */
export const HostChanged = new NotificationType<HostChangedParams>('host/changed');

export interface HostWatchParams {
  /** The parts that something visible shows. Empty: nothing is visible, so nothing is watched and nothing runs. */
  parts: HostPart[];
}

/** Tells the helper what is visible. Until the first call nothing is watched, and lists are read afresh. */
export const HostWatch = new RequestType<HostWatchParams, Record<string, never>, ErrorData>('host/watch');

// ---------------------------------------------------------------------------------------------------------------------
// processes

/** State letter of `/proc/PID/stat` (proc_pid_stat(5)): `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`. */
export type ProcessState = string;

export interface Process extends ProcessRef {
  /** 0 when the parent is outside the helper's pid namespace or is the kernel. */
  parentPid: number;
  /** `comm`, at most 15 bytes (64 for kernel threads). Bytes that are not UTF-8 are shown as U+FFFD. */
  name: string;
  /** `/proc/PID/cmdline` split at NULs, at most 4,096 bytes of it; empty for kernel threads and zombies. */
  arguments: string[] | Unknown;
  state: ProcessState;
  /** Effective uid as the helper sees it, and its name on the host. */
  uid: number;
  user: string;
  threads: number;
  kernelThread: boolean;
  /** `key` of the container it belongs to. */
  container?: string;
  /**
   * It was not started in its container but brought into it, or into namespaces that are no container's: by Isoscope (a terminal, a program,
   * a process that looks at a namespace), or by another program (`docker exec`, `nsenter`). What it starts in there has no such mark.
   */
  entered?: 'isoscope' | 'other';
  /** Its pids in the nested pid namespaces, outermost first and without the helper's own: `[7, 1]`. Empty when not nested. */
  nestedPids: number[];
  /** Inode numbers of its namespaces. A kind that is absent is lacking in the kernel; `null` may not be read. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
}

export interface ListParams {
  /** `revision` of an earlier answer: only what changed since then is sent. */
  since?: number;
}

export interface ProcessesListResult {
  revision: number;
  /** True: `processes` is everything. False: changes since `since`. */
  complete: boolean;
  processes: Process[];
  /** Processes that ended since `since`; empty when complete. */
  gone: ProcessRef[];
}

export const ProcessesList = new RequestType<ListParams, ProcessesListResult, ErrorData>('processes/list');

/** One process's capability sets, by name (capabilities(7)). */
export interface CapabilitySets {
  inheritable: string[];
  permitted: string[];
  effective: string[];
  bounding: string[];
  ambient: string[];
}

export interface IdMapping {
  /** First id inside the namespace, first id outside, as seen by the helper, and how many. */
  inside: number;
  outside: number;
  count: number;
}

/** What confines a process's view of the file system (scenario: chroot against pivot_root). */
export interface RootView {
  /** `host`: the host's root. `mountNamespace`: its own mount namespace, whose root it is at. `chroot`: a directory below the root of its mount namespace. */
  confinement: 'host' | 'mountNamespace' | 'chroot' | 'chrootInMountNamespace';
  /** The root as a path in its mount namespace, `/proc/PID/root`. */
  path: string;
  /** File system type and source of the mount at its root. */
  mount?: { type: string; source: string };
  /**
   * Where in its mount namespace the host's root directory, or one above it on the same file system, is still mounted. The paths begin
   * at the namespace's root, so for a process that chroot(2) confines those not below `path` are hidden, and mounted all the same. A bind
   * mount of a single file or folder below it (Docker's `/etc/hosts`) is none: it does not lead up to the rest.
   */
  hostRootReachableAt: string[] | Unknown;
}

export interface ThreadIsolation {
  tid: number;
  name: string;
  /** Only the namespaces in which it differs from the process's main thread. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
}

export interface ProcessesInspectResult extends Process {
  executable: string | Unknown;
  workingDirectory: string | Unknown;
  root: RootView | Unknown;
  credentials: { uid: [number, number, number, number]; gid: [number, number, number, number]; groups: number[] } | Unknown;
  capabilities: CapabilitySets | Unknown;
  noNewPrivileges: boolean | Unknown;
  /** seccomp(2) mode; the number of filters where the kernel tells. */
  seccomp: { mode: 'disabled' | 'strict' | 'filter'; filters?: number } | Unknown;
  /** The security module's label (`/proc/PID/attr/current`), absent when no module gives one. */
  securityLabel?: string | Unknown;
  uidMap: IdMapping[] | Unknown;
  gidMap: IdMapping[] | Unknown;
  cgroups: { hierarchy: string; path: string }[] | Unknown;
  /** Each namespace with whether it is the host's; the `ForChildren` links where they differ. */
  isolation: { namespace: NamespaceRef; host: boolean }[];
  pidForChildren?: NamespaceRef;
  timeForChildren?: NamespaceRef;
  /** Threads whose namespaces differ from the main thread's. */
  differingThreads: ThreadIsolation[] | Unknown;
  timeOffsets?: { monotonicNanos: string; boottimeNanos: string } | Unknown;
}

export const ProcessesInspect = new RequestType<{ process: ProcessRef }, ProcessesInspectResult, ErrorData>(
  'processes/inspect',
);

// ---------------------------------------------------------------------------------------------------------------------
// containers

export const ENGINES = [
  'docker',
  'podman',
  'containerd',
  'kubernetes',
  'cri-o',
  'lxc',
  'systemd-nspawn',
  'systemd',
  'snap',
  'flatpak',
  'isoscope',
  'unnamed',
] as const;
/** `isoscope`: sandboxes, of this helper or another. `unnamed`: processes with namespaces of their own that no engine claims (bubblewrap, unshare, browsers' sandboxes). */
export type Engine = (typeof ENGINES)[number];

export interface Container {
  /** Unique and stable: engine, owner's uid when rootless, and id. */
  key: string;
  engine: Engine;
  /** The engine's id: 64 hexadecimal digits, a unit's name, a machine's name, the id of a sandbox; for an unnamed one `pid-startTime` of its leader. */
  id: string;
  /** The engine's name for it, else the shortened id or the leader's command. */
  name: string;
  /** The image by name, when the engine's files say. */
  image?: string;
  /** Why name and image are those that were known before, or none: the engine's files are on a file system that does not answer, which it names. */
  unanswered?: string;
  state: 'running' | 'paused' | 'unknown';
  /** The oldest process inside, never one that supervises from outside, as long as there is one inside. */
  leader: ProcessRef;
  processCount: number;
  /** Uid of the owner when it runs rootless. */
  rootlessUid?: number;
  pod?: { uid: string; name?: string; namespace?: string };
  /** `key` of the container that it runs in: Docker in Docker, kind, bubblewrap in a container. */
  outer?: string;
  /** Cgroup paths by hierarchy, as seen from each hierarchy's root. */
  cgroups: { hierarchy: string; path: string }[];
  /** The leader's namespaces; those equal to the host's are shared with it. */
  namespaces: Partial<Record<NamespaceKind, number | null>>;
  /** A systemd service with every namespace of the host is listed but isolates nothing. */
  isolated: boolean;
}

export interface ContainersListResult {
  revision: number;
  containers: Container[];
}

export const ContainersList = new RequestType<ListParams, ContainersListResult, ErrorData>('containers/list');

// ---------------------------------------------------------------------------------------------------------------------
// namespaces

/** One reason for which a namespace is alive, beside the processes that are its members (namespaces(7), "Namespace lifetime"). */
export type Pin =
  /** A thread that differs from its process. */
  | { by: 'thread'; process: ProcessRef; tid: number; name: string }
  /** `pid_for_children` or `time_for_children` of a process. */
  | { by: 'forChildren'; process: ProcessRef; name: string }
  /** An open descriptor of a process, of an nsfs file. */
  | { by: 'descriptor'; process: ProcessRef; name: string; descriptor: number }
  /**
   * net: a socket that was made in it (`SIOCGSKNS`), or a descriptor of /dev/net/tun that was opened in it (`tun`), of a process that is in another. It is
   * the first of those of the process; `others` is how many more there are.
   */
  | { by: 'socket'; process: ProcessRef; name: string; descriptor: number; tun: boolean; others: number }
  /** A bind mount of the nsfs file. `mountNamespace` is the inode number of the mount namespace that has it. */
  | { by: 'bindMount'; mountNamespace: number; mountId: number; mountPoint: string }
  /** A child in the hierarchy of pid or user namespaces. */
  | { by: 'childNamespace'; namespace: NamespaceRef }
  /** A user namespace owns it. */
  | { by: 'ownedNamespace'; namespace: NamespaceRef }
  /** The kernel's own, made at boot. */
  | { by: 'initial' };

export interface Namespace extends NamespaceRef {
  /** True for the helper's own, that is the host's. */
  host: boolean;
  /** The user namespace that owns it (`NS_GET_USERNS`); for a user namespace its parent. `null`: out of sight, above the helper's own. */
  owner: NamespaceRef | null | Unknown;
  /** pid and user: the parent namespace (`NS_GET_PARENT`). `null`: the initial one, or out of sight. Absent for other kinds. */
  parent?: NamespaceRef | null | Unknown;
  /** user: uid of the creator (`NS_GET_OWNER_UID`). */
  ownerUid?: number | Unknown;
  /** user: the maps, outside ids as seen from the helper's user namespace. */
  uidMap?: IdMapping[] | Unknown;
  gidMap?: IdMapping[] | Unknown;
  /** Processes in it. */
  processCount: number;
  /** The member with the lowest pid (for pid namespaces its init). */
  leader?: ProcessRef & { name: string };
  /** `key` of the container that made it, as far as somebody of it is still in it: others only share it. Absent for the host's. */
  container?: string;
  /** All members; left out when asked with `members: false`. */
  members?: ProcessRef[];
  /** What pins it beside its members. */
  pins: Pin[];
  /** True when some process could not be examined, so pins or members may be missing from this answer. */
  incomplete: boolean;
}

export interface NamespacesListParams extends ListParams {
  kinds?: NamespaceKind[];
  /** False leaves `members` out; processes/list gives them already. */
  members?: boolean;
}

export interface NamespacesListResult {
  revision: number;
  namespaces: Namespace[];
  /** Processes whose namespaces could not be read: their namespaces may be missing here. */
  unreadable: { count: number; processes: ProcessRef[] };
  /**
   * Processes that are closed to root with all its capabilities, too, as some hosts close their init: nobody there can tell what they are in and what
   * they hold. No namespace is `incomplete` for their sake.
   */
  closed: { count: number; processes: ProcessRef[] };
  /**
   * Sockets of which it is not known in which net namespace they are, so that one that only they keep alive may be missing here, with its owner:
   * `pending` are asked soon, and then the client that watches is told; `refused` may not be known by this user.
   */
  unknownSockets: { pending: number; refused: number };
  /** Kinds that this kernel lacks. */
  unsupported: NamespaceKind[];
}

export const NamespacesList = new RequestType<NamespacesListParams, NamespacesListResult, ErrorData>('namespaces/list');

export const NamespacesInspect = new RequestType<{ namespace: NamespaceRef }, Namespace, ErrorData>('namespaces/inspect');

// ---------------------------------------------------------------------------------------------------------------------
// network

export interface NetworkAddress {
  family: 'inet' | 'inet6';
  address: string;
  prefixLength: number;
  /** `global`, `link`, `host`, … as ip-address(8) names them. */
  scope: string;
}

export interface NetworkInterface {
  index: number;
  name: string;
  /** `IFLA_INFO_KIND`: `veth`, `bridge`, `vlan`, …; `loopback` or `physical` when the kernel gives none. */
  kind: string;
  /** Operational state, RFC 2863: `up`, `down`, `lowerlayerdown`, `unknown`, … */
  state: string;
  flags: string[];
  /** Hardware address, `02:42:ac:11:00:02`; absent when it has none. */
  mac?: string;
  mtu: number;
  addresses: NetworkAddress[];
  /** Name of the bridge or bond it is a port of. */
  controller?: string;
  /** The other end of a veth pair, or the lower device of a vlan, macvlan, ipvlan. */
  peer?: {
    index: number;
    /** Name and namespace where they could be found. */
    name?: string;
    namespace?: NamespaceRef;
  };
}

export interface NetworkRoute {
  family: 'inet' | 'inet6';
  /** `default` or a prefix `172.17.0.0/16`. */
  destination: string;
  gateway?: string;
  interface?: string;
  source?: string;
  metric?: number;
  protocol: string;
  scope: string;
  type: string;
  table: number;
}

/** A rule that says which routing table is looked into, ip-rule(8). What is absent does not narrow it. */
export interface NetworkRule {
  family: 'inet' | 'inet6';
  /** Rules are followed from the lowest on. */
  priority: number;
  /** It is for the packets to which the conditions do *not* apply. */
  inverted?: true;
  from?: string;
  to?: string;
  tos?: number;
  fromInterface?: string;
  toInterface?: string;
  mark?: number;
  /** All bits when absent. */
  mask?: number;
  /** First and last. */
  uids?: [number, number];
  /** Number of the protocol of IP. */
  ipProtocol?: number;
  sourcePorts?: [number, number];
  destinationPorts?: [number, number];
  /** In place of a table the one of the VRF. */
  l3mdev?: true;
  action: 'table' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'unknown';
  table?: number;
  /** Priority of the rule to go on with. */
  goto?: number;
  /** Routes of the table with a prefix no longer than this do not count. */
  suppressPrefixLength?: number;
  protocol: string;
  /** True when this kernel has conditions for it that Isoscope does not know. */
  hasMore?: true;
}

export interface NetworkSocket {
  /** `unix` is of streams. */
  protocol: NetworkProtocol;
  /** `127.0.0.1`, `::`, for unix its path (`@name` when abstract), for vsock the context id or `*`; empty for packet. */
  address: string;
  port?: number;
  /** raw: the number of the protocol of IP whose packets it gets. */
  ipProtocol?: number;
  /** packet: the type of frames that it gets, `ETH_P_*`, 3 for all; and the interface, absent for all. */
  etherType?: number;
  interface?: string;
  uid?: number;
  inode: number;
  /** Who holds it. Empty when no process that may be examined does. */
  processes: (ProcessRef & { name: string; descriptor: number })[];
}

export type NetworkProtocol =
  | `${'tcp' | 'udp' | 'udplite' | 'sctp' | 'mptcp' | 'raw'}${'' | '6'}`
  | 'unix'
  | 'unix-dgram'
  | 'unix-seqpacket'
  | 'packet'
  | 'vsock';

export interface NetworkInspectResult {
  namespace: NamespaceRef;
  interfaces: NetworkInterface[];
  /** Routes of the main table and others but `local`. */
  routes: NetworkRoute[];
  /** In the order in which they are followed, those of IPv4 first. */
  rules: NetworkRule[];
  /** Those that somebody can send to: they listen, or are bound without being connected. */
  sockets: NetworkSocket[] | Unknown;
  /** Protocols that the kernel has, but of whose sockets it tells nothing (it was built without their part of sock_diag). */
  untold: NetworkProtocol[];
}

/** A net namespace, named itself or through a process that is in it. */
export const NetworkInspect = new RequestType<
  { namespace: NamespaceRef } | { process: ProcessRef },
  NetworkInspectResult,
  ErrorData
>('network/inspect');

// ---------------------------------------------------------------------------------------------------------------------
// programs and terminals

/**
 * Where a program is to run: in the namespaces of `process`, of the kinds named (all that differ from the helper's when left
 * out), or in the given `namespaces`, which may come from anywhere (a bind mount, a descriptor, another process).
 */
export interface ProgramTarget {
  process?: ProcessRef;
  kinds?: NamespaceKind[];
  namespaces?: NamespaceRef[];
  /** Id or name of a sandbox: its first process, confined as its program is. Instead of `process` and `namespaces`. */
  sandbox?: string;
}

export interface ProgramParams extends ProgramTarget {
  /** Program and arguments; the first is looked up in PATH of the environment when it has no slash. Left out: the user's shell. */
  command?: string[];
  /**
   * Whose identity: `root` (uid 0 of the user namespace entered; in the root directory of the process with the capabilities of its container) or
   * `target` (uid, gid, groups, capabilities, no_new_privs of the process). Default for a whole container: what its engine recorded that programs
   * in there are to have, as docker-exec(1) takes it, and without such a record `target`; otherwise `root`.
   */
  identity?: 'root' | 'target';
  /** Take the root directory, working directory and environment of the process. Default: true when `mnt` is entered. */
  root?: boolean;
  /**
   * `none`: without the seccomp filters of the process. By default what takes the identity of a process or of its container has them; where they cannot
   * be had the request is refused as `unfiltered`.
   */
  seccomp?: 'none';
  /** Join the process's cgroups. Default: true when every kind is entered (no `kinds`). */
  cgroup?: boolean;
  /** Working directory inside; default that of the process when its root is taken, else `/`. */
  directory?: string;
  /** Set in addition to the environment. */
  environment?: Record<string, string>;
}

export interface ProgramsRunParams extends ProgramParams {
  command: string[];
  /** Standard input, base64. Default: empty. */
  stdin?: string;
  /** Milliseconds after which it is killed. Default 60,000; at most 3,600,000. */
  timeoutMillis?: number;
  /** Bytes of standard output and of standard error that are kept. Default 1 MiB; at most 16 MiB. */
  outputLimitBytes?: number;
}

/** How a program ended. */
export interface ExitStatus {
  /** Exit status 0–255, absent when a signal ended it. */
  code?: number;
  /** Name of the signal: `SIGKILL`. */
  signal?: string;
  timedOut?: boolean;
}

export interface ProgramsRunResult {
  /** UTF-8 text, or base64 when it is not valid UTF-8. */
  stdout: string;
  stderr: string;
  encoding: 'utf8' | 'base64';
  truncated: boolean;
  exit: ExitStatus;
}

export const ProgramsRun = new RequestType<ProgramsRunParams, ProgramsRunResult, ErrorData>('programs/run');

export interface TerminalsOpenParams extends ProgramParams {
  columns?: number;
  rows?: number;
}

export interface TerminalsOpenResult {
  /** The stream socket, and the one-time token (64 hexadecimal digits) that attaches to this terminal within 30 s. */
  streamSocket: string;
  token: string;
  /** The command that was found to run, with the user it runs as. */
  command: string[];
  user: string;
}

export const TerminalsOpen = new RequestType<TerminalsOpenParams, TerminalsOpenResult, ErrorData>('terminals/open');

export interface ProgramsExplainResult {
  /** The command found, or why there is none. */
  command: string[];
  user: string;
  /** The syscall program as text, a step a line, strace-like. */
  syscalls: string;
  /** The equivalent nsenter(1) command line, and what it leaves out. */
  nsenter: string;
  differences: string[];
}

/** What a terminal or program would do, without doing it. */
export const ProgramsExplain = new RequestType<ProgramParams & { terminal?: boolean }, ProgramsExplainResult, ErrorData>(
  'programs/explain',
);
