/** Makes, runs, stops and removes sandboxes, and lets programs into them. */

import crypto from 'node:crypto';
import fs from 'node:fs';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure, inField, inFieldLater } from '../failure.ts';
import type { RootLayer } from '../host/layers/rootLayers.ts';
import { close, openAt } from '../kernel/files.ts';
import { O_PATH } from '../kernel/numbers.ts';
import { openPty, openPtyAt, type Pty } from '../kernel/pty.ts';
import { logError } from '../log.ts';
import { after } from '../longTimer.ts';
import { explainPlanned } from '../programs/explain.ts';
import { own } from '../programs/identity.ts';
import { killTree } from '../programs/processTree.ts';
import { runPlanned, runToEnd } from '../programs/run.ts';
import type { OpenNamespace } from '../programs/target.ts';
import type { Terminals } from '../programs/terminal.ts';
import type { HostPart } from '../protocol/host.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type {
  ProgramParams,
  ProgramsExplainResult,
  ProgramsRunParams,
  ProgramsRunResult,
  TerminalsOpenParams,
  TerminalsOpenResult,
} from '../protocol/programs.ts';
import type {
  Sandbox,
  SandboxExit,
  SandboxesCreateParams,
  SandboxesCreateResult,
  SandboxesExplainResult,
  SandboxesRunParams,
  SandboxesRunResult,
  SandboxParams,
  SandboxSpec,
} from '../protocol/sandboxes.ts';
import { said } from '../saying.ts';
import { describe, exitOf, savedOf } from './describe.ts';
import { type Entered, planEntry } from './entry.ts';
import { explainSandbox } from './explain/explained.ts';
import type { ImageFiles } from './images/imageDescription.ts';
import { describeImageFile, unpackImageFile } from './images/imageFile.ts';
import { imageFound } from './images/imageReading.ts';
import { prepareCgroups } from './limits/sandboxCgroup.ts';
import { refuseTaken } from './network/hostPrefixes.ts';
import { forwardPorts } from './network/ports.ts';
import { takenPrefixes, textOf } from './network/sandboxNetwork.ts';
import { idMapsFor, makeSandboxPlan, type PlanContext, type SandboxPlan } from './plan/sandboxPlan.ts';
import { type LiveSandbox, SandboxRegistry } from './registry.ts';
import { rootLayersOf } from './sandboxLayers.ts';
import { type StartedSandbox, startSandbox } from './sandboxStart.ts';
import { removeLeftovers } from './saved/runningNotes.ts';
import { type SavedSandbox, save } from './saved/saved.ts';
import { SavedWatch } from './saved/savedWatch.ts';
import { textOf6 } from './specification/ipv6.ts';
import { withAbsolutePaths } from './specification/specPaths.ts';

export interface SandboxServices {
  openNamespace: OpenNamespace;
  terminals: Terminals;
  streamSocket: string;
  /** The list is another. */
  changed: () => void;
  ended: (sandbox: Sandbox, exit: SandboxExit) => void;
  /** Calls back with what the client watches, whenever that changes, and, while it watches anything, when processes came or went. */
  onWatch: (follower: (parts: readonly HostPart[]) => void) => void;
  onProcesses: (follower: () => void) => void;
}

const ID_BYTES = 8;
const MAX_SANDBOXES = 1000;

export class Sandboxes {
  private readonly registry: SandboxRegistry;
  /** Names of those that are being made. */
  private readonly reserved = new Set<string>();
  /** Of the pairs of interfaces: address with prefix length. */
  private readonly addresses = new Set<string>();
  private readonly services: SandboxServices;

  constructor(services: SandboxServices) {
    this.services = services;
    const { changed, ended } = services;
    this.registry = new SandboxRegistry({ changed, ended, planAgain: (saved) => this.planAgain(saved) });
    const saved = new SavedWatch(() => services.changed());
    services.onWatch((parts) => saved.follow(parts.includes('sandboxes')));
    services.onProcesses(() => this.registry.lookAtOthers());
    void removeLeftovers();
  }

  async explain(params: SandboxParams): Promise<SandboxesExplainResult> {
    const plan = await this.planAs(params, newId(), 'explained');
    try {
      return explainSandbox(plan);
    } finally {
      plan.dispose();
    }
  }

  async create(params: SandboxesCreateParams, id = newId()): Promise<SandboxesCreateResult> {
    if (this.registry.running + this.reserved.size >= MAX_SANDBOXES) {
      throw new Failure('busy', said('tooManySandboxes', MAX_SANDBOXES), { hint: said('removeSome') });
    }
    const plan = await this.planAs(params, id, 'made');
    let release: (() => void) | undefined;
    try {
      release = await this.takeNetwork(plan);
      const made = plan.spec.process.terminal
        ? await this.createOnTerminal(id, plan, params)
        : await this.createDetached(id, plan, params);
      void (this.registry.get(id)?.ended ?? Promise.resolve()).then(release);
      return made;
    } catch (error) {
      release?.();
      throw error;
    } finally {
      plan.dispose();
    }
  }

