/**
 * A sandbox's specification, defined: its fields in their order, what each may be, and what is said of it. All else that tells of them is made of this by
 * scripts/sandboxSpec.mjs: the types (helper/protocol/sandboxSpec.ts), media/sandbox.schema.json, for editors and the form, and SPECIFICATION.md. Terms are
 * those of the OCI runtime specification (github.com/opencontainers/runtime-spec, config.md and config-linux.md) wherever it has one.
 */
import * as v from 'valibot';
import type { SandboxSpec } from '../../protocol/sandboxSpec.ts';
import { cString, namespaceKind, namespaceRef, path, processRef } from '../../protocol/schemas/parts.ts';
import { type Description, described, nearPattern } from './description.ts';
import { parseAddress6, parsePrefixed6 } from './ipv6.ts';
import { SIZE_PATTERN } from './size.ts';

const MAX_ARGUMENTS_BYTES = 128 * 1024;
const MAX_ID = 4_294_967_294;

/** A field, or what one may be, with what is said of it. */
const field = <TSchema extends v.GenericSchema>(schema: TSchema, words: Description | undefined): TSchema =>
  words === undefined ? schema : (v.pipe(schema, v.metadata({ ...words })) as v.GenericSchema as TSchema);
/** One that may be left out. */
const optional = <TSchema extends v.GenericSchema>(schema: TSchema, words: Description | undefined) =>
  v.exactOptional(field(schema, words));
const text = (pattern: RegExp, words: string) => v.pipe(v.string(), v.regex(pattern, words));
const integerBetween = (minimum: number, maximum: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(minimum), v.maxValue(maximum));
const listOf = <const TItem extends v.GenericSchema>(item: TItem, maximum: number) =>
  v.pipe(v.array(item), v.maxLength(maximum));

/** A path of the host: absolute, or relative to the directory of the request. */
const hostPath = v.pipe(path, v.minLength(1));
/** A path inside. */
const insidePath = v.pipe(path, v.startsWith('/', 'it must begin with "/"'));
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const name = text(NAME_PATTERN, 'it must be of letters, digits, "_", "." and "-", at most 63');
const size = field(
  v.union([
    integerBetween(1, Number.MAX_SAFE_INTEGER),
    text(SIZE_PATTERN, 'it must be a number of bytes above 0, or one with K, M, G or T, such as 64M'),
  ]),
  described('Bytes, or with K, M, G or T.'),
);
const mode = integerBetween(0, 0o7777);
const id = integerBetween(0, MAX_ID);
const totalBytes = (strings: string[]) => strings.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
const bounded = (strings: string[]) => totalBytes(strings) <= MAX_ARGUMENTS_BYTES;
const TOO_LONG = `together they must be at most ${MAX_ARGUMENTS_BYTES} bytes`;

const access = v.picklist(['readOnly', 'readWrite', 'overlay']);
const writable = {
  /** Default `readOnly` for the host, `readWrite` for a directory. */
  access: optional(access, described('How files may be changed: not at all, for good, or into an upper layer of an overlay.')),
  upper: optional(
    hostPath,
    described('With access "overlay": a directory of the host that keeps the changes. Left out: they are thrown away.'),
  ),
  idmap: optional(
    v.boolean(),
    described(
      'Its files belong inside to whom the new user namespace maps their owners to; on the disk nothing changes. Only root can ask for it.',
    ),
  ),
};

/** Files, layers and what is in a layout may be compressed by gzip, or by zstd where Node is 22.15 or newer. */
const oneOfImages = optional(cString(512), described('Which of its images. Needed when there are several.'));
const image = v.variant('format', [
  v.strictObject({
    format: field(v.literal('oci'), described('An OCI layout: a directory with index.json.')),
    path: field(hostPath, described('The directory of the layout, absolute or relative to this file.')),
    reference: oneOfImages,
  }),
  v.strictObject({
    format: field(v.literal('dockerArchive'), described('A file made by docker save.')),
    path: field(hostPath, described('The file, absolute or relative to this one.')),
    reference: oneOfImages,
  }),
  v.strictObject({
    format: field(v.literal('tar'), described('A tar of a root file system, such as docker export makes.')),
    path: field(hostPath, described('The tar, absolute or relative to this file.')),
  }),
  v.strictObject({
    format: field(v.picklist(['docker', 'podman']), described('Whose storage on this host it is in.')),
    reference: field(v.pipe(cString(512), v.minLength(1)), described('Its name, such as debian:12, or its id.')),
  }),
]);

