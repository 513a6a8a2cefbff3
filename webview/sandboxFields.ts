/**
 * What the form asks for: its sections and their controls, by the places in a specification that they are for. Declarations only; what the schema says is
 * not said again (schemaFields.ts).
 */
import { isObject, type Json, type JsonObject } from './jsonSchema.ts';
import { valueAt } from './sandboxDraft.ts';
import type { NotationName } from './sandboxNotations.ts';

export const KINDS = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;
export type Kind = (typeof KINDS)[number];

/** What the extension asks a person for, in VS Code's own dialogs. */
export type Pick = 'folder' | 'file' | 'docker' | 'podman' | 'join' | 'capabilities' | 'seccomp';

/** What a control may look at beside its own value: the whole specification, and the object that its path begins at. */
export interface Around {
  spec: JsonObject;
  /** The specification, or an item of a list of it. */
  here: JsonObject;
  /** Whether the helper may do what only root may: then a user namespace is not needed. */
  privileged: boolean;
}

interface Shared {
  /** From the object that it is in. Its label and what it says of mistakes have names that are made of this. */
  path: readonly string[];
  /** Its label, where that is the schema's. */
  title?: string;
  /** Tells it from another control of the same path. */
  part?: string;
  shown?: (around: Around) => boolean;
  pick?: Pick | ((around: Around) => Pick);
  /** Text that stands below it. */
  hint?: string;
}
export interface Line extends Shared {
  type: 'line';
  notation: NotationName;
  placeholder?: string;
  /** The schema lets it be left out, and the helper does not. */
  required?: boolean;
  /** Which text says what is wrong; that of the notation when left out. */
  mistake?: string;
}
export interface Choice extends Shared {
  type: 'choice';
  /** What each comes to. */
  choices: Record<string, Json | undefined>;
  /** The values that the schema has here are choices, too, and stand before these. */
  ofSchema?: boolean;
  /** The choice that a value is, when it is not one of `choices` itself. */
  which?: (value: Json) => string | undefined;
  /** What counts when there is none: choosing it leaves the field out. */
  fallback?: (around: Around) => string;
}
export interface Tick extends Shared {
  type: 'tick';
  fallback: (around: Around) => boolean;
}
export interface List extends Shared {
  type: 'list';
  item: readonly Control[];
  blank: JsonObject;
  /** Fields of an item that say what it is. */
  summary: readonly string[];
  /** What comes first counts. */
  ordered?: boolean;
}
export interface RawJson extends Shared {
  type: 'json';
}
/** Which namespaces are its own, the host's, or another's. */
export interface Kinds extends Shared {
  type: 'kinds';
}
/** Some of the words of `options`. */
export interface OptionTick extends Shared {
  type: 'optionTick';
  option: string;
}
export interface OptionChoice extends Shared {
  type: 'optionChoice';
  options: readonly string[];
}
export interface OptionLine extends Shared {
  type: 'optionLine';
  prefix: string;
  placeholder: string;
  pattern: RegExp;
  mistake: string;
}
export interface OptionRest extends Shared {
  type: 'optionRest';
}
export type Control = Line | Choice | Tick | List | RawJson | Kinds | OptionTick | OptionChoice | OptionLine | OptionRest;

export interface Section {
  key: string;
  controls: readonly Control[];
  /** Without an own namespace of this kind there is nothing to choose here. */
  needs?: Kind;
}

/** Whether a kind is a new one: as it is chosen, else as the helper chooses. */
export function isOwn(kind: Kind, { spec, privileged }: Omit<Around, 'here'>): boolean {
  const chosen = valueAt(spec, ['namespaces', kind]);
  if (chosen !== undefined) return chosen === 'new';
  if (kind === 'net') return valueAt(spec, ['network', 'type']) !== 'host';
  if (kind === 'user') return !privileged || spec.idMappings !== undefined;
  return kind !== 'time' || spec.timeOffsets !== undefined;
}

const rootType = ({ spec }: Around) => valueAt(spec, ['root', 'type']) ?? 'host';
const isRoot =
  (...types: string[]) =>
  (around: Around) =>
    types.includes(rootType(around) as string);
const imageFormat = ({ spec }: Around) => valueAt(spec, ['root', 'image', 'format']) as string;
const isImage =
  (...formats: string[]) =>
  (around: Around) =>
    isRoot('image')(around) && formats.includes(imageFormat(around));
const isType =
  (...types: string[]) =>
  ({ here }: Around) =>
    types.includes(here.type as string);
