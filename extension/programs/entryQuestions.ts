/** From what a command was given to what the helper is to enter. */
import type { Container } from '../../helper/protocol/containers.ts';
import type { InitializeResult } from '../../helper/protocol/host.ts';
import type { Namespace, NamespaceKind } from '../../helper/protocol/namespaces.ts';
import { ProcessesInspect, type ProcessRef } from '../../helper/protocol/processes.ts';
import type { ProgramParams } from '../../helper/protocol/programs.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { disconnected } from '../connection/requestError.ts';
import { type CommandTarget, refOf } from '../model/commandTarget.ts';
import { oneLine } from '../plain/plainText.ts';
import { type KindChoice, kindChoices, withHostTools } from './kinds.ts';
import { pickIdentity, pickKinds, processOrPicked } from './targetPicks.ts';

/** What is to be entered, and how a person knows it. */
export interface Entry {
  params: ProgramParams;
  /** `web net`: for a terminal's tab or a document's name. */
  name: string;
  /** The person asked to see what would run instead of running it. */
  explain: boolean;
  /** The target, with the process that was chosen for it. */
  target: CommandTarget;
}

/** All namespaces of a container or a process, as itself: nothing to be asked. */
export function wholeEntry(target: { container: Container } | { process: ProcessRef }): ProgramParams {
  return { process: refOf('container' in target ? target.container.leader : target.process) };
}

/** One namespace alone, by a member if it has one; what only a descriptor or a bind mount keeps alive is entered by itself. */
export function namespaceEntry(namespace: Namespace): ProgramParams {
  const { kind, dev, ino, leader } = namespace;
  return leader === undefined
    ? { namespaces: [{ kind, dev, ino }], identity: 'root' }
    : { process: refOf(leader), kinds: [kind] };
}

/** Which kinds are ticked at first: `usual` is the namespace's own kind, or `net`; `hostTools` every own one but `mnt`. */
export type Proposal = 'usual' | 'hostTools';

/**
 * Asks which namespaces of the target to enter, and as whom; first for a process when `target` names nothing.
 * @returns undefined when the person stopped. Rejects with a `HelperError`.
 */
export async function askForEntry(
  connection: HelperConnection,
  target: CommandTarget,
  proposal: Proposal = 'usual',
): Promise<Entry | undefined> {
  const { namespace } = target;
  if (namespace !== undefined && namespace.leader === undefined) {
    return { params: namespaceEntry(namespace), name: `${namespace.kind}:[${namespace.ino}]`, target, explain: false };
  }
  const process = await processOrPicked(connection, target);
  if (process === undefined) return undefined;
  const details = await connection.request(ProcessesInspect, { process });
  const called = oneLine(target.container?.name ?? `${details.name} ${process.pid}`);
  // Rows move while a list is live: what is asked says of whom, so that nobody enters another than they meant.
  const choices = kindChoices(details.namespaces, hostOf(connection).namespaces, target.namespace?.kind ?? 'net');
  const kinds = await pickKinds(proposal === 'hostTools' ? withHostTools(choices) : choices, called);
  if (kinds === undefined) return undefined;
  const choice = await pickIdentity(details.user, called);
  if (choice === undefined) return undefined;
  return {
    params: { process, kinds, identity: choice.identity },
    name: [called, kindNames(kinds, choices)].join(' ').trim(),
    // A row's properties are getters, which a spread would leave behind.
    target: { process, container: target.container, namespace },
    explain: choice.explain,
  };
}

function kindNames(kinds: readonly NamespaceKind[], choices: readonly KindChoice[]): string {
  const every = choices.filter((choice) => !choice.shared).every((choice) => kinds.includes(choice.kind));
  return every ? '' : kinds.join(' ');
}

function hostOf(connection: HelperConnection): InitializeResult {
  const { state } = connection;
  if (state.kind !== 'ready') throw disconnected();
  return state.host;
}