const root = v.variant('type', [
  v.strictObject({ type: field(v.literal('host'), described('The files of the host.')), ...writable }),
  v.strictObject({
    type: field(v.literal('directory'), described('A directory of the host.')),
    path: field(hostPath, described('A directory of the host, absolute or relative to this file.')),
    ...writable,
  }),
  v.strictObject({
    type: field(v.literal('tmpfs'), described('An empty file system in memory.')),
    size: v.exactOptional(size),
    mode: optional(mode, described('Permissions of the root directory, as a number: 493 is 0755.')),
  }),
  v.strictObject({
    type: field(
      v.literal('programs'),
      described('A file system in memory with nothing but the programs that are named, and what they need.'),
    ),
    programs: field(
      v.pipe(listOf(v.pipe(path, v.minLength(1)), 256), v.minLength(1, 'it must name a program')),
      described(
        'Programs to bring, with their loader, libraries and script interpreters. A name without a slash is looked for in /bin, /sbin and the rest of PATH.',
      ),
    ),
    files: optional(
      v.picklist(['bind', 'copy']),
      described('"bind": the host\'s files, mounted read-only. "copy": copies of its own.'),
    ),
    size: v.exactOptional(size),
  }),
  v.strictObject({
    type: field(v.literal('image'), described('An image on this host.')),
    image: field(image, described('An image on this host, as lower layers of an overlay.')),
    upper: optional(hostPath, described('A directory of the host that keeps the changes. Left out: they are thrown away.')),
  }),
]);

const ofProcess = v.strictObject({
  pid: field(processRef.entries.pid, described('Its id on the host.')),
  startTime: field(
    processRef.entries.startTime,
    described('When it started, as in /proc/PID/stat: so that it is no other with the same id.'),
  ),
});
const ofNamespace = v.strictObject({
  kind: field(namespaceKind, described('Its kind.')),
  dev: field(namespaceRef.entries.dev, described('Device of the inode, as stat(2) has it.')),
  ino: field(namespaceRef.entries.ino, described('Number of the inode: that in net:[4026531840].')),
});
const choice = v.union([
  v.picklist(['new', 'host']),
  v.strictObject({ process: field(ofProcess, described('That of a process.')) }),
  v.strictObject({ namespace: field(ofNamespace, described('A namespace by its inode.')) }),
  v.strictObject({ sandbox: field(name, described('That of a sandbox that runs, by its name or id.')) }),
]);

/** Default: `new` for mnt, pid, net, ipc, uts and cgroup; `host` for time; user `new` when the helper has no privilege, else `host`. */
const namespaces = v.strictObject({
  user: optional(choice, described('The user namespace: ids and capabilities.')),
  mnt: optional(choice, described('The mnt namespace: mounts.')),
  pid: optional(choice, described('The pid namespace: process ids.')),
  net: optional(choice, described('The net namespace: network.')),
  ipc: optional(choice, described('The ipc namespace: System V IPC and POSIX message queues.')),
  uts: optional(choice, described('The uts namespace: host name.')),
  cgroup: optional(choice, described('The cgroup namespace: the root of the cgroup hierarchy.')),
  time: optional(choice, described('The time namespace: clocks.')),
});

const mapping = v.strictObject({
  containerID: field(id, described('The first id inside.')),
  hostID: field(id, described('The first id on the host.')),
  size: field(integerBetween(1, MAX_ID + 1), described('How many ids.')),
});
/** user_namespaces(7): at most 340 lines. */
const mappings = v.pipe(listOf(mapping, 340), v.minLength(1));
const idMappings = v.union([
  v.picklist(['root', 'user', 'subids']),
  v.strictObject({
    uidMappings: field(mappings, described('Ranges of users, a line of user_namespaces(7) each.')),
    gidMappings: field(mappings, described('Ranges of groups, a line of user_namespaces(7) each.')),
  }),
]);

