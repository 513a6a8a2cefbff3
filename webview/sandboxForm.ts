/** From what the controls of the form hold to a specification, and back. Pure: no element is touched here. */
import type { SandboxNetwork, SandboxRoot, SandboxSpec } from '../helper/protocol/sandboxes.ts';

export const KINDS = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;
export type Kind = (typeof KINDS)[number];

/** What the controls hold: texts as they were typed. */
export interface FormState {
  name: string;
  root: SandboxRoot['type'] | 'docker' | 'podman';
  access: 'readOnly' | 'readWrite' | 'overlay';
  path: string;
  size: string;
  programs: string;
  changeRoot: 'pivot_root' | 'chroot';
  oldRoot: string;
  kinds: Kind[];
  hostname: string;
  network: SandboxNetwork['type'];
  nat: boolean;
  command: string;
  directory: string;
  environment: string;
  uid: string;
  capabilities: string;
  noNewPrivileges: boolean;
  seccomp: 'default' | 'unconfined';
  memory: string;
  cpus: string;
  processes: string;
  timeout: string;
  terminal: boolean;
  init: boolean;
  persistent: boolean;
}

/** How words of a line are told apart, and put together again. */
export interface Words {
  split(line: string): string[];
  join(words: readonly string[]): string;
}

const MICROS = 100_000;

/** What can be typed wrongly, by what its text is called: `mistake.cpus` says what to do. */
export type Mistakable =
  | 'name'
  | 'directory'
  | 'path'
  | 'size'
  | 'programs'
  | 'oldRoot'
  | 'hostname'
  | 'memory'
  | 'cpus'
  | 'processes'
  | 'timeout'
  | 'uid'
  | 'environment';

const SIZE = /^\d+[KMG]?$/i;
const WHOLE = /^\d+$/;

/** The controls whose text says nothing that a specification could. Whether the rest can be made the helper tells. */
export function mistakesOf(state: FormState, words: Words): Mistakable[] {
  const ownMounts = state.kinds.includes('mnt');
  const typed = (key: Mistakable) => state[key].trim();
  const wrong = (key: Mistakable, isRight: (text: string) => boolean, shown = true) =>
    shown && typed(key) !== '' && !isRight(typed(key)) ? [key] : [];
  const lacking = (key: Mistakable, shown: boolean) => (shown && typed(key) === '' ? [key] : []);
  const isPositive = (text: string) => Number(text) > 0 && Number.isFinite(Number(text));
  return [
    ...wrong('name', (text) => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(text)),
    ...wrong('directory', (text) => text.startsWith('/')),
    ...lacking('path', ownMounts && ['directory', 'image', 'docker', 'podman'].includes(state.root)),
    ...wrong('path', (text) => text.startsWith('/'), ownMounts && ['directory', 'image'].includes(state.root)),
    ...lacking('programs', ownMounts && state.root === 'programs'),
    ...wrong('size', (text) => SIZE.test(text), ownMounts && ['tmpfs', 'programs'].includes(state.root)),
    ...wrong('oldRoot', (text) => /^\/./.test(text), ownMounts && state.changeRoot === 'pivot_root'),
    ...wrong('hostname', (text) => /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(text)),
    ...wrong('memory', (text) => SIZE.test(text)),
    ...wrong('cpus', isPositive),
    ...wrong('processes', (text) => WHOLE.test(text) && Number(text) > 0),
    ...wrong('timeout', isPositive),
    ...wrong('uid', (text) => WHOLE.test(text)),
    ...wrong('environment', (text) => words.split(text).every((word) => /^[^=]+=/.test(word))),
  ];
}

/** The specification that says what differs from the defaults, and nothing else, of a state without mistakes. What cannot be made the helper refuses. */
export function specOf(state: FormState, words: Words): SandboxSpec {
  const spec: SandboxSpec = {};
  if (state.name.trim() !== '') spec.name = state.name.trim();
  const ownMounts = state.kinds.includes('mnt');
  if (ownMounts) spec.root = rootOf(state, words);
  if (ownMounts && state.changeRoot === 'chroot') spec.changeRoot = 'chroot';
  if (ownMounts && state.changeRoot === 'pivot_root' && state.oldRoot.trim() !== '') spec.oldRoot = state.oldRoot.trim();
  spec.namespaces = Object.fromEntries(KINDS.map((kind) => [kind, state.kinds.includes(kind) ? 'new' : 'host']));
  if (state.hostname.trim() !== '') spec.hostname = state.hostname.trim();
  if (state.kinds.includes('net')) spec.network = networkOf(state);
  const resources = resourcesOf(state);
  if (Object.keys(resources).length > 0) spec.resources = resources;
  if (state.seccomp !== 'default') spec.seccomp = state.seccomp;
  const process = processOf(state, words);
  if (Object.keys(process).length > 0) spec.process = process;
  if (state.persistent) spec.persistent = true;
  return spec;
}

