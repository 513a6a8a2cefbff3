/**
 * The processes of this host as last read, and what changed since when. Everything else that the helper tells about the
 * host (namespaces, containers, pins) is derived from these records.
 *
 * Two things change it: a whole scan, and a new reading of a few processes that an event named.
 */

import type { ProcessRef } from '../protocol/processes.ts';
import { collectGarbage } from './heap.ts';
import { hasOwnNamespaces } from './hostNamespaces.ts';
import { NamespaceIndex } from './namespaceIndex.ts';
import { listPids, readProcess } from './processReader.ts';
import { differs, type ProcessRecord, refOf } from './processRecord.ts';
import { type SocketQueue, SocketTable } from './socketTable.ts';

/** How long a scan runs before it lets requests and terminals have a turn. */
const TURN_MILLIS = 15;
/** Processes from which on a scan leaves enough garbage to be worth collecting. */
const LARGE_HOST = 2000;
/** The clock is looked at after so many. */
const TURN_PIDS = 32;
/** Ended processes that are remembered for clients that ask since when. An older question is answered with everything. */
const MAX_GONE = 20_000;

export interface ProcessChanges {
  /** True: everything. False: only what changed. */
  complete: boolean;
  changed: ProcessRecord[];
  gone: ProcessRef[];
}

/** Sockets that are asked one after the other, of these processes or of all. */
export interface SocketRound {
  pids?: readonly number[];
  queue: SocketQueue;
}

/** What a reading changed. */
export interface ModelChanges {
  processes: boolean;
  /** Namespaces other than the host's, their members, or what pins any. */
  namespaces: boolean;
  /** Processes that may belong to a container. */
  containers: boolean;
  /** Processor time of the helper that the reading took. */
  costMillis: number;
}

export class HostModel {
  readonly namespaces = new NamespaceIndex();
  private readonly byPid = new Map<number, ProcessRecord>();
  private readonly sockets = new SocketTable();
  /** All sockets that the last scan had found were asked since. */
  private socketsAsked = false;
  private gone: { process: ProcessRef; revision: number }[] = [];
  /** The oldest revision since which `gone` is complete. */
  private goneSince = 0;
  private current = 0;
  private containersChanged = 0;
  private scanning: Promise<ModelChanges> | undefined;
  private changes = noChanges();
  /** Called with the record of a process that began or ended, or with both when it changed in a way that a list shows. */
  onRecord: ((record: ProcessRecord) => void) | undefined;
  /** The name of the sandbox with this id, when it is known that this process keeps it. */
  nameOfSandbox: (id: string, keeper: ProcessRef) => string | undefined = () => undefined;

  /** Raised whenever a record that a list shows changed, appeared or ended. */
  get revision(): number {
    return this.current;
  }

  /** The revision at which a process last changed that may belong to a container. */
  get containersRevision(): number {
    return this.containersChanged;
  }

  get processes(): Iterable<ProcessRecord> {
    return this.byPid.values();
  }

  get size(): number {
    return this.byPid.size;
  }

  process(pid: number): ProcessRecord | undefined {
    return this.byPid.get(pid);
  }

