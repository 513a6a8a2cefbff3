/** What unshare(1), bwrap(1) and runc(8) would be told to make something similar, and in what it would differ. */
import { MOUNT_ATTR_RDONLY } from '../../kernel/numbers.ts';
import { shellText, shellWord } from '../../launcher/text.ts';
import { append } from '../../lists.ts';
import { own } from '../../programs/identity.ts';
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { SandboxEquivalent } from '../../protocol/sandboxes.ts';
import type { SandboxPlan } from '../plan/sandboxPlan.ts';
import { runcOf } from './ociBundle.ts';

const UNSHARE_OPTIONS: Record<NamespaceKind, string> = {
  user: '--user',
  mnt: '--mount',
  pid: '--pid',
  net: '--net',
  ipc: '--ipc',
  uts: '--uts',
  cgroup: '--cgroup',
  time: '--time',
};

export function equivalents(plan: SandboxPlan): SandboxEquivalent[] {
  const own = plan.joined.length > 0 ? [] : [unshareOf(plan), bwrapOf(plan)];
  return [...own, runcOf(plan)].filter((equivalent) => equivalent !== undefined);
}

/** unshare(1) builds no root: it takes a directory, or a tmpfs is made by hand whose old root stays reachable. */
function unshareOf(plan: SandboxPlan): SandboxEquivalent | undefined {
  const { spec, fresh, root } = plan;
  if (root.type === 'overlay') return undefined;
  if (root.type === 'tmpfs' && (root.files !== undefined || spec.oldRoot === undefined)) return undefined;
  const words = [...fresh].map((kind) => UNSHARE_OPTIONS[kind]);
  if (fresh.has('pid')) words.push('--fork', '--kill-child');
  if (fresh.has('user')) words.push(spec.idMappings === 'user' ? '--map-current-user' : '--map-root-user');
  const differences = [
    'unshare keeps capabilities, your environment, open files, terminal and seccomp state.',
    ...(plan.mounts.filter(({ place }) => place.destination !== '/proc').length > 0
      ? ['It mounts nothing but /proc: the other mounts have to be made by hand.']
      : []),
  ];
  if (fresh.has('uts')) differences.push('It sets no host name.');
  if (fresh.has('net') && spec.network.type === 'loopback') differences.push('lo stays down.');
  const run = commandOf(plan);
  const prefix = own().uid === 0 || fresh.has('user') ? 'unshare' : 'sudo unshare';
  const line = (more: readonly string[]) => [prefix, ...words, ...more].join(' ');
  if (root.type === 'tmpfs') {
    const options = root.options.map((option) => option.join('=')).join(',');
    const old = (spec.oldRoot ?? '').replace(/^\//, '');
    const enter = `mount -t tmpfs -o ${options} none /mnt && cd /mnt && mkdir -p ${shellWord(old)} && pivot_root . ${shellWord(old)} && cd /`;
    return { tool: 'unshare', command: line(['--', 'sh', '-c', shellText(`${enter} && exec ${run}`)]), differences };
  }
  const path = rootPathOf(plan);
  const more = path === undefined || path === '/' ? [] : [`--root=${shellWord(path)}`];
  if (spec.proc === 'own') more.push('--mount-proc');
  if (path !== undefined && path !== '/') differences.push('It uses chroot, not pivot_root: the old root stays mounted below.');
  if (root.type === 'bind' && root.readOnly) differences.push('The root stays writable.');
  return { tool: 'unshare', command: line([...more, '--', run]), differences };
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
  for (const kind of ['user', 'ipc', 'pid', 'net', 'uts', 'cgroup'] as const)
    if (fresh.has(kind)) words.push(`--unshare-${kind}`);
  if (fresh.has('uts') && spec.hostname !== undefined) words.push('--hostname', shellWord(spec.hostname));
  if (root.type === 'bind') words.push(root.readOnly ? '--ro-bind' : '--bind', shellWord(root.path), '/');
  if (root.type === 'overlay') {
    for (const lower of Array.isArray(root.lowers) ? root.lowers.toReversed() : [])
      words.push('--overlay-src', shellWord(lower));
    words.push('--tmp-overlay', '/');
  }
  for (const mount of plan.mounts) append(words, bwrapMount(mount));
  words.push('--chdir', shellWord(spec.process.cwd), '--clearenv');
  for (const entry of plan.environment.entries()) {
    const [name = '', ...value] = entry.toString('utf8').split('=');
    words.push('--setenv', shellText(name), shellText(value.join('=')));
  }
  if (plan.user.identity.capabilities.permitted === 0n) words.push('--cap-drop', 'ALL');
  append(words, ['--die-with-parent', '--new-session', '--', ...plan.command.map(shellText)]);
  const differences = [
    'bwrap loads no seccomp filter of its own, covers nothing in /proc, and leaves the bounding set of capabilities whole.',
  ];
  if (plan.mounts.some(({ what }) => what === 'content'))
    differences.push('/etc/hosts and /etc/resolv.conf stay those of the root.');
  if (plan.trees.some((tree) => tree.mapped !== undefined)) differences.push('It maps no owners of files.');
  if (root.type === 'overlay' && root.mapped) {
    differences.push("The image's files belong to nobody inside, and what an opaque directory hides is seen.");
  }
  if (fresh.has('time')) differences.push('It makes no time namespace.');
  if (fresh.has('net') && spec.network.type === 'none') differences.push('It brings up lo.');
  if (root.type === 'overlay') differences.push('It needs bubblewrap 0.11 for the overlay.');
  if (root.type === 'overlay' && root.upper !== undefined) differences.push('Its changes are thrown away.');
  return { tool: 'bwrap', command: words.join(' '), differences };
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
