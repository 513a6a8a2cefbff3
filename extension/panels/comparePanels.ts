/** The pages that compare two things: one for each pair. */
import * as vscode from 'vscode';
import { MountsList, type MountsListParams, type MountsListResult } from '../../helper/protocol/mounts.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { Command } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import { containerOf } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { oneLine } from '../plain/plainText.ts';
import { engineName } from '../words/hostWords.ts';
import { compareMountsPage, comparisonTitle, type MountsOfTwo } from './comparePage.ts';
import type { ComparedNames } from './mountParts.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';
import { isProcessRef, isRecord } from './restore.ts';

/** One of two that are compared: a process, which stands for its container too, by a name. */
export interface ComparedSide {
  process: ProcessRef;
  name: string;
}

/** `other` left out: the host. */
export interface Pair {
  mine: ComparedSide;
  other?: ComparedSide | undefined;
}

/** What a button of the page acts on. */
export interface PairTarget extends CommandTarget {
  pair: Pair;
}

const NAME_LENGTH = 60;
/** Engines that make every container alike. */
const ALIKE = ['docker', 'podman', 'containerd', 'kubernetes', 'cri-o'];

export class ComparePanels extends PagePanels<Pair, MountsOfTwo> {
  private readonly connection: HelperConnection;

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.compare);
    this.connection = connection;
  }

  protected override keyOf({ mine, other }: Pair): string {
    const key = (side: ComparedSide | undefined) => (side === undefined ? '' : `${side.process.pid} ${side.process.startTime}`);
    return `${key(mine)} ${key(other)}`;
  }

  protected override stored({ mine, other }: Record<string, unknown>): Pair | undefined {
    const one = storedSide(mine);
    if (one === undefined) return undefined;
    if (other === undefined) return { mine: one };
    const two = storedSide(other);
    return two === undefined ? undefined : { mine: one, other: two };
  }

  protected override subject(pair: Pair): PageSubject<MountsOfTwo> {
    const { host } = this;
    const names = () => this.names(pair);
    const pids = [pair.mine, pair.other].map((side) => side?.process.pid);
    const title = () => vscode.l10n.t('Mounts: {0}', comparisonTitle(names()));
    const target: PairTarget = { process: pair.mine.process, pair };
    return {
      viewType: PageType.compare,
      title: title(),
      reading: vscode.l10n.t('Reading the mounts of {0} and {1}…', names().mine, names().other),
      ask: (token) => this.ask(pair, token),
      titleOf: title,
      page: (answer) => compareMountsPage(answer, names(), host.privileged),
      gone: vscode.l10n.t('One of the two has ended. This is what was last seen.'),
      goneTitle: vscode.l10n.t('One of the two has ended'),
      failedTitle: vscode.l10n.t('They could not be compared'),
      touchedBy: (delta) => pids.some((pid) => pid !== undefined && delta.processes.has(pid)),
      commands: { compareMountsAsText: Command.compareMountsAsText },
      state: { mine: pair.mine, ...(pair.other === undefined ? {} : { other: pair.other }) },
      target,
    };
  }

  private async ask({ mine, other }: Pair, token: vscode.CancellationToken): Promise<MountsOfTwo> {
    const mounts = (side: ComparedSide | undefined): Promise<MountsListResult> => {
      const params: MountsListParams = side === undefined ? {} : { process: side.process };
      return this.connection.request(MountsList, params, token);
    };
    const [one, two] = await Promise.all([mounts(mine), mounts(other)]);
    return { mine: one, other: two };
  }

  private names({ mine, other }: Pair): ComparedNames {
    const { model } = this.host;
    const process = model.process(mine.process);
    const container = process === undefined ? undefined : containerOf(model, process);
    const engine = container !== undefined && ALIKE.includes(container.engine) ? engineName(container.engine) : undefined;
    return {
      mine: oneLine(mine.name, NAME_LENGTH),
      other: other === undefined ? vscode.l10n.t('the host') : oneLine(other.name, NAME_LENGTH),
      isOtherHost: other === undefined,
      ...(engine === undefined ? {} : { engine }),
    };
  }
}

function storedSide(side: unknown): ComparedSide | undefined {
  if (!isRecord(side) || !isProcessRef(side.process) || typeof side.name !== 'string') return undefined;
  const { pid, startTime } = side.process;
  return { process: { pid, startTime }, name: side.name };
}
