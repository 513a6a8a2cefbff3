/** The pages that compare two things: one for each pair. */
import * as vscode from 'vscode';
import { MountsList } from '../../helper/protocol/mounts.ts';
import { Command } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import type { CommandTarget } from '../model/commandTarget.ts';
import { containerOf } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { oneLine } from '../plain/plainText.ts';
import { engineName } from '../words/hostWords.ts';
import { type ComparedMounts, type Comparison, compareMountsPage, comparePage, comparisonTitle } from './comparePage.ts';
import { type ComparedSide, FactsToCompare, mountsOf, type Pair } from './factsToCompare.ts';
import type { ComparedNames } from './mountParts.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';
import { isProcessRef, isRecord } from './restore.ts';

/** What a button of the page acts on. */
export interface PairTarget extends CommandTarget {
  pair: Pair;
}

const NAME_LENGTH = 60;
/** Engines that make every container alike. */
const ALIKE = ['docker', 'podman', 'containerd', 'kubernetes', 'cri-o'];

type Answer = ({ of: 'mounts' } & ComparedMounts) | ({ of: 'all' } & Comparison);

export class ComparePanels extends PagePanels<Pair, Answer> {
  private readonly connection: HelperConnection;
  private readonly facts: FactsToCompare;

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.compare);
    this.connection = connection;
    this.facts = new FactsToCompare(connection, host);
  }

  protected override keyOf({ mine, other, all }: Pair): string {
    const key = (side: ComparedSide | undefined) => (side === undefined ? '' : `${side.process.pid} ${side.process.startTime}`);
    return `${all === true ? 'all' : 'mounts'} ${key(mine)} ${key(other)}`;
  }

  protected override stored({ mine, other, all }: Record<string, unknown>): Pair | undefined {
    const one = storedSide(mine);
    const two = other === undefined ? undefined : storedSide(other);
    if (one === undefined || (other !== undefined && two === undefined)) return undefined;
    return { mine: one, other: two, all: all === true };
  }

  protected override subject(pair: Pair): PageSubject<Answer> {
    const { host } = this;
    const names = () => this.names(pair);
    let seen = this.whatMatters(pair);
    const title = () => (pair.all === true ? comparisonTitle(names()) : vscode.l10n.t('Mounts: {0}', comparisonTitle(names())));
    const target: PairTarget = { process: pair.mine.process, pair };
    return {
      viewType: PageType.compare,
      title: title(),
      reading: vscode.l10n.t('Comparing {0} and {1}…', names().mine, names().other),
      ask: (token) => (pair.all === true ? this.facts.ofBoth(pair, token) : this.mounts(pair, token)),
      titleOf: title,
      page: (answer) =>
        answer.of === 'all'
          ? comparePage(answer, names(), host.privileged)
          : compareMountsPage(answer, names(), host.privileged),
      gone: vscode.l10n.t('One of the two has ended. This is what was last seen.'),
      goneTitle: vscode.l10n.t('One of the two has ended'),
      failedTitle: vscode.l10n.t('They could not be compared'),
      touchedBy: ({ processes }) => {
        if (![pair.mine, pair.other].some((side) => side !== undefined && processes.has(side.process.pid))) return false;
        const before = seen;
        seen = this.whatMatters(pair);
        return seen !== before;
      },
      commands: { compareMountsAsText: Command.compareMountsAsText },
      state: { ...pair },
      target,
    };
  }

  private async mounts({ mine, other }: Pair, token: vscode.CancellationToken): Promise<Answer> {
    const read = (side: ComparedSide | undefined) => this.connection.request(MountsList, mountsOf(side), token);
    const [one, two] = await Promise.all([read(mine), read(other)]);
    return { of: 'mounts', mine: one, other: two };
  }

  /** Of the two processes, of whose rows state and threads change all the time: whether they are there, who they are, and in what. */
  private whatMatters({ mine, other }: Pair): string {
    const of = (side: ComparedSide | undefined) => {
      const known = side === undefined ? undefined : this.host.model.process(side.process);
      return known === undefined ? undefined : [known.uid, known.container, known.namespaces];
    };
    return JSON.stringify([of(mine) ?? null, of(other) ?? null]);
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
