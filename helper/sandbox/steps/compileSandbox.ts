/**
 * From a plan to the syscall program. Three processes come of it: the one outside that waits (and dies with the helper), the
 * pid 1 that builds the root and then reaps, and the one that becomes the program. Before them comes a keeper when something of
 * the host is to be removed in the end and the one that waits has entered a user namespace, from which it could not.
 */

import { textOfTable } from '../../kernel/nftables.ts';
import { CLONE_FLAGS } from '../../kernel/nsfs.ts';
import { SIGKILL } from '../../kernel/numbers.ts';
import { addressText } from '../../kernel/rtnetlink.ts';
import { type Argument, integer, KILL_GROUP_SIGNAL, named, string, strings } from '../../launcher/program.ts';
import { type CompiledSteps, Steps } from '../../launcher/steps.ts';
import { KEEPER } from '../../proc/sandboxTitle.ts';
import { startClean } from '../../programs/cleanStart.ts';
import { becomeUser, beginSession, enter, FLAG_NAMES, loadFilter, setGroups, setLimits } from '../../programs/compile.ts';
import { own } from '../../programs/identity.ts';
import { withOwnFiles, writeOwn } from '../../programs/ownFiles.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { SandboxIdMapping } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { mapText } from '../idMaps/idMaps.ts';
import type { RootPlan } from '../plan/planRoot.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import type { RunningNote } from '../saved/runningNotes.ts';
import { awaitHelper } from './awaits.ts';
import { joinCgroups, type MadeCgroups, makeCgroups, removeCgroupsFinally } from './cgroupSteps.ts';
import { awaitVeth, bringUp, closeSockets, makeVeth, type NetworkSockets, openSockets } from './networkSteps.ts';
import { buildRoot, changeRoot } from './rootSteps.ts';

export interface CompiledSandbox extends CompiledSteps {
  /** Index of the fork, of the step that splits pid 1 from the program, and of the fork of a keeper, if there are such. */
  fork: number;
  init?: number;
  keeper?: number;
}

/** Pipes of the helper. */
export interface CompileOptions {
  /** Where the wait status is written to. */
  statusPipe: number;
  /** Where it is told whether memory ran out. */
  memoryPipe: number;
  /** The socket that the table of nftables belongs to, if it could be made. */
  table?: number;
  /** That tells of cgroups, if it could be kept. */
  note?: RunningNote;
}

/** What the process outside enters or makes; the rest is for pid 1. */
const OUTSIDE: readonly NamespaceKind[] = ['user', 'pid', 'time'];

export function compileSandbox(plan: SandboxPlan, options: CompileOptions): CompiledSandbox {
  const { statusPipe } = options;
  const steps = new Steps();
  const status = steps.descriptor(statusPipe, 'pipe of the wait status');
  const { cgroups, root, keeper } = parent(steps, plan);
  const { init } = plan.spec.process;
  const fork = steps.count;
  steps.add({
    kind: 'fork',
    purpose: init ? said('startPid1') : said('startChild'),
    ...(init ? {} : { status }),
    ...(cgroups.unified === undefined ? {} : { cgroup: cgroups.unified }),
  });
  setUp(steps, plan, cgroups, root);
  const split = steps.count;
  if (init) steps.add({ kind: 'init', purpose: said('startChildAndStay'), status });
  becomeProgram(steps, plan);
  cleanUp(steps, plan, options);
  return {
    ...steps.compiled(() => listsOf(plan)),
    fork,
    ...(init ? { init: split } : {}),
    ...(keeper === undefined ? {} : { keeper }),
  };
}

function listsOf({ spec, environment }: SandboxPlan): Record<string, unknown> {
  const { mounts, maskedPaths, readonlyPaths, hosts, process } = spec;
  return {
    mounts,
    maskedPaths,
    readonlyPaths,
    hosts,
    'root.programs': spec.root.type === 'programs' ? spec.root.programs : undefined,
    'process.args': process.args,
    'process.env': environment.entries().map(String),
  };
}

