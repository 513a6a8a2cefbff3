/** Which sandboxes there are: this helper's, and those that other helpers of the same user have noted. */

import os from 'node:os';
import { Failure } from '../failure.ts';
import { SIGKILL } from '../kernel/numbers.ts';
import { logError } from '../log.ts';
import { killTree } from '../programs/processTree.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { Sandbox, SandboxExit, SandboxParams } from '../protocol/sandboxes.ts';
import { said } from '../saying.ts';
import { describe, isPersistent, pastOf, STOPPED, savedParams } from './describe.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';
import type { HeldLayers } from './sandboxStart.ts';
import { OtherProcess } from './saved/otherProcess.ts';
import { findRunning, removeLeftovers } from './saved/runningNotes.ts';
import { forget, forgetEnded, load, type SavedSandbox, savedIds, saveEnd } from './saved/saved.ts';

export interface RegistryServices {
  /** The list is another. */
  changed: () => void;
  ended: (sandbox: Sandbox, exit: SandboxExit) => void;
  /** What one that another helper made was made by; a `Failure` when what it is made of is there no more. */
  planAgain: (saved: SavedSandbox) => Promise<SandboxPlan | Failure>;
}

/** One that runs. */
export interface LiveSandbox {
  sandbox: Sandbox;
  params: SandboxParams;
  /** What it was made by. Of one that was found again, made anew. Rejects with a `Failure` when what it is made of is there no more. */
  plan(): Promise<SandboxPlan>;
  held: HeldLayers;
  /** Kills everything in it. */
  kill(): void;
  signal(signal: NodeJS.Signals): void;
  /** Why it ends, when that is not by itself. */
  ending?: 'stopped' | 'timeout';
  ended: Promise<SandboxExit | undefined>;
  /** Of one that another helper started: what ends last of it. */
  other?: OtherProcess;
}

export class SandboxRegistry {
  private readonly live = new Map<string, LiveSandbox>();
  /** Persistent ones that have ended. */
  private readonly past = new Map<string, { sandbox: Sandbox; params: SandboxParams }>();
  /** Those that were just found: what they were made by is being planned anew. */
  private readonly adopting = new Map<string, Promise<void>>();
  private readonly services: RegistryServices;

  constructor(services: RegistryServices) {
    this.services = services;
  }

  /** How many run. */
  get running(): number {
    return this.live.size;
  }

  add(live: LiveSandbox): void {
    this.live.set(live.sandbox.id, live);
  }

  async list(): Promise<Sandbox[]> {
    await this.findSaved();
    return [...this.live.values(), ...this.past.values()].map(({ sandbox }) => sandbox);
  }

  /** The running one with this id; undefined when there is none. */
  get(id: string): LiveSandbox | undefined {
    return this.live.get(id);
  }

  /** The running one whose mount namespace it is. */
  async withMountNamespace(inode: number): Promise<LiveSandbox | undefined> {
    await this.findSaved();
    return [...this.live.values()].find(({ sandbox }) => sandbox.namespaces.mnt?.ino === inode);
  }

  /** One that runs. */
  async find(idOrName: string): Promise<LiveSandbox> {
    const { sandbox } = await this.findAny(idOrName);
    const live = this.live.get(sandbox.id);
    if (live !== undefined) return live;
    throw new Failure('gone', said('sandboxHasEnded', sandbox.name), { hint: said('restartIt') });
  }

  /** Running, or a persistent one that has ended. */
  async findAny(idOrName: string): Promise<{ sandbox: Sandbox; params: SandboxParams }> {
    await this.findSaved();
    const all = [...this.live.values(), ...this.past.values()];
    const found = all.find(({ sandbox }) => sandbox.id === idOrName) ?? all.find(({ sandbox }) => sandbox.name === idOrName);
    if (found !== undefined) return found;
    throw new Failure('gone', said('noSuchSandbox', idOrName), {
      hint: said('refreshViewAndChooseAnother'),
    });
  }

  /** What another helper made, or this one's predecessor; and not the persistent ones that another has removed. */
  private async findSaved(): Promise<void> {
    this.lookAtOthers();
    const ids = savedIds();
    for (const id of this.past.keys()) if (!ids.includes(id)) this.past.delete(id);
    for (const id of ids) if (!this.live.has(id) && !this.adopting.has(id)) this.findOne(id);
    await Promise.all(this.adopting.values());
  }

