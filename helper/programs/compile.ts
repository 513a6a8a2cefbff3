/** From a plan to the syscall program that the launcher executes, and that is shown to whoever asks what will happen. */

import type { CapabilityMasks } from '../host/engines/ociProcess.ts';
import { CLONE_FLAGS } from '../kernel/nsfs.ts';
import { _LINUX_CAPABILITY_VERSION_3, SIGKILL } from '../kernel/numbers.ts';
import { type Argument, bytes, filter, integer, KILL_GROUP_SIGNAL, named, string, strings } from '../launcher/program.ts';
import { type CompiledSteps, Steps } from '../launcher/steps.ts';
import { capabilityNames } from '../proc/capabilities.ts';
import { RESOURCE_NAMES } from '../proc/limits.ts';
import { english, said } from '../saying.ts';
import { startClean } from './cleanStart.ts';
import { entryOrder } from './entryOrder.ts';
import type { SeccompFilter } from './filters.ts';
import type { Identity } from './identity.ts';
import { own } from './identity.ts';
import { setLimit, writeOwn } from './ownFiles.ts';
import type { Plan } from './plan.ts';
import type { HeldNamespace } from './target.ts';

export interface Compiled extends CompiledSteps {
  dispose(): void;
}

export function compile(plan: Plan): Compiled {
  const { identity } = plan;
  const order = entryOrder(plan.target.namespaces, own().privileged);
  const steps = new Steps();
  const split = order.order.findIndex(({ kind }) => kind === 'pid') + 1;

  // In the parent, which stays outside: what a child cannot do for itself.
  steps.call('setsid', [], said('leaveHelpersSession'));
  steps.call('prctl', [named('PR_SET_CHILD_SUBREAPER'), integer(1)], said('beParentOfLeftOvers'), {
    ignoreError: true,
  });
  startClean(steps, own().privileged);
  for (const namespace of order.order.slice(0, split)) enter(steps, namespace);
  steps.add({ kind: 'tether', signal: KILL_GROUP_SIGNAL, purpose: said('endWhenHelperEnds') });
  const unified = plan.cgroups?.unified;
  steps.add({
    kind: 'fork',
    purpose: unified === undefined ? said('startChild') : said('startChildInCgroup', unified.path),
    ...(unified === undefined ? {} : { cgroup: steps.descriptor(unified.descriptor, unified.path) }),
  });

  // In the child: first what needs the privilege that is then given up.
  beginSession(steps, plan.terminal);
  setLimits(steps, identity, { ignoreError: true });
  if (identity.groups?.when === 'beforeUserNamespace') setGroups(steps, identity.groups.ids);
  for (const namespace of order.order.slice(split)) enter(steps, namespace);
  if (identity.groups?.when === 'afterUserNamespace') setGroups(steps, identity.groups.ids, identity.groups.mayFail);
  if (identity.label !== undefined) writeOwn(steps, identity.label.file, identity.label.text, said('takeSecurityLabel'));
  for (const { path, descriptor: tasks } of plan.cgroups?.tasks ?? []) {
    steps.call(
      'write',
      [steps.descriptor(tasks, path), string('0'), integer(1)],
      said('joinCgroup', path.slice(0, -'/tasks'.length)),
    );
  }
  changeRoot(steps, plan);
  const loadFilters = () => {
    for (const filter of plan.seccomp) loadFilter(steps, filter);
  };
  // Without no_new_privs only who has CAP_SYS_ADMIN may load one: seccomp(2). Else it comes last.
  if (!identity.noNewPrivileges) loadFilters();
  becomeUser(steps, identity);
  if (plan.directory !== undefined) steps.call('chdir', [string(plan.directory)], said('goToDirectory', plan.directory));
  if (identity.noNewPrivileges) {
    const zero = integer(0);
    steps.call('prctl', [named('PR_SET_NO_NEW_PRIVS'), integer(1), zero, zero, zero], said('setNoNewPrivs'));
  }
  steps.add({ kind: 'tether', signal: SIGKILL, purpose: said('endWhenParentEnds') });
  if (identity.noNewPrivileges) loadFilters();
  execute(steps, plan);
  return {
    ...steps.compiled(() => ({ command: plan.command, environment: plan.environment.entries().map(String) })),
    dispose: order.dispose,
  };
}

export const FLAG_NAMES = {
  user: 'CLONE_NEWUSER',
  mnt: 'CLONE_NEWNS',
  pid: 'CLONE_NEWPID',
  net: 'CLONE_NEWNET',
  ipc: 'CLONE_NEWIPC',
  uts: 'CLONE_NEWUTS',
  cgroup: 'CLONE_NEWCGROUP',
  time: 'CLONE_NEWTIME',
} as const;

export function enter(steps: Steps, { kind, name, descriptor: held }: HeldNamespace): void {
  steps.call(
    'setns',
    [steps.descriptor(held, name), integer(CLONE_FLAGS[kind], FLAG_NAMES[kind])],
    said('enterNamespace', kind),
  );
}

export function beginSession(steps: Steps, terminal: boolean): void {
  steps.call('setsid', [], said('beginSession'));
  if (terminal) {
    steps.call('ioctl', [integer(0), named('TIOCSCTTY'), integer(0)], said('makeControllingTerminal'));
  }
  // Otherwise keys of the helper's session could be read inside.
  const nameless = integer(0, 'NULL');
  steps.call('keyctl', [named('KEYCTL_JOIN_SESSION_KEYRING'), nameless], said('beginSessionKeyring'), {
    ignoreError: true,
  });
}