const option = v.pipe(cString(4095), v.minLength(1));
const mount = v.strictObject({
  destination: field(insidePath, described('Absolute, resolved inside the new root, and made when it is lacking.')),
  type: field(
    v.picklist(['bind', 'tmpfs', 'proc', 'sysfs', 'mqueue', 'devpts', 'overlay', 'cgroup2']),
    described('The type of file system, or "bind" for files of the host.'),
  ),
  source: optional(hostPath, described('For "bind": a path of the host, absolute or relative to this file.')),
  /**
   * As in mount(8) and the OCI specification: `ro`, `rw`, `nosuid`, `nodev`, `noexec`, `noatime`, `bind`, `rbind`, `private`, `rprivate`, `slave`,
   * `rslave`, `shared`, `rshared`, `unbindable`, `runbindable`, `size=64M`, `mode=1777`, `idmap`, `ridmap` for what is mounted below, too, and for overlay
   * `lowerdir=`, `upperdir=`, `workdir=`.
   */
  options: optional(
    listOf(option, 64),
    described(
      'As mount(8) has them: ro, rw, nosuid, nodev, noexec, size=64M, rprivate, rslave, rshared. A bind without ro or rw is read-only. idmap and ridmap map the owners of its files by the new user namespace.',
    ),
  ),
});

const port = integerBetween(1, 65_535);
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const NO_IPV4 = 'it must be an IPv4 address';
const address = field(v.pipe(v.string(), v.ipv4(NO_IPV4)), nearPattern(IPV4, NO_IPV4));
const ADDRESS_WITH_PREFIX = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!\/)|(?=\/))){4}\/(?:[89]|[12][0-9]|30)$/;
const address6 = field(
  v.pipe(
    v.string(),
    v.check(
      (text) => parseAddress6(text) !== undefined,
      'it must be an IPv6 address that an interface can be given, like fd00:77::1',
    ),
  ),
  nearPattern(
    /^(?![Ff]{2}|[Ff][Ee][89ABab])(?=.*:)[0-9A-Fa-f:]{2,39}(?:[0-9.]{7,15})?$/,
    'it must be an IPv6 address like fd00:77::1',
  ),
);
const addressWithPrefix6 = field(
  v.pipe(
    v.string(),
    v.check(
      (text) => parsePrefixed6(text) !== undefined,
      'it must be an IPv6 address that an interface can be given, with the length of its prefix, like fd00:77::2/64',
    ),
  ),
  nearPattern(
    /^(?![Ff]{2}|[Ff][Ee][89ABab])(?=.*:)[0-9A-Fa-f:]{2,39}(?:[0-9.]{7,15})?\/(?:[1-9]|[1-9][0-9]|1[01][0-9]|12[0-7])$/,
    'it must be like fd00:77::2/64',
  ),
);
const IP = /^(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!$)|$)){4}|(?=.*:)[0-9A-Fa-f:]{2,39}(?:[0-9.]{7,15})?)$/;
const NO_IP = 'it must be an IP address';
const ipAddress = field(
  v.pipe(v.string(), v.ip(NO_IP), v.excludes('%', 'it must be an IP address without a zone')),
  nearPattern(IP, NO_IP),
);
const hostName = text(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/, 'it must be the name of a host or domain');
const forward = v.strictObject({
  protocol: optional(v.picklist(['tcp', 'udp']), described('Default: tcp.')),
  hostAddress: optional(
    ipAddress,
    described(
      'Address of the host at which it listens. Default: 127.0.0.1. One of IPv6 leads to the address of IPv6 inside, if there is one.',
    ),
  ),
  hostPort: field(port, described('Port of the host.')),
  containerPort: field(port, described('Port inside that it leads to.')),
});
const network = v.variant('type', [
  v.strictObject({
    type: field(
      v.picklist(['none', 'loopback', 'host']),
      described('"none": nothing is up. "loopback": lo is up. "host": the host\'s.'),
    ),
  }),
  v.strictObject({
    type: field(v.literal('veth'), described('A pair of interfaces, one inside, one on the host.')),
    /** Left out: a free /30 of 10.77.0.0/16. */
    address: optional(
      text(ADDRESS_WITH_PREFIX, 'it must be like 10.77.1.2/24'),
      described('Address inside with prefix length, such as 10.77.1.2/24. Default: a free one.'),
    ),
    gateway: optional(
      address,
      described("Address of the host's end, and the default route inside. Default: the lowest of the prefix."),
    ),
    ipv6: optional(v.boolean(), described('Also addresses of IPv6. Default: whether one is given.')),
    address6: optional(
      addressWithPrefix6,
      described('Address of IPv6 inside with prefix length, such as fd00:77::2/64. Default: one of a random private prefix.'),
    ),
    gateway6: optional(
      address6,
      described("Address of IPv6 of the host's end, and the default route inside. Default: the lowest of the prefix."),
    ),
    name: optional(
      text(/^[a-z][a-z0-9_-]{0,14}$/, 'it must be a name like eth0, at most 15 characters'),
      described('Name of the interface inside. Default: eth0.'),
    ),
    nat: optional(v.boolean(), described('Translate addresses, so that the outside is reached.')),
    peers: optional(v.boolean(), described('Reach, through the host, other sandboxes that ask for the same.')),
    ports: optional(listOf(forward, 64), described('Ports of the host that lead inside.')),
    /** Default: with `nat` what the host has, as far as it is reached from inside; else none. */
    nameservers: optional(
      listOf(field(v.pipe(v.string(), v.ip(NO_IP)), nearPattern(IP, NO_IP)), 3),
      described('For /etc/resolv.conf. Default: with nat those of the host that are reached from inside.'),
    ),
    searchDomains: optional(
      listOf(hostName, 6),
      described('For /etc/resolv.conf: domains in which short names are looked for.'),
    ),
    resolverOptions: optional(
      listOf(text(/^[a-z0-9:-]{1,32}$/, 'it must be like ndots:2'), 16),
      described('For /etc/resolv.conf, such as ndots:2.'),
    ),
  }),
]);
const hostLine = v.strictObject({
  address: field(ipAddress, described('An IP address.')),
  names: field(v.pipe(v.array(hostName), v.minLength(1), v.maxLength(16)), described('Names that have it.')),
});