  /** Reads what is noted of it afresh: another helper may have seen how it ended, or started it again. */
  private findOne(id: string): void {
    const saved = load(id);
    this.past.delete(id);
    if (saved === undefined) return;
    const running = saved.process === undefined ? undefined : OtherProcess.hold(saved.process);
    if (running !== undefined) {
      const adopting = this.adopt(saved, running)
        .catch((error: unknown) => {
          running.release();
          logError('a sandbox that runs cannot be taken over', error);
        })
        .finally(() => this.adopting.delete(id));
      this.adopting.set(id, adopting);
    } else if (isPersistent(saved.params)) this.past.set(id, pastOf(saved));
    // Its helper would have done it, and was killed.
    else forgetEnded(id, saved.process);
  }

  /** Notices which of those that other helpers made have ended. */
  lookAtOthers(): void {
    for (const { other } of this.live.values()) other?.look();
  }

  private async adopt(saved: SavedSandbox, leader: OtherProcess): Promise<void> {
    const { id, params } = saved;
    let made = await this.services.planAgain(saved);
    const keeper = findRunning(id)?.process;
    // It ends only when all that is left of it has been removed.
    const other = (keeper && OtherProcess.hold(keeper)) ?? leader;
    const live: LiveSandbox = {
      sandbox:
        made instanceof Failure
          ? { ...pastOf(saved).sandbox, state: 'running', ...(saved.process === undefined ? {} : { process: saved.process }) }
          : describe(id, made, saved.process, saved.createdMillis),
      params,
      plan: async () => {
        // A file system did not answer, and may do so by now.
        if (made instanceof Failure && made.reason === 'busy') made = await this.services.planAgain(saved);
        if (made instanceof Failure) throw made;
        return made;
      },
      held: {},
      kill: () => killOther(leader, keeper, other),
      signal: (signal) => leader.signal(os.constants.signals[signal]),
      ended: other.ended.then(() => {
        leader.release();
        return this.endOther(live, saved);
      }),
      other,
    };
    this.live.set(id, live);
  }

  /** Whoever made it sees how it ended, and whoever else ended it may have removed it or made it again: what they note is what there is. */
  private endOther(live: LiveSandbox, { id }: SavedSandbox): SandboxExit | undefined {
    void removeLeftovers();
    if (live.ending === 'stopped') {
      this.end(live, STOPPED);
      return STOPPED;
    }
    this.live.delete(id);
    this.findOne(id);
    const exit = this.past.get(id)?.sandbox.exit;
    if (exit !== undefined) this.services.ended(live.sandbox, exit);
    this.services.changed();
    return exit;
  }

  async processOf(idOrName: string): Promise<ProcessRef> {
    const { sandbox } = await this.find(idOrName);
    if (sandbox.process !== undefined) return sandbox.process;
    throw new Failure('gone', said('sandboxHasEnded', sandbox.name));
  }

  /** A persistent one that has ended is there no more; what was noted of it is returned. */
  take(id: string): SavedSandbox | undefined {
    const saved = this.past.has(id) ? load(id) : undefined;
    this.past.delete(id);
    forget(id);
    return saved;
  }

  /** Nothing of it runs any more. */
  end(live: LiveSandbox, exit: SandboxExit | undefined): void {
    const { sandbox, params } = live;
    this.live.delete(sandbox.id);
    if (!sandbox.persistent) forgetEnded(sandbox.id, sandbox.process);
    else {
      const saved: SavedSandbox = { id: sandbox.id, params: savedParams(params), createdMillis: sandbox.createdMillis };
      const ended = exit === undefined ? saved : { ...saved, exit };
      if (saveEnd(ended, sandbox.process)) this.past.set(sandbox.id, pastOf(ended));
      else this.findOne(sandbox.id);
    }
    if (exit !== undefined) this.services.ended(sandbox, exit);
    this.services.changed();
  }
}

/** Without a pid namespace of its own the end of its first process is not the end of all in it: what began below the one outside ends with that. */
function killOther(leader: OtherProcess, keeper: ProcessRef | undefined, outside: OtherProcess): void {
  if (keeper === undefined || outside === leader || outside.look()) leader.signal(SIGKILL);
  else killTree({ pid: keeper.pid, kill: () => leader.signal(SIGKILL) });
}