function rootOf(state: FormState, words: Words): SandboxRoot {
  const size = state.size.trim() === '' ? {} : { size: state.size.trim() };
  switch (state.root) {
    case 'host':
      return { type: 'host', access: state.access };
    case 'directory':
      return { type: 'directory', path: state.path.trim(), access: state.access };
    case 'tmpfs':
      return { type: 'tmpfs', ...size };
    case 'programs':
      return { type: 'programs', programs: words.split(state.programs), ...size };
    case 'image':
      return { type: 'image', image: { format: 'tar', path: state.path.trim() } };
    case 'docker':
    case 'podman':
      return { type: 'image', image: { format: state.root, reference: state.path.trim() } };
  }
}

function networkOf({ network, nat }: FormState): SandboxNetwork {
  return network === 'veth' ? { type: 'veth', nat } : { type: network };
}

function resourcesOf({ memory, cpus, processes }: FormState): NonNullable<SandboxSpec['resources']> {
  return {
    ...(memory.trim() === '' ? {} : { memory: { limit: memory.trim() } }),
    ...(cpus.trim() === '' ? {} : { cpu: { quota: Math.round(Number(cpus) * MICROS), period: MICROS } }),
    ...(processes.trim() === '' ? {} : { pids: { limit: Number(processes) } }),
  };
}

function processOf(state: FormState, words: Words): NonNullable<SandboxSpec['process']> {
  const args = words.split(state.command);
  const environment = words.split(state.environment).map((one) => one.split(/=(.*)/s));
  const capabilities = words.split(state.capabilities.replaceAll(',', ' '));
  return {
    ...(args.length > 0 ? { args } : {}),
    ...(environment.length > 0 ? { env: Object.fromEntries(environment.map(([name, value]) => [name, value ?? ''])) } : {}),
    ...(state.directory.trim() === '' ? {} : { cwd: state.directory.trim() }),
    ...(state.uid.trim() === '' ? {} : { user: { uid: Number(state.uid) } }),
    ...(capabilities.length > 0 ? { capabilities } : {}),
    ...(state.noNewPrivileges ? {} : { noNewPrivileges: false }),
    ...(state.timeout.trim() === '' ? {} : { timeout: Number(state.timeout) }),
    ...(state.terminal ? {} : { terminal: false }),
    ...(state.init ? {} : { init: false }),
  };
}

/** The form for a specification. What the form has no control for is not in it. */
export function stateOf(spec: SandboxSpec, words: Words): FormState {
  const { process = {}, resources = {} } = spec;
  const root = spec.root ?? { type: 'host' };
  const quota = resources.cpu?.quota;
  return {
    name: spec.name ?? '',
    ...rootState(root, words),
    changeRoot: spec.changeRoot ?? 'pivot_root',
    oldRoot: spec.oldRoot ?? '',
    kinds: KINDS.filter((kind) => (spec.namespaces?.[kind] ?? (kind === 'time' || kind === 'user' ? 'host' : 'new')) === 'new'),
    hostname: spec.hostname ?? '',
    network: spec.network?.type ?? 'loopback',
    nat: spec.network?.type === 'veth' && spec.network.nat === true,
    command: words.join(process.args ?? []),
    directory: process.cwd ?? '',
    environment: words.join(Object.entries(process.env ?? {}).map(([name, value]) => `${name}=${value}`)),
    uid: process.user === undefined ? '' : String(process.user.uid),
    capabilities: Array.isArray(process.capabilities) ? process.capabilities.join(' ') : '',
    noNewPrivileges: process.noNewPrivileges ?? true,
    seccomp: spec.seccomp === 'unconfined' ? 'unconfined' : 'default',
    memory: String(resources.memory?.limit ?? ''),
    cpus: quota === undefined ? '' : String(quota / (resources.cpu?.period ?? MICROS)),
    processes: String(resources.pids?.limit ?? ''),
    timeout: String(process.timeout ?? ''),
    terminal: process.terminal ?? true,
    init: process.init ?? true,
    persistent: spec.persistent ?? false,
  };
}

function rootState(root: SandboxRoot, words: Words): Pick<FormState, 'root' | 'access' | 'path' | 'size' | 'programs'> {
  const state = { root: root.type, access: 'readOnly' as const, path: '', size: '', programs: '' };
  switch (root.type) {
    case 'host':
      return { ...state, access: root.access ?? 'readOnly' };
    case 'directory':
      return { ...state, access: root.access ?? 'readWrite', path: root.path };
    case 'tmpfs':
      return { ...state, size: String(root.size ?? '') };
    case 'programs':
      return { ...state, size: String(root.size ?? ''), programs: words.join(root.programs) };
    case 'image':
      return 'path' in root.image
        ? { ...state, path: root.image.path }
        : { ...state, root: root.image.format, path: root.image.reference };
  }
}
