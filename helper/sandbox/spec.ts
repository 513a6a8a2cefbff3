/** The schema of a sandbox's specification. media/sandbox.schema.json says the same to editors; a test holds them together. */
import * as v from 'valibot';
import {
  type SandboxCapabilities,
  type SandboxSpec,
  SECCOMP_ACTIONS,
  SECCOMP_OPERATORS,
  type SeccompProfile,
} from '../protocol/sandboxes.ts';
import { cString, namespaceRef, path, processRef } from '../schemas.ts';
import { parseAddress6, parsePrefixed6 } from './ipv6.ts';
import { SIZE_PATTERN } from './size.ts';

const MAX_ARGUMENTS_BYTES = 128 * 1024;
const MAX_ID = 4_294_967_294;

const integerBetween = (minimum: number, maximum: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(minimum), v.maxValue(maximum));
const listOf = <T>(item: v.GenericSchema<unknown, T>, maximum: number) => v.pipe(v.array(item), v.maxLength(maximum));

/** A path of the host: absolute, or relative to the directory of the request. */
const hostPath = v.pipe(path, v.minLength(1));
/** A path inside. */
const insidePath = v.pipe(path, v.startsWith('/', 'it must begin with "/"'));
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'it must be of letters, digits, "_", "." and "-", at most 63'));
const size = v.union([
  integerBetween(1, Number.MAX_SAFE_INTEGER),
  v.pipe(v.string(), v.regex(SIZE_PATTERN, 'it must be a number of bytes above 0, or one with K, M, G or T')),
]);
const mode = integerBetween(0, 0o7777);
const id = integerBetween(0, MAX_ID);
const totalBytes = (strings: string[]) => strings.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
const bounded = (strings: string[]) => totalBytes(strings) <= MAX_ARGUMENTS_BYTES;
const TOO_LONG = `together they must be at most ${MAX_ARGUMENTS_BYTES} bytes`;

const writable = {
  access: v.exactOptional(v.picklist(['readOnly', 'readWrite', 'overlay'])),
  upper: v.exactOptional(hostPath),
  idmap: v.exactOptional(v.boolean()),
};

const image = v.variant('format', [
  v.strictObject({ format: v.literal('oci'), path: hostPath, reference: v.exactOptional(cString(512)) }),
  v.strictObject({ format: v.literal('dockerArchive'), path: hostPath, reference: v.exactOptional(cString(512)) }),
  v.strictObject({ format: v.literal('tar'), path: hostPath }),
  v.strictObject({ format: v.picklist(['docker', 'podman']), reference: v.pipe(cString(512), v.minLength(1)) }),
]);

const root = v.variant('type', [
  v.strictObject({ type: v.literal('host'), ...writable }),
  v.strictObject({ type: v.literal('directory'), path: hostPath, ...writable }),
  v.strictObject({ type: v.literal('tmpfs'), size: v.exactOptional(size), mode: v.exactOptional(mode) }),
  v.strictObject({
    type: v.literal('programs'),
    programs: v.pipe(listOf(v.pipe(path, v.minLength(1)), 256), v.minLength(1, 'it must name a program')),
    files: v.exactOptional(v.picklist(['bind', 'copy'])),
    size: v.exactOptional(size),
  }),
  v.strictObject({ type: v.literal('image'), image, upper: v.exactOptional(hostPath) }),
]);

const choice = v.union([
  v.picklist(['new', 'host']),
  v.strictObject({ process: processRef }),
  v.strictObject({ namespace: namespaceRef }),
  v.strictObject({ sandbox: name }),
]);

const namespaces = v.strictObject({
  user: v.exactOptional(choice),
  mnt: v.exactOptional(choice),
  pid: v.exactOptional(choice),
  net: v.exactOptional(choice),
  ipc: v.exactOptional(choice),
  uts: v.exactOptional(choice),
  cgroup: v.exactOptional(choice),
  time: v.exactOptional(choice),
});

const mapping = v.strictObject({ containerID: id, hostID: id, size: integerBetween(1, MAX_ID + 1) });
/** user_namespaces(7): at most 340 lines. */
const mappings = v.pipe(listOf(mapping, 340), v.minLength(1));
const idMappings = v.union([
  v.picklist(['root', 'user', 'subids']),
  v.strictObject({ uidMappings: mappings, gidMappings: mappings }),
]);

