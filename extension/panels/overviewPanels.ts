/** The overviews: one page for each container, with all that a person wants to know of it first. */
import os from 'node:os';
import * as vscode from 'vscode';
import { Command, type CommandId } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { namespaceKey } from '../model/clientModel.ts';
import { KIND_ORDER } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import type { Layers } from '../model/liveLayers.ts';
import { containerName } from '../words/hostWords.ts';
import { overviewPage } from './overviewPage.ts';
import { OverviewReading } from './overviewReading.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';

/** No event tells of limits, listeners or mounts. */
const EVERY_MILLIS = 60_000;

export class OverviewPanels extends PagePanels<string, OverviewReading> {
  private readonly connection: HelperConnection;
  private readonly layers: Layers;

  constructor(connection: HelperConnection, host: Host, layers: Layers, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.overview);
    this.connection = connection;
    this.layers = layers;
  }

  /** @param key of the container, which is the same after a restart of the helper */
  protected override keyOf(key: string): string {
    return key;
  }

  protected override stored({ container }: Record<string, unknown>): string | undefined {
    return typeof container === 'string' ? container : undefined;
  }

  protected override subject(key: string): PageSubject<OverviewReading> {
    const { connection, host, layers } = this;
    const reading = new OverviewReading(key, { connection, host, layers });
    const known = host.model.containers.get(key);
    const name = known === undefined ? vscode.l10n.t('Container') : containerName(known);
    return {
      viewType: PageType.overview,
      title: name,
      reading: vscode.l10n.t('Reading {0}…', name),
      ask: () => reading.read(),
      titleOf: ({ container }) => (container === undefined ? name : containerName(container)),
      page: () => {
        const { state } = host;
        return overviewPage({
          container: reading.container!,
          reading,
          model: host.model,
          host: state.kind === 'ready' ? state.host : undefined,
          uptimeSeconds: os.uptime(),
        });
      },
      onDidChange: reading.onDidChange,
      gone: vscode.l10n.t('This container has ended. This is what was last seen of it.'),
      goneTitle: vscode.l10n.t('The container has ended'),
      failedTitle: vscode.l10n.t('The container could not be read'),
      touchedBy: (delta) => delta.containers.has(key) && reading.hasChanged(),
      onHidden: () => reading.rest(),
      everyMillis: EVERY_MILLIS,
      commands: {
        openTerminal: Command.openTerminalInContainer,
        monitor: Command.monitorCgroups,
        showStack: Command.showStack,
        inspectProcess: Command.inspectProcess,
        inspectCgroup: Command.inspectCgroup,
        revealInContainers: Command.revealInContainers,
      },
      state: { container: key },
      target: {
        get container() {
          return reading.container;
        },
        get overlay() {
          return reading.overlays.state === 'known' ? reading.overlays.value[0] : undefined;
        },
      } as PageSubject<OverviewReading>['target'],
      follow: (link) => this.leadsTo(link, reading),
      dispose: () => reading.dispose(),
    };
  }

  /** A page says what was followed; what that is of the container is found here. */
  private leadsTo(link: string, { container }: OverviewReading): { command: CommandId; target: object } | undefined {
    if (container === undefined) return undefined;
    const [what, first, second] = link.split(' ');
    if (what === 'cgroup') return { command: Command.inspectCgroup, target: { container } };
    if (what === 'process') {
      const process = first === undefined ? container.leader : { pid: Number(first), startTime: Number(second) };
      return { command: Command.inspectProcess, target: { process } };
    }
    const kind = KIND_ORDER.find((one) => one === first);
    const ino = kind === undefined ? undefined : container.namespaces[kind];
    if (what !== 'namespace' || kind === undefined || typeof ino !== 'number') return undefined;
    const namespace = this.host.model.namespaces.get(namespaceKey(kind, ino));
    return namespace === undefined ? undefined : { command: Command.revealInNamespaces, target: { namespace } };
  }
}
