/** From everything that the helper says about a process to the page that a person reads. */
import * as vscode from 'vscode';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type { CapabilitySets, IdMapping, ProcessesInspectResult, RootView } from '../../helper/protocol/processes.ts';
import type { Block, Button, Fact, Page, Section, Table, Value } from '../../webview/messages.ts';
import { type ClientModel, keyOf } from '../model/clientModel.ts';
import { containerOf, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { dangerOf } from '../words/dangerousCapabilities.ts';
import {
  containerName,
  isUnknown,
  kindTitle,
  namespaceHolder,
  namespaceId,
  parts,
  processName,
  processTitle,
  unknownText,
} from '../words/hostWords.ts';

const COMMAND_LENGTH = 4096;

export function processPage(model: ClientModel, process: ProcessesInspectResult, privileged: boolean): Page {
  const container = containerOf(model, process);
  return {
    title: processTitle(process),
    subtitle: parts(vscode.l10n.t('process {0}', process.pid), process.user, containerWords(model, process)),
    buttons: buttons(container !== undefined, privileged),
    sections: [
      whoSection(process),
      namespacesSection(model, process),
      rootSection(process),
      credentialsSection(process),
      capabilitiesSection(process),
      restrictionsSection(process),
      mapsSection(process),
      cgroupsSection(process),
    ],
  };
}

function buttons(inContainer: boolean, privileged: boolean): Button[] {
  const list: Button[] = [
    { action: 'enterNamespaces', label: vscode.l10n.t('Enter namespaces…') },
    { action: 'compareWith', label: vscode.l10n.t('Compare with…') },
    { action: 'compareMounts', label: vscode.l10n.t('Compare mounts with the host') },
    { action: 'revealInNamespaces', label: vscode.l10n.t('Reveal in Namespaces') },
    { action: 'revealInCgroups', label: vscode.l10n.t('Reveal in Cgroups') },
  ];
  if (inContainer) list.push({ action: 'revealInContainers', label: vscode.l10n.t('Reveal in Containers') });
  if (!privileged) list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  list.push({ action: 'refresh', label: vscode.l10n.t('Refresh') });
  return list;
}

function plain(text: string): Value {
  return { text };
}

function code(text: string, length = 200): Value {
  return { text: oneLine(text, length), code: true };
}

function unknown(value: Unknown): Value {
  return { text: unknownText(value), tone: 'unknown' };
}

/** A value as `show` puts it, or that it is unknown. */
function known<T>(value: T | Unknown, show: (value: T) => Value): Value {
  return isUnknown(value) ? unknown(value) : show(value);
}

function fact(label: string, value: Value): Fact {
  return { label, value };
}

/** The list of containers may not be there yet, or not be had. */
function containerWords(model: ClientModel, process: ProcessesInspectResult): string {
  const container = containerOf(model, process);
  if (container !== undefined) return vscode.l10n.t('in container {0}', containerName(container));
  const isListed = process.container === undefined || model.containers.has(process.container);
  return isListed ? vscode.l10n.t('in no container') : vscode.l10n.t('container unknown');
}

function whoSection(process: ProcessesInspectResult): Section {
  const facts: Fact[] = [
    fact(
      vscode.l10n.t('Command'),
      known(process.arguments, (words) =>
        words.length === 0 ? { text: vscode.l10n.t('none'), tone: 'muted' } : code(words.join(' '), COMMAND_LENGTH),
      ),
    ),
    fact(
      vscode.l10n.t('Program'),
      known(process.executable, (path) => code(path)),
    ),
    fact(
      vscode.l10n.t('Directory'),
      known(process.workingDirectory, (path) => code(path)),
    ),
    fact(vscode.l10n.t('Pid'), pids(process)),
    fact(vscode.l10n.t('Parent'), plain(process.parentPid === 0 ? vscode.l10n.t('none in sight') : String(process.parentPid))),
    fact(vscode.l10n.t('Threads'), plain(String(process.threads))),
  ];
  return { heading: vscode.l10n.t('Process'), blocks: [{ kind: 'facts', facts }] };
}

/** A pid in each pid namespace that it is in, from the host's inwards. */
function pids(process: ProcessesInspectResult): Value {
  const [first, ...inner] = process.nestedPids;
  if (first === undefined) return plain(String(process.pid));
  const chain = [process.pid, first, ...inner].join(' → ');
  return { text: chain, note: vscode.l10n.t('on the host, then in each pid namespace inwards') };
}

function namespacesSection(model: ClientModel, process: ProcessesInspectResult): Section {
  const byKind = new Map(process.isolation.map((entry) => [entry.namespace.kind, entry]));
  const rows = KIND_ORDER.flatMap((kind) => {
    const entry = byKind.get(kind);
    const title = plain(kindTitle(kind));
    if (entry !== undefined) {
      const whose = plain(entry.host ? vscode.l10n.t('shared with the host') : separateText(model, process, entry.namespace));
      return [{ cells: [title, code(namespaceId(entry.namespace)), whose], muted: entry.host }];
    }
    if (process.namespaces[kind] !== null) return [];
    return [{ cells: [title, unknown({ unknown: 'permission' }), plain('')] }];
  });
  const table: Table = {
    caption: vscode.l10n.t('Namespaces of the process, compared with the host’s'),
    columns: [vscode.l10n.t('Kind'), vscode.l10n.t('Namespace'), vscode.l10n.t('Compared with the host')],
    rows,
  };
  return { heading: vscode.l10n.t('Namespaces'), blocks: [{ kind: 'table', table }, ...differences(process)] };
}

/** "separate", and whose it is when the process is a guest in it. */
function separateText(model: ClientModel, process: ProcessesInspectResult, ref: NamespaceRef): string {
  const namespace = model.namespaces.get(keyOf(ref));
  const holder = namespace === undefined ? undefined : namespaceHolder(model, namespace);
  const container = containerOf(model, process);
  const own = container === undefined ? processName(process) : containerName(container);
  if (holder === undefined || holder === own) return vscode.l10n.t('separate');
  return vscode.l10n.t('separate: that of {0}', holder);
}

/** What the table cannot say: children or single threads that are in other namespaces. */
function differences(process: ProcessesInspectResult): Block[] {
  const blocks: Block[] = [];
  for (const ref of [process.pidForChildren, process.timeForChildren]) {
    if (ref === undefined) continue;
    blocks.push({
      kind: 'text',
      tone: 'plain',
      text: vscode.l10n.t('The next process that it starts will be in {0}.', namespaceId(ref)),
    });
  }
  if (isUnknown(process.differingThreads)) {
    blocks.push({
      kind: 'text',
      tone: 'unknown',
      text: vscode.l10n.t('Whether all its threads are in these namespaces: {0}.', unknownText(process.differingThreads)),
    });
    return blocks;
  }
  for (const thread of process.differingThreads) {
    const others = Object.entries(thread.namespaces).map(([kind, ino]) => (ino === null ? `${kind}:[?]` : `${kind}:[${ino}]`));
    const text = vscode.l10n.t('Thread {0} ({1}) is in others: {2}.', thread.tid, oneLine(thread.name), others.join(', '));
    blocks.push({ kind: 'text', tone: 'plain', text });
  }
  const offsets = process.timeOffsets;
  if (offsets !== undefined && !isUnknown(offsets)) {
    const text = vscode.l10n.t(
      'Its clocks differ from the host’s by {0} s (monotonic) and {1} s (since boot).',
      seconds(offsets.monotonicNanos),
      seconds(offsets.boottimeNanos),
    );
    if (offsets.monotonicNanos !== '0' || offsets.boottimeNanos !== '0') blocks.push({ kind: 'text', tone: 'plain', text });
  }
  return blocks;
}

function seconds(nanos: string): string {
  return String(Number(nanos) / 1e9);
}

function rootSection(process: ProcessesInspectResult): Section {
  const heading = vscode.l10n.t('Root directory');
  const { root } = process;
  if (isUnknown(root)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(root) }] };
  const facts = [
    fact(vscode.l10n.t('Root'), { ...code(root.path), note: vscode.l10n.t('in its mount namespace') }),
    fact(
      vscode.l10n.t('File system'),
      root.mount === undefined
        ? { text: vscode.l10n.t('unknown'), tone: 'unknown' }
        : code(parts(root.mount.type, root.mount.source)),
    ),
    fact(vscode.l10n.t('Host’s root'), reachable(root)),
  ];
  return {
    heading,
    blocks: [
      { kind: 'text', tone: 'plain', text: confinementText(root) },
      { kind: 'facts', facts },
    ],
  };
}