const option = v.pipe(cString(4095), v.minLength(1));
const mount = v.strictObject({
  destination: insidePath,
  type: v.picklist(['bind', 'tmpfs', 'proc', 'sysfs', 'mqueue', 'devpts', 'overlay', 'cgroup2']),
  source: v.exactOptional(hostPath),
  options: v.exactOptional(listOf(option, 64)),
});

const port = integerBetween(1, 65_535);
const address = v.pipe(v.string(), v.ipv4('it must be an IPv4 address'));
const ADDRESS_WITH_PREFIX = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!\/)|(?=\/))){4}\/(?:[89]|[12][0-9]|30)$/;
const address6 = v.pipe(
  v.string(),
  v.check(
    (text) => parseAddress6(text) !== undefined,
    'it must be an IPv6 address that an interface can be given, like fd00:77::1',
  ),
);
const addressWithPrefix6 = v.pipe(
  v.string(),
  v.check(
    (text) => parsePrefixed6(text) !== undefined,
    'it must be an IPv6 address that an interface can be given, with the length of its prefix, like fd00:77::2/64',
  ),
);
const HOST_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/;
const ipAddress = v.pipe(
  v.string(),
  v.ip('it must be an IP address'),
  v.excludes('%', 'it must be an IP address without a zone'),
);
const hostNames = v.pipe(
  v.array(v.pipe(v.string(), v.regex(HOST_NAME, 'it must be a host name'))),
  v.minLength(1),
  v.maxLength(16),
);
const network = v.variant('type', [
  v.strictObject({ type: v.picklist(['none', 'loopback', 'host']) }),
  v.strictObject({
    type: v.literal('veth'),
    address: v.exactOptional(v.pipe(v.string(), v.regex(ADDRESS_WITH_PREFIX, 'it must be like 10.77.1.2/24'))),
    gateway: v.exactOptional(address),
    ipv6: v.exactOptional(v.boolean()),
    address6: v.exactOptional(addressWithPrefix6),
    gateway6: v.exactOptional(address6),
    name: v.exactOptional(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_-]{0,14}$/, 'it must be a name like eth0'))),
    nat: v.exactOptional(v.boolean()),
    peers: v.exactOptional(v.boolean()),
    ports: v.exactOptional(
      listOf(
        v.strictObject({
          protocol: v.exactOptional(v.picklist(['tcp', 'udp'])),
          hostAddress: v.exactOptional(ipAddress),
          hostPort: port,
          containerPort: port,
        }),
        64,
      ),
    ),
    nameservers: v.exactOptional(listOf(v.pipe(v.string(), v.ip()), 3)),
    searchDomains: v.exactOptional(listOf(v.pipe(v.string(), v.regex(HOST_NAME, 'it must be a domain')), 6)),
    resolverOptions: v.exactOptional(listOf(v.pipe(v.string(), v.regex(/^[a-z0-9:-]{1,32}$/, 'it must be like ndots:2')), 16)),
  }),
]);

const cpuList = v.pipe(v.string(), v.regex(/^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$/, 'it must be like 0-1,3'));
const rate = integerBetween(1, Number.MAX_SAFE_INTEGER);
const device = v.pipe(cString(4095), v.regex(/^([0-9]+:[0-9]+|\/.+)$/, 'it must be like 8:0 or the path of a device'));
const resources = v.strictObject({
  cpu: v.exactOptional(
    v.strictObject({
      quota: v.exactOptional(integerBetween(1000, 1_000_000_000)),
      period: v.exactOptional(integerBetween(1000, 1_000_000)),
      shares: v.exactOptional(integerBetween(2, 262_144)),
      cpus: v.exactOptional(cpuList),
      mems: v.exactOptional(cpuList),
    }),
  ),
  memory: v.exactOptional(v.strictObject({ limit: v.exactOptional(size), swap: v.exactOptional(size) })),
  pids: v.exactOptional(v.strictObject({ limit: integerBetween(1, 4_194_304) })),
  blockIO: v.exactOptional(
    listOf(
      v.strictObject({
        device,
        readBps: v.exactOptional(size),
        writeBps: v.exactOptional(size),
        readIOPS: v.exactOptional(rate),
        writeIOPS: v.exactOptional(rate),
      }),
      16,
    ),
  ),
});

