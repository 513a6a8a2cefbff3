/** The questions that lead to a program's target: which container, which process, which namespaces, whose identity. */
import * as vscode from 'vscode';
import { type Container, ContainersList } from '../../helper/protocol/containers.ts';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import { type Process, ProcessesList, type ProcessRef } from '../../helper/protocol/processes.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { type CommandTarget, namesNothing, processOf } from '../model/commandTarget.ts';
import { compareNames, isContainer } from '../model/hierarchy.ts';
import { pick, pickSeveral, pickWithButtons } from '../plain/pick.ts';
import { oneLine } from '../plain/plainText.ts';
import type { QuestionHead } from '../plain/runningCommand.ts';
import { containerName, containerState, engineName, parts } from '../words/hostWords.ts';
import type { KindChoice } from './kinds.ts';

type Carrying<T> = vscode.QuickPickItem & { value: T };

/** By name, those that no engine claims last. Undefined when the person chose none. */
export async function pickContainer(connection: HelperConnection): Promise<Container | undefined> {
  const picked = await pick(containerItems(connection), {
    placeHolder: vscode.l10n.t('Container'),
    matchOnDescription: true,
  });
  return picked?.value;
}

async function containersInOrder(connection: HelperConnection): Promise<Container[]> {
  const { containers } = await connection.request(ContainersList, {});
  const unnamed = ({ engine }: Container) => Number(engine === 'unnamed');
  return containers.filter(isContainer).sort((a, b) => unnamed(a) - unnamed(b) || compareNames(a.name, b.name));
}

async function containerItems(connection: HelperConnection): Promise<Carrying<Container>[]> {
  return (await containersInOrder(connection)).map((container) => ({
    label: containerName(container),
    description: parts(engineName(container.engine), container.image === undefined ? undefined : oneLine(container.image)),
    detail: vscode.l10n.t('{0}, process {1}', containerState(container), container.leader.pid),
    value: container,
  }));
}