const isPresent =
  (...path: string[]) =>
  ({ here }: Around) =>
    valueAt(here, path) !== undefined;
const owns = (kind: Kind) => (around: Around) => isOwn(kind, around);
/** Also what a file says that can have no effect can be seen, and taken out. */
const ownsOrHas =
  (kind: Kind, ...path: string[]) =>
  (around: Around) =>
    isOwn(kind, around) || isPresent(...path)(around);
const isVeth = ({ spec }: Around) => valueAt(spec, ['network', 'type']) === 'veth';
const ADDRESSES6 = ['address6', 'gateway6'];
const hasAddress6 = ({ spec }: Around) => ADDRESSES6.some((name) => valueAt(spec, ['network', name]) !== undefined);
const hasIpv6 = (around: Around) =>
  isVeth(around) && (valueAt(around.spec, ['network', 'ipv6']) === true || hasAddress6(around));

const line = (path: string, notation: NotationName, rest: Omit<Line, 'type' | 'path' | 'notation'> = {}): Line => ({
  type: 'line',
  path: path.split('.'),
  notation,
  ...rest,
});
const choice = (path: string, choices: Choice['choices'], rest: Omit<Choice, 'type' | 'path' | 'choices'> = {}): Choice => ({
  type: 'choice',
  path: path.split('.'),
  choices,
  ...rest,
});
const tick = (path: string, fallback: Tick['fallback'], rest: Omit<Tick, 'type' | 'path' | 'fallback'> = {}): Tick => ({
  type: 'tick',
  path: path.split('.'),
  fallback,
  ...rest,
});
/** Of the values that the schema has, and others. */
const schemaChoice = (path: string, rest: Omit<Choice, 'type' | 'path' | 'choices' | 'ofSchema'> = {}, others = {}): Choice =>
  choice(path, others, { ...rest, ofSchema: true });
/** Choices that are the values. */
export const named = (...values: string[]) => Object.fromEntries(values.map((value) => [value, value]));
const always = (value: string) => () => value;

/** The default, or a list of its own, which may be empty. */
const ownList = (
  path: string,
  shown: (around: Around) => boolean,
  rest: Omit<Line, 'type' | 'path' | 'notation'>,
): Control[] => [
  choice(path, { default: undefined, own: [] }, { part: 'which', which: always('own'), fallback: always('default'), shown }),
  line(path, 'ownWords', { ...rest, shown: isPresent(...path.split('.')) }),
];

const ROOTS: Choice['choices'] = {
  host: { type: 'host' },
  programs: { type: 'programs' },
  tmpfs: { type: 'tmpfs' },
  directory: { type: 'directory' },
  docker: { type: 'image', image: { format: 'docker' } },
  podman: { type: 'image', image: { format: 'podman' } },
  oci: { type: 'image', image: { format: 'oci' } },
  dockerArchive: { type: 'image', image: { format: 'dockerArchive' } },
  tar: { type: 'image', image: { format: 'tar' } },
};

function rootOf(value: Json): string | undefined {
  const name = valueAt(value, ['type']) === 'image' ? valueAt(value, ['image', 'format']) : valueAt(value, ['type']);
  return typeof name === 'string' && Object.hasOwn(ROOTS, name) ? name : undefined;
}

const WHAT: Control[] = [
  line('name', 'text', { placeholder: 'my-sandbox', mistake: 'name' }),
  line('process.args', 'words', { placeholder: 'bash', hint: 'process.args.hint' }),
  line('process.cwd', 'text', { placeholder: '/', mistake: 'inside' }),
  line('process.env', 'environment', { placeholder: 'NAME=value' }),
  choice(
    'process.terminal',
    { terminal: true, pipes: false },
    { fallback: ({ spec }) => (spec.persistent === true ? 'pipes' : 'terminal') },
  ),
  line('process.timeout', 'number', { placeholder: '60' }),
  tick('process.init', owns('pid'), { shown: ownsOrHas('pid', 'process', 'init') }),
  tick('persistent', () => false),
];