const cpuList = text(/^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$/, 'it must be like 0-1,3');
const rate = integerBetween(1, Number.MAX_SAFE_INTEGER);
const device = v.pipe(cString(4095), v.regex(/^([0-9]+:[0-9]+|\/.+)$/, 'it must be like 8:0 or the path of a device'));
const resources = v.strictObject({
  cpu: optional(
    v.strictObject({
      quota: optional(integerBetween(1000, 1_000_000_000), described('Microseconds of CPU time in every period.')),
      period: optional(integerBetween(1000, 1_000_000), described('Microseconds. Default: 100000.')),
      shares: optional(integerBetween(2, 262_144), described('Weight as in version 1; 1024 is the norm.')),
      cpus: optional(cpuList, described('CPUs it may run on, such as 0-1,3.')),
      mems: optional(cpuList, described('Memory nodes it may use.')),
    }),
    described('Time and choice of CPUs.'),
  ),
  memory: optional(
    v.strictObject({
      limit: v.exactOptional(size),
      swap: optional(size, described('How much swap it may use beyond the memory limit.')),
    }),
    described('Memory and swap.'),
  ),
  pids: optional(
    v.strictObject({ limit: field(integerBetween(1, 4_194_304), described('How many processes and threads there may be.')) }),
    described('Processes and threads.'),
  ),
  blockIO: optional(
    listOf(
      v.strictObject({
        device: field(device, described('Such as 8:0, or the path of the device.')),
        readBps: optional(size, described('Bytes read in a second.')),
        writeBps: optional(size, described('Bytes written in a second.')),
        readIOPS: optional(rate, described('Reads in a second.')),
        writeIOPS: optional(rate, described('Writes in a second.')),
      }),
      16,
    ),
    described('Rates of block devices.'),
  ),
});

const capability = text(/^(CAP_)?[A-Za-z_]{1,32}$/, 'it must be a capability, such as CAP_NET_RAW');
const capabilityList = listOf(capability, 64);
const capabilitySets = v.strictObject({
  bounding: optional(capabilityList, described('What it can ever have.')),
  effective: optional(capabilityList, described('What is looked at when it acts.')),
  inheritable: optional(capabilityList, described('What it hands on to programs that ask for it.')),
  permitted: optional(capabilityList, described('What it may make effective.')),
  ambient: optional(capabilityList, described('What programs that it starts keep.')),
});

