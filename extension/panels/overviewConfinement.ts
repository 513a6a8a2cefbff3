/** How a container is confined, on its overview: its namespaces, root, user, capabilities, filter and label. */
import * as vscode from 'vscode';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import type { Chip, Fact, Section, Value } from '../../webview/messages.ts';
import { namespaceKey } from '../model/clientModel.ts';
import { KIND_ORDER } from '../model/hierarchy.ts';
import { numberText } from '../words/cgroupWords.ts';
import { containerName, isUnknown, kindTitle, namespaceHolder, parts, unknownText } from '../words/hostWords.ts';
import { code } from './cgroupFacts.ts';
import { TELLING_KINDS } from './overviewDangers.ts';
import { fact, knownValue, noted, type OverviewSubject, unreadBlock } from './overviewParts.ts';

export function confinedSection(subject: OverviewSubject): Section {
  const { reading } = subject;
  const process = knownValue(reading.process);
  const unread = unreadBlock(reading.process);
  return {
    heading: vscode.l10n.t('How it is confined'),
    blocks: [
      { kind: 'chips', label: vscode.l10n.t('Namespaces'), chips: chips(subject) },
      ...(unread === undefined ? [] : [unread]),
      ...(process === undefined ? [] : [{ kind: 'facts' as const, facts: confinementFacts(process, subject.host) }]),
    ],
  };
}

function chips({ container, model }: OverviewSubject): Chip[] {
  return KIND_ORDER.flatMap((kind): Chip[] => {
    const ino = container.namespaces[kind];
    if (ino === undefined) return [];
    const text = kindTitle(kind);
    const namespace = ino === null ? undefined : model.namespaces.get(namespaceKey(kind, ino));
    if (ino === null || namespace === undefined) return [{ text, note: vscode.l10n.t('unknown'), tone: 'unknown' }];
    const link = `namespace ${kind}`;
    if (namespace.host) {
      return [{ text, note: vscode.l10n.t('the host’s'), tone: TELLING_KINDS.includes(kind) ? 'danger' : 'muted', link }];
    }
    const holder = namespaceHolder(model, namespace);
    const isOwn = holder === undefined || holder === containerName(container) || namespace.leader?.pid === container.leader.pid;
    return [{ text, note: isOwn ? vscode.l10n.t('own') : vscode.l10n.t('shared: {0}', holder), tone: 'plain', link }];
  });
}

function confinementFacts(process: ProcessesInspectResult, host: InitializeResult | undefined): Fact[] {
  return [
    fact(vscode.l10n.t('Root'), rootValue(process)),
    fact(vscode.l10n.t('User'), userValue(process)),
    fact(vscode.l10n.t('Capabilities'), capabilitiesValue(process, host)),
    fact(vscode.l10n.t('Filter'), filterValue(process)),
    ...labelFacts(process),
  ];
}

function unknownValue(unknown: Parameters<typeof unknownText>[0]): Value {
  return { text: unknownText(unknown), tone: 'unknown', link: 'process' };
}

function rootValue({ root }: ProcessesInspectResult): Value {
  if (isUnknown(root)) return unknownValue(root);
  const words = {
    host: vscode.l10n.t('the host’s: it sees the host’s files'),
    mountNamespace: vscode.l10n.t('its own mounts, by pivot_root'),
    chroot: vscode.l10n.t('chroot, in the host’s mounts'),
    chrootInMountNamespace: vscode.l10n.t('chroot, in mounts of its own'),
  };
  const { hostRootReachableAt: places } = root;
  const isHosts = !isUnknown(places) && places.includes('/');
  const text =
    isHosts && root.confinement === 'mountNamespace'
      ? vscode.l10n.t('its own mounts, whose root still is the host’s')
      : words[root.confinement];
  const note = isUnknown(places) ? vscode.l10n.t('whether the host’s root is in reach is unknown') : undefined;
  const isOpen = root.confinement === 'host' || root.confinement === 'chroot' || isHosts;
  return { text, ...noted(note), tone: isOpen ? 'danger' : 'plain', link: 'process' };
}

function userValue(process: ProcessesInspectResult): Value {
  const text = parts(process.user, `uid ${process.uid}`);
  const { uidMap } = process;
  if (isUnknown(uidMap)) return { text, note: vscode.l10n.t('how it is mapped is unknown'), link: 'process' };
  const isOfHost = process.isolation.some(({ namespace, host }) => namespace.kind === 'user' && host);
  const note = isOfHost
    ? process.uid === 0
      ? vscode.l10n.t('root on the host, too')
      : vscode.l10n.t('the same on the host')
    : vscode.l10n.t('in a user namespace: root in it is uid {0} outside', rootOutside(uidMap));
  return { text, note, link: 'process' };
}

function rootOutside(map: readonly { inside: number; outside: number; count: number }[]): string {
  const range = map.find(({ inside, count }) => inside <= 0 && inside + count > 0);
  return range === undefined ? vscode.l10n.t('nobody') : String(range.outside - range.inside);
}

/** What Docker and Podman leave to a container (moby, profiles of the default capabilities). */
const USUAL = [
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW',
  'SETFCAP SETGID SETPCAP SETUID SYS_CHROOT',
].flatMap((line) => line.split(' ').map((name) => `CAP_${name}`));

function capabilitiesValue({ capabilities }: ProcessesInspectResult, host: InitializeResult | undefined): Value {
  if (isUnknown(capabilities)) return unknownValue(capabilities);
  const { effective } = capabilities;
  const link = 'process';
  if (effective.length === 0) return { text: vscode.l10n.t('none'), link };
  const all = host?.mode === 'privileged' ? host.capabilities : undefined;
  if (all?.every((name) => effective.includes(name))) {
    return { text: vscode.l10n.t('all {0}', effective.length), tone: 'danger', link };
  }
  const added = effective.filter((name) => !USUAL.includes(name)).map(shortCapability);
  const dropped = USUAL.filter((name) => !effective.includes(name)).map(shortCapability);
  if (added.length === 0 && dropped.length === 0)
    return { text: vscode.l10n.t('Docker’s default, {0}', effective.length), link };
  if (added.length === 0) return { text: vscode.l10n.t('{0} of Docker’s default', effective.length), link };
  if (dropped.length === 0) return { text: vscode.l10n.t('Docker’s default and {0}', added.join(', ')), link };
  return { text: numberText(effective.length), note: effective.slice(0, 6).map(shortCapability).join(', '), link };
}

function shortCapability(name: string): string {
  return name.replace(/^CAP_/, '');
}

function filterValue({ seccomp, noNewPrivileges }: ProcessesInspectResult): Value {
  if (isUnknown(seccomp)) return unknownValue(seccomp);
  const modes = {
    disabled: vscode.l10n.t('none: every system call may be made'),
    strict: vscode.l10n.t('strict: only read, write and exit'),
    filter: vscode.l10n.t('seccomp filters its system calls'),
  };
  const note = noNewPrivileges === true ? 'no_new_privs' : undefined;
  return { text: modes[seccomp.mode], ...noted(note), link: 'process' };
}

function labelFacts({ securityLabel }: ProcessesInspectResult): Fact[] {
  if (securityLabel === undefined) return [];
  const label = vscode.l10n.t('Label');
  return [fact(label, isUnknown(securityLabel) ? unknownValue(securityLabel) : code(securityLabel, 80))];
}
