/** From everything that the helper says about a cgroup to the page that a person reads. */
import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import type { CgroupCpu, CgroupRisk, CgroupsInspectResult, Figure, Limit } from '../../helper/protocol/cgroups.ts';
import type { Block, Button, Fact, Page, Section } from '../../webview/messages.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import {
  bytesText,
  cgroupTitle,
  figuresText,
  hierarchyTitle,
  numberText,
  percentText,
  shortPath,
} from '../words/cgroupWords.ts';
import { containerName, isUnknown, parts, processName, unknownText } from '../words/hostWords.ts';
import {
  type CgroupAnswers,
  CLOSE,
  code,
  type FoundFact,
  fact,
  facts,
  first,
  isLacking,
  none,
  number,
  plain,
  together,
  yesNo,
} from './cgroupFacts.ts';
import {
  cpuSection,
  cpusetSection,
  devicesSection,
  freezerSection,
  hugetlbSection,
  ioSection,
  memorySection,
  tasksSection,
  throttledNow,
  throttlingSince,
} from './cgroupResources.ts';

/** A list of processes beyond this is for the tree. */
const MOST_MEMBERS = 100;

/** `before`: the answers of a moment ago, where there are some: they tell what goes on now. */
export function cgroupPage(model: ClientModel, answers: CgroupAnswers, privileged: boolean, before?: CgroupAnswers): Page {
  const named = answers.find(({ title }) => title !== undefined) ?? answers[0];
  const key = answers.find(({ container }) => container !== undefined)?.container;
  const container = key === undefined ? undefined : model.containers.get(key);
  const sections = [
    riskSection(answers),
    summarySection(answers, before),
    cpuSection(answers, before),
    memorySection(answers),
    ioSection(answers),
    tasksSection(answers),
    cpusetSection(answers),
    hugetlbSection(answers),
    freezerSection(answers),
    devicesSection(answers),
    eventsSection(answers),
    othersSection(answers),
    processesSection(answers),
    lackingSection(answers),
    filesSection(answers),
  ];
  return {
    title: cgroupTitle(named),
    subtitle: parts(
      vscode.l10n.t('cgroup v{0}', answers[0].version),
      answers.length === 1 && answers[0].version === 1 ? hierarchyTitle(answers[0].hierarchy) : undefined,
      shortPath(answers[0].path),
      container === undefined ? undefined : vscode.l10n.t('container {0}', containerName(container)),
    ),
    buttons: buttons(answers, container !== undefined, privileged),
    sections: sections.filter((section) => section !== undefined),
  };
}

function buttons(answers: CgroupAnswers, inContainer: boolean, privileged: boolean): Button[] {
  const has = (part: 'cpu' | 'memory' | 'pids') => first(answers, (answer) => answer[part]) !== undefined;
  const list: Button[] = [{ action: 'monitor', label: vscode.l10n.t('Monitor') }];
  if (has('cpu')) list.push({ action: 'setCpuLimit', label: vscode.l10n.t('Set CPU limit…') });
  if (has('memory')) list.push({ action: 'setMemoryLimit', label: vscode.l10n.t('Set memory limit…') });
  if (has('pids')) list.push({ action: 'setTasksLimit', label: vscode.l10n.t('Set limit of tasks…') });
  list.push({ action: 'openCgroupFile', label: vscode.l10n.t('Open file…') });
  list.push({ action: 'revealInCgroups', label: vscode.l10n.t('Reveal in Cgroups') });
  if (inContainer) list.push({ action: 'revealInContainers', label: vscode.l10n.t('Reveal in Containers') });
  if (!privileged) list.push({ action: 'restartAsRoot', label: vscode.l10n.t('Become root…') });
  return list;
}
/** First on the page: what lets a process out of its container. */
function riskSection(answers: CgroupAnswers): Section | undefined {
  // What a container may do is the same seen from each hierarchy of its cgroups.
  const all = answers.flatMap(({ risks: own }) => own);
  const risks = all.filter((risk, index) => all.findIndex((other) => isDeepStrictEqual(other, risk)) === index);
  if (risks.length === 0) return undefined;
  return { heading: vscode.l10n.t('Ways out of a container'), blocks: risks.flatMap(riskBlocks) };
}

