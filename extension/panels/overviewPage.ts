/** From what is known of a container to the page that a person sees first of it: how it does, how it is confined, what it is made of, how it is reached. */
import * as vscode from 'vscode';
import type { Figure, Limit } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { Overlay } from '../../helper/protocol/layers.ts';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { NetworkInspectResult, NetworkSocket } from '../../helper/protocol/network.ts';
import type { Process, ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import type { Block, Button, Chip, Fact, LayerBar, LiveFigure, Page, Section, Value } from '../../webview/messages.ts';
import { type ClientModel, namespaceKey } from '../model/clientModel.ts';
import { childProcesses, containerRoots, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { bytesText, cpuText, numberText, percentText, tasksText } from '../words/cgroupWords.ts';
import { failureText } from '../words/failureMessage.ts';
import {
  ageText,
  argumentsText,
  engineName,
  isUnknown,
  kindTitle,
  namespaceHolder,
  namespacePlace,
  parts,
  processTitle,
  unknownText,
} from '../words/hostWords.ts';
import { layerName, pathText, stepText } from '../words/layerWords.ts';
import { type CgroupAnswers, code, isLacking, none, number, plain, together } from './cgroupFacts.ts';
import { dangersOf } from './overviewDangers.ts';
import type { Moment } from './overviewMoments.ts';
import type { OverviewReading, Part } from './overviewReading.ts';

/** A line with more of them is for the page on it. */
const MOST_LAYERS = 8;
const MOST_PROCESSES = 12;
const MOST_MOUNTS = 8;
const MOST_SOCKETS = 8;
/** From here on a limit is shown as close. */
const CLOSE = 0.9;

export interface OverviewSubject {
  container: Container;
  reading: Pick<OverviewReading, 'process' | 'cgroups' | 'network' | 'mounts' | 'overlays' | 'moments'>;
  model: ClientModel;
  /** Undefined while no helper answers. */
  host: InitializeResult | undefined;
  /** Of the host, since it was started. */
  uptimeSeconds: number;
}

export function overviewPage(subject: OverviewSubject): Page {
  const { container, model } = subject;
  return {
    title: oneLine(container.name, 60),
    subtitle: parts(...identityWords(subject)),
    layout: 'cards',
    buttons: buttons(subject),
    sections: [
      ...dangerSection(subject),
      doingSection(subject),
      confinedSection(subject),
      madeSection(subject),
      reachedSection(subject),
      processesSection(model, container),
    ],
  };
}

function identityWords({ container, host, uptimeSeconds }: OverviewSubject): (string | undefined)[] {
  const states = {
    running: vscode.l10n.t('running'),
    paused: vscode.l10n.t('paused'),
    unknown: vscode.l10n.t('state unknown'),
  };
  const began = host === undefined ? undefined : container.leader.startTime / host.clockTicks;
  const lasted = began === undefined ? undefined : ageText(uptimeSeconds - began);
  const state = states[container.state];
  return [
    engineName(container.engine),
    container.image === undefined ? undefined : oneLine(container.image, 80),
    lasted === undefined ? state : vscode.l10n.t('{0} for {1}', state, lasted),
    container.pod?.name === undefined ? undefined : vscode.l10n.t('pod {0}', oneLine(container.pod.name, 40)),
    container.rootlessUid === undefined ? undefined : vscode.l10n.t('rootless for uid {0}', container.rootlessUid),
    container.engine === 'isoscope' || container.engine === 'unnamed' ? undefined : oneLine(container.id, 13).replace('…', ''),
  ];
}

function buttons({ container, host, reading }: OverviewSubject): Button[] {
  const list: Button[] = [];
  if (container.isolated) list.push({ action: 'openTerminal', label: vscode.l10n.t('Open terminal') });
  list.push({ action: 'monitor', label: vscode.l10n.t('Monitor') });
  if (reading.overlays.state === 'known' && reading.overlays.value.length > 0) {
    list.push({ action: 'showStack', label: vscode.l10n.t('Layers') });
  }
  list.push(
    { action: 'inspectProcess', label: vscode.l10n.t('Inspect process') },
    { action: 'inspectCgroup', label: vscode.l10n.t('Inspect cgroup') },
    { action: 'revealInContainers', label: vscode.l10n.t('Reveal') },
  );
  if (host !== undefined && host.mode === 'unprivileged') {
    list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  }
  return list;
}

function knownValue<T>(part: Part<T>): T | undefined {
  return part.state === 'known' ? part.value : undefined;
}

/** What is not there yet, or could not be had; undefined when it is known. */
function unreadBlock(part: Part<unknown>): Block | undefined {
  if (part.state === 'reading') return { kind: 'text', tone: 'muted', text: vscode.l10n.t('Reading…') };
  if (part.state === 'failed') return { kind: 'text', tone: 'unknown', text: failureText(part.error) };
  return undefined;
}

function fact(label: string, value: Value): Fact {
  return { label, value };
}

function dangerSection({ reading }: OverviewSubject): Section[] {
  const alerts = dangersOf({
    process: knownValue(reading.process),
    cgroups: knownValue(reading.cgroups),
    mounts: knownValue(reading.mounts)?.mounts,
  });
  if (alerts.length === 0) return [];
  return [{ heading: vscode.l10n.t('What is dangerous'), isWide: true, blocks: [{ kind: 'alerts', alerts }] }];
}

// ---------------------------------------------------------------------------------------------------------------------
// How it is doing

function doingSection({ reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('How it is doing');
  const unread = unreadBlock(reading.cgroups);
  const answers = knownValue(reading.cgroups);
  if (unread !== undefined || answers === undefined) return { heading, blocks: unread === undefined ? [] : [unread] };
  const { moments } = reading;
  const figures = [cpuFigure(answers, moments), memoryFigure(answers, moments), tasksFigure(answers, moments)];
  const disk = moments.map(({ values }): Rates => [values.read, values.written]);
  const carried = moments.map(({ received, sent }): Rates => [received, sent]);
  const rates = [
    rateFigure(vscode.l10n.t('Disk'), disk, vscode.l10n.t('read'), vscode.l10n.t('written')),
    rateFigure(vscode.l10n.t('Network'), carried, vscode.l10n.t('received'), vscode.l10n.t('sent')),
  ];
  const shown = [...figures, ...rates].filter((figure) => figure !== undefined);
  const blocks: Block[] = shown.length === 0 ? [] : [{ kind: 'live', figures: shown }];
  blocks.push(...troubles(answers, moments));
  if (blocks.length === 0) blocks.push({ kind: 'text', tone: 'unknown', text: vscode.l10n.t('None of its figures is known.') });
  return { heading, blocks };
}

function cpuFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const cpu = together(answers, (answer) => answer.cpu);
  if (cpu === undefined) return undefined;
  const points = moments.map(({ values }) => values.cpu ?? null);
  const now = points.at(-1) ?? undefined;
  const limit = effective(cpu.limit);
  const throttled = moments.at(-1)?.values.throttledPeriods ?? 0;
  const most = limit === undefined ? undefined : vscode.l10n.t('at most {0}', cpuText(limit));
  return {
    label: 'CPU',
    text: now === undefined ? vscode.l10n.t('not known yet') : cpuText(now),
    ...noted(
      parts(most, throttled > 0 ? vscode.l10n.t('throttled in {0} of its periods', percentText(throttled / 100)) : undefined),
    ),
    points,
    top: limit ?? Math.max(0.1, ...points.map((value) => value ?? 0)),
    isLimited: limit !== undefined,
    close: throttled > 0,
  };
}

function memoryFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const memory = together(answers, (answer) => answer.memory);
  if (memory === undefined) return undefined;
  const points = moments.map(({ values }) => values.memory ?? null);
  const usage = points.at(-1) ?? number(memory.usageBytes);
  const limit = effective(memory.limit);
  return {
    label: vscode.l10n.t('Memory'),
    text: ofLimit(usage === undefined ? undefined : bytesText(usage), limit === undefined ? undefined : bytesText(limit)),
    ...noted(cacheText(usage, moments.at(-1)?.values.workingSet ?? number(memory.workingSetBytes))),
    points,
    top: limit ?? Math.max(1, ...points.map((value) => (value ?? 0) * 1.25)),
    isLimited: limit !== undefined,
    close: usage !== undefined && limit !== undefined && usage >= CLOSE * limit,
  };
}

/** How much of it the kernel takes back when it needs to. */
function cacheText(usage: number | undefined, workingSet: number | undefined): string | undefined {
  if (usage === undefined || workingSet === undefined || usage - workingSet < usage / 10) return undefined;
  return vscode.l10n.t('{0} without cache', bytesText(workingSet));
}

function tasksFigure(answers: CgroupAnswers, moments: readonly Moment[]): LiveFigure | undefined {
  const pids = together(answers, (answer) => answer.pids);
  if (pids === undefined) return undefined;
  const points = moments.map(({ values }) => values.tasks ?? null);
  const now = points.at(-1) ?? number(pids.tasks);
  const limit = effective(pids.limit);
  return {
    label: vscode.l10n.t('Tasks'),
    text: ofLimit(now === undefined ? undefined : numberText(now), limit === undefined ? undefined : tasksText(limit)),
    points,
    top: Math.max(1, ...points.map((value) => (value ?? 0) * 1.25)),
    isLimited: false,
    close: now !== undefined && limit !== undefined && now >= CLOSE * limit,
  };
}

/** "12 MiB of 64 MiB"; without a limit what is used alone. */
function ofLimit(used: string | undefined, limit: string | undefined): string {
  const now = used ?? vscode.l10n.t('not known yet');
  return limit === undefined ? now : vscode.l10n.t('{0} of {1}', now, limit);
}

function noted(note: string | undefined): { note?: string } {
  return note === undefined || note === '' ? {} : { note };
}

function effective(limit: Figure<Limit>): number | undefined {
  if (isLacking(limit) || isUnknown(limit)) return undefined;
  return (limit as Limit).effective?.value;
}

/** Bytes a second in and out. */
type Rates = readonly [number | undefined, number | undefined];

function rateFigure(label: string, moments: readonly Rates[], intoWord: string, outWord: string): LiveFigure | undefined {
  const points = moments.map(([into, out]) => (into === undefined || out === undefined ? null : into + out));
  const [one, other] = moments.at(-1) ?? [];
  if (one === undefined || other === undefined) return undefined;
  return {
    label,
    text:
      one + other === 0
        ? vscode.l10n.t('nothing now')
        : vscode.l10n.t('{0}/s {1}, {2}/s {3}', bytesText(Math.round(one)), intoWord, bytesText(Math.round(other)), outWord),
    points,
    top: Math.max(1024, ...points.map((value) => value ?? 0)),
    isLimited: false,
    close: false,
  };
}

/** What went wrong since it was made, and what is held up now. */
function troubles(answers: CgroupAnswers, moments: readonly Moment[]): Block[] {
  const facts: Fact[] = [];
  const events = together(answers, (answer) => answer.memory)?.events;
  const kills = events === undefined || isLacking(events) || isUnknown(events) ? undefined : events.oomKills;
  if (kills !== undefined && kills > 0) {
    const text = kills === 1 ? vscode.l10n.t('once') : vscode.l10n.t('{0} times', numberText(kills));
    facts.push(fact(vscode.l10n.t('Killed for memory'), { text, tone: 'danger', link: 'cgroup' }));
  }
  const pressed = pressures(moments);
  if (pressed.length > 0) facts.push(fact(vscode.l10n.t('Pressure'), { ...plain(pressed.join(', ')), link: 'cgroup' }));
  return facts.length === 0 ? [] : [{ kind: 'facts', facts }];
}

/** Of the time since the sample before. Less than one percent is nothing to speak of. */
function pressures(moments: readonly Moment[]): string[] {
  const { cpuPressure = 0, memoryPressure = 0, ioPressure = 0 } = moments.at(-1)?.values ?? {};
  const kinds = [
    ['CPU', cpuPressure],
    [vscode.l10n.t('memory'), memoryPressure],
    [vscode.l10n.t('I/O'), ioPressure],
  ] as const;
  return kinds.flatMap(([name, percent]) =>
    percent < 1 ? [] : [vscode.l10n.t('waits for {0} {1} of the time', name, percentText(percent / 100))],
  );
}

// ---------------------------------------------------------------------------------------------------------------------
// How it is confined

/** Who shares one of these with the host is in the host's; the others nearly every container shares. */
const TELLING: readonly NamespaceKind[] = ['mnt', 'pid', 'net', 'ipc', 'uts'];

function confinedSection(subject: OverviewSubject): Section {
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
      return [{ text, note: vscode.l10n.t('the host’s'), tone: TELLING.includes(kind) ? 'danger' : 'muted', link }];
    }
    const holder = namespaceHolder(model, namespace);
    const isOwn =
      holder === undefined || holder === oneLine(container.name, 60) || namespace.leader?.pid === container.leader.pid;
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

// ---------------------------------------------------------------------------------------------------------------------
// What it is made of

function madeSection({ reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('What it is made of');
  const blocks: Block[] = [];
  const unread = unreadBlock(reading.overlays);
  const root = knownValue(reading.overlays)?.find(({ isRoot }) => isRoot);
  if (unread !== undefined) blocks.push(unread);
  else if (root === undefined)
    blocks.push({
      kind: 'text',
      tone: 'muted',
      text: vscode.l10n.t('Its root is no overlay mount in sight: its files are in no layers.'),
    });
  else blocks.push(...layerBlocks(root));
  const mounts = knownValue(reading.mounts);
  if (mounts !== undefined) blocks.push(...volumeBlocks(mounts));
  return { heading, blocks };
}

function layerBlocks(overlay: Overlay): Block[] {
  if (overlay.unknownLayers !== undefined) {
    return [{ kind: 'text', tone: 'unknown', text: vscode.l10n.t('Its layers: {0}', unknownText(overlay.unknownLayers)) }];
  }
  const shown = overlay.layers.slice(0, MOST_LAYERS).map((layer): LayerBar => {
    const step = stepText(layer);
    const kind = layer.role === 'readWrite' ? 'readWrite' : layer.role === 'image' ? 'image' : 'other';
    return step === undefined
      ? { kind, text: layerName(overlay, layer) }
      : { kind, text: step, note: layerName(overlay, layer) };
  });
  const more = overlay.layers.length - shown.length;
  const blocks: Block[] = [{ kind: 'layers', label: vscode.l10n.t('Layers, from the top'), layers: shown }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} layers below', more) });
  return blocks;
}

/** File systems that the kernel makes up: they hold nothing of anybody. */
const MADE_UP = /^(proc|sysfs|tmpfs|devtmpfs|devpts|mqueue|cgroup2?|overlay|securityfs|debugfs|tracefs|bpf|pstore|nsfs|ramfs)$/;
/** What engines bind into every container. */
const OF_ENGINES = /^\/etc\/(hosts|hostname|resolv\.conf)$|^\/(run\/)?\.containerenv$|^\/run\/secrets$/;

function volumeBlocks({ mounts, complete, omitted }: MountsListResult): Block[] {
  const bound = mounts.filter(
    ({ type, mountPoint }) => !MADE_UP.test(type) && !OF_ENGINES.test(mountPoint) && mountPoint !== '/',
  );
  const isWhole = complete && omitted === 0;
  const label = vscode.l10n.t('Volumes');
  if (bound.length === 0) {
    const value: Value = isWhole
      ? none(vscode.l10n.t('none'))
      : { text: vscode.l10n.t('unknown: not all of its mounts can be read'), tone: 'unknown' };
    return [{ kind: 'facts', facts: [fact(label, value)] }];
  }
  const facts = bound.slice(0, MOST_MOUNTS).map(({ mountPoint, root, options, source, type }) => {
    const note = parts(options.includes('ro') ? vscode.l10n.t('read-only') : undefined, type);
    return fact(pathText(mountPoint), { ...code(root === '/' ? source : root, 200), note });
  });
  const more = bound.length - facts.length;
  const blocks: Block[] = [{ kind: 'facts', facts }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} mounts more', more) });
  if (!isWhole)
    blocks.push({
      kind: 'text',
      tone: 'unknown',
      text: vscode.l10n.t('There may be more: not all of its mounts can be read.'),
    });
  return blocks;
}

// ---------------------------------------------------------------------------------------------------------------------
// How it is reached

function reachedSection({ container, model, reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('How it is reached');
  const ino = container.namespaces.net;
  const isHosts = typeof ino === 'number' && model.namespaces.get(namespaceKey('net', ino))?.host === true;
  if (isHosts) {
    const text = vscode.l10n.t('It shares the host’s network: what listens in it listens on the host.');
    return { heading, blocks: [{ kind: 'text', tone: 'danger', text }] };
  }
  const unread = unreadBlock(reading.network);
  const network = knownValue(reading.network);
  if (unread !== undefined || network === undefined) return { heading, blocks: unread === undefined ? [] : [unread] };
  return { heading, blocks: [{ kind: 'facts', facts: [...interfaceFacts(network, model), ...listenerFacts(network)] }] };
}

function interfaceFacts({ interfaces, routes }: NetworkInspectResult, model: ClientModel): Fact[] {
  const others = interfaces.filter(({ kind }) => kind !== 'loopback');
  if (others.length === 0) return [fact(vscode.l10n.t('Interfaces'), none(vscode.l10n.t('none but the loopback')))];
  const facts = others.slice(0, MOST_SOCKETS).map(({ name, addresses, peer, state }) => {
    const global = addresses.filter(({ scope }) => scope === 'global').map(({ address }) => address);
    const text = global.length === 0 ? vscode.l10n.t('no address') : global.join(', ');
    const end =
      peer?.name === undefined
        ? undefined
        : peer.namespace === undefined
          ? vscode.l10n.t('its cable ends at {0}', oneLine(peer.name, 20))
          : vscode.l10n.t('its cable ends at {0} in {1}', oneLine(peer.name, 20), namespacePlace(model, peer.namespace));
    return fact(oneLine(name, 20), {
      ...(global.length === 0 ? none(text) : { text, code: true }),
      ...noted(parts(end, state === 'down' ? vscode.l10n.t('down') : undefined)),
      link: 'namespace net',
    });
  });
  const gateway = routes.find(({ destination }) => destination === 'default')?.gateway;
  if (gateway !== undefined) facts.push(fact(vscode.l10n.t('Gateway'), code(gateway)));
  return facts;
}

function listenerFacts({ sockets }: NetworkInspectResult): Fact[] {
  const label = vscode.l10n.t('Listens on');
  if (isUnknown(sockets)) return [fact(label, { text: unknownText(sockets), tone: 'unknown' })];
  const listening = sockets.filter(({ port, protocol }) => port !== undefined && /^(tcp|udp|sctp)/.test(protocol));
  if (listening.length === 0) return [fact(label, none(vscode.l10n.t('no port')))];
  const texts = [...new Set(listening.map(listenerText))];
  const more = texts.length - MOST_SOCKETS;
  const shown = texts.slice(0, MOST_SOCKETS).join(', ');
  return [fact(label, { text: more > 0 ? vscode.l10n.t('{0} and {1} more', shown, more) : shown, link: 'namespace net' })];
}

const ANY = ['0.0.0.0', '::'];

function listenerText({ address, port, protocol, processes }: NetworkSocket): string {
  const family = protocol.replace(/6$/, '');
  const host = ANY.includes(address) ? '' : address.includes(':') ? `[${address}]` : address;
  const place = `${host}:${port}${family === 'tcp' ? '' : `/${family}`}`;
  const [first] = processes;
  return first === undefined ? place : `${place} ${oneLine(first.name, 20)}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// Its processes

function processesSection(model: ClientModel, container: Container): Section {
  const rows: { process: Process; depth: number }[] = [];
  const add = (list: readonly Process[], depth: number) => {
    for (const process of list) {
      rows.push({ process, depth });
      add(
        childProcesses(model, process).filter((child) => child.container === container.key),
        depth + 1,
      );
    }
  };
  add(containerRoots(model, container.key), 0);
  const heading = vscode.l10n.t('Its processes');
  const more = rows.length - MOST_PROCESSES;
  const shown = rows.slice(0, MOST_PROCESSES).map(({ process, depth }) => ({
    cells: [
      {
        ...plain(`${'  '.repeat(Math.min(depth, 8))}${depth > 0 ? '└ ' : ''}${processTitle(process)}`),
        link: `process ${process.pid} ${process.startTime}`,
      },
      plain(String(process.pid)),
      plain(String(process.nestedPids.at(-1) ?? process.pid)),
      plain(oneLine(process.user, 30)),
      code(argumentsText(process) ?? '', 120),
    ],
  }));
  const blocks: Block[] = [
    {
      kind: 'table',
      table: {
        caption: heading,
        columns: [
          vscode.l10n.t('Program'),
          vscode.l10n.t('Pid'),
          vscode.l10n.t('Pid inside'),
          vscode.l10n.t('User'),
          vscode.l10n.t('Arguments'),
        ],
        rows: shown,
      },
    },
  ];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} more', numberText(more)) });
  return { heading: rows.length === 0 ? heading : `${heading} · ${numberText(rows.length)}`, blocks, isWide: true };
}