/** By the process outside, in the end: what would outlive all processes and namespaces. Only that process keeps descriptors until then. */
function cleanUp(steps: Steps, plan: SandboxPlan, { memoryPipe, table, note }: CompileOptions): void {
  if (plan.cgroups.length === 0 && table === undefined) return;
  steps.add({ kind: 'finally', purpose: said('leaveNothingBehind') });
  removeCgroupsFinally(steps, plan.cgroups, steps.descriptor(memoryPipe, 'pipe of the end'), note);
  if (table === undefined || plan.veth?.rules === undefined) return;
  const rules = textOfTable(plan.veth.rules, addressText);
  const socket = steps.descriptor(table, 'socket of nftables');
  steps.call('close', [socket], said('letGoOfNftables', rules));
}

/** A forked child of it is in the new pid and time namespaces, and what it makes is owned by the new user namespace. */
function parent(steps: Steps, plan: SandboxPlan): { cgroups: MadeCgroups; root?: Argument; keeper?: number } {
  steps.call('setsid', [], said('leaveHelpersSession'));
  steps.call('prctl', [named('PR_SET_CHILD_SUBREAPER'), integer(1)], said('beParentOfLeftOvers'), {
    ignoreError: true,
  });
  startClean(steps, own().privileged);
  const cgroups = makeCgroups(steps, plan.cgroups, !staysItself(plan));
  const canCleanUp = own().privileged ? !hasUserNamespace(plan) : staysItself(plan);
  const keeper = plan.cgroups.length > 0 && !canCleanUp ? keep(steps, plan) : undefined;
  // Before a user namespace is entered that may have given up changing groups.
  if (plan.user.groups?.when === 'beforeUserNamespace') setGroups(steps, plan.user.groups.ids);
  for (const namespace of plan.joined) if (OUTSIDE.includes(namespace.kind)) enter(steps, namespace);
  if (own().privileged && plan.joined.some(({ kind }) => kind === 'user')) takeIds(steps, 0, 0, { ignoreError: true });
  const root = plan.idMaps === undefined ? undefined : makeUserNamespace(steps, plan);
  const kinds = OUTSIDE.filter((kind) => kind !== 'user' && plan.fresh.has(kind));
  unshare(steps, kinds);
  if (plan.spec.timeOffsets !== undefined) withFilesOf(steps, plan, () => setClocks(steps, plan));
  if (keeper !== undefined) steps.add({ kind: 'tether', signal: KILL_GROUP_SIGNAL, purpose: said('endWhenKeeperEnds') });
  else endWithHelper(steps, plan);
  return { cgroups, ...(root === undefined ? {} : { root }), ...(keeper === undefined ? {} : { keeper }) };
}

function hasUserNamespace({ idMaps, joined }: SandboxPlan): boolean {
  return idMaps !== undefined || joined.some(({ kind }) => kind === 'user');
}

/** Whether whoever waits is the helper's user on the host still, though it may be another one in its user namespace. */
function staysItself({ idMaps, joined }: SandboxPlan): boolean {
  if (joined.some(({ kind }) => kind === 'user')) return !own().privileged;
  return idMaps === undefined || lowest(idMaps.uid).hostID === own().uid;
}

function keep(steps: Steps, plan: SandboxPlan): number {
  endWithHelper(steps, plan);
  steps.add({ kind: 'fork', purpose: said('stayOutsideOfUserNamespace'), keeper: KEEPER });
  return steps.count - 1;
}

function endWithHelper(steps: Steps, { spec }: SandboxPlan): void {
  if (!spec.persistent) steps.add({ kind: 'tether', signal: KILL_GROUP_SIGNAL, purpose: said('endWhenHelperEnds') });
}

function withFilesOf(steps: Steps, plan: SandboxPlan, write: () => void): void {
  withOwnFiles(steps, plan.spec.namespaces.user !== 'host' || !own().privileged, write);
}