function riskBlocks({ kind, severity, evidence, fix }: CgroupRisk): Block[] {
  const titles: Record<CgroupRisk['kind'], string> = {
    releaseAgent: vscode.l10n.t('release_agent runs a program of its choice as root on the host'),
    writableByContainer:
      severity === 'unknown'
        ? vscode.l10n.t('Whether a container may write files of cgroups is not known')
        : vscode.l10n.t('A container may write files of cgroups'),
  };
  return [
    { kind: 'text', tone: severity === 'danger' ? 'danger' : 'plain', text: titles[kind] },
    ...facts(
      { label: vscode.l10n.t('Evidence'), value: plain(oneLine(saidText(evidence), 1000)) },
      { label: vscode.l10n.t('What to do'), value: plain(oneLine(saidText(fix), 1000)) },
    ),
  ];
}

/** How close it is to each limit that binds. */
function summarySection(answers: CgroupAnswers, before: CgroupAnswers | undefined): Section | undefined {
  const memory = together(answers, ({ memory: part }) => part);
  const pids = together(answers, ({ pids: part }) => part);
  const blocks = [
    memory === undefined ? undefined : meter(vscode.l10n.t('Memory'), memory.usageBytes, memory.limit, bytesText),
    pids === undefined ? undefined : meter(vscode.l10n.t('Tasks'), pids.tasks, pids.limit, numberText),
    cpuMeter(
      together(answers, ({ cpu }) => cpu),
      before,
    ),
  ].filter((block) => block !== undefined);
  // What a bar shows needs no words.
  const worded = (answer: CgroupsInspectResult) =>
    answer.badges.filter((badge) => badge !== 'throttled' && badge !== 'nearLimit' && !badge.startsWith('escape'));
  const badges = [...new Set(answers.flatMap((answer) => figuresText({ ...answer, figures: {}, badges: worded(answer) })))];
  const text: Block[] = badges.length === 0 ? [] : [{ kind: 'text', tone: 'plain', text: capitalized(badges.join(', ')) }];
  if (blocks.length + text.length === 0) return undefined;
  return { heading: vscode.l10n.t('At a glance'), blocks: [...text, ...blocks] };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function meter(
  label: string,
  usage: Figure<number>,
  limit: Figure<Limit>,
  words: (value: number) => string,
): Block | undefined {
  const used = number(usage);
  const most = isLacking(limit) || isUnknown(limit) ? undefined : (limit as Limit).own;
  if (used === undefined || most === undefined || most === null || most === 0) return undefined;
  const part = Math.min(1, used / most);
  const text = vscode.l10n.t('{0} of {1} ({2})', words(used), words(most), percentText(used / most));
  return { kind: 'meter', label, text, part, close: part >= CLOSE };
}

/** How many of its last periods the limit cut short: a CPU limit is not filled but waited for. Absent where no period was ever counted. */
function cpuMeter(cpu: CgroupCpu | undefined, before: CgroupAnswers | undefined): Block | undefined {
  const periods = number(cpu?.periods ?? null);
  if (periods === undefined || periods === 0) return undefined;
  const since = throttlingSince(before, cpu);
  const part = since === undefined || since.periods === 0 ? 0 : Math.min(1, since.throttled / since.periods);
  const { text } = throttledNow(since);
  const shown = part === 0 ? text : `${text} (${percentText(part)})`;
  return { kind: 'meter', label: vscode.l10n.t('Throttled now'), text: shown, part, close: part >= CLOSE };
}

function eventsSection(answers: CgroupAnswers): Section | undefined {
  const list = [
    ...notifyFacts(answers),
    ...answers.flatMap((answer) =>
      isLacking(answer.events) ? [] : [fact('cgroup.events', answer.events, (events) => code(entriesText(events)))],
    ),
    ...descendantFacts(answers),
    ...answers.flatMap((answer) =>
      isLacking(answer.childControllers)
        ? []
        : [
            fact(vscode.l10n.t('Controllers for children'), answer.childControllers, (names) =>
              names.length === 0 ? none(vscode.l10n.t('none')) : plain(names.join(', ')),
            ),
          ],
    ),
  ];
  return list.length === 0 ? undefined : { heading: vscode.l10n.t('Events and children'), blocks: facts(...list) };
}

/** Those that were removed cost memory as long as something is charged to them. Only v2 counts. */
function descendantFacts(answers: CgroupAnswers): FoundFact[] {
  const figure = answers.map(({ descendants }) => descendants).find((one) => !isLacking(one)) ?? answers[0].descendants;
  return [
    fact(vscode.l10n.t('Cgroups below'), figure, ({ live }) =>
      live === 0 ? none(vscode.l10n.t('none')) : plain(numberText(live)),
    ),
    fact(vscode.l10n.t('Removed but kept'), figure, ({ dying, dyingOf }) => {
      if (dying === 0) return none(vscode.l10n.t('none'));
      const of = Object.entries(dyingOf).map(([controller, count]) => `${oneLine(controller, 40)} ${numberText(count)}`);
      const note =
        of.length === 0
          ? vscode.l10n.t('something is still charged to them')
          : vscode.l10n.t('something is still charged to them: {0}', of.join(', '));
      return plain(numberText(dying), note);
    }),
  ];
}

function entriesText(entries: Record<string, number>): string {
  return Object.entries(entries)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

/** One line for all hierarchies of v1: it is off in all of them nearly always. */
function notifyFacts(answers: CgroupAnswers): FoundFact[] {
  const v1 = answers.filter(({ notifyOnRelease }) => !isLacking(notifyOnRelease));
  if (v1.length === 0) return [];
  const label = 'notify_on_release';
  const unknown = v1.find(({ notifyOnRelease }) => isUnknown(notifyOnRelease));
  if (unknown !== undefined) return [fact(label, unknown.notifyOnRelease, yesNo)];
  const on = v1.filter(({ notifyOnRelease }) => notifyOnRelease === true).map(({ hierarchy }) => hierarchyTitle(hierarchy));
  if (on.length === 0) return [{ label, value: none(vscode.l10n.t('off')) }];
  const note = vscode.l10n.t('the release agent runs when it empties');
  return [{ label, value: plain(vscode.l10n.t('on in {0}', on.join(', ')), note) }];
}

function othersSection(answers: CgroupAnswers): Section | undefined {
  const files = answers.flatMap(({ others }) => others);
  if (files.length === 0) return undefined;
  const list = files.map(({ file, text }): Fact => ({ label: file, value: code(text.trim(), 400) }));
  return {
    heading: vscode.l10n.t('Other controllers'),
    blocks: [{ kind: 'details', summary: vscode.l10n.t('{0} files', files.length), blocks: facts(...list) }],
  };
}

function processesSection(answers: CgroupAnswers): Section {
  const heading = vscode.l10n.t('Processes in it');
  const fullest = [...answers].sort((a, b) => (b.memberCount ?? 0) - (a.memberCount ?? 0))[0]!;
  const { members } = fullest;
  if (isUnknown(members)) return { heading, blocks: [{ kind: 'text', tone: 'unknown', text: unknownText(members) }] };
  if (members.length === 0) {
    const text = fullest.populated
      ? vscode.l10n.t('None is in this very cgroup; there are some below it.')
      : vscode.l10n.t('None is in it or below it.');
    return { heading, blocks: [{ kind: 'text', tone: 'muted', text }] };
  }
  const names = members.slice(0, MOST_MEMBERS).map((member) => ({
    text: member.tid === undefined ? processName(member) : `${processName(member)} › ${member.tid}`,
  }));
  const more = members.length - names.length;
  const blocks: Block[] = [{ kind: 'names', label: heading, names }];
  if (more > 0) blocks.push({ kind: 'text', tone: 'muted', text: vscode.l10n.t('and {0} more', numberText(more)) });
  return { heading, blocks };
}

/** What no answer has, in one place: on v1 each hierarchy has its own controllers. */
function lackingSection(answers: CgroupAnswers): Section | undefined {
  const names: Partial<Record<keyof CgroupsInspectResult, string>> = {
    cpu: vscode.l10n.t('CPU'),
    memory: vscode.l10n.t('Memory'),
    io: vscode.l10n.t('I/O'),
    pids: vscode.l10n.t('Tasks'),
    cpuset: vscode.l10n.t('CPUs and memory nodes'),
    hugetlb: vscode.l10n.t('Huge pages'),
    freezer: vscode.l10n.t('Freezer'),
    devices: vscode.l10n.t('Devices'),
  };
  const list = (Object.entries(names) as [keyof CgroupsInspectResult, string][]).flatMap(([part, label]): FoundFact[] => {
    const values = answers.map((answer) => answer[part]);
    const why = values.find(isLacking);
    if (why === undefined || !values.every(isLacking)) return [];
    return [{ label, value: plain(''), lacking: why.lacking }];
  });
  return list.length === 0 ? undefined : { heading: vscode.l10n.t('Not here'), blocks: facts(...list) };
}

function filesSection(answers: CgroupAnswers): Section {
  const blocks = answers.map((answer): Block => {
    const names = answer.files.map(({ name, writable }) => ({
      text: writable ? name : vscode.l10n.t('{0} (read-only)', name),
    }));
    const summary = vscode.l10n.t('{0} ({1} files)', answer.directory, answer.files.length);
    return { kind: 'details', summary, blocks: [{ kind: 'names', label: answer.directory, names }] };
  });
  return { heading: vscode.l10n.t('Files'), blocks };
}
