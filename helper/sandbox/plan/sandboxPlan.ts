/** From a specification to a plan: every default filled in, everything checked that can be checked before anything is made. */
import path from 'node:path';
import { Failure, type FieldPath, inField, inFieldLater } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { capabilityNames } from '../../proc/capabilities.ts';
import { DEFAULT_PATH, Environment } from '../../programs/environment.ts';
import type { SeccompFilter } from '../../programs/filters.ts';
import { own } from '../../programs/identity.ts';
import { type Candidate, inPath, SHELLS } from '../../programs/plan.ts';
import { type HeldNamespace, HeldProcess, isOwnNamespace, type OpenNamespace } from '../../programs/target.ts';
import { NAMESPACE_KINDS } from '../../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { NamespaceChoice, SandboxSpec } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { IdMaps } from '../idMaps/idMaps.ts';
import type { ImageFiles } from '../images/imageDescription.ts';
import { cgroupsOfRunning, type PlannedCgroup, planCgroups } from '../limits/sandboxCgroup.ts';
import { planVeth, resolveVeth, type VethPlan } from '../network/sandboxNetwork.ts';
import { compileSeccomp } from '../seccomp/seccomp.ts';
import { defaultSeccompProfile } from '../seccomp/seccompDefault.ts';
import { givenFilter } from '../seccomp/seccompProfile.ts';
import { withAbsolutePaths } from '../specification/specPaths.ts';
import { type FilesFound, type FindFiles, findFiles, findIdMaps, freshKinds } from './findFiles.ts';
import { boundingOf, type UserPlan } from './planUser.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

/** `spec` has every default filled in. */
export interface SandboxPlan extends Omit<FilesFound, 'leaving' | 'weaknesses'> {
  id: string;
  /** Kinds to be made, and namespaces to be joined. Of every other kind it has the host's. */
  fresh: ReadonlySet<NamespaceKind>;
  joined: HeldNamespace[];
  cgroups: PlannedCgroup[];
  veth?: VethPlan;
  seccomp?: SeccompFilter;
  environment: Environment;
  candidates: Candidate[];
  /** Nothing runs in it by itself: it waits to be entered. */
  idle: boolean;
  /** The command as asked for; of a shell the first that is looked for. */
  command: string[];
  shell: boolean;
  /** Of the notes, those by which it protects less than the sandbox of an empty specification. */
  weaker: Said[];
  dispose(): void;
}

/** What a plan needs to know of the helper. */
export interface PlanContext {
  /** The id that the sandbox has, or would have. */
  id: string;
  /** What relative paths begin at. */
  directory?: string;
  openNamespace: OpenNamespace;
  /** Its first process, when it runs already. */
  running?: ProcessRef;
  /** The image that the root is, when it is one. */
  image?: ImageFiles;
  /** Addresses that other sandboxes have. */
  addresses: () => string[];
  /** The process of a running sandbox, by its id or name. Rejects with a `Failure`. */
  sandboxProcess: (name: string) => Promise<ProcessRef>;
  /** A name that no other sandbox has, like this one. Rejects with a `Failure`. */
  freeName: (wish: string) => Promise<string>;
}

const MAX_FILTERS = 16;
const DEFAULT_NAME = said(process.arch === 'x64' ? 'defaultProfile' : 'defaultProfileFor64');

const FRESH_BY_DEFAULT: readonly NamespaceKind[] = ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];

/**
 * Rejects with a `Failure`, which names the field, and holds nothing when it could not be made as specified. `find` looks at the files of the host, which may not
 * answer: by default a reader thread does.
 */