export const SECCOMP_ACTIONS = [
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
] as const;
const action = v.picklist(SECCOMP_ACTIONS);
const operator = v.picklist([
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
]);
const errnoRet = optional(integerBetween(0, 4095), described('With SCMP_ACT_ERRNO: the error number. Default: 1, EPERM.'));
const value = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const argument = v.strictObject({
  index: field(integerBetween(0, 5), described('Which argument, from 0.')),
  value: field(value, described('What it is compared with.')),
  valueTwo: optional(value, described('With SCMP_CMP_MASKED_EQ: what the masked argument must equal.')),
  op: field(operator, described('How they are compared.')),
});
const rule = v.strictObject({
  names: field(
    listOf(text(/^[a-z0-9_]{1,40}$/, 'it must be the name of a system call'), 1024),
    described('Names of system calls.'),
  ),
  action: field(action, described('What happens at them.')),
  errnoRet,
  args: optional(listOf(argument, 6), described('What their arguments must be for the rule to count.')),
});
/** As in the OCI specification, config-linux.md, "Seccomp". */
const seccompProfile = v.strictObject({
  defaultAction: field(action, described('What happens at a system call that no rule names.')),
  defaultErrnoRet: errnoRet,
  architectures: optional(
    listOf(text(/^SCMP_ARCH_[A-Z0-9_]{1,16}$/, 'it must be like SCMP_ARCH_X86_64'), 32),
    described('Architectures that it is for. Default: that of the host.'),
  ),
  flags: optional(
    listOf(text(/^SECCOMP_FILTER_FLAG_[A-Z_]{1,32}$/, 'it must be like SECCOMP_FILTER_FLAG_LOG'), 8),
    described('Flags of seccomp(2).'),
  ),
  syscalls: optional(listOf(rule, 512), described('Rules.')),
});

const args = v.pipe(
  v.array(cString(MAX_ARGUMENTS_BYTES)),
  v.minLength(1, 'it must name a program'),
  v.maxLength(4096),
  v.check((words) => words[0] !== '', 'the name of the program must not be empty'),
  v.check(bounded, TOO_LONG),
);
const env = v.pipe(
  v.record(v.string(), cString(MAX_ARGUMENTS_BYTES)),
  v.check((all) => Object.keys(all).every((key) => /^[^=\0]+$/.test(key)), 'a name must not be empty or contain "="'),
  v.check((all) => bounded(Object.entries(all).flat()), TOO_LONG),
);
const user = v.strictObject({
  uid: field(id, described('The user.')),
  gid: optional(id, described('The group. Default: the number of the user.')),
  additionalGids: optional(listOf(id, 1024), described('Groups beside it.')),
  umask: optional(integerBetween(0, 0o777), described('As a number: 18 is 022.')),
});
const limit = v.union([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.literal('unlimited')]);
const rlimit = v.strictObject({
  type: field(
    text(/^RLIMIT_[A-Z]{1,16}$/, 'it must be a limit of getrlimit(2), such as RLIMIT_NOFILE'),
    described('Which, such as RLIMIT_NOFILE.'),
  ),
  soft: field(limit, described('What counts, or "unlimited".')),
  hard: field(limit, described('How far it can raise that itself, or "unlimited".')),
});
const process = v.strictObject({
  /** The first is looked up in PATH of `env`, inside, when it has no slash. */
  args: optional(args, described('Program and arguments. Default: a shell.')),
  env: optional(env, described("The environment beside PATH, HOME and TERM. Nothing of the host's gets in.")),
  cwd: optional(insidePath, described('Directory to begin in. Default: /.')),
  terminal: optional(v.boolean(), described('A pseudoterminal of its own (default), or none.')),
  user: optional(user, described('Ids inside. Default: root.')),
  capabilities: optional(
    v.union([capabilityList, capabilitySets]),
    described('Default: none. A list means bounding, permitted and effective, and for a user other than root ambient.'),
  ),
  noNewPrivileges: optional(v.boolean(), described('Default: true. Set-user-ID programs then give nothing.')),
  rlimits: optional(listOf(rlimit, 16), described('Resource limits, as setrlimit(2) has them.')),
  oomScoreAdj: optional(integerBetween(-1000, 1000), described('-1000 to 1000: how likely it is killed when memory runs out.')),
  init: optional(
    v.boolean(),
    described('Stay as pid 1 and reap (default with a new pid namespace), or be the program itself.'),
  ),
  timeout: optional(
    v.pipe(v.number(), v.minValue(0.001), v.maxValue(31_536_000)),
    described('Seconds after which everything in it is killed.'),
  ),
});

const seconds = v.pipe(v.number(), v.integer(), v.minValue(-9_000_000_000), v.maxValue(9_000_000_000));
const timeOffsets = v.strictObject({
  monotonic: optional(seconds, described('Seconds added to CLOCK_MONOTONIC.')),
  boottime: optional(seconds, described('Seconds added to CLOCK_BOOTTIME, that is to the uptime.')),
});

