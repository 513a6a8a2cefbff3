import type * as vscode from 'vscode';
import type { CgroupRef } from '../../helper/protocol/cgroups.ts';
import type { Container } from '../../helper/protocol/containers.ts';
import type { LayerEntry, LayerPath, Overlay } from '../../helper/protocol/layers.ts';
import type { Namespace } from '../../helper/protocol/namespaces.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import type { Sandbox } from '../../helper/protocol/sandboxes.ts';

/** What a command acts on: the node of a tree, or any object that names a process, a container, a namespace or cgroups. */
export interface CommandTarget {
  process?: ProcessRef | undefined;
  container?: Container | undefined;
  namespace?: Namespace | undefined;
  /** One cgroup, or those of one container in every hierarchy. */
  cgroups?: readonly CgroupRef[] | undefined;
}

/** The process that a target is, or that leads what it names. */
export function processOf(target: CommandTarget): ProcessRef | undefined {
  const process = target.process ?? target.container?.leader ?? target.namespace?.leader;
  return process === undefined ? undefined : refOf(process);
}

/** A node's process has more fields than the helper accepts in a reference. */
export function refOf({ pid, startTime }: ProcessRef): ProcessRef {
  return { pid, startTime };
}

/** Whether a target names anything at all: from the palette it does not. */
export function namesNothing({ process, container, namespace, cgroups }: CommandTarget): boolean {
  return process === undefined && container === undefined && namespace === undefined && cgroups === undefined;
}

/** What a command on layers acts on: an overlay, or a layer of it, or a file or directory in one. */
export interface LayerTarget {
  overlay?: Overlay | undefined;
  /** `/` for the layer itself. */
  place?: LayerPath | undefined;
  entry?: LayerEntry | undefined;
}

/** What a command on a sandbox acts on: one that the helper knows, or a file with a specification. */
export interface SandboxTarget {
  sandbox?: Sandbox | undefined;
  file?: vscode.Uri | undefined;
}