export async function makeSandboxPlan(
  given: SandboxSpec,
  context: PlanContext,
  find: FindFiles = findFiles,
): Promise<SandboxPlan> {
  const disposables: (() => void)[] = [];
  const dispose = () => {
    for (const disposeOne of disposables.splice(0)) disposeOne();
  };
  const { id, directory, image, running } = context;
  try {
    const whole = withProcessOfImage(withAbsolutePaths(given, directory), image);
    const name = await inFieldLater(['name'], () => context.freeName(whole.name ?? nameFor(whole)));
    const asked = withDefaults(whole, name);
    checkCombination(asked, given);
    const { network } = asked;
    if (network.type === 'veth') asked.network = inField(['network'], () => resolveVeth(network, id, context.addresses()));
    const joined = await joinNamespaces(asked, context, disposables);
    const bounding = inField(['process'], () => boundingOf(asked));
    const finding = find({
      spec: asked,
      given,
      ...(directory === undefined ? {} : { directory }),
      ...(image === undefined ? {} : { image }),
      joined: joined.map(({ name }) => ({ name })),
      isRunning: running !== undefined,
    });
    // Meanwhile: a thread may have to be started for it.
    if (asked.seccomp === 'default') defaultFilter(bounding);
    const { found, descriptors } = await finding;
    disposables.push(() => {
      for (const descriptor of descriptors) close(descriptor);
    });
    const { spec, user, notes, leaving, weaknesses, ...files } = found;
    const environment = environmentOf(spec, user);
    const candidates =
      spec.process.args === undefined
        ? SHELLS.flatMap((shell) => inPath(environment, [shell]))
        : inPath(environment, spec.process.args);
    const seccomp = seccompOf(spec, bounding, notes);
    const veth = inField(['network'], () =>
      spec.network.type === 'veth' ? planVeth(spec.network, id, spec.namespaces.user !== 'host', disposables) : undefined,
    );
    return {
      ...files,
      id,
      spec,
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(veth === undefined ? {} : { veth }),
      fresh: freshKinds(spec),
      joined,
      cgroups: cgroupsOf(spec, context, files.devices),
      user,
      environment,
      candidates,
      command: spec.process.args ?? candidates[0]!.arguments,
      shell: spec.process.args === undefined,
      idle: spec.persistent && spec.process.args === undefined,
      notes: [...notes, ...weaknesses.map(({ text }) => text)],
      weaker: [...leaving, ...weaknesses.flatMap(({ text, ofDefault }) => (ofDefault ? [] : [text]))],
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function cgroupsOf(
  { resources }: ResolvedSpec,
  { id, running }: PlanContext,
  devices: SandboxPlan['devices'],
): PlannedCgroup[] {
  if (resources === undefined) return [];
  return running === undefined
    ? inField(['resources'], () => planCgroups(resources, id, devices))
    : cgroupsOfRunning(running, id);
}

function invalid(field: FieldPath, text: Said, hint?: Said): Failure {
  return new Failure('invalid', text, { field: [...field], ...(hint === undefined ? {} : { hint }) });
}

/** Those of the new user namespace that this makes, if it does. Rejects with a `Failure`. */
export async function idMapsFor(spec: SandboxSpec): Promise<IdMaps | undefined> {
  const choice = spec.namespaces?.user ?? defaultChoice('user', spec);
  return choice === 'new' ? findIdMaps(spec.idMappings ?? 'root') : undefined;
}

/** What an image says about its process counts where the specification says nothing. */
function withProcessOfImage(given: SandboxSpec, image: ImageFiles | undefined): SandboxSpec {
  if (image === undefined) return given;
  const { args, env, cwd } = image.process;
  return {
    ...given,
    process: {
      ...(args === undefined ? {} : { args }),
      ...(cwd === undefined ? {} : { cwd }),
      ...given.process,
      env: { ...env, ...given.process?.env },
    },
  };
}

function withDefaults(given: SandboxSpec, name: string): ResolvedSpec {
  const root = given.root ?? { type: 'host' };
  const namespaces = Object.fromEntries(
    NAMESPACE_KINDS.map((kind) => [kind, given.namespaces?.[kind] ?? defaultChoice(kind, given)]),
  ) as Record<NamespaceKind, NamespaceChoice>;
  const ownMounts = namespaces.mnt === 'new';
  const spec: ResolvedSpec = {
    ...given,
    name,
    root: root.type === 'host' || root.type === 'directory' ? { access: defaultAccess(root.type, ownMounts), ...root } : root,
    changeRoot: given.changeRoot ?? (ownMounts ? 'pivot_root' : 'chroot'),
    namespaces,
    proc: given.proc ?? (ownMounts && namespaces.pid !== 'host' ? 'own' : 'none'),
    dev: given.dev ?? (ownMounts ? 'minimal' : 'none'),
    mounts: given.mounts ?? [],
    systemPaths: given.systemPaths ?? 'default',
    maskedPaths: given.maskedPaths ?? [],
    readonlyPaths: given.readonlyPaths ?? [],
    network: given.network ?? { type: namespaces.net === 'new' ? 'loopback' : 'host' },
    seccomp: given.seccomp ?? 'default',
    persistent: given.persistent ?? false,
    process: processWithDefaults(given, namespaces),
  };
  if (namespaces.uts === 'new') spec.hostname = given.hostname ?? spec.name.replaceAll('_', '-');
  return spec;
}

function processWithDefaults(
  { process = {}, persistent }: SandboxSpec,
  namespaces: ResolvedSpec['namespaces'],
): ResolvedSpec['process'] {
  return {
    ...process,
    env: process.env ?? {},
    cwd: process.cwd ?? '/',
    // The terminal of the helper ends with the helper.
    terminal: process.terminal ?? persistent !== true,
    noNewPrivileges: process.noNewPrivileges ?? true,
    init: process.init ?? namespaces.pid === 'new',
  };
}

function defaultChoice(kind: NamespaceKind, given: SandboxSpec): NamespaceChoice {
  if (kind === 'net' && given.network?.type === 'host') return 'host';
  if (kind === 'user') return own().privileged && given.idMappings === undefined ? 'host' : 'new';
  if (kind === 'time') return given.timeOffsets === undefined ? 'host' : 'new';
  return FRESH_BY_DEFAULT.includes(kind) ? 'new' : 'host';
}

/** Without mounts of its own the host's root cannot be made read-only. */
function defaultAccess(type: 'host' | 'directory', ownMounts: boolean): 'readOnly' | 'readWrite' {
  return type === 'host' && ownMounts ? 'readOnly' : 'readWrite';
}

function nameFor({ root, process }: SandboxSpec): string {
  const of = root === undefined ? 'host' : root.type === 'directory' ? path.basename(root.path) : root.type;
  const program = path.basename(process?.args?.[0] ?? 'sh');
  return (
    `${of}-${program}`
      .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 48) || 'sandbox'
  );
}

/** What contradicts itself is refused with the field's name, and never silently done otherwise. */
function checkCombination(spec: ResolvedSpec, given: SandboxSpec): void {
  const { namespaces, root } = spec;
  checkNewNamespaces(spec, given);
  if (spec.network.type === 'host' && namespaces.net === 'new') {
    throw invalid(['network', 'type'], said('networkContradicts'), said('chooseNetworkOrHost'));
  }
  if (spec.persistent) checkPersistence(spec);
  checkOldRoot(spec);
  if (spec.proc === 'own' && namespaces.pid === 'host') {
    throw invalid(['proc'], said('ownProcNeedsPid'), said('setProcOrPid'));
  }
  if (typeof namespaces.mnt === 'object' && root.type !== 'host') {
    throw invalid(['root'], said('rootOfJoinedMnt'), said('leaveRootOut'));
  }
  if ('upper' in root && root.upper !== undefined && 'access' in root && root.access !== 'overlay') {
    throw invalid(['root', 'upper'], said('upperNeedsOverlay'));
  }
  if (!own().privileged && namespaces.user === 'host' && Object.values(namespaces).includes('new')) {
    throw new Failure('permission', said('needsUserNamespace'), {
      field: ['namespaces', 'user'],
      hint: said('newUserOrRestartAsRoot'),
    });
  }
}

/** What is asked for may need a namespace of its own. */
function checkNewNamespaces(spec: ResolvedSpec, given: SandboxSpec): void {
  const { namespaces, root } = spec;
  const needs = (asked: boolean, kind: NamespaceKind, name: string, value?: string, field: FieldPath = name.split('.')) => {
    if (!asked || namespaces[kind] === 'new') return;
    const told = value === undefined ? name : `${name}: ${value}`;
    const message = said('needsNewNamespace', told, kind);
    throw invalid(field, message, said('setNamespaceOrLeaveOut', kind, told));
  };
  needs((given.mounts ?? []).length > 0, 'mnt', 'mounts');
  needs(given.proc === 'own', 'mnt', 'proc');
  needs((given.dev ?? 'none') !== 'none', 'mnt', 'dev');
  needs((given.maskedPaths ?? []).length > 0, 'mnt', 'maskedPaths');
  needs((given.readonlyPaths ?? []).length > 0, 'mnt', 'readonlyPaths');
  needs(given.systemPaths === 'default', 'mnt', 'systemPaths', 'default');
  needs(given.changeRoot === 'pivot_root', 'mnt', 'changeRoot', 'pivot_root');
  needs(!['host', 'directory'].includes(root.type), 'mnt', 'root.type', root.type);
  needs('access' in root && root.access !== 'readWrite', 'mnt', 'root.access');
  needs(given.hostname !== undefined, 'uts', 'hostname');
  needs(given.timeOffsets !== undefined, 'time', 'timeOffsets');
  needs(given.idMappings !== undefined, 'user', 'idMappings');
  needs('idmap' in root && root.idmap === true, 'user', 'root.idmap');
  for (const [index, { options = [] }] of spec.mounts.entries()) {
    const which = options.findIndex((option) => /^r?idmap$/.test(option));
    needs(which >= 0, 'user', 'idmap', undefined, ['mounts', index, 'options', which]);
  }
  needs('idmap' in root && root.idmap === true, 'mnt', 'root.idmap');
  needs(spec.network.type !== 'host', 'net', 'network');
  needs(given.hosts !== undefined, 'mnt', 'hosts');
  needs(given.process?.init === true, 'pid', 'process.init');
}

function checkOldRoot({ oldRoot, changeRoot }: ResolvedSpec): void {
  if (oldRoot === undefined) return;
  if (changeRoot !== 'pivot_root') {
    throw invalid(['oldRoot'], said('oldRootNeedsPivot'));
  }
  if (path.normalize(oldRoot) === '/') throw invalid(['oldRoot'], said('oldRootCannotBeRoot'));
}

/** What lives in the helper cannot outlive it. */
function checkPersistence({ process, namespaces, network }: ResolvedSpec): void {
  if (process.terminal) {
    throw invalid(['process', 'terminal'], said('persistentHasNoTerminal'), said('setTerminalFalse'));
  }
  const needsInit = said('persistentNeedsPidNamespace');
  if (namespaces.pid !== 'new') throw invalid(['namespaces', 'pid'], needsInit);
  if (!process.init) throw invalid(['process', 'init'], needsInit);
  if (process.timeout !== undefined) throw invalid(['process', 'timeout'], said('timeoutNeedsHelper'));
  if (network.type === 'veth' && (network.ports ?? []).length > 0) {
    throw invalid(['network', 'ports'], said('portsNeedHelper'));
  }
}

async function joinNamespaces(spec: ResolvedSpec, context: PlanContext, disposables: (() => void)[]): Promise<HeldNamespace[]> {
  const held: HeldNamespace[] = [];
  const processes = new Map<string, HeldProcess>();
  const processOf = (ref: ProcessRef): HeldProcess => {
    const key = `${ref.pid} ${ref.startTime}`;
    const known = processes.get(key);
    if (known !== undefined) return known;
    const opened = new HeldProcess(ref);
    disposables.push(() => opened.dispose());
    processes.set(key, opened);
    return opened;
  };
  const join = async (kind: NamespaceKind, choice: Exclude<NamespaceChoice, string>): Promise<HeldNamespace> => {
    if ('namespace' in choice) {
      if (choice.namespace.kind !== kind)
        throw invalid(['namespace', 'kind'], said('namespaceOfOtherKind', kind, choice.namespace.kind));
      const descriptor = context.openNamespace(choice.namespace);
      disposables.push(() => close(descriptor));
      return { kind, name: `${kind}:[${choice.namespace.ino}]`, descriptor };
    }
    const ref = 'process' in choice ? choice.process : await context.sandboxProcess(choice.sandbox);
    const descriptor = processOf(ref).open(`ns/${kind}`, 0, said('theNamespace', kind));
    return { kind, name: `/proc/${ref.pid}/ns/${kind}`, descriptor };
  };
  for (const kind of NAMESPACE_KINDS) {
    const choice = spec.namespaces[kind];
    if (typeof choice !== 'string') held.push(await inFieldLater(['namespaces', kind], () => join(kind, choice)));
  }
  inField(['namespaces'], () => {
    for (const process of processes.values()) process.check();
  });
  return held.filter(({ kind, descriptor }) => !isOwnNamespace(kind, descriptor));
}

/** By the bounding set that it is for: compiling one takes longer than all the rest of a plan. */
const defaultFilters = new Map<bigint, Buffer>();

function seccompOf({ seccomp }: ResolvedSpec, bounding: bigint, notes: Said[]): SeccompFilter | undefined {
  if (seccomp === 'unconfined') return undefined;
  if (seccomp !== 'default') return inField(['seccomp'], () => givenFilter(seccomp, notes));
  return { instructions: defaultFilter(bounding), name: DEFAULT_NAME };
}

function defaultFilter(bounding: bigint): Buffer {
  let instructions = defaultFilters.get(bounding);
  if (instructions === undefined) {
    instructions = compileSeccomp(defaultSeccompProfile(capabilityNames(bounding)));
    // There are few sets in use, and as many possible ones as one likes.
    if (defaultFilters.size >= MAX_FILTERS) defaultFilters.clear();
    defaultFilters.set(bounding, instructions);
  }
  return instructions;
}

function environmentOf(spec: ResolvedSpec, user: UserPlan): Environment {
  const environment = new Environment();
  environment.set('PATH', DEFAULT_PATH);
  environment.set('HOME', user.identity.uid === 0 ? '/root' : '/');
  if (spec.process.terminal) environment.set('TERM', 'xterm-256color');
  for (const [name, value] of Object.entries(spec.process.env)) environment.set(name, value);
  return environment;
}