function confinementText(root: RootView): string {
  switch (root.confinement) {
    case 'host':
      return vscode.l10n.t('It sees the host’s files: nothing confines it.');
    case 'mountNamespace':
      return isAtHostRoot(root)
        ? vscode.l10n.t('It has mounts of its own, but their root still is the host’s: it sees the host’s files.')
        : vscode.l10n.t(
            'It has mounts of its own and is at their root, as pivot_root leaves it. There is nothing above to climb to.',
          );
    case 'chroot':
      return vscode.l10n.t(
        'chroot confines it to a directory of the host’s mounts. The rest is still mounted above; a process with CAP_SYS_CHROOT can climb out.',
      );
    case 'chrootInMountNamespace':
      return vscode.l10n.t(
        'chroot confines it to a directory within mounts of its own. What is mounted above is hidden, not gone; a process with CAP_SYS_CHROOT can climb out to it.',
      );
  }
}

function isAtHostRoot({ hostRootReachableAt }: RootView): boolean {
  return !isUnknown(hostRootReachableAt) && hostRootReachableAt.includes('/');
}

/** What is left of the host's root: nothing, what its own paths lead to, or what chroot only hides. */
export function reachable(root: RootView): Value {
  const { hostRootReachableAt: places } = root;
  if (root.confinement === 'host') return plain(vscode.l10n.t('is its own root'));
  if (isUnknown(places))
    return { text: vscode.l10n.t('whether any of it can still be reached is {0}', unknownText(places)), tone: 'unknown' };
  if (places.length === 0)
    return plain(
      vscode.l10n.t('is not mounted in its mount namespace, though single files or folders of its file system may be'),
    );
  const above = places.filter((place) => !isBelow(place, root.path));
  if (above.length === 0) {
    const tone = places.includes('/') ? 'danger' : 'plain';
    return { text: vscode.l10n.t('can be reached at {0}', someOf(places)), tone };
  }
  const inside = places.filter((place) => isBelow(place, root.path));
  return {
    text:
      inside.length === 0
        ? vscode.l10n.t('is mounted at {0}, outside of its root', someOf(above))
        : vscode.l10n.t('can be reached at {0}, and is mounted at {1}, outside of its root', someOf(inside), someOf(above)),
    note: vscode.l10n.t(
      'chroot hides it from paths, nothing more: whoever joins the mount namespace, as nsenter does, or climbs out reads its files',
    ),
    tone: 'danger',
  };
}