export const sandboxSpec: v.GenericSchema<unknown, SandboxSpec> = field(
  v.strictObject({
    $schema: optional(v.pipe(v.string(), v.maxLength(4096)), described('Where the schema of this file is, for editors.')),
    name: optional(
      name,
      described('For people, and for other sandboxes to join it. Default: made from the root and the program.'),
    ),
    root: optional(root, described("Where its files come from. Default: the host's, read-only.")),
    changeRoot: optional(
      v.picklist(['pivot_root', 'chroot']),
      described('"pivot_root" leaves nothing of the old root. "chroot" changes only where paths begin.'),
    ),
    oldRoot: optional(
      insidePath,
      described('With pivot_root: keep the old root at this path inside. Everything of the host can be reached through it.'),
    ),
    namespaces: optional(
      namespaces,
      described(
        'For each kind: "new", the host\'s, or that of something that runs. Default: new ones but for time, and for user when the helper is root.',
      ),
    ),
    idMappings: optional(
      idMappings,
      described(
        'Which ids of the host are which in a new user namespace. "root": root inside is the user outside. "user": the same id inside. "subids": root, and the ranges of /etc/subuid and /etc/subgid.',
      ),
    ),
    timeOffsets: optional(timeOffsets, described('For a new time namespace: seconds added to the clocks.')),
    /** Needs a new uts namespace. */
    hostname: optional(
      text(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/, 'it must be of letters, digits, "." and "-", at most 64'),
      described('Default: the name of the sandbox.'),
    ),
    /** Default: `own` with a new pid namespace. */
    proc: optional(v.picklist(['own', 'none']), described('"own": a /proc that shows its own processes.')),
    /** Default: `minimal`. */
    dev: optional(
      v.picklist(['minimal', 'host', 'none']),
      described('"minimal": null, zero, full, random, urandom, tty, an own devpts and shm.'),
    ),
    mounts: optional(listOf(mount, 128), described('Mounted in this order, after /proc and /dev.')),
    systemPaths: optional(
      v.picklist(['default', 'unmasked']),
      described(
        'What of procfs and sysfs acts on the whole host. "default": hidden or read-only, as Docker has it, wherever one is mounted. "unmasked": open.',
      ),
    ),
    maskedPaths: optional(listOf(insidePath, 128), described('Further paths inside whose content is hidden.')),
    readonlyPaths: optional(listOf(insidePath, 128), described('Further paths inside that cannot be written.')),
    /** Default: `loopback` with a new net namespace. */
    network: optional(
      network,
      described(
        '"none": nothing is up. "loopback": lo is up. "host": the host\'s. "veth": a pair of interfaces, one inside, one on the host.',
      ),
    ),
    /**
     * With a net namespace of its own a sandbox has its own file wherever the root has one or is an image, or its network is `veth`; else when this is
     * given.
     */
    hosts: optional(listOf(hostLine, 256), described('Lines of /etc/hosts, beside those of localhost and of the host name.')),
    resources: optional(resources, described('Limits, through cgroups of version 1 or 2.')),
    seccomp: optional(
      v.union([v.picklist(['default', 'unconfined']), seccompProfile]),
      described(
        'Which system calls may be made. "default" has the effect of Docker\'s default profile; or a profile as in the OCI specification.',
      ),
    ),
    process: optional(process, described('The program and what it may do.')),
    persistent: optional(v.boolean(), described('It survives the helper and VS Code. Default: false.')),
  }),
  described('A sandbox: what its processes see, may do and may use. Everything that is left out is the safe choice.'),
);

/** The definition, and the parts of it that have names of their own among the types of the protocol. */
export const DEFINITIONS = {
  SandboxSpec: sandboxSpec,
  SandboxRoot: root,
  RootAccess: access,
  SandboxImage: image,
  Size: size,
  NamespaceChoice: choice,
  IdMappings: idMappings,
  SandboxIdMapping: mapping,
  SandboxMount: mount,
  SandboxNetwork: network,
  PortForward: forward,
  SandboxResources: resources,
  SeccompProfile: seccompProfile,
  SeccompAction: action,
  SeccompOperator: operator,
  SandboxProcess: process,
  SandboxCapabilities: capabilitySets,
} as const;
