/** What unshare(1), bwrap(1) and runc(8) would be told to make something similar, and in what it would differ. */

import { MOUNT_ATTR_RDONLY } from '../../kernel/numbers.ts';
import { shellText, shellWord } from '../../launcher/text.ts';
import { append } from '../../lists.ts';
import { own } from '../../programs/identity.ts';
import { NAMESPACE_OPTIONS } from '../../protocol/namespaceKinds.ts';
import type { SandboxEquivalent } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { Option } from '../plan/plannedMounts.ts';
import type { RootPlan } from '../plan/planRoot.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import { runcOf } from './ociBundle.ts';

const BWRAP_KINDS = ['user', 'ipc', 'pid', 'net', 'uts', 'cgroup'] as const;

export function equivalents(plan: SandboxPlan): SandboxEquivalent[] {
  const own = plan.joined.length > 0 ? [] : [unshareOf(plan), bwrapOf(plan)];
  return [...own, runcOf(plan)].filter((equivalent) => equivalent !== undefined);
}

/** unshare(1) builds no root: it takes a directory, or a tmpfs is made by hand whose old root stays reachable. */
function unshareOf(plan: SandboxPlan): SandboxEquivalent | undefined {
  const { spec, root } = plan;
  if (root.type === 'overlay') return undefined;
  if (root.type === 'tmpfs' && (root.files !== undefined || spec.oldRoot === undefined)) return undefined;
  const words = root.type === 'tmpfs' ? ['--', 'sh', '-c', shellText(inTmpfs(plan, root.options))] : inDirectory(plan);
  return { tool: 'unshare', command: [...unshareWords(plan), ...words].join(' '), differences: unshareDifferences(plan) };
}

/** With the namespaces that it makes. */
function unshareWords({ spec, fresh }: SandboxPlan): string[] {
  const words = [own().uid === 0 || fresh.has('user') ? 'unshare' : 'sudo unshare'];
  for (const kind of fresh) words.push(NAMESPACE_OPTIONS[kind]);
  if (fresh.has('pid')) words.push('--fork', '--kill-child');
  if (fresh.has('user')) words.push(spec.idMappings === 'user' ? '--map-current-user' : '--map-root-user');
  return words;
}

