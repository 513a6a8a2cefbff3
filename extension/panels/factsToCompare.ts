/** What is asked about two things that are compared. What may not be read of one is unknown; what has ended rejects. */
import * as vscode from 'vscode';
import { type CgroupRef, CgroupsInspect, type CgroupsInspectResult } from '../../helper/protocol/cgroups.ts';
import type { Reason, Unknown } from '../../helper/protocol/errors.ts';
import { type LayerPath, LayersList } from '../../helper/protocol/layers.ts';
import { MountsList, type MountsListParams } from '../../helper/protocol/mounts.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaceKinds.ts';
import {
  ProcessesInspect,
  type ProcessesInspectResult,
  ProcessesList,
  type ProcessRef,
} from '../../helper/protocol/processes.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { layerChunks } from '../documents/layerFileSystem.ts';
import { refOfCgroup } from '../model/cgroupModel.ts';
import { refOf } from '../model/commandTarget.ts';
import { containerOf } from '../model/hierarchy.ts';
import type { Host } from '../model/liveHost.ts';
import { overlayRef } from '../model/overlayStack.ts';
import { PACKAGE_LISTS, type Packages } from '../model/packageList.ts';
import { isUnknown } from '../words/hostWords.ts';
import type { CgroupAnswers } from './cgroupFacts.ts';
import type { ComparedFacts, Comparison } from './comparePage.ts';

/** One of two that are compared: a process, which stands for its container too, by a name. */
export interface ComparedSide {
  process: ProcessRef;
  name: string;
}

/** `other` left out: the host. */
export interface Pair {
  mine: ComparedSide;
  other?: ComparedSide | undefined;
  /** Everything is compared, and not only the mounts. */
  all?: boolean;
}

/** Lists of packages are of a few MiB; what is larger is none. */
const MOST_BYTES = 32 * 1024 * 1024;
/** Controllers whose limits are compared. */
const LIMITING = ['cpu', 'memory', 'pids'];
const NOT_IN_SIGHT: Unknown = { unknown: 'notFound' };

export function mountsOf(side: ComparedSide | undefined): MountsListParams {
  return side === undefined ? {} : { process: side.process };
}

export class FactsToCompare {
  private readonly connection: HelperConnection;
  private readonly host: Host;

  constructor(connection: HelperConnection, host: Host) {
    this.connection = connection;
    this.host = host;
  }

  async ofBoth({ mine, other }: Pair, token: vscode.CancellationToken): Promise<{ of: 'all' } & Comparison> {
    const [one, two] = await Promise.all([this.of(mine, token), this.of(other, token)]);
    return { of: 'all', mine: one, other: two };
  }

  private async of(side: ComparedSide | undefined, token: vscode.CancellationToken): Promise<ComparedFacts> {
    const [mounts, process] = await Promise.all([
      orUnknown(this.connection.request(MountsList, mountsOf(side), token)),
      this.process(side, token),
    ]);
    const limits = side === undefined ? 'none' : isUnknown(process) ? process : await this.limits(process, token);
    const packages = side === undefined ? undefined : await this.packages(side, token);
    return { mounts, process, limits, packages, hostNamespaces: this.hostNamespaces() };
  }

  /** Of the host the first one, as far as it may be read. */
  private async process(
    side: ComparedSide | undefined,
    token: vscode.CancellationToken,
  ): Promise<ProcessesInspectResult | Unknown> {
    const ref = side?.process ?? (await this.firstProcess(token));
    if (ref === undefined) return NOT_IN_SIGHT;
    return await orUnknown(this.connection.request(ProcessesInspect, { process: refOf(ref) }, token));
  }

  private async firstProcess(token: vscode.CancellationToken): Promise<ProcessRef | undefined> {
    const known = this.host.model.processes.get(1);
    if (known !== undefined) return known;
    const { processes } = await this.connection.request(ProcessesList, {}, token);
    return processes.find(({ pid }) => pid === 1);
  }

  private async limits({ cgroups }: ProcessesInspectResult, token: vscode.CancellationToken): Promise<CgroupAnswers | Unknown> {
    if (isUnknown(cgroups)) return cgroups;
    await this.host.cgroups.load();
    const { model } = this.host.cgroups;
    const refs = cgroups.flatMap(({ hierarchy, path }): CgroupRef[] => {
      const { version, controllers = [] } = model.hierarchy(hierarchy) ?? {};
      if (version !== 2 && !controllers.some((name) => LIMITING.includes(name))) return [];
      const cgroup = model.at(hierarchy, path);
      return cgroup === undefined ? [] : [refOfCgroup(cgroup)];
    });
    const asked = await Promise.all(
      refs.map((cgroup) => orUnknown(this.connection.request(CgroupsInspect, { cgroup }, token), ['gone'])),
    );
    const [first, ...others] = asked.filter((answer): answer is CgroupsInspectResult => !isUnknown(answer));
    return first === undefined ? (asked.find(isUnknown) ?? NOT_IN_SIGHT) : [first, ...others];
  }

  /** Of its container, by the layers of its root: undefined when those tell of no list of packages. */
  private async packages({ process }: ComparedSide, token: vscode.CancellationToken): Promise<Packages | Unknown | undefined> {
    const known = this.host.model.process(process);
    const container = known === undefined ? undefined : containerOf(this.host.model, known);
    if (container === undefined) return undefined;
    const list = await orUnknown(this.connection.request(LayersList, {}, token));
    if (isUnknown(list)) return list;
    const overlay = list.overlays.find((one) => one.container === container.key && one.isRoot);
    if (overlay === undefined) return undefined;
    for (const { path, read } of PACKAGE_LISTS) {
      const text = await orUnknown(this.text({ overlay: overlayRef(overlay), layer: 'merged', path }, token));
      if (!isUnknown(text)) return read(text);
      if (text.unknown !== 'notFound') return text;
    }
    return undefined;
  }

  /** A whole file. Rejects with `unsupported` when it is too large to be what it is taken for. */
  private async text(place: LayerPath, token: vscode.CancellationToken): Promise<string> {
    const chunks: Uint8Array[] = [];
    let read = 0;
    for await (const bytes of layerChunks(this.connection, place, token)) {
      chunks.push(bytes);
      read += bytes.length;
      if (read > MOST_BYTES) throw new HelperError('unsupported', vscode.l10n.t('The list of packages is too large.'));
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  private hostNamespaces(): Partial<Record<NamespaceKind, number>> {
    const { state } = this.host;
    if (state.kind !== 'ready') return {};
    return Object.fromEntries(Object.values(state.host.namespaces).map(({ kind, ino }) => [kind, ino]));
  }
}

/** What a refusal leaves unknown. That it has ended, unless `also` says otherwise, or that no answer is to come, is no fact about it. */
async function orUnknown<T>(answer: Promise<T>, also: readonly Reason[] = []): Promise<T | Unknown> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    const { reason } = error;
    if (reason === 'cancelled' || reason === 'disconnected') throw error;
    if (reason === 'gone' && !also.includes(reason)) throw error;
    return { unknown: reason };
  }
}