const ROOT: Control[] = [
  choice('root', ROOTS, { which: rootOf, fallback: always('host') }),
  line('root.path', 'text', { placeholder: '/srv/root', shown: isRoot('directory'), pick: 'folder', mistake: 'path' }),
  line('root.image.path', 'text', { placeholder: '/srv/layout', shown: isImage('oci'), pick: 'folder', mistake: 'path' }),
  line('root.image.path', 'text', {
    placeholder: '/srv/image.tar',
    shown: isImage('dockerArchive', 'tar'),
    pick: 'file',
    mistake: 'path',
  }),
  line('root.image.reference', 'text', {
    placeholder: 'debian:12',
    shown: isImage('docker', 'podman'),
    pick: (around) => imageFormat(around) as 'docker' | 'podman',
    mistake: 'image',
  }),
  line('root.image.reference', 'text', { placeholder: 'debian:12', shown: isImage('oci', 'dockerArchive') }),
  line('root.programs', 'words', {
    placeholder: 'bash ls cat',
    shown: isRoot('programs'),
    hint: 'root.programs.hint',
    mistake: 'programs',
  }),
  schemaChoice('root.files', { shown: isRoot('programs'), fallback: always('bind') }),
  line('root.size', 'size', { placeholder: '1G', shown: isRoot('tmpfs', 'programs') }),
  line('root.mode', 'octal', { placeholder: '0755', shown: isRoot('tmpfs') }),
  choice('root.access', named('readOnly', 'overlay', 'readWrite'), {
    shown: isRoot('host', 'directory'),
    fallback: (around) => (rootType(around) === 'host' ? 'readOnly' : 'readWrite'),
  }),
  line('root.upper', 'text', {
    placeholder: '/srv/changes',
    shown: (around) =>
      isRoot('image')(around) || valueAt(around.spec, ['root', 'access']) === 'overlay' || isPresent('root', 'upper')(around),
    pick: 'folder',
    hint: 'root.upper.hint',
    mistake: 'path',
  }),
  tick('root.idmap', () => false, {
    shown: (around) => (isRoot('host', 'directory')(around) && isOwn('user', around)) || isPresent('root', 'idmap')(around),
  }),
  schemaChoice('changeRoot', { fallback: always('pivot_root') }),
  line('oldRoot', 'text', {
    placeholder: '/old-rootfs',
    shown: (around) => around.spec.changeRoot !== 'chroot' || isPresent('oldRoot')(around),
    hint: 'oldRoot.hint',
    mistake: 'inside',
  }),
];

const PROPAGATIONS = ['rprivate', 'rslave', 'rshared', 'private', 'slave', 'shared', 'unbindable', 'runbindable'];
const SIZE_OPTION = /^((?=\d*[1-9])\d{1,12}[KMGT]?|[1-9]\d?%|100%)$/i;
const optionTick = (option: string, shown?: (around: Around) => boolean): OptionTick => ({
  type: 'optionTick',
  path: ['options'],
  part: option,
  option,
  ...(shown === undefined ? {} : { shown }),
});
const optionChoice = (part: string, options: string[], shown?: (around: Around) => boolean): OptionChoice => ({
  type: 'optionChoice',
  path: ['options'],
  part,
  options,
  ...(shown === undefined ? {} : { shown }),
});
const optionLine = (name: string, rest: Omit<OptionLine, 'type' | 'path' | 'part' | 'prefix'>): OptionLine => ({
  type: 'optionLine',
  path: ['options'],
  part: name,
  prefix: `${name}=`,
  ...rest,
});