function isBelow(place: string, root: string): boolean {
  return root === '/' || place === root || place.startsWith(`${root}/`);
}

function someOf(all: readonly string[]): string {
  const places = all.slice(0, 20).map((place) => oneLine(place));
  const more = all.length - places.length;
  return more > 0 ? vscode.l10n.t('{0} and {1} more', places.join(', '), more) : places.join(', ');
}

function credentialsSection(process: ProcessesInspectResult): Section {
  const heading = vscode.l10n.t('User and groups');
  const { credentials } = process;
  if (isUnknown(credentials)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(credentials) }] };
  const names = [vscode.l10n.t('real'), vscode.l10n.t('effective'), vscode.l10n.t('saved'), vscode.l10n.t('file system')];
  const ids = (list: readonly number[]): Value => {
    const same = list.every((id) => id === list[0]);
    return plain(same ? String(list[0]) : list.map((id, position) => `${id} (${names[position]})`).join(', '));
  };
  const facts = [
    fact(vscode.l10n.t('User'), plain(parts(process.user, `uid ${process.uid}`))),
    fact(vscode.l10n.t('Uids'), ids(credentials.uid)),
    fact(vscode.l10n.t('Gids'), ids(credentials.gid)),
    fact(
      vscode.l10n.t('Other groups'),
      credentials.groups.length === 0 ? { text: vscode.l10n.t('none'), tone: 'muted' } : plain(credentials.groups.join(', ')),
    ),
  ];
  return { heading, blocks: [{ kind: 'facts', facts }] };
}

function capabilitiesSection(process: ProcessesInspectResult): Section {
  const heading = vscode.l10n.t('Capabilities');
  const { capabilities } = process;
  if (isUnknown(capabilities)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(capabilities) }] };
  const hostUser = process.isolation.some((entry) => entry.namespace.kind === 'user' && entry.host);
  return {
    heading,
    blocks: [
      { kind: 'text', tone: 'plain', text: effectiveText(capabilities, hostUser) },
      ...capabilityBlocks(capabilities.effective, vscode.l10n.t('Effective capabilities'), hostUser),
      { kind: 'details', summary: vscode.l10n.t('All sets'), blocks: [{ kind: 'table', table: setsTable(capabilities) }] },
    ],
  };
}

function effectiveText({ effective }: CapabilitySets, hostUser: boolean): string {
  if (effective.length === 0) return vscode.l10n.t('None is in effect: it is an ordinary process.');
  if (hostUser)
    return vscode.l10n.t('{0} in effect, in the host’s user namespace: they hold against the host.', effective.length);
  return vscode.l10n.t(
    '{0} in effect, in a user namespace of its own: they hold only over what that namespace owns.',
    effective.length,
  );
}