/** Results in the root that the helper hands over, if it mounts that. */
function makeUserNamespace(steps: Steps, plan: SandboxPlan): Argument | undefined {
  const { uid, gid, writtenBy } = plan.idMaps!;
  let root: Argument | undefined;
  unshare(steps, ['user']);
  if (writtenBy === 'helper') {
    const mapped = plan.trees.filter((tree) => tree.mapped !== undefined);
    const writing = said('letHelperWriteIdMaps');
    const owners = mapped.map(({ path }) => path);
    const mapping = owners.length === 0 ? writing : said('andMapOwners', writing, owners);
    const handedOver = awaitHelper(steps, 'idMaps', withMountingOf(plan.root, mapping));
    if (plan.root.type === 'overlay' && plan.root.mapped) root = handedOver;
  } else {
    withFilesOf(steps, plan, () => {
      if (writtenBy === 'newuidmap') {
        awaitHelper(steps, 'idMaps', said('letToolsWriteIdMaps'));
        return;
      }
      writeOwn(steps, 'setgroups', 'deny', said('giveUpChangingGroups'));
      writeOwn(steps, 'uid_map', mapText(uid), said('mapUserId'));
      writeOwn(steps, 'gid_map', mapText(gid), said('mapGroupId'));
    });
  }
  if (writtenBy === 'self') return root;
  setGroups(steps, []);
  takeIds(steps, lowest(uid).containerID, lowest(gid).containerID, { keepsSaved: joinsAsItself(plan) });
  return root;
}

/** Of the id that the process takes. */
function lowest(mappings: readonly SandboxIdMapping[]): SandboxIdMapping {
  return mappings.reduce((one, other) => (other.containerID < one.containerID ? other : one));
}

function withMountingOf(root: RootPlan, purpose: Said): Said {
  if (root.type !== 'overlay' || !root.mapped || !Array.isArray(root.lowers)) return purpose;
  return said('andMountOverlay', purpose, root.lowers);
}

/** Files that belong to an id without a mapping cannot be made in file systems of the user namespace (EOVERFLOW). */
function takeIds(
  steps: Steps,
  uid: number,
  gid: number,
  { keepsSaved = false, ...flags }: { ignoreError?: boolean; keepsSaved?: boolean } = {},
): void {
  const [user, group] = [integer(uid), integer(gid)];
  steps.call('setresgid', [group, group, group], said('takeGroupId'), flags);
  steps.call('setresuid', [user, user, keepsSaved ? integer(-1) : user], said('takeUserId'), flags);
}

/**
 * A file of v1 lets only a process in that is of the user who opened it, by its own id or by its saved one (__cgroup1_procs_write() in
 * kernel/cgroup/cgroup-v1.c): the saved one stays until then.
 */
function joinsAsItself(plan: SandboxPlan): boolean {
  return !own().privileged && !staysItself(plan) && plan.cgroups.some(({ version }) => version === 1);
}

function unshare(steps: Steps, kinds: readonly NamespaceKind[]): void {
  if (kinds.length === 0) return;
  const flags = kinds.reduce((all, kind) => all | CLONE_FLAGS[kind], 0);
  const text = kinds.map((kind) => FLAG_NAMES[kind]).join('|');
  steps.call('unshare', [integer(flags, text)], said('makeNewNamespace', kinds));
}

function setClocks(steps: Steps, { spec }: SandboxPlan): void {
  for (const clock of ['monotonic', 'boottime'] as const) {
    const seconds = spec.timeOffsets?.[clock];
    if (seconds !== undefined) writeOwn(steps, 'timens_offsets', `${clock} ${seconds} 0\n`, said('setClock', clock));
  }
}