  /**
   * Reads every process. Requests that come together share one scan, but a request never gets the answer of a scan that
   * began before it: what a person did before asking must be seen.
   */
  scan(): Promise<ModelChanges> {
    this.scanning ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        const scan = this.scanNow();
        this.scanning = undefined;
        scan.then(resolve, reject);
      });
    });
    return this.scanning;
  }

  private async scanNow(): Promise<ModelChanges> {
    const pids = [...new Set([...this.byPid.keys(), ...listPids()])];
    const total = noChanges();
    let turnEnds = performance.now() + TURN_MILLIS;
    for (let at = 0; at < pids.length; at += TURN_PIDS) {
      add(total, this.reread(pids.slice(at, at + TURN_PIDS)));
      // After the last ones too: a list that is made of them takes its own time, and one process can have taken all of this one's.
      if (performance.now() < turnEnds) continue;
      await othersTurn();
      turnEnds = performance.now() + TURN_MILLIS;
    }
    this.sockets.forgetAllBut(this.processes);
    if (pids.length >= LARGE_HOST) collectGarbage();
    return total;
  }

  /** Reads these processes again. */
  reread(pids: Iterable<number>): ModelChanges {
    const begin = performance.now();
    const revision = this.current + 1;
    this.changes = noChanges();
    for (const pid of pids) this.read(pid, revision);
    this.changes.costMillis = performance.now() - begin;
    return this.changes;
  }

  /** Reads only those that were not there before, or are not any more. */
  rereadDifferentPids(): ModelChanges {
    const pids = listPids();
    const present = new Set(pids);
    const ended = [...this.byPid.keys()].filter((pid) => !present.has(pid));
    return this.reread([...ended, ...pids.filter((pid) => !this.byPid.has(pid))]);
  }

  /** Looks for sockets of which it is not known in which net namespace they are, of these processes or of all. */
  beginSocketRound(pids?: Iterable<number>): SocketRound {
    const round = pids === undefined ? {} : { pids: [...pids] };
    return { ...round, queue: this.sockets.unaskedOf(this.recordsOf(round)) };
  }

  private recordsOf({ pids }: Pick<SocketRound, 'pids'>): ProcessRecord[] {
    return pids === undefined ? [...this.processes] : pids.flatMap((pid) => this.byPid.get(pid) ?? []);
  }

  /** Asks the next of them, which takes 2 ms. True when there are more. */
  askSomeSockets({ queue }: SocketRound): boolean {
    this.reread(this.sockets.askSome(queue));
    return queue.size > 0;
  }

  /** Takes in what they answered, be there more or not. */
  endSocketRound(round: SocketRound): ModelChanges {
    this.changes = noChanges();
    for (const record of this.recordsOf(round)) if (record.sockets.length > 0) this.placeSockets(record);
    if (round.pids !== undefined) return this.changes;
    const areAsked = round.queue.size === 0;
    // Before, the list said that it might lack something.
    this.changes.namespaces ||= areAsked && !this.socketsAsked;
    this.socketsAsked = areAsked;
    return this.changes;
  }

  private placeSockets(before: ProcessRecord): void {
    const after = { ...before, socketPlaces: this.sockets.placesOf(before) };
    if (differs(before, after)) this.remember(after, this.current + 1);
    else before.socketPlaces = after.socketPlaces;
  }

  /**
   * Of how many sockets it is not known in which net namespace they are. Those that came up since all were asked are not counted: like whatever else
   * raises no event they are due at the next scan.
   */
  get unknownSockets(): { pending: number; refused: number } {
    let pending = 0;
    let refused = 0;
    for (const { socketPlaces } of this.byPid.values()) {
      pending += socketPlaces.unasked;
      refused += socketPlaces.refused;
    }
    return { pending: this.socketsAsked ? 0 : pending, refused };
  }

  childrenOf(pid: number): number[] {
    const children: number[] = [];
    for (const record of this.byPid.values()) if (record.parentPid === pid) children.push(record.pid);
    return children;
  }

  /** Marks a process as changed, for a reason that is not in its record. */
  touch(pid: number): void {
    const record = this.byPid.get(pid);
    if (record === undefined) return;
    this.current += 1;
    record.revision = this.current;
  }

  private read(pid: number, revision: number): void {
    const before = this.byPid.get(pid);
    const after = readProcess(pid, before);
    if (after === undefined) {
      if (before !== undefined) this.forget(before, revision);
      return;
    }
    after.socketPlaces = this.sockets.placesOf(after);
    if (before !== undefined && before.startTime !== after.startTime) this.forget(before, revision);
    else if (before !== undefined && !differs(before, after)) {
      const { state, ran, sockets, socketPlaces } = after;
      Object.assign(before, { state, ran, sockets, socketPlaces });
      return;
    }
    this.remember(after, revision);
  }

  private remember(record: ProcessRecord, revision: number): void {
    const before = this.byPid.get(record.pid);
    if (before !== undefined) this.namespaces.remove(before);
    this.noteChange(before, record);
    record.revision = revision;
    this.byPid.set(record.pid, record);
    this.namespaces.add(record);
    this.advanceTo(revision);
  }

  private forget(record: ProcessRecord, revision: number): void {
    this.byPid.delete(record.pid);
    this.namespaces.remove(record);
    this.noteChange(record, undefined);
    this.gone.push({ process: refOf(record), revision });
    if (this.gone.length > MAX_GONE) {
      this.gone = this.gone.slice(MAX_GONE / 2);
      this.goneSince = this.gone[0]?.revision ?? revision;
    }
    this.advanceTo(revision);
  }

  private advanceTo(revision: number): void {
    this.current = Math.max(this.current, revision);
    if (this.changes.containers) this.containersChanged = this.current;
  }

  private noteChange(before: ProcessRecord | undefined, after: ProcessRecord | undefined): void {
    const { changes } = this;
    if (before !== undefined) this.onRecord?.(before);
    if (after !== undefined) this.onRecord?.(after);
    changes.processes = true;
    changes.namespaces ||= isTelling(before) || isTelling(after);
    changes.containers ||= isTelling(before) || isTelling(after) || isClaimed(before) || isClaimed(after);
  }

  /** What changed after `since`; everything when that is not known, or older than what is remembered. */
  changesSince(since: number | undefined): ProcessChanges {
    if (since === undefined || since < this.goneSince || since > this.current) {
      return { complete: true, changed: [...this.byPid.values()], gone: [] };
    }
    const changed: ProcessRecord[] = [];
    for (const record of this.byPid.values()) if (record.revision > since) changed.push(record);
    const gone = this.gone.filter(({ revision }) => revision > since).map(({ process }) => process);
    return { complete: false, changed, gone };
  }
}

/** Lets what has arrived meanwhile be read, which is one round of the event loop, and answered, which is another. */
export async function othersTurn(): Promise<void> {
  for (let round = 0; round < 2; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

function noChanges(): ModelChanges {
  return { processes: false, namespaces: false, containers: false, costMillis: 0 };
}

function add(total: ModelChanges, part: ModelChanges): void {
  total.processes ||= part.processes;
  total.namespaces ||= part.namespaces;
  total.containers ||= part.containers;
  total.costMillis += part.costMillis;
}

/** Whether a process makes a difference to the namespaces: most live in the host's and hold no other. */
function isTelling(record: ProcessRecord | undefined): boolean {
  if (record === undefined) return false;
  const { forChildren, descriptors, socketPlaces, differingThreads } = record;
  const holds = [forChildren, descriptors, socketPlaces.elsewhere, differingThreads].some((held) => held?.length !== 0);
  return holds || hasOwnNamespaces(record);
}

function isClaimed(record: ProcessRecord | undefined): boolean {
  return record?.membership.claim !== undefined;
}
