/** The "Inspect Cgroup" pages: one for each cgroup, or for the cgroups of one container together. */
import { performance } from 'node:perf_hooks';
import * as vscode from 'vscode';
import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import { Command } from '../base/commandIds.ts';
import { PageType } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { keyOfCgroup, refOfCgroup } from '../model/cgroupModel.ts';
import type { Host } from '../model/liveHost.ts';
import { cgroupTitle, hierarchyTitle } from '../words/cgroupWords.ts';
import type { CgroupAnswers } from './cgroupFacts.ts';
import { cgroupPage } from './cgroupPage.ts';
import { inspectCgroups } from './inspectCgroups.ts';
import type { PageSubject } from './pagePanel.ts';
import { PagePanels } from './pagePanels.ts';
import { cgroupRefs } from './restore.ts';

/** No event tells of figures. */
const EVERY_MILLIS = 2000;

/** Each page is on cgroups of one place; at least one. */
export class CgroupPanels extends PagePanels<readonly CgroupRef[], CgroupReading> {
  private readonly connection: HelperConnection;

  constructor(connection: HelperConnection, host: Host, extensionUri: vscode.Uri) {
    super(host, extensionUri, PageType.cgroup);
    this.connection = connection;
  }

  protected override keyOf(cgroups: readonly CgroupRef[]): string {
    return cgroups.map(keyOfCgroup).sort().join('\n');
  }

  protected override stored(state: Record<string, unknown>): readonly CgroupRef[] | undefined {
    const cgroups = cgroupRefs(state.cgroups);
    return cgroups.length > 0 ? cgroups : undefined;
  }

  protected override subject(cgroups: readonly CgroupRef[]): PageSubject<CgroupReading> {
    const { host } = this;
    const known = cgroups.map((cgroup) => host.cgroups.model.cgroup(cgroup)).find((cgroup) => cgroup?.title !== undefined);
    const name = cgroupTitle(known ?? cgroups[0]!);
    const readings = new Readings();
    return {
      viewType: PageType.cgroup,
      title: tabTitle(name, cgroups),
      reading: vscode.l10n.t('Reading the cgroup {0}…', name),
      ask: async (token) => readings.add(await inspectCgroups(this.connection, cgroups, token)),
      titleOf: ({ answers }) => tabTitle(cgroupTitle(answers.find(({ title }) => title !== undefined) ?? answers[0]), cgroups),
      page: ({ answers, before }) => cgroupPage(host.model, answers, host.privileged, before),
      gone: vscode.l10n.t('This cgroup is gone. This is what was last seen of it.'),
      goneTitle: vscode.l10n.t('The cgroup {0} is gone', name),
      failedTitle: vscode.l10n.t('The cgroup {0} could not be read', name),
      touchedBy: () => false,
      everyMillis: EVERY_MILLIS,
      commands: {
        monitor: Command.monitorCgroups,
        setCpuLimit: Command.setCpuLimit,
        setMemoryLimit: Command.setMemoryLimit,
        setTasksLimit: Command.setTasksLimit,
        openCgroupFile: Command.openCgroupFile,
        revealInCgroups: Command.revealInCgroups,
        revealInContainers: Command.revealInContainers,
      },
      state: { cgroups: cgroups.map(refOfCgroup) },
      target: {
        cgroups,
        get container() {
          const key = known?.container;
          return key === undefined ? undefined : host.model.containers.get(key);
        },
      },
    };
  }
}

/** Answers, with those of a moment ago. */
interface CgroupReading {
  answers: CgroupAnswers;
  before: CgroupAnswers | undefined;
}

/** Answers closer together than this hold hardly a period; further apart they tell of no moment that is now. */
const SHORTEST_MILLIS = 1000;
const LONGEST_MILLIS = 10_000;

class Readings {
  private kept: { answers: CgroupAnswers; atMillis: number }[] = [];

  add(answers: CgroupAnswers): CgroupReading {
    const atMillis = performance.now();
    const recent = this.kept.filter((one) => atMillis - one.atMillis <= LONGEST_MILLIS);
    const before = recent.findLast((one) => atMillis - one.atMillis >= SHORTEST_MILLIS);
    // What a person does reads the page at once: the reading before that one stays.
    this.kept = [...(before === undefined ? recent.slice(0, 1) : [before]), { answers, atMillis }];
    return { answers, before: before?.answers };
  }
}

/** Of version 1 a cgroup has the same name in every hierarchy, and each can have its page, as can all of them together. */
function tabTitle(name: string, [one, ...others]: readonly CgroupRef[]): string {
  const alone = others.length === 0 && one !== undefined && one.hierarchy !== 'unified' && one.path !== '/';
  return alone ? vscode.l10n.t('Cgroup {0} ({1})', name, hierarchyTitle(one.hierarchy)) : vscode.l10n.t('Cgroup {0}', name);
}
