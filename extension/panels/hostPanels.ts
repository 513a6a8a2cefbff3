/** The overview of the host: one page, for who opens Isoscope first, or finds no container. */
import os from 'node:os';
import * as vscode from 'vscode';
import { Command, type CommandId } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import { disconnected } from '../connection/requestError.ts';
import { refOfCgroup } from '../model/cgroupModel.ts';
import type { Host } from '../model/liveHost.ts';
import { ageText } from '../words/hostWords.ts';
import { type HostSubject, hostPage } from './hostPage.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';

/** No event tells of figures. */
const EVERY_MILLIS = 3000;
const ONLY = 'host';

export class HostPanels extends PagePanels<typeof ONLY, HostSubject> {
  constructor(host: Host, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.host);
  }

  /** Opens the page, or brings it to the front. */
  showHost(): void {
    this.show(ONLY);
  }

  protected override keyOf(): string {
    return ONLY;
  }

  protected override stored({ host }: Record<string, unknown>): typeof ONLY | undefined {
    return host === true ? ONLY : undefined;
  }

  protected override subject(): PageSubject<HostSubject> {
    const { host } = this;
    const title = vscode.l10n.t('This host');
    return {
      viewType: PageType.host,
      title,
      reading: vscode.l10n.t('Reading the host…'),
      ask: () => this.read(),
      titleOf: () => title,
      page: hostPage,
      gone: '',
      goneTitle: '',
      failedTitle: vscode.l10n.t('The host could not be read'),
      touchedBy: (delta) => delta.containers.size > 0,
      everyMillis: EVERY_MILLIS,
      commands: {
        openOverview: Command.openOverview,
        runInNewNamespace: Command.runInNewNamespace,
        newSandbox: Command.newSandbox,
      },
      state: { host: true },
      target: undefined,
      follow: (link) => leadsTo(link, host),
    };
  }

  /** Without its cgroups the page is there all the same, and says so. */
  private async read(): Promise<HostSubject> {
    const { host } = this;
    await host.load();
    // Who watches them has them current already.
    await host.cgroups.load().catch(() => undefined);
    const { state, model, cgroups } = host;
    if (state.kind !== 'ready') throw disconnected();
    const isRead = cgroups.known && cgroups.problem === undefined;
    return { host: state.host, model, cgroups: isRead ? cgroups.model : undefined, age: ageText(os.uptime()) };
  }
}

const TRIES: Record<string, CommandId> = {
  runInNewNamespace: Command.runInNewNamespace,
  compareWith: Command.compareWith,
  inspectProcess: Command.inspectProcess,
};

/** A page says what was followed; whether that is still there is found here. */
function leadsTo(link: string, host: Host): { command: CommandId; target?: object } | undefined {
  const space = link.indexOf(' ');
  const [what, of] = [link.slice(0, space), link.slice(space + 1)];
  if (what === 'try') return Object.hasOwn(TRIES, of) ? { command: TRIES[of]! } : undefined;
  if (what === 'container') {
    const container = host.model.containers.get(of);
    return container && { command: Command.openOverview, target: { container } };
  }
  const cgroup = what === 'cgroup' ? host.cgroups.model.cgroups.get(of) : undefined;
  return cgroup && { command: Command.inspectCgroup, target: { cgroups: [refOfCgroup(cgroup)] } };
}