/** What a shell is told: to make the root, too. */
function inTmpfs(plan: SandboxPlan, mountOptions: readonly Option[]): string {
  const options = mountOptions.map((option) => option.join('=')).join(',');
  const old = shellWord((plan.spec.oldRoot ?? '').replace(/^\//, ''));
  return `mount -t tmpfs -o ${options} none /mnt && cd /mnt && mkdir -p ${old} && pivot_root . ${old} && cd / && exec ${commandOf(plan)}`;
}

function inDirectory(plan: SandboxPlan): string[] {
  const path = rootPathOf(plan);
  return [
    ...(path === undefined || path === '/' ? [] : [`--root=${shellWord(path)}`]),
    ...(plan.spec.proc === 'own' ? ['--mount-proc'] : []),
    '--',
    commandOf(plan),
  ];
}

function unshareDifferences(plan: SandboxPlan): Said[] {
  const { spec, fresh, root, mounts } = plan;
  return thoseThatHold([
    [true, said('unshareKeepsMuch')],
    [mounts.some(({ place }) => place.destination !== '/proc'), said('unshareMountsOnlyProc')],
    [fresh.has('uts'), said('setsNoHostName')],
    [fresh.has('net') && spec.network.type === 'loopback', said('loStaysDown')],
    [(rootPathOf(plan) ?? '/') !== '/', said('usesChrootNotPivotRoot')],
    [root.type === 'bind' && root.readOnly, said('rootStaysWritable')],
  ]);
}

function thoseThatHold(differences: readonly [holds: boolean, text: Said][]): Said[] {
  return differences.flatMap(([holds, text]) => (holds ? [text] : []));
}

function rootPathOf({ root }: SandboxPlan): string | undefined {
  return root.type === 'bind' || root.type === 'asItIs' ? root.path : undefined;
}

function commandOf({ command, spec }: SandboxPlan): string {
  const words = command.map(shellText).join(' ');
  return spec.process.cwd === '/' ? words : `env -C ${shellWord(spec.process.cwd)} ${words}`;
}

/** bwrap always has a mount namespace and pivot_root. */
function bwrapOf(plan: SandboxPlan): SandboxEquivalent | undefined {
  const { spec, fresh, root } = plan;
  if (!fresh.has('mnt') || spec.changeRoot === 'chroot' || spec.oldRoot !== undefined) return undefined;
  // Layers that are unpacked have no name that another could be told.
  if (root.type === 'overlay' && !Array.isArray(root.lowers)) return undefined;
  const words = ['bwrap'];
  for (const kind of BWRAP_KINDS) if (fresh.has(kind)) words.push(`--unshare-${kind}`);
  if (fresh.has('uts') && spec.hostname !== undefined) words.push('--hostname', shellWord(spec.hostname));
  append(words, bwrapRoot(root));
  for (const mount of plan.mounts) append(words, bwrapMount(mount));
  words.push('--chdir', shellWord(spec.process.cwd), '--clearenv');
  for (const entry of plan.environment.entries()) {
    const [name = '', ...value] = entry.toString('utf8').split('=');
    words.push('--setenv', shellText(name), shellText(value.join('=')));
  }
  if (plan.user.identity.capabilities.permitted === 0n) words.push('--cap-drop', 'ALL');
  append(words, ['--die-with-parent', '--new-session', '--', ...plan.command.map(shellText)]);
  return { tool: 'bwrap', command: words.join(' '), differences: bwrapDifferences(plan) };
}

function bwrapDifferences({ spec, fresh, root, mounts, trees }: SandboxPlan): Said[] {
  const isOverlay = root.type === 'overlay';
  return thoseThatHold([
    [true, said('bwrapLoadsNoSeccompFilterOwn')],
    [mounts.some(({ what }) => what === 'content'), said('filesOfNamesAreRoots')],
    [trees.some((tree) => tree.mapped !== undefined), said('mapsNoOwnersFiles')],
    [isOverlay && root.mapped === true, said('imageFilesBelongToNobody')],
    [fresh.has('time'), said('makesNoTimeNamespace')],
    [fresh.has('net') && spec.network.type === 'none', said('bringsUpLo')],
    [isOverlay, said('needsBubblewrap011ForOverlay')],
    [isOverlay && root.upper !== undefined, said('changesAreThrownAway')],
  ]);
}

function bwrapRoot(root: RootPlan): string[] {
  if (root.type === 'bind') return [root.readOnly ? '--ro-bind' : '--bind', shellWord(root.path), '/'];
  if (root.type !== 'overlay') return [];
  const lowers = Array.isArray(root.lowers) ? root.lowers.toReversed() : [];
  return [...lowers.flatMap((lower) => ['--overlay-src', shellWord(lower)]), '--tmp-overlay', '/'];
}

function bwrapMount(mount: SandboxPlan['mounts'][number]): string[] {
  const at = shellWord(mount.place.destination);
  if (mount.what === 'bind') {
    if (/^\/(dev|proc|sys)\//.test(mount.place.destination)) return [];
    return [(mount.set & MOUNT_ATTR_RDONLY) === 0 ? '--bind' : '--ro-bind', shellWord(mount.source), at];
  }
  if (mount.what === 'copy') return ['--ro-bind', shellWord(mount.source), at];
  if (mount.what === 'symlink' && !mount.place.destination.startsWith('/dev/'))
    return ['--symlink', shellWord(mount.target), at];
  if (mount.what !== 'new') return [];
  if (mount.type === 'proc') return ['--proc', at];
  if (mount.type === 'mqueue') return ['--mqueue', at];
  if (mount.type !== 'tmpfs' || /^\/(dev\/|proc\/|sys\/)/.test(mount.place.destination)) return [];
  return mount.place.destination === '/dev' ? ['--dev', at] : ['--tmpfs', at];
}
