/** From what the lists tell of this host to a page for who opens Isoscope first: what it is, who uses it, what stands out, what to try. Pure. */
import * as vscode from 'vscode';
import type { Cgroup, CgroupBadge } from '../../helper/protocol/cgroups.ts';
import type { Container, Engine } from '../../helper/protocol/containers.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { Block, Button, Fact, Page, Section, Table } from '../../webview/messages.ts';
import { type CgroupModel, keyOfCgroup } from '../model/cgroupModel.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { isContainer, KIND_ORDER } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { badgeText, bytesText, cgroupTitle, cpuText, IDLE_CORES, numberText } from '../words/cgroupWords.ts';
import { containerName, engineName, kindTitle, parts } from '../words/hostWords.ts';
import { plain } from './cgroupFacts.ts';

const MOST_USERS = 8;
const MOST_STANDING_OUT = 8;

export interface HostSubject {
  host: InitializeResult;
  model: ClientModel;
  /** Undefined when its list could not be read. */
  cgroups: CgroupModel | undefined;
  age: string;
}

export function hostPage(subject: HostSubject): Page {
  const { host } = subject;
  return {
    title: oneLine(host.hostname, 60),
    subtitle: parts(
      `Linux ${oneLine(host.kernelRelease, 60)}`,
      oneLine(host.architecture, 20),
      cgroupsText(host),
      vscode.l10n.t('up for {0}', subject.age),
    ),
    layout: 'cards',
    buttons: buttons(host),
    sections: [...standingOutSection(subject), usersSection(subject), whatSection(subject), trySection()],
  };
}

function buttons({ mode }: InitializeResult): Button[] {
  const list: Button[] = [
    { action: 'openOverview', label: vscode.l10n.t('Open container…') },
    { action: 'runInNewNamespace', label: vscode.l10n.t('Run in new namespace…') },
    { action: 'newSandbox', label: vscode.l10n.t('New sandbox…') },
  ];
  if (mode === 'unprivileged') list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  return list;
}

function cgroupsText({ cgroups }: InitializeResult): string {
  const words = {
    v1: vscode.l10n.t('cgroups v1'),
    v2: vscode.l10n.t('cgroups v2'),
    hybrid: vscode.l10n.t('cgroups v1 and v2'),
    none: vscode.l10n.t('cgroups not mounted'),
  };
  return words[cgroups.mode];
}

// ---------------------------------------------------------------------------------------------------------------------
// What stands out

/** In the order in which they matter. */
const TELLING: readonly CgroupBadge[] = ['escapeRisk', 'oomKilled', 'nearLimit', 'throttled', 'frozen', 'invalidPartition'];

function standingOutSection({ model, cgroups }: HostSubject): Section[] {
  if (cgroups === undefined) return [];
  type Alert = Extract<Block, { kind: 'alerts' }>['alerts'][number];
  const alerts = TELLING.flatMap((badge) => {
    const marked = [...cgroups.cgroups.values()].filter(({ badges, path }) => badges.includes(badge) && path !== '/');
    // What is one to a person is a cgroup in several hierarchies.
    const byName = new Map(marked.map((cgroup) => [cgroup.container ?? cgroup.path, cgroup]));
    return [...byName.values()].map((cgroup): Alert => {
      const container = cgroup.container === undefined ? undefined : model.containers.get(cgroup.container);
      return {
        severity: badge === 'escapeRisk' ? 'danger' : 'caution',
        text: container === undefined ? cgroupTitle(cgroup) : containerName(container),
        detail: badgeText(badge),
        link: linkOf(cgroup, container),
      };
    });
  });
  if (alerts.length === 0) return [];
  const more = alerts.length - MOST_STANDING_OUT;
  const blocks: Block[] = [{ kind: 'alerts', alerts: alerts.slice(0, MOST_STANDING_OUT) }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} more', numberText(more)) });
  return [{ heading: vscode.l10n.t('What stands out'), blocks, isWide: true }];
}