const capability = v.pipe(v.string(), v.regex(/^(CAP_)?[A-Za-z_]{1,32}$/, 'it must be like CAP_NET_RAW'));
const capabilityList = listOf(capability, 64);
const capabilitySets: v.GenericSchema<unknown, SandboxCapabilities> = v.strictObject({
  bounding: v.exactOptional(capabilityList),
  effective: v.exactOptional(capabilityList),
  inheritable: v.exactOptional(capabilityList),
  permitted: v.exactOptional(capabilityList),
  ambient: v.exactOptional(capabilityList),
});

const action = v.picklist(SECCOMP_ACTIONS);
const errnoRet = v.exactOptional(integerBetween(0, 4095));
const value = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const seccompProfile: v.GenericSchema<unknown, SeccompProfile> = v.strictObject({
  defaultAction: action,
  defaultErrnoRet: errnoRet,
  architectures: v.exactOptional(listOf(v.pipe(v.string(), v.regex(/^SCMP_ARCH_[A-Z0-9_]{1,16}$/)), 32)),
  flags: v.exactOptional(listOf(v.pipe(v.string(), v.regex(/^SECCOMP_FILTER_FLAG_[A-Z_]{1,32}$/)), 8)),
  syscalls: v.exactOptional(
    listOf(
      v.strictObject({
        names: listOf(v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,40}$/, 'it must be the name of a system call')), 1024),
        action,
        errnoRet,
        args: v.exactOptional(
          listOf(
            v.strictObject({
              index: integerBetween(0, 5),
              value,
              valueTwo: v.exactOptional(value),
              op: v.picklist(SECCOMP_OPERATORS),
            }),
            6,
          ),
        ),
      }),
      512,
    ),
  ),
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
const limit = v.union([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.literal('unlimited')]);
const process = v.strictObject({
  args: v.exactOptional(args),
  env: v.exactOptional(env),
  cwd: v.exactOptional(insidePath),
  terminal: v.exactOptional(v.boolean()),
  user: v.exactOptional(
    v.strictObject({
      uid: id,
      gid: v.exactOptional(id),
      additionalGids: v.exactOptional(listOf(id, 1024)),
      umask: v.exactOptional(integerBetween(0, 0o777)),
    }),
  ),
  capabilities: v.exactOptional(v.union([capabilityList, capabilitySets])),
  noNewPrivileges: v.exactOptional(v.boolean()),
  rlimits: v.exactOptional(
    listOf(v.strictObject({ type: v.pipe(v.string(), v.regex(/^RLIMIT_[A-Z]{1,16}$/)), soft: limit, hard: limit }), 16),
  ),
  oomScoreAdj: v.exactOptional(integerBetween(-1000, 1000)),
  init: v.exactOptional(v.boolean()),
  timeout: v.exactOptional(v.pipe(v.number(), v.minValue(0.001), v.maxValue(31_536_000))),
});

const seconds = v.pipe(v.number(), v.integer(), v.minValue(-9_000_000_000), v.maxValue(9_000_000_000));

export const sandboxSpec: v.GenericSchema<unknown, SandboxSpec> = v.strictObject({
  $schema: v.exactOptional(v.pipe(v.string(), v.maxLength(4096))),
  name: v.exactOptional(name),
  root: v.exactOptional(root),
  changeRoot: v.exactOptional(v.picklist(['pivot_root', 'chroot'])),
  oldRoot: v.exactOptional(insidePath),
  namespaces: v.exactOptional(namespaces),
  idMappings: v.exactOptional(idMappings),
  timeOffsets: v.exactOptional(v.strictObject({ monotonic: v.exactOptional(seconds), boottime: v.exactOptional(seconds) })),
  hostname: v.exactOptional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/, 'it must be a host name'))),
  proc: v.exactOptional(v.picklist(['own', 'none'])),
  dev: v.exactOptional(v.picklist(['minimal', 'host', 'none'])),
  mounts: v.exactOptional(listOf(mount, 128)),
  systemPaths: v.exactOptional(v.picklist(['default', 'unmasked'])),
  maskedPaths: v.exactOptional(listOf(insidePath, 128)),
  readonlyPaths: v.exactOptional(listOf(insidePath, 128)),
  network: v.exactOptional(network),
  hosts: v.exactOptional(listOf(v.strictObject({ address: ipAddress, names: hostNames }), 256)),
  resources: v.exactOptional(resources),
  seccomp: v.exactOptional(v.union([v.picklist(['default', 'unconfined']), seccompProfile])),
  process: v.exactOptional(process),
  persistent: v.exactOptional(v.boolean()),
});
