/** From what is known of a container to the page that a person sees first of it: how it does, how it is confined, what it is made of, how it is reached. */
import * as vscode from 'vscode';
import type { Container } from '../../helper/protocol/containers.ts';
import type { Process } from '../../helper/protocol/processes.ts';
import type { Block, Button, Page, Section } from '../../webview/messages.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { childProcesses, containerRoots } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { numberText } from '../words/cgroupWords.ts';
import { ageText, argumentsText, containerName, containerState, engineName, parts, processTitle } from '../words/hostWords.ts';
import { code, plain } from './cgroupFacts.ts';
import { confinedSection } from './overviewConfinement.ts';
import { madeSection } from './overviewContents.ts';
import { dangersOf } from './overviewDangers.ts';
import { doingSection } from './overviewDoing.ts';
import { reachedSection } from './overviewNetwork.ts';
import { knownValue, type OverviewSubject } from './overviewParts.ts';

/** More are in the tree. */
const MOST_PROCESSES = 12;

export function overviewPage(subject: OverviewSubject): Page {
  const { container, model } = subject;
  return {
    title: containerName(container),
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
  const began = host === undefined ? undefined : container.leader.startTime / host.clockTicks;
  const lasted = began === undefined ? undefined : ageText(uptimeSeconds - began);
  const state = containerState(container);
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

function dangerSection({ reading }: OverviewSubject): Section[] {
  const alerts = dangersOf({
    process: knownValue(reading.process),
    cgroups: knownValue(reading.cgroups),
    mounts: knownValue(reading.mounts)?.mounts,
  });
  if (alerts.length === 0) return [];
  return [{ heading: vscode.l10n.t('What is dangerous'), isWide: true, blocks: [{ kind: 'alerts', alerts }] }];
}

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
        ...plain(`${'\u00a0\u00a0'.repeat(Math.min(depth, 8))}${depth > 0 ? '└ ' : ''}${processTitle(process)}`),
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