function linkOf(cgroup: Cgroup, container: Container | undefined): string {
  return container === undefined ? `cgroup ${keyOfCgroup(cgroup)}` : `container ${container.key}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// Who uses it most

interface User {
  name: string;
  link: string;
  cores: number | undefined;
  memoryBytes: number | undefined;
  tasks: number | undefined;
}

function usersSection({ model, cgroups }: HostSubject): Section {
  const heading = vscode.l10n.t('Who uses it most');
  if (cgroups === undefined) {
    return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: vscode.l10n.t('Its cgroups could not be read.') }] };
  }
  const users = usersOf(model, cgroups).sort(
    (one, other) => (other.cores ?? 0) - (one.cores ?? 0) || (other.memoryBytes ?? 0) - (one.memoryBytes ?? 0),
  );
  if (users.length === 0) {
    const text = vscode.l10n.t('No container and no unit has a cgroup with figures in sight.');
    return { heading, blocks: [{ kind: 'text', tone: 'muted', text }] };
  }
  const figure = <T>(value: T | undefined, show: (value: T) => string) =>
    value === undefined ? { text: vscode.l10n.t('unknown'), tone: 'unknown' as const } : plain(show(value));
  const table: Table = {
    caption: heading,
    columns: [vscode.l10n.t('Container or unit'), 'CPU', vscode.l10n.t('Memory'), vscode.l10n.t('Tasks')],
    rows: users.slice(0, MOST_USERS).map(({ name, link, cores, memoryBytes, tasks }) => ({
      cells: [
        { ...plain(name), link },
        figure(cores, (value) => (value < IDLE_CORES ? vscode.l10n.t('at rest') : cpuText(value))),
        figure(memoryBytes, bytesText),
        figure(tasks, numberText),
      ],
    })),
  };
  return { heading, blocks: [{ kind: 'table', table }] };
}

/** Containers, and units that people know by a name, each once: on v1 put together from their cgroups of all hierarchies. */
function usersOf(model: ClientModel, cgroups: CgroupModel): User[] {
  const users = new Map<string, User>();
  for (const cgroup of cgroups.cgroups.values()) {
    if (cgroup.path === '/' || (cgroup.container === undefined && cgroup.title === undefined)) continue;
    const container = cgroup.container === undefined ? undefined : model.containers.get(cgroup.container);
    const key = cgroup.container ?? cgroup.path;
    const user = users.get(key) ?? {
      name: container === undefined ? cgroupTitle(cgroup) : containerName(container),
      link: linkOf(cgroup, container),
      cores: undefined,
      memoryBytes: undefined,
      tasks: undefined,
    };
    const { memoryBytes, tasks } = cgroup.figures;
    user.cores ??= cgroups.coresUsed(cgroup);
    user.memoryBytes ??= memoryBytes;
    user.tasks ??= tasks;
    users.set(key, user);
  }
  return [...users.values()].filter(
    ({ cores, memoryBytes, tasks }) => cores !== undefined || memoryBytes !== undefined || tasks !== undefined,
  );
}

// ---------------------------------------------------------------------------------------------------------------------
// What it is, and what to try

function whatSection({ host, model }: HostSubject): Section {
  const of = (text: string) => (model.isComplete ? plain(text) : plain(text, vscode.l10n.t('of those that you may see')));
  const facts: Fact[] = [
    { label: vscode.l10n.t('Containers'), value: of(enginesText([...model.containers.values()].filter(isContainer))) },
    { label: vscode.l10n.t('Namespaces'), value: of(namespacesText(model)) },
    { label: vscode.l10n.t('Processes'), value: of(numberText(model.processes.size)) },
    {
      label: vscode.l10n.t('You are'),
      value: plain(
        oneLine(host.user, 40),
        host.mode === 'privileged'
          ? vscode.l10n.t('you see what root may see')
          : vscode.l10n.t('what is not yours is mostly hidden'),
      ),
    },
    {
      label: vscode.l10n.t('Changes'),
      value: plain(
        host.changes === 'events' ? vscode.l10n.t('told by the kernel at once') : vscode.l10n.t('found by looking again'),
      ),
    },
  ];
  return { heading: vscode.l10n.t('What it is'), blocks: [{ kind: 'facts', facts }] };
}

/** "Docker 2, Podman 1". */
function enginesText(containers: readonly Container[]): string {
  const counts = new Map<Engine, number>();
  for (const { engine } of containers) counts.set(engine, (counts.get(engine) ?? 0) + 1);
  if (counts.size === 0) return vscode.l10n.t('not one in sight');
  return [...counts].map(([engine, count]) => `${engineName(engine)} ${numberText(count)}`).join(', ');
}

function namespacesText(model: ClientModel): string {
  const counts = KIND_ORDER.map((kind) => {
    const count = [...model.namespaces.values()].filter((namespace) => namespace.kind === kind && !namespace.host).length;
    return count === 0 ? undefined : `${kindTitle(kind)} ${numberText(count)}`;
  });
  const beside = counts.filter((text) => text !== undefined);
  return beside.length === 0 ? vscode.l10n.t('only those of the host in sight') : beside.join(', ');
}

function trySection(): Section {
  const facts: Fact[] = [
    {
      label: vscode.l10n.t('Make one'),
      value: {
        text: vscode.l10n.t('Run a program in namespaces of its own, and look at what it sees'),
        link: 'try runInNewNamespace',
      },
    },
    {
      label: vscode.l10n.t('Compare'),
      value: { text: vscode.l10n.t('See in what a process differs from the host'), link: 'try compareWith' },
    },
    {
      label: vscode.l10n.t('Look'),
      value: {
        text: vscode.l10n.t('Read what a process may do, what it sees, and what confines it'),
        link: 'try inspectProcess',
      },
    },
  ];
  return { heading: vscode.l10n.t('Three things to try'), blocks: [{ kind: 'facts', facts }] };
}
