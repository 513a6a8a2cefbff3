/** The words that the trees, panels and pickers share: engines, kinds of namespace, reasons, and names made safe to show. */
import { l10n, ThemeColor, ThemeIcon } from 'vscode';
import type { Container, Engine } from '../../helper/protocol/containers.ts';
import type { Reason, Unknown } from '../../helper/protocol/errors.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { Namespace, NamespaceKind, NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { Process, ProcessRef } from '../../helper/protocol/processes.ts';
import { type ClientModel, keyOf } from '../model/clientModel.ts';
import { containerOf, containersIn } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { shortIds } from './cgroupWords.ts';

export const SEPARATOR = ' · ';

/** Parts of a description, without those that there are not. */
export function parts(...words: (string | undefined)[]): string {
  return words.filter((word) => word !== undefined && word !== '').join(SEPARATOR);
}

export function engineName(engine: Engine): string {
  const names: Record<Engine, string> = {
    docker: 'Docker',
    podman: 'Podman',
    containerd: 'containerd',
    kubernetes: 'Kubernetes',
    'cri-o': 'CRI-O',
    lxc: 'LXC',
    'systemd-nspawn': 'systemd-nspawn',
    systemd: 'systemd',
    snap: 'Snap',
    flatpak: 'Flatpak',
    isoscope: l10n.t('sandbox'),
    unnamed: l10n.t('no engine'),
  };
  return names[engine];
}

/** "network", within a sentence. */
export function kindName(kind: NamespaceKind): string {
  const names: Record<NamespaceKind, string> = {
    net: l10n.t('network'),
    pid: l10n.t('process ids'),
    mnt: l10n.t('mounts'),
    user: l10n.t('users'),
    uts: l10n.t('host name'),
    ipc: l10n.t('IPC'),
    cgroup: l10n.t('cgroups'),
    time: l10n.t('clocks'),
  };
  return names[kind];
}

/** "Network", heading the namespaces of a kind. */
export function kindTitle(kind: NamespaceKind): string {
  const titles: Record<NamespaceKind, string> = {
    net: l10n.t('Network'),
    pid: l10n.t('Process ids'),
    mnt: l10n.t('Mounts'),
    user: l10n.t('Users'),
    uts: l10n.t('Host name'),
    ipc: l10n.t('IPC'),
    cgroup: l10n.t('Cgroups'),
    time: l10n.t('Clocks'),
  };
  return titles[kind];
}

const KIND_ICONS: Record<NamespaceKind, string> = {
  net: 'globe',
  pid: 'list-tree',
  mnt: 'folder-library',
  user: 'account',
  uts: 'tag',
  ipc: 'arrow-swap',
  cgroup: 'dashboard',
  time: 'watch',
};

export function kindIcon(kind: NamespaceKind): string {
  return KIND_ICONS[kind];
}

/** `net:[4026531840]`, as the links in `/proc/PID/ns` read. */
export function namespaceId(namespace: NamespaceRef): string {
  return `${namespace.kind}:[${namespace.ino}]`;
}

/** Most facts are either what they are, of any type, or why they are unknown. */
export function isUnknown(value: unknown): value is Unknown {
  return typeof value === 'object' && value !== null && 'unknown' in value;
}

export function reasonText(reason: Reason): string {
  const words: Record<Reason, string> = {
    notFound: l10n.t('not found'),
    gone: l10n.t('it has ended'),
    permission: l10n.t('permission denied'),
    unsupported: l10n.t('not supported by this kernel'),
    invalid: l10n.t('the kernel refused the question'),
    busy: l10n.t('the kernel was busy'),
    kernel: l10n.t('the kernel reported an error'),
    unfiltered: l10n.t('its seccomp filter cannot be read'),
  };
  return words[reason];
}

/** "unknown: permission denied". */
export function unknownText(unknown: Unknown): string {
  return l10n.t('unknown: {0}', reasonText(unknown.unknown));
}

export const PERMISSION: Unknown = { unknown: 'permission' };

export function processCount(count: number): string {
  return count === 1 ? l10n.t('1 process') : l10n.t('{0} processes', count);
}

/** A count of what one may see, where there may be more that one may not: in all of the host, or of what is `incomplete`. */
export function processCountSeen(count: number, model: ClientModel, incomplete = false): string {
  if (model.isComplete && !incomplete) return processCount(count);
  if (count === 0) return l10n.t('no process in sight');
  return count === 1 ? l10n.t('at least 1 process') : l10n.t('at least {0} processes', count);
}