/** Their names; of those that can undo the confinement, when they hold against the host, also what they allow. */
export function capabilityBlocks(list: readonly string[], label: string, hostUser: boolean): Block[] {
  if (list.length === 0) return [];
  const dangers = hostUser ? list.filter((name) => dangerOf(name) !== undefined) : [];
  const names = list.map((name) => ({ text: name, danger: dangers.includes(name) }));
  const blocks: Block[] = [{ kind: 'names', label, names }];
  if (dangers.length === 0) return blocks;
  const facts = dangers.map((name) => fact(name, { text: dangerOf(name) ?? '', tone: 'plain' }));
  const summary =
    dangers.length === 1
      ? vscode.l10n.t('What the marked one allows')
      : vscode.l10n.t('What the {0} marked ones allow', dangers.length);
  return [...blocks, { kind: 'details', summary, blocks: [{ kind: 'facts', facts }] }];
}

function setsTable(sets: CapabilitySets): Table {
  const all = [
    ...new Set([...sets.bounding, ...sets.permitted, ...sets.effective, ...sets.inheritable, ...sets.ambient]),
  ].sort();
  const columns = ['effective', 'permitted', 'inheritable', 'bounding', 'ambient'] as const;
  const has = (yes: boolean): Value => (yes ? plain(vscode.l10n.t('yes')) : { text: '–', tone: 'muted' });
  return {
    caption: vscode.l10n.t('Every capability in each of the process’s sets'),
    columns: [
      vscode.l10n.t('Capability'),
      vscode.l10n.t('Effective'),
      vscode.l10n.t('Permitted'),
      vscode.l10n.t('Inheritable'),
      vscode.l10n.t('Bounding'),
      vscode.l10n.t('Ambient'),
    ],
    rows: all.map((name) => ({ cells: [code(name), ...columns.map((column) => has(sets[column].includes(name)))] })),
  };
}

function restrictionsSection(process: ProcessesInspectResult): Section {
  return { heading: vscode.l10n.t('Restrictions'), blocks: [{ kind: 'facts', facts: restrictionFacts(process) }] };
}

/** Each in a line, in the same order for every process. */
export function restrictionFacts(process: ProcessesInspectResult): Fact[] {
  return [
    fact(
      'seccomp',
      known(process.seccomp, ({ mode, filters }) => {
        if (mode === 'disabled') return { text: vscode.l10n.t('off: it may make every system call') };
        if (mode === 'strict') return { text: vscode.l10n.t('strict: only read, write and exit') };
        return {
          text:
            filters === undefined || filters === 1
              ? vscode.l10n.t('filtered')
              : vscode.l10n.t('filtered, by {0} filters', filters),
        };
      }),
    ),
    fact(
      'no_new_privs',
      known(process.noNewPrivileges, (on) =>
        plain(
          on ? vscode.l10n.t('on: set-uid programs give it nothing') : vscode.l10n.t('off: set-uid programs can give it more'),
        ),
      ),
    ),
    fact(
      vscode.l10n.t('Security label'),
      process.securityLabel === undefined
        ? { text: vscode.l10n.t('none'), tone: 'muted' }
        : known(process.securityLabel, (label) => code(label)),
    ),
  ];
}

function mapsSection(process: ProcessesInspectResult): Section {
  const facts = [
    fact(vscode.l10n.t('Uids'), known(process.uidMap, mapText)),
    fact(vscode.l10n.t('Gids'), known(process.gidMap, mapText)),
  ];
  return { heading: vscode.l10n.t('Ids inside and outside'), blocks: [{ kind: 'facts', facts }] };
}

/** Number of all ids, 2³² − 1: the map of the initial user namespace. */
const ALL_IDS = 4294967295;

export function mapText(map: IdMapping[]): Value {
  if (map.length === 0) return plain(vscode.l10n.t('not mapped: all appear as the overflow id'));
  if (map.some((range) => range.inside === range.outside && range.count === ALL_IDS))
    return plain(vscode.l10n.t('the same inside and outside'));
  const ranges = map.map(({ inside, outside, count }) =>
    count === 1
      ? vscode.l10n.t('{0} is {1} outside', inside, outside)
      : vscode.l10n.t('{0}–{1} are {2}–{3} outside', inside, inside + count - 1, outside, outside + count - 1),
  );
  return plain(ranges.join('; '));
}

function cgroupsSection(process: ProcessesInspectResult): Section {
  const heading = vscode.l10n.t('Cgroups');
  const { cgroups } = process;
  if (isUnknown(cgroups)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(cgroups) }] };
  const table: Table = {
    caption: vscode.l10n.t('Cgroup of the process in each hierarchy'),
    columns: [vscode.l10n.t('Hierarchy'), vscode.l10n.t('Cgroup')],
    rows: cgroups.map(({ hierarchy, path }) => ({
      cells: [plain(hierarchy === 'unified' ? vscode.l10n.t('unified (v2)') : oneLine(hierarchy)), code(path, 400)],
      muted: path === '/',
    })),
  };
  return { heading, blocks: [{ kind: 'table', table }] };
}