/** Those in containers first, with the container's name, then the host's by name, its init last. Undefined when the person chose none. */
export async function pickProcess(connection: HelperConnection, head: QuestionHead = {}): Promise<ProcessRef | undefined> {
  const picked = await pick(processItems(connection), {
    ...head,
    placeHolder: vscode.l10n.t('Process: its name, container, pid, user or command line'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.value;
}

async function processItems(connection: HelperConnection): Promise<Carrying<ProcessRef>[]> {
  const [{ processes }, containers] = await Promise.all([connection.request(ProcessesList, {}), containersInOrder(connection)]);
  const names = new Map(containers.map((container) => [container.key, containerName(container)]));
  return likeliestFirst(processes, [...names.keys()])
    .filter((process) => !process.kernelThread && process.state !== 'Z')
    .map((process) => ({
      label: oneLine(process.name),
      description: parts(names.get(process.container ?? ''), String(process.pid), oneLine(process.user)),
      ...(Array.isArray(process.arguments) ? { detail: oneLine(process.arguments.join(' ')) } : {}),
      value: { pid: process.pid, startTime: process.startTime },
    }));
}

/** @param containers by key, in their order */
function likeliestFirst(processes: readonly Process[], containers: readonly string[]): Process[] {
  const places = new Map(containers.map((key, place) => [key, place]));
  const place = ({ container = '', pid }: Process) => places.get(container) ?? places.size + Number(pid === 1);
  const nameOnHost = ({ container = '', name }: Process) => (places.has(container) ? '' : name);
  return [...processes].sort((a, b) => place(a) - place(b) || compareNames(nameOnHost(a), nameOnHost(b)) || a.pid - b.pid);
}

/** One of two that are compared: a container or a process. Undefined when the person chose none. */
export async function pickCompared(connection: HelperConnection): Promise<CommandTarget | undefined> {
  return (await pickOne(comparable(connection), vscode.l10n.t('Compare: a container or a process')))?.value;
}

/** What a process is compared with: the host first, then containers, then processes. Undefined when the person chose none. */
export async function pickCounterpart(
  connection: HelperConnection,
  { pid }: ProcessRef,
): Promise<CommandTarget | 'host' | undefined> {
  const host: Carrying<'host'> = {
    label: vscode.l10n.t('The host'),
    description: vscode.l10n.t('Its namespaces, its mounts, its first process'),
    value: 'host',
  };
  const items = comparable(connection).then((others) => [host, ...others.filter(({ value }) => processOf(value)?.pid !== pid)]);
  return (await pickOne<CommandTarget | 'host'>(items, vscode.l10n.t('Compare with: the host, a container or a process')))
    ?.value;
}

async function comparable(connection: HelperConnection): Promise<Carrying<CommandTarget>[]> {
  const [containers, processes] = await Promise.all([containerItems(connection), processItems(connection)]);
  return [
    ...containers.map((item) => ({ ...item, value: { container: item.value } })),
    ...processes.map((item) => ({ ...item, value: { process: item.value } })),
  ];
}

async function pickOne<T>(items: Promise<Carrying<T>[]>, placeHolder: string): Promise<Carrying<T> | undefined> {
  return await pick(items, { placeHolder, matchOnDescription: true, matchOnDetail: true });
}

/**
 * The process of a target, or the one that the person picks when the target names nothing: to ask for another than was meant would be
 * wrong. Undefined when they picked none. Rejects when what is named has no process in sight.
 */
export async function processOrPicked(connection: HelperConnection, target: CommandTarget): Promise<ProcessRef | undefined> {
  const process = processOf(target);
  if (process !== undefined) return process;
  if (namesNothing(target)) return await pickProcess(connection);
  throw new Error(vscode.l10n.t('No process of it is in sight.'));
}

/** Undefined when the person chose none. */
export async function pickKinds(choices: readonly KindChoice[], of: string): Promise<NamespaceKind[] | undefined> {
  const items = choices.map(
    (choice): Carrying<NamespaceKind> => ({
      label: choice.kind,
      description: `${choice.ino === null ? vscode.l10n.t('unknown') : `${choice.kind}:[${choice.ino}]`}${choice.shared ? ` · ${vscode.l10n.t('shared with the host')}` : ''}`,
      detail: kindWords(choice.kind),
      picked: choice.proposed,
      value: choice.kind,
    }),
  );
  const picked = await pickSeveral(items, {
    of,
    placeHolder: vscode.l10n.t('Namespaces to enter; without mnt the tools of the host are used'),
    matchOnDescription: true,
  });
  if (picked === undefined || picked.length === 0) return undefined;
  const kinds = new Set(picked.map((item) => item.value));
  return NAMESPACE_KINDS.filter((kind) => kinds.has(kind));
}

function kindWords(kind: NamespaceKind): string {
  switch (kind) {
    case 'net':
      return vscode.l10n.t('Interfaces, addresses, routes, ports');
    case 'mnt':
      return vscode.l10n.t('Mounts: the files and programs of the target');
    case 'pid':
      return vscode.l10n.t('Process ids');
    case 'user':
      return vscode.l10n.t('User and group ids, capabilities');
    case 'uts':
      return vscode.l10n.t('Host name');
    case 'ipc':
      return vscode.l10n.t('Shared memory, semaphores, message queues');
    case 'cgroup':
      return vscode.l10n.t('Root of the cgroup paths');
    case 'time':
      return vscode.l10n.t('Offsets of the monotonic and boot-time clocks');
  }
}

export interface IdentityChoice {
  identity: 'root' | 'target';
  /** The person asks to see what would run instead of running it. */
  explain: boolean;
}

/** Undefined when the person chose none. */
export async function pickIdentity(targetUser: string, of: string): Promise<IdentityChoice | undefined> {
  const explain: vscode.QuickInputButton = {
    iconPath: new vscode.ThemeIcon('list-ordered'),
    tooltip: vscode.l10n.t('Show the Syscalls'),
  };
  const items: Carrying<'root' | 'target'>[] = [
    {
      label: vscode.l10n.t('Root'),
      description: vscode.l10n.t('Uid 0 of the user namespace entered'),
      buttons: [explain],
      value: 'root',
    },
    {
      label: vscode.l10n.t('The target’s user'),
      description: vscode.l10n.t('{0}, with the capabilities of the process', oneLine(targetUser)),
      buttons: [explain],
      value: 'target',
    },
  ];
  let choice: IdentityChoice | undefined;
  await pickWithButtons(items, { of, placeHolder: vscode.l10n.t('Run as') }, (item, how) => {
    choice = { identity: item.value, explain: how === 'button' };
    return 'close';
  });
  return choice;
}