/** "nginx (1234)". */
export function processName(process: { name: string; pid: number }): string {
  return `${oneLine(process.name, 40)} (${process.pid})`;
}

/** The kernel cuts a process's name there (`TASK_COMM_LEN` without its end, proc_pid_comm(5)). */
const COMM_LENGTH = 15;
/** The tooltip has them whole. */
const ARGUMENTS_LENGTH = 48;

/** What a process is called: its name, whole where the kernel cut it; of a kernel thread or a zombie as ps(1) writes it. */
export function processTitle(process: Process): string {
  const name = oneLine(programName(process), 60);
  return process.kernelThread || process.state === 'Z' ? `[${name}]` : name;
}

function programName({ name, arguments: given }: Process): string {
  const [program = ''] = Array.isArray(given) ? given : [];
  const base = program.slice(program.lastIndexOf('/') + 1);
  return name.length >= COMM_LENGTH && base.startsWith(name) ? base : name;
}

/**
 * What its program was started with, in the words that tell: cut, ids shortened, and of a script its name without the way there. Of a program
 * that wrote a title over its arguments (`postgres: checkpointer`), what it says of itself. Undefined when that is nothing, or not known.
 */
export function argumentsText(process: Process): string | undefined {
  const given = Array.isArray(process.arguments) ? process.arguments : [];
  const [program = '', ...rest] = given;
  const title = /^([^\s:/]+): (.+)$/s.exec(program);
  if (title?.[1] === process.name) return shortLine(title[2] ?? '');
  const script = rest.findIndex((word) => !word.startsWith('-'));
  return shortLine(rest.map((word, index) => (index === script ? scriptName(word) : word)).join(' '));
}

/** `/usr/lib/app/server.py` is `server.py`; what is no path to a script stays as it is. */
function scriptName(word: string): string {
  return /^\/\S*\/([^/\s]+\.[a-z]{2,4})$/.exec(word)?.[1] ?? word;
}

function shortLine(text: string): string | undefined {
  const line = text.trim();
  return line === '' ? undefined : oneLine(shortIds(line), ARGUMENTS_LENGTH);
}

export function containerName(container: Container): string {
  return oneLine(container.name, 60);
}

export function containerState({ state }: Container): string {
  const words = {
    running: l10n.t('running'),
    paused: l10n.t('paused'),
    unknown: l10n.t('state unknown'),
  };
  return words[state];
}

/** Whose namespace it is: "host", a container's name with how many share it, or its first process. */
export function namespaceHolder(model: ClientModel, namespace: Namespace): string | undefined {
  if (namespace.host) return l10n.t('host');
  const containers = containersIn(model, namespace);
  const first = containers[0] ?? leaderContainer(model, namespace);
  if (first !== undefined) {
    const name = containerName(first);
    return containers.length > 1 ? l10n.t('{0} and {1} more', name, containers.length - 1) : name;
  }
  return namespace.leader === undefined ? undefined : processName(namespace.leader);
}

function leaderContainer(model: ClientModel, namespace: Namespace): Container | undefined {
  const leader = namespace.leader === undefined ? undefined : model.process(namespace.leader);
  return leader === undefined ? undefined : containerOf(model, leader);
}

/** Where something is: "the host", a container's name, or the namespace's id. */
export function namespacePlace(model: ClientModel, ref: NamespaceRef): string {
  const namespace = model.namespaces.get(keyOf(ref));
  if (namespace?.host) return l10n.t('the host');
  const [container] = containersIn(model, ref);
  return container === undefined ? namespaceId(ref) : containerName(container);
}

/** When a process started, on the host that the helper tells of. */
export function startedText({ startTime }: ProcessRef, host: InitializeResult): string {
  return new Date(host.bootTimeMillis + (startTime / host.clockTicks) * 1000).toLocaleString();
}

export function mutedIcon(icon: string): ThemeIcon {
  return new ThemeIcon(icon, new ThemeColor('descriptionForeground'));
}

export const UNKNOWN_ICON = new ThemeIcon('question', new ThemeColor('list.warningForeground'));

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "25 s", "3 min", "2 h 5 min", "3 d 4 h": as fine as it matters. */
export function ageText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return l10n.t('{0} s', whole);
  if (whole < HOUR) return l10n.t('{0} min', Math.floor(whole / MINUTE));
  if (whole < DAY) return l10n.t('{0} h {1} min', Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE));
  return l10n.t('{0} d {1} h', Math.floor(whole / DAY), Math.floor((whole % DAY) / HOUR));
}