/** Raising some of these needs `CAP_SYS_RESOURCE`, which root in a container may lack; with `ignoreError` they stay as they are then. */
export function setLimits(steps: Steps, identity: Identity, flags: { ignoreError: boolean }): void {
  for (const limit of identity.limits) setLimit(steps, limit, said('takeLimit', RESOURCE_NAMES[limit.resource]!), flags);
  if (identity.oomScoreAdjustment !== undefined) {
    writeOwn(steps, 'oom_score_adj', identity.oomScoreAdjustment, said('takeOomScore'), flags);
  }
}

export function setGroups(steps: Steps, ids: number[], mayFail = false): void {
  const list = Buffer.alloc(ids.length * 4);
  ids.forEach((gid, index) => {
    list.writeUInt32LE(gid, index * 4);
  });
  const purpose = ids.length === 0 ? said('giveUpAllGroups') : said('takeGroups');
  const flags = mayFail ? { ignoreError: true } : {};
  steps.call('setgroups', [integer(ids.length), bytes(list, `[${ids.join(', ')}]`)], purpose, flags);
}

function changeRoot(steps: Steps, plan: Plan): void {
  if (plan.root !== undefined) {
    steps.call('fchdir', [steps.descriptor(plan.root.descriptor, plan.root.name)], said('goToRootOfProcess'));
    steps.call('chroot', [string('.')], said('makeItRootDirectory'));
  }
  if (plan.workingDirectory !== undefined) {
    const { descriptor: held, name } = plan.workingDirectory;
    steps.call('fchdir', [steps.descriptor(held, name)], said('goToWorkingDirectory'));
  } else {
    steps.call('chdir', [string('/')], said('goToRootDirectory'));
  }
}

export function becomeUser(steps: Steps, identity: Identity): void {
  const { uid, gid, capabilities } = identity;
  if (identity.umask !== undefined) {
    const text = `0${identity.umask.toString(8)}`;
    steps.call('umask', [integer(identity.umask, text)], said('takeUmask'));
  }
  for (const bit of bits(identity.droppedBounding)) {
    steps.call('prctl', [named('PR_CAPBSET_DROP'), capability(bit)], said('giveUpForGood', nameOf(bit)));
  }
  if (capabilities !== undefined) {
    steps.call('prctl', [named('PR_SET_KEEPCAPS'), integer(1)], said('keepCapabilities'));
  }
  if (gid !== undefined) steps.call('setresgid', [integer(gid), integer(gid), integer(gid)], said('becomeGroup', gid));
  if (uid !== undefined) steps.call('setresuid', [integer(uid), integer(uid), integer(uid)], said('becomeUser', uid));
  if (capabilities === undefined) return;
  setCapabilities(steps, capabilities);
  for (const bit of bits(capabilities.ambient)) {
    const raise = [named('PR_CAP_AMBIENT'), named('PR_CAP_AMBIENT_RAISE')];
    steps.call('prctl', [...raise, capability(bit), integer(0), integer(0)], said('keepThroughExecve', nameOf(bit)));
  }
}

/** capset(2): the low 32 bits of effective, permitted and inheritable, then the high ones. */
function setCapabilities(steps: Steps, { effective, permitted, inheritable }: CapabilityMasks): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(_LINUX_CAPABILITY_VERSION_3, 0);
  const data = Buffer.alloc(24);
  [effective, permitted, inheritable].forEach((mask, index) => {
    data.writeUInt32LE(Number(mask & 0xffff_ffffn), index * 4);
    data.writeUInt32LE(Number(mask >> 32n), 12 + index * 4);
  });
  const text = `{effective=${maskText(effective)}, permitted=${maskText(permitted)}, inheritable=${maskText(inheritable)}}`;
  const version = bytes(header, '{_LINUX_CAPABILITY_VERSION_3, 0}');
  steps.call('capset', [version, bytes(data, text)], said('takeCapabilities'));
}

/** The numbers of the bits that are set, lowest first. */
function bits(mask: bigint): number[] {
  const set: number[] = [];
  const text = mask.toString(2);
  for (let bit = 0; bit < text.length; bit += 1) if (text[text.length - 1 - bit] === '1') set.push(bit);
  return set;
}

const capabilityName: string[] = [];

function nameOf(bit: number): string {
  capabilityName[bit] ??= capabilityNames(1n << BigInt(bit))[0]!;
  return capabilityName[bit];
}

function capability(bit: number): Argument {
  return integer(bit, nameOf(bit));
}

function maskText(mask: bigint): string {
  return `0x${mask.toString(16)}`;
}

export function loadFilter(steps: Steps, { instructions, name, flags }: SeccompFilter): void {
  const program = filter(instructions, `{len=${instructions.length / 8}, filter=/* ${english(name)} */}`);
  const operation = named('SECCOMP_SET_MODE_FILTER');
  steps.call('seccomp', [operation, integer(flags?.value ?? 0, flags?.text), program], said('loadSeccompFilter', name));
}

/** As execvp(3) does it: every place in turn, until one has the program. */
function execute(steps: Steps, plan: Plan): void {
  const environment = strings(plan.environment.entries());
  plan.candidates.forEach((candidate, index) => {
    const last = index === plan.candidates.length - 1;
    steps.call('execve', [string(candidate.path), strings(candidate.arguments), environment], said('execute', candidate.path), {
      announce: true,
      ...(last ? {} : { ignoreError: true, reportResult: true }),
    });
  });
}