const MOUNT: Control[] = [
  schemaChoice('type'),
  line('source', 'text', {
    placeholder: '/srv/data',
    shown: (around) => isType('bind')(around) || isPresent('source')(around),
    pick: 'folder',
    required: true,
    mistake: 'path',
  }),
  line('destination', 'text', { placeholder: '/data', mistake: 'inside' }),
  optionChoice('access', ['ro', 'rw']),
  optionLine('size', { placeholder: '64M', pattern: SIZE_OPTION, mistake: 'size', shown: isType('tmpfs') }),
  optionLine('mode', { placeholder: '1777', pattern: /^[0-7]{1,4}$/, mistake: 'octal', shown: isType('tmpfs', 'devpts') }),
  optionLine('lowerdir', { placeholder: '/srv/lower', pattern: /^\//, mistake: 'lowerdir', shown: isType('overlay') }),
  optionLine('upperdir', { placeholder: '/srv/upper', pattern: /^\//, mistake: 'inside', shown: isType('overlay') }),
  optionLine('workdir', { placeholder: '/srv/work', pattern: /^\//, mistake: 'inside', shown: isType('overlay') }),
  optionLine('hidepid', { placeholder: '2', pattern: /^\w+$/, mistake: 'hidepid', shown: isType('proc') }),
  optionChoice('propagation', PROPAGATIONS, isType('bind')),
  optionChoice('idmap', ['idmap', 'ridmap'], isType('bind')),
  optionTick('nosuid'),
  optionTick('nodev'),
  optionTick('noexec'),
  { type: 'optionRest', path: ['options'], part: 'others' },
];

const MOUNTS: Control[] = [
  {
    type: 'list',
    path: ['mounts'],
    item: MOUNT,
    blank: { type: 'bind' },
    summary: ['type', 'source', 'destination'],
    ordered: true,
  },
  schemaChoice('proc', {
    fallback: (around) => (isOwn('mnt', around) && isOwn('pid', around) ? 'own' : 'none'),
  }),
  schemaChoice('dev', { fallback: (around) => (isOwn('mnt', around) ? 'minimal' : 'none') }),
  schemaChoice('systemPaths', { fallback: always('default') }),
  line('maskedPaths', 'words', { placeholder: '/root/.ssh', mistake: 'insides' }),
  line('readonlyPaths', 'words', { placeholder: '/etc', mistake: 'insides' }),
];

const NAMESPACES: Control[] = [
  { type: 'kinds', path: ['namespaces'] },
  line('hostname', 'text', { mistake: 'hostname', shown: ownsOrHas('uts', 'hostname') }),
  line('timeOffsets.monotonic', 'whole', { placeholder: '0', shown: ownsOrHas('time', 'timeOffsets') }),
  line('timeOffsets.boottime', 'whole', { placeholder: '86400', shown: ownsOrHas('time', 'timeOffsets') }),
];

const RANGE: Control[] = [
  line('containerID', 'whole', { placeholder: '0' }),
  line('hostID', 'whole', { placeholder: '100000' }),
  line('size', 'whole', { placeholder: '65536' }),
];
const ranges = (field: string): List => ({
  type: 'list',
  path: ['idMappings', field],
  item: RANGE,
  blank: { containerID: 0 },
  summary: ['containerID', 'hostID', 'size'],
  shown: ({ spec }) => isObject(spec.idMappings),
});

const USERS: Control[] = [
  line('process.user.uid', 'whole', { placeholder: '0' }),
  line('process.user.gid', 'whole', { placeholder: '0' }),
  line('process.user.additionalGids', 'numbers', { placeholder: '27 100' }),
  line('process.user.umask', 'octal', { placeholder: '022' }),
  schemaChoice(
    'idMappings',
    {
      which: (value) => (isObject(value) ? 'ranges' : undefined),
      fallback: always('root'),
      shown: ownsOrHas('user', 'idMappings'),
      hint: 'idMappings.hint',
    },
    { ranges: { uidMappings: [{ containerID: 0 }], gidMappings: [{ containerID: 0 }] } },
  ),
  ranges('uidMappings'),
  ranges('gidMappings'),
];

const PORT: Control[] = [
  schemaChoice('protocol', { fallback: always('tcp') }),
  line('hostAddress', 'text', { placeholder: '127.0.0.1', mistake: 'ip' }),
  line('hostPort', 'whole', { placeholder: '8080' }),
  line('containerPort', 'whole', { placeholder: '80' }),
];
const HOST: Control[] = [
  line('address', 'text', { placeholder: '10.0.0.1', mistake: 'ip' }),
  line('names', 'words', { placeholder: 'db db.example', mistake: 'domains' }),
];

const NETWORK: Control[] = [
  choice(
    'network',
    { none: { type: 'none' }, loopback: { type: 'loopback' }, veth: { type: 'veth' }, host: { type: 'host' } },
    {
      which: (value) => valueAt(value, ['type']) as string | undefined,
      fallback: (around) => (isOwn('net', around) ? 'loopback' : 'host'),
    },
  ),
  line('network.address', 'text', { placeholder: '10.77.1.2/24', shown: isVeth, mistake: 'prefix' }),
  line('network.gateway', 'text', { placeholder: '10.77.1.1', shown: isVeth, mistake: 'ipv4' }),
  tick('network.ipv6', hasAddress6, { shown: isVeth }),
  line('network.address6', 'text', { placeholder: 'fd00:77::2/64', shown: hasIpv6, mistake: 'prefix6' }),
  line('network.gateway6', 'text', { placeholder: 'fd00:77::1', shown: hasIpv6, mistake: 'ipv6' }),
  line('network.name', 'text', { placeholder: 'eth0', shown: isVeth, mistake: 'interface' }),
  tick('network.nat', () => false, { shown: isVeth }),
  tick('network.peers', () => false, { shown: isVeth }),
  {
    type: 'list',
    path: ['network', 'ports'],
    item: PORT,
    blank: {},
    summary: ['protocol', 'hostPort', 'containerPort'],
    shown: isVeth,
  },
  ...ownList('network.nameservers', isVeth, { placeholder: '10.77.1.1', mistake: 'ips' }),
  line('network.searchDomains', 'words', { placeholder: 'example.org', shown: isVeth, mistake: 'domains' }),
  line('network.resolverOptions', 'words', { placeholder: 'ndots:2', shown: isVeth, mistake: 'resolver' }),
  {
    type: 'list',
    path: ['hosts'],
    item: HOST,
    blank: {},
    summary: ['address', 'names'],
    shown: ownsOrHas('mnt', 'hosts'),
  },
];

const DEVICE: Control[] = [
  line('device', 'text', { placeholder: '8:0', mistake: 'device' }),
  line('readBps', 'size', { placeholder: '10M' }),
  line('writeBps', 'size', { placeholder: '10M' }),
  line('readIOPS', 'whole', { placeholder: '1000' }),
  line('writeIOPS', 'whole', { placeholder: '1000' }),
];
/** getrlimit(2). */
const RLIMITS = 'AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK'
  .split(' ')
  .map((name) => `RLIMIT_${name}`);
const RLIMIT: Control[] = [
  choice('type', named(...RLIMITS)),
  line('soft', 'limit', { placeholder: '1024' }),
  line('hard', 'limit', { placeholder: 'unlimited' }),
];

const LIMITS: Control[] = [
  line('resources.memory.limit', 'size', { placeholder: '256M' }),
  line('resources.memory.swap', 'size', { placeholder: '64M' }),
  line('resources.cpu.quota', 'cpus', { placeholder: '0.5', hint: 'resources.cpu.quota.hint' }),
  line('resources.cpu.period', 'whole', { placeholder: '100000' }),
  line('resources.cpu.shares', 'whole', { placeholder: '1024' }),
  line('resources.cpu.cpus', 'text', { placeholder: '0-1', mistake: 'cpuList' }),
  line('resources.cpu.mems', 'text', { placeholder: '0', mistake: 'cpuList' }),
  line('resources.pids.limit', 'whole', { placeholder: '64' }),
  { type: 'list', path: ['resources', 'blockIO'], item: DEVICE, blank: {}, summary: ['device'] },
  {
    type: 'list',
    path: ['process', 'rlimits'],
    item: RLIMIT,
    blank: { type: 'RLIMIT_NOFILE' },
    summary: ['type', 'soft', 'hard'],
  },
  line('process.oomScoreAdj', 'whole', { placeholder: '0' }),
];

const hasSets = ({ spec }: Around) => isObject(valueAt(spec, ['process', 'capabilities']));
const SETS = ['bounding', 'permitted', 'effective', 'inheritable', 'ambient'];

const SECURITY: Control[] = [
  choice(
    'process.capabilities',
    { list: [], sets: {} },
    { part: 'which', which: (value) => (isObject(value) ? 'sets' : 'list'), fallback: always('list') },
  ),
  line('process.capabilities', 'capabilities', {
    placeholder: 'CAP_NET_BIND_SERVICE',
    shown: (around) => !hasSets(around),
    pick: 'capabilities',
    hint: 'process.capabilities.hint',
    mistake: 'capabilities',
  }),
  ...SETS.map((set) =>
    line(`process.capabilities.${set}`, 'capabilities', {
      placeholder: 'CAP_NET_BIND_SERVICE',
      shown: hasSets,
      pick: 'capabilities',
      mistake: 'capabilities',
    }),
  ),
  tick('process.noNewPrivileges', () => true),
  schemaChoice(
    'seccomp',
    { which: always('profile'), fallback: always('default') },
    { profile: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] } },
  ),
  {
    type: 'json',
    path: ['seccomp'],
    part: 'profile',
    shown: ({ spec }) => ![undefined, 'default', 'unconfined'].includes(spec.seccomp as undefined),
    pick: 'seccomp',
  },
];

export const SECTIONS: readonly Section[] = [
  { key: 'what', controls: WHAT },
  { key: 'root', controls: ROOT, needs: 'mnt' },
  { key: 'mounts', controls: MOUNTS, needs: 'mnt' },
  { key: 'namespaces', controls: NAMESPACES },
  { key: 'users', controls: USERS },
  { key: 'network', controls: NETWORK },
  { key: 'limits', controls: LIMITS },
  { key: 'security', controls: SECURITY },
];

/** Fields that get no control, each with the reason why that is right. They stay as they are. */
export const NOT_IN_FORM: Record<string, string> = {
  $schema: 'editors put it there for themselves',
};