/** Of pid 1, or of the program itself when there is no init: everything that needs privilege. */
function setUp(steps: Steps, plan: SandboxPlan, cgroups: MadeCgroups, mounted: Argument | undefined): void {
  const { spec } = plan;
  steps.add({ kind: 'tether', signal: SIGKILL, purpose: said('endWhenParentEnds') });
  joinCgroups(steps, cgroups);
  if (joinsAsItself(plan)) {
    const user = integer(lowest(plan.idMaps!.uid).containerID);
    steps.call('setresuid', [user, user, user], said('giveUpHelpersUserId'));
  }
  const joined = plan.joined.filter(({ kind }) => !OUTSIDE.includes(kind));
  for (const namespace of joined) if (namespace.kind !== 'mnt') enter(steps, namespace);
  const host = openHost(steps, plan);
  unshare(
    steps,
    [...plan.fresh].filter((kind) => !OUTSIDE.includes(kind)),
  );
  for (const namespace of joined) if (namespace.kind === 'mnt') enter(steps, namespace);
  if (spec.hostname !== undefined && plan.fresh.has('uts')) {
    const length = integer(Buffer.byteLength(spec.hostname));
    steps.call('sethostname', [string(spec.hostname), length], said('setHostName'));
  }
  setUpNetwork(steps, plan, host);
  const root = buildRoot(steps, plan, mounted);
  changeRoot(steps, plan, root);
}

/** The host's end is set up through sockets that were opened before the new net namespace, and stay of the old one. */
function openHost(steps: Steps, { veth }: SandboxPlan): NetworkSockets | undefined {
  if (veth === undefined || veth.byHelper) return undefined;
  return openSockets(steps, veth.ipv6 !== undefined, said('holdHostsNetwork'));
}

function setUpNetwork(steps: Steps, plan: SandboxPlan, host: NetworkSockets | undefined): void {
  if (!plan.fresh.has('net') || plan.spec.network.type === 'none') return;
  const inside = openSockets(steps, plan.veth?.ipv6 !== undefined, said('setUpNetwork'));
  bringUp(steps, inside, 'lo');
  if (plan.veth?.byHelper) awaitVeth(steps, plan.veth, inside);
  if (plan.veth !== undefined && host !== undefined) {
    makeVeth(steps, plan.veth, host, inside);
    closeSockets(steps, host);
  }
  closeSockets(steps, inside);
}

/** Of the last process: it gives up everything that the program is not to have, and becomes it. */
export function becomeProgram(steps: Steps, plan: SandboxPlan): void {
  const { spec, user } = plan;
  beginSession(steps, spec.process.terminal);
  const setAll = () => setLimits(steps, user.identity, { ignoreError: false });
  if (user.identity.oomScoreAdjustment === undefined) setAll();
  else withFilesOf(steps, plan, setAll);
  if (user.groups?.when === 'afterUserNamespace') setGroups(steps, user.groups.ids);
  if (plan.seccomp !== undefined && !spec.process.noNewPrivileges) loadFilter(steps, plan.seccomp);
  becomeUser(steps, user.identity);
  steps.call('chdir', [string(spec.process.cwd)], said('goToDirectory', spec.process.cwd));
  if (spec.process.noNewPrivileges) {
    const zero = integer(0);
    const option = named('PR_SET_NO_NEW_PRIVS');
    steps.call('prctl', [option, integer(1), zero, zero, zero], said('setNoNewPrivs'));
  }
  steps.add({ kind: 'tether', signal: SIGKILL, purpose: said('endWhenParentEnds') });
  if (plan.idle) steps.call('prctl', [named('PR_SET_DUMPABLE'), integer(1)], said('letUserEnter'));
  if (plan.seccomp !== undefined && spec.process.noNewPrivileges) loadFilter(steps, plan.seccomp);
  if (plan.idle) idle(steps);
  else execute(steps, plan);
}

/** Instead of a program: closes everything, which tells that all went well, and waits for a signal. */
function idle(steps: Steps): void {
  steps.call('close_range', [integer(0), integer(0xffff_ffff, '~0U'), integer(0)], said('closeEverything'), {
    announce: true,
  });
  const none = integer(0, 'NULL');
  steps.call('ppoll', [none, integer(0), none, none, integer(8)], said('waitForSignal'), { ignoreError: true });
}

function execute(steps: Steps, plan: SandboxPlan): void {
  const environment = strings(plan.environment.entries());
  plan.candidates.forEach((candidate, index) => {
    const isLast = index === plan.candidates.length - 1;
    steps.call('execve', [string(candidate.path), strings(candidate.arguments), environment], said('execute', candidate.path), {
      announce: true,
      ...(isLast ? {} : { ignoreError: true, reportResult: true }),
    });
  });
}