  /** Listens on the ports that lead into it, and notes its address, until what this resolves with is called. */
  private async takeNetwork({ id, spec, veth }: SandboxPlan): Promise<() => void> {
    if (veth === undefined || spec.network.type !== 'veth') return () => undefined;
    const { address, address6 } = spec.network;
    const own = [address, address6].filter((one) => one !== undefined);
    // Another may have been made since this was planned.
    const others = takenPrefixes(id, [...this.addresses]);
    inField(['spec', 'network'], () => {
      if (address !== undefined) refuseTaken('address', address, others);
      if (address6 !== undefined) refuseTaken('address6', address6, others);
    });
    for (const one of own) this.addresses.add(one);
    const leave = () => {
      for (const one of own) this.addresses.delete(one);
    };
    try {
      const ipv6 = veth.ipv6 === undefined ? {} : { ipv6: textOf6(veth.ipv6.address) };
      const asked = spec.network.ports ?? [];
      const ports = await inFieldLater(['spec', 'network', 'ports'], () =>
        forwardPorts(asked, { ipv4: textOf(veth.address), ...ipv6 }),
      );
      return () => {
        leave();
        ports.close();
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Makes one, runs its program to the end, and removes it. */
  async run(params: SandboxesRunParams, token: CancellationToken): Promise<SandboxesRunResult> {
    const { spec } = params;
    if (spec.persistent) {
      throw new Failure('invalid', said('persistentIsNotRun'), {
        field: ['spec', 'persistent'],
        hint: said('createWithSandboxesCreate'),
      });
    }
    const quiet: SandboxSpec = { ...spec, process: { ...spec.process, terminal: false } };
    const plan = await this.planAs({ ...params, spec: quiet }, newId(), 'made');
    let started: StartedSandbox | undefined;
    let release: (() => void) | undefined;
    try {
      release = await this.takeNetwork(plan);
      const { hostUid } = plan.user.identity;
      const { timeout } = plan.spec.process;
      const options = {
        ...(params.stdin === undefined ? {} : { stdin: params.stdin }),
        ...(params.outputLimitBytes === undefined ? {} : { outputLimitBytes: params.outputLimitBytes }),
        ...(timeout === undefined ? {} : { timeoutMillis: timeout * 1000 }),
        ...(hostUid === undefined ? {} : { hostUid }),
        kill: () => started !== undefined && killAll(plan, started),
      };
      const result = await runToEnd(
        options,
        (stdio) => {
          started = startSandbox(plan, stdio);
          return started;
        },
        token,
      );
      const ending = result.exit.timedOut ? 'timeout' : token.isCancellationRequested ? 'stopped' : undefined;
      return {
        ...result,
        exit: exitOf(plan, result.exit, ending ?? (started?.ranOutOfMemory ? 'oom' : undefined)),
        notes: plan.notes,
      };
    } finally {
      release?.();
      plan.dispose();
    }
  }

  list(): Promise<Sandbox[]> {
    return this.registry.list();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(idOrName: string, graceMillis = 0): Promise<void> {
    const live = await this.registry.find(idOrName);
    live.ending ??= 'stopped';
    using _timer = graceMillis > 0 ? after(graceMillis, () => live.kill()) : undefined;
    if (graceMillis > 0) live.signal('SIGTERM');
    else live.kill();
    await live.other?.wait();
    await live.ended;
  }

  async remove(idOrName: string): Promise<void> {
    const { sandbox } = await this.registry.findAny(idOrName);
    if (this.registry.get(sandbox.id) !== undefined) await this.stop(sandbox.id);
    if (!sandbox.persistent) return;
    this.registry.take(sandbox.id);
    this.services.changed();
  }

  async restart(idOrName: string, size: { columns?: number; rows?: number }): Promise<SandboxesCreateResult> {
    const { sandbox, params } = await this.registry.findAny(idOrName);
    if (this.registry.get(sandbox.id) !== undefined) await this.stop(sandbox.id);
    // Its name is free then.
    const saved = this.registry.take(sandbox.id);
    try {
      return await this.create({ ...params, spec: { ...params.spec, name: sandbox.name }, ...size }, sandbox.id);
    } catch (error) {
      if (saved !== undefined) save(saved);
      throw error;
    }
  }

  /** What it is made of may be there no more; it runs nevertheless, but cannot be entered. */
  private async planAgain(saved: SavedSandbox): Promise<SandboxPlan | Failure> {
    try {
      const plan = await this.plan(saved.params, saved.id, async (wish) => wish, nothingOf(saved), saved.process);
      plan.dispose();
      return plan;
    } catch (error) {
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  /** Of each overlay that was made for the sandbox whose mount namespace it is. */
  async rootLayers(mountNamespace: number): Promise<RootLayer[][]> {
    const live = await this.registry.withMountNamespace(mountNamespace);
    try {
      return live === undefined ? [] : rootLayersOf(await live.plan(), live.held);
    } catch (error) {
      // One that was found again, and what it was made of is not there any more.
      if (error instanceof Failure) return [];
      throw error;
    }
  }

  private async entered(idOrName: string): Promise<Entered> {
    const live = await this.registry.find(idOrName);
    return { sandbox: live.sandbox, plan: await live.plan() };
  }

  /** Of one that another helper made, this one may not join the cgroups from wherever it is. */
  private async prepareToEnter(idOrName: string): Promise<Entered> {
    const { resources } = (await this.entered(idOrName)).plan.spec;
    if (resources !== undefined) await prepareCgroups(resources);
    return this.entered(idOrName);
  }

  async openTerminal(params: TerminalsOpenParams & { sandbox: string }): Promise<TerminalsOpenResult> {
    const plan = await planEntry(await this.prepareToEnter(params.sandbox), params, true);
    return this.services.terminals.openPlanned(plan, params, this.services.streamSocket);
  }

  async runProgram(params: ProgramsRunParams & { sandbox: string }, token: CancellationToken): Promise<ProgramsRunResult> {
    return runPlanned(await planEntry(await this.prepareToEnter(params.sandbox), params, false), params, token);
  }

  async explainProgram(params: ProgramParams & { sandbox: string; terminal?: boolean }): Promise<ProgramsExplainResult> {
    return explainPlanned(await planEntry(await this.entered(params.sandbox), params, params.terminal ?? false));
  }

  /** An image is unpacked only for what is made. */
  private planAs(params: SandboxParams, id: string, what: 'explained' | 'made'): Promise<SandboxPlan> {
    return inFieldLater(['spec'], () => this.planSpec(params, id, what));
  }

  private async planSpec(params: SandboxParams, id: string, what: 'explained' | 'made'): Promise<SandboxPlan> {
    const image = await imageOf(params, what);
    const unpacked = image === undefined || Array.isArray(image.layers) ? -1 : image.layers.descriptor;
    const { name, resources } = params.spec;
    let reserved: string | undefined;
    const reserve = async (wish: string) => {
      if (what === 'explained') return wish;
      reserved = await this.reserveName(wish, name !== undefined);
      return reserved;
    };
    const dispose = () => {
      if (unpacked >= 0) close(unpacked);
      if (reserved !== undefined) this.reserved.delete(reserved);
    };
    try {
      if (resources !== undefined) await inFieldLater(['resources'], () => prepareCgroups(resources));
      const plan = await this.plan(params, id, reserve, image);
      return {
        ...plan,
        dispose: () => {
          plan.dispose();
          dispose();
        },
      };
    } catch (error) {
      dispose();
      throw error;
    }
  }

  private plan(
    { spec, directory }: SandboxParams,
    id: string,
    freeName: (wish: string) => Promise<string>,
    image: ImageFiles | undefined,
    running?: ProcessRef,
  ): Promise<SandboxPlan> {
    const context: PlanContext = {
      id,
      ...(directory === undefined ? {} : { directory }),
      openNamespace: this.services.openNamespace,
      addresses: () => [...this.addresses],
      sandboxProcess: (name) => this.registry.processOf(name),
      freeName,
      ...(image === undefined ? {} : { image }),
      ...(running === undefined ? {} : { running }),
    };
    return makeSandboxPlan(spec, context);
  }

  /** Of a name that was given there is no other; to one that was not a number is added. It is reserved. */
  private async reserveName(wish: string, isGiven: boolean): Promise<string> {
    const free = this.freeNameAmong(await this.registry.list(), wish, isGiven);
    this.reserved.add(free);
    return free;
  }

  private freeNameAmong(sandboxes: readonly Sandbox[], wish: string, isGiven: boolean): string {
    const holderOf = (name: string) => sandboxes.find((sandbox) => sandbox.name === name);
    const isTaken = (name: string) => this.reserved.has(name) || holderOf(name) !== undefined;
    if (!isTaken(wish)) return wish;
    if (isGiven) {
      const holder = holderOf(wish);
      throw new Failure('busy', said('sandboxNameIsTaken', wish), {
        hint: said('chooseAnotherSandboxName'),
        ...(holder === undefined ? {} : { taken: holder.id }),
      });
    }
    let number = 2;
    while (isTaken(`${wish}-${number}`)) number += 1;
    return `${wish}-${number}`;
  }

  private async createOnTerminal(id: string, plan: SandboxPlan, params: SandboxesCreateParams): Promise<SandboxesCreateResult> {
    let started: StartedSandbox | undefined;
    const { candidate, token } = await this.services.terminals.serve(ptyFor(plan), params, (stdio) => {
      started = startSandbox(plan, stdio);
      return started;
    });
    const { sandbox } = this.register(id, plan, params, started!);
    const terminal: TerminalsOpenResult = {
      streamSocket: this.services.streamSocket,
      token,
      command: [candidate.path, ...candidate.arguments.slice(1)],
      user: String(plan.user.identity.uid),
    };
    return { sandbox, terminal, notes: plan.notes };
  }

  private async createDetached(id: string, plan: SandboxPlan, params: SandboxesCreateParams): Promise<SandboxesCreateResult> {
    const started = startSandbox(plan, ['ignore', 'ignore', 'ignore']);
    await started.confirmed;
    return { sandbox: this.register(id, plan, params, started).sandbox, notes: plan.notes };
  }

  private register(id: string, plan: SandboxPlan, params: SandboxParams, started: StartedSandbox): LiveSandbox {
    const live: LiveSandbox = {
      sandbox: describe(id, plan, started.leader, Date.now()),
      params: { ...params, spec: { ...params.spec, name: plan.spec.name } },
      plan: async () => plan,
      kill: () => killAll(plan, started),
      held: started.held,
      signal: started.signal,
      ended: started.ended.then((end) => {
        const exit = exitOf(plan, end, live.ending ?? (started.ranOutOfMemory ? 'oom' : undefined));
        this.registry.end(live, exit);
        return exit;
      }),
    };
    this.registry.add(live);
    try {
      save(savedOf(live));
    } catch (error) {
      if (plan.spec.persistent) {
        live.kill();
        throw error;
      }
      // It ends with this helper: others can do without it.
      logError('a sandbox is not noted for other helpers', error);
    }
    const { timeout } = plan.spec.process;
    if (timeout !== undefined) {
      const expire = () => {
        live.ending ??= 'timeout';
        live.kill();
      };
      const timer = after(timeout * 1000, expire);
      void live.ended.then(() => timer[Symbol.dispose]());
    }
    this.services.changed();
    return live;
  }
}

/** What the root is made of, when that is an image. */
async function imageOf({ spec, directory }: SandboxParams, what: 'explained' | 'made'): Promise<ImageFiles | undefined> {
  const { root } = withAbsolutePaths(spec, directory);
  if (root?.type !== 'image') return undefined;
  const { image } = root;
  const read = what === 'made' ? unpackImageFile : describeImageFile;
  const idMaps = 'path' in image ? await idMapsFor(spec) : undefined;
  return await inFieldLater(['root', 'image'], async () =>
    'path' in image ? await read(image, idMaps) : await imageFound(image),
  );
}

/** Of an image whose layers are mounted already; what it says about the process was noted with the rest. */
function nothingOf({ params }: SavedSandbox): ImageFiles | undefined {
  if (params.spec.root?.type !== 'image') return undefined;
  return { layers: { descriptor: -1, names: [] }, process: { env: {} }, notes: [] };
}

function newId(): string {
  return crypto.randomBytes(ID_BYTES).toString('hex');
}

/** The end of a pid namespace's first process is the end of all in it. */
function killAll(plan: SandboxPlan, started: StartedSandbox): void {
  if (plan.fresh.has('pid')) started.kill();
  else killTree(started);
}

/** Of the sandbox's own devpts where the helper has made that, so that it has a name inside; else of the host's. */
function ptyFor(plan: SandboxPlan): Pty {
  const devpts = plan.mounts.find((mount) => mount.what === 'held');
  const pty = (devpts === undefined ? undefined : openPtyOf(devpts.descriptor)) ?? openPty();
  const { hostUid } = plan.user.identity;
  if (own().privileged && hostUid !== undefined) fs.fchownSync(pty.slave, hostUid, fs.fstatSync(pty.slave).gid);
  return pty;
}

function openPtyOf(devpts: number): Pty | undefined {
  const ptmx = openAt(devpts, 'ptmx', O_PATH);
  if (ptmx < 0) return undefined;
  try {
    return openPtyAt(ptmx);
  } finally {
    close(ptmx);
  }
}
