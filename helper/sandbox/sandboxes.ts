/** Every sandbox of this helper, from its making until nothing is left of it. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../failure.ts';
import type { RootLayer } from '../host/layers/rootLayers.ts';
import { close, O_PATH, openAt } from '../kernel/files.ts';
import { openPty, openPtyAt, type Pty } from '../kernel/pty.ts';
import type { End } from '../kernel/spawn.ts';
import { explainPlanned } from '../programs/explain.ts';
import { own } from '../programs/identity.ts';
import { killTree } from '../programs/processTree.ts';
import { runPlanned, runToEnd } from '../programs/run.ts';
import { isOwnNamespace, type OpenNamespace } from '../programs/target.ts';
import type { Terminals } from '../programs/terminal.ts';
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
import {
  type HostPart,
  NAMESPACE_KINDS,
  type NamespaceRef,
  type ProcessRef,
  type ProgramParams,
  type ProgramsExplainResult,
  type ProgramsRunParams,
  type ProgramsRunResult,
  type TerminalsOpenParams,
  type TerminalsOpenResult,
} from '../protocol.ts';
import { type Entered, planEntry } from './entry.ts';
import { explainSandbox } from './explain.ts';
import { findImage, type ImageFiles } from './image.ts';
import { describeImageFile, unpackImageFile } from './imageFile.ts';
import { textOf } from './network.ts';
import { OtherProcess } from './otherProcess.ts';
import { idMapsFor, makeSandboxPlan, type PlanContext, type SandboxPlan, withAbsolutePaths } from './plan.ts';
import { forwardPorts } from './ports.ts';
import { rootLayersOf } from './rootLayers.ts';
import { forget, load, type SavedSandbox, save, savedIds, saveEnd } from './saved.ts';
import { SavedWatch } from './savedWatch.ts';
import { type HeldLayers, type StartedSandbox, startSandbox } from './start.ts';

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

/** One that runs. */
export interface LiveSandbox {
  sandbox: Sandbox;
  params: SandboxParams;
  /** What it was made by. Of one that was found again, made anew. */
  plan(): SandboxPlan;
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

const ID_BYTES = 8;
const MAX_SANDBOXES = 1000;
const SIGKILL = 9;

export class Sandboxes {
  private readonly live = new Map<string, LiveSandbox>();
  /** Persistent ones that have ended. */
  private readonly past = new Map<string, { sandbox: Sandbox; params: SandboxParams }>();
  /** Names of those that are being made. */
  private readonly reserved = new Set<string>();
  /** Of the ends inside of pairs of interfaces. */
  private readonly addresses = new Set<string>();
  private readonly services: SandboxServices;

  constructor(services: SandboxServices) {
    this.services = services;
    const saved = new SavedWatch(() => services.changed());
    services.onWatch((parts) => saved.follow(parts.includes('sandboxes')));
    services.onProcesses(() => this.lookAtOthers());
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
    if (this.live.size + this.reserved.size >= MAX_SANDBOXES) {
      throw new Failure('busy', `There are ${MAX_SANDBOXES} sandboxes already.`, { hint: 'Remove some.' });
    }
    const plan = await this.planAs(params, id, 'made');
    this.reserved.add(plan.spec.name);
    let release: (() => void) | undefined;
    try {
      release = await this.takeNetwork(plan);
      const made = plan.spec.process.terminal
        ? await this.createOnTerminal(id, plan, params)
        : await this.createDetached(id, plan, params);
      void (this.live.get(id)?.ended ?? Promise.resolve()).then(release);
      return made;
    } catch (error) {
      release?.();
      throw error;
    } finally {
      this.reserved.delete(plan.spec.name);
      plan.dispose();
    }
  }

  /** Listens on the ports that lead into it, and notes its address, until what this resolves with is called. */
  private async takeNetwork({ spec, veth }: SandboxPlan): Promise<() => void> {
    if (veth === undefined || spec.network.type !== 'veth') return () => undefined;
    const address = textOf(veth.address);
    this.addresses.add(address);
    try {
      const ports = await forwardPorts(spec.network.ports ?? [], address);
      return () => {
        this.addresses.delete(address);
        ports.close();
      };
    } catch (error) {
      this.addresses.delete(address);
      throw error;
    }
  }

  /** Makes one, runs its program to the end, and removes it. */
  async run(params: SandboxesRunParams, token: CancellationToken): Promise<SandboxesRunResult> {
    const { spec } = params;
    if (spec.persistent) {
      throw new Failure('invalid', 'A persistent sandbox is not run to its end.', { hint: 'Create it with sandboxes/create.' });
    }
    const quiet: SandboxSpec = { ...spec, process: { ...spec.process, terminal: false } };
    const plan = await this.planAs({ ...params, spec: quiet }, newId(), 'made');
    this.reserved.add(plan.spec.name);
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
      this.reserved.delete(plan.spec.name);
      plan.dispose();
    }
  }

  list(): Sandbox[] {
    this.findSaved();
    return [...this.live.values(), ...this.past.values()].map(({ sandbox }) => sandbox);
  }

  /** Resolves when nothing of it runs any more. */
  async stop(idOrName: string, graceMillis = 0): Promise<void> {
    const live = this.find(idOrName);
    live.ending ??= 'stopped';
    const timer = graceMillis > 0 ? setTimeout(() => live.kill(), graceMillis) : undefined;
    if (graceMillis > 0) live.signal('SIGTERM');
    else live.kill();
    await live.other?.wait();
    await live.ended;
    clearTimeout(timer);
  }

  async remove(idOrName: string): Promise<void> {
    const { sandbox } = this.findAny(idOrName);
    if (this.live.has(sandbox.id)) await this.stop(sandbox.id);
    if (!sandbox.persistent) return;
    this.past.delete(sandbox.id);
    forget(sandbox.id);
    this.services.changed();
  }

  async restart(idOrName: string, size: { columns?: number; rows?: number }): Promise<SandboxesCreateResult> {
    const { sandbox, params } = this.findAny(idOrName);
    if (this.live.has(sandbox.id)) await this.stop(sandbox.id);
    // Its name is free then.
    const past = this.past.get(sandbox.id);
    this.past.delete(sandbox.id);
    const saved = past === undefined ? undefined : load(sandbox.id);
    forget(sandbox.id);
    try {
      return await this.create({ ...params, spec: { ...params.spec, name: sandbox.name }, ...size }, sandbox.id);
    } catch (error) {
      if (saved !== undefined) save(saved);
      throw error;
    }
  }

  /** One that runs. */
  find(idOrName: string): LiveSandbox {
    const { sandbox } = this.findAny(idOrName);
    const live = this.live.get(sandbox.id);
    if (live !== undefined) return live;
    throw new Failure('gone', `The sandbox ${sandbox.name} has ended.`, { hint: 'Restart it.' });
  }

  private findAny(idOrName: string): { sandbox: Sandbox; params: SandboxParams } {
    this.findSaved();
    const all = [...this.live.values(), ...this.past.values()];
    const found = all.find(({ sandbox }) => sandbox.id === idOrName) ?? all.find(({ sandbox }) => sandbox.name === idOrName);
    if (found !== undefined) return found;
    throw new Failure('gone', `There is no sandbox ${idOrName} any more.`, {
      hint: 'Refresh the view and choose another one.',
    });
  }

  /** Persistent ones that another helper made, or this one's predecessor; and not those that another has removed. */
  private findSaved(): void {
    this.lookAtOthers();
    const ids = savedIds();
    for (const id of this.past.keys()) if (!ids.includes(id)) this.past.delete(id);
    for (const id of ids) if (!this.live.has(id)) this.findOne(id);
  }

  /** Reads what is noted of it afresh: another helper may have seen how it ended, or started it again. */
  private findOne(id: string): void {
    const saved = load(id);
    this.past.delete(id);
    if (saved === undefined) return;
    const running = saved.process === undefined ? undefined : OtherProcess.hold(saved.process);
    if (running === undefined) this.past.set(id, pastOf(saved));
    else this.adopt(saved, running, nothingOf(saved));
  }

  private lookAtOthers(): void {
    for (const { other } of this.live.values()) other?.look();
  }

  private adopt(saved: SavedSandbox, leader: OtherProcess, image: ImageFiles | undefined): void {
    const { id, params } = saved;
    const made = this.planAgain(saved, image);
    const other = OtherProcess.holdKeeper(id, saved.process!) ?? leader;
    const live: LiveSandbox = {
      sandbox:
        made instanceof Failure
          ? { ...pastOf(saved).sandbox, state: 'running', ...(saved.process === undefined ? {} : { process: saved.process }) }
          : describe(id, made, saved.process, saved.createdMillis),
      params,
      plan: () => {
        if (made instanceof Failure) throw made;
        return made;
      },
      held: {},
      kill: () => leader.signal(SIGKILL),
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

  /** What it is made of may be there no more; it runs nevertheless, but cannot be entered. */
  private planAgain({ id, params }: SavedSandbox, image: ImageFiles | undefined): SandboxPlan | Failure {
    try {
      const plan = this.plan(params, id, (wish) => wish, image);
      plan.dispose();
      return plan;
    } catch (error) {
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  /** Of the sandbox whose mount namespace it is; undefined when there is none, or its root is no overlay. */
  rootLayers(mountNamespace: number): RootLayer[] | undefined {
    this.findSaved();
    const live = [...this.live.values()].find(({ sandbox }) => sandbox.namespaces.mnt?.ino === mountNamespace);
    try {
      return live && rootLayersOf(live.plan(), live.held);
    } catch (error) {
      // One that was found again, and what it was made of is not there any more.
      if (error instanceof Failure) return undefined;
      throw error;
    }
  }

  processOf(idOrName: string): ProcessRef {
    const { sandbox } = this.find(idOrName);
    if (sandbox.process !== undefined) return sandbox.process;
    throw new Failure('gone', `The sandbox ${sandbox.name} has ended.`);
  }

  private entered(idOrName: string): Entered {
    const live = this.find(idOrName);
    return { sandbox: live.sandbox, plan: live.plan() };
  }

  openTerminal(params: TerminalsOpenParams & { sandbox: string }): Promise<TerminalsOpenResult> {
    const plan = planEntry(this.entered(params.sandbox), params, true);
    return this.services.terminals.openPlanned(plan, params, this.services.streamSocket);
  }

  runProgram(params: ProgramsRunParams & { sandbox: string }, token: CancellationToken): Promise<ProgramsRunResult> {
    return runPlanned(planEntry(this.entered(params.sandbox), params, false), params, token);
  }

  explainProgram(params: ProgramParams & { sandbox: string; terminal?: boolean }): ProgramsExplainResult {
    return explainPlanned(planEntry(this.entered(params.sandbox), params, params.terminal ?? false));
  }

  /** An image is unpacked only for what is made. */
  private async planAs(params: SandboxParams, id: string, what: 'explained' | 'made'): Promise<SandboxPlan> {
    const image = await imageOf(params, what);
    const unpacked = image === undefined || Array.isArray(image.layers) ? -1 : image.layers.descriptor;
    const dispose = () => unpacked >= 0 && close(unpacked);
    const { name } = params.spec;
    try {
      const freeName = (wish: string) => (what === 'explained' ? wish : this.freeName(wish, name !== undefined));
      const plan = this.plan(params, id, freeName, image);
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
    freeName: (wish: string) => string,
    image: ImageFiles | undefined,
  ): SandboxPlan {
    const context: PlanContext = {
      id,
      ...(directory === undefined ? {} : { directory }),
      openNamespace: this.services.openNamespace,
      addresses: () => [...this.addresses],
      sandboxProcess: (name) => this.processOf(name),
      freeName,
      ...(image === undefined ? {} : { image }),
    };
    return makeSandboxPlan(spec, context);
  }

  /** Of a name that was given there is no other; to one that was not a number is added. */
  private freeName(wish: string, isGiven: boolean): string {
    const isTaken = (name: string) => this.reserved.has(name) || this.list().some((sandbox) => sandbox.name === name);
    if (!isTaken(wish)) return wish;
    if (isGiven) {
      throw new Failure('busy', `There is a sandbox named ${wish} already.`, {
        hint: 'Choose another name, or remove that one.',
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
      plan: () => plan,
      kill: () => killAll(plan, started),
      held: started.held,
      signal: started.signal,
      ended: started.ended.then((end) => {
        const exit = exitOf(plan, end, live.ending ?? (started.ranOutOfMemory ? 'oom' : undefined));
        this.end(live, exit);
        return exit;
      }),
    };
    this.live.set(id, live);
    try {
      if (plan.spec.persistent) save(savedOf(live));
    } catch (error) {
      live.kill();
      throw error;
    }
    const { timeout } = plan.spec.process;
    if (timeout !== undefined) {
      const expire = () => {
        live.ending ??= 'timeout';
        live.kill();
      };
      const timer = setTimeout(expire, Math.min(timeout * 1000, 2 ** 31 - 1));
      void live.ended.then(() => clearTimeout(timer));
    }
    this.services.changed();
    return live;
  }

  private end(live: LiveSandbox, exit: SandboxExit | undefined): void {
    const { sandbox, params } = live;
    this.live.delete(sandbox.id);
    if (sandbox.persistent) {
      const saved: SavedSandbox = { id: sandbox.id, params: savedParams(params), createdMillis: sandbox.createdMillis };
      const ended = exit === undefined ? saved : { ...saved, exit };
      if (saveEnd(ended, sandbox.process)) this.past.set(sandbox.id, pastOf(ended));
      else this.findOne(sandbox.id);
    }
    if (exit !== undefined) this.services.ended(sandbox, exit);
    this.services.changed();
  }
}

function describe(id: string, plan: SandboxPlan, leader: ProcessRef | undefined, createdMillis: number): Sandbox {
  return {
    id,
    name: plan.spec.name,
    spec: plan.spec,
    state: 'running',
    ...(leader === undefined ? {} : { process: leader }),
    namespaces: leader === undefined ? {} : namespacesOf(leader),
    cgroups: plan.cgroups.map(({ hierarchy, path }) => ({ hierarchy, path })),
    persistent: plan.spec.persistent,
    notes: plan.notes,
    createdMillis,
  };
}

function savedParams({ spec, directory }: SandboxParams): SandboxParams {
  return directory === undefined ? { spec } : { spec, directory };
}

function savedOf({ sandbox, params }: LiveSandbox): SavedSandbox {
  const { id, createdMillis, process } = sandbox;
  const spec = { ...params.spec, process: sandbox.spec.process ?? {} };
  return { id, params: savedParams({ ...params, spec }), createdMillis, ...(process === undefined ? {} : { process }) };
}

function pastOf({ id, params, createdMillis, exit }: SavedSandbox): { sandbox: Sandbox; params: SandboxParams } {
  const sandbox: Sandbox = {
    id,
    name: params.spec.name ?? id,
    spec: params.spec,
    state: 'ended',
    namespaces: {},
    cgroups: [],
    persistent: true,
    notes: [],
    createdMillis,
    ...(exit === undefined ? {} : { exit }),
  };
  return { sandbox, params };
}

/** What the root is made of, when that is an image. */
async function imageOf({ spec, directory }: SandboxParams, what: 'explained' | 'made'): Promise<ImageFiles | undefined> {
  const { root } = withAbsolutePaths(spec, directory);
  if (root?.type !== 'image') return undefined;
  const { image } = root;
  if (!('path' in image)) return findImage(image);
  return (what === 'made' ? unpackImageFile : describeImageFile)(image, idMapsFor(spec));
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

const STOPPED: SandboxExit = { reason: 'stopped', message: 'It was stopped.' };

function exitOf({ spec }: SandboxPlan, { code, signal }: End, ending: 'stopped' | 'timeout' | 'oom' | undefined): SandboxExit {
  const how = { ...(code === undefined ? {} : { code }), ...(signal === undefined ? {} : { signal }) };
  if (ending === 'timeout') {
    return {
      ...how,
      timedOut: true,
      reason: 'timeout',
      message: `It was killed after its time, ${spec.process.timeout} seconds.`,
    };
  }
  if (ending === 'oom') {
    const limit = spec.resources?.memory?.limit;
    return {
      ...how,
      reason: 'oom',
      message: `The kernel killed in it for want of memory: its limit is ${limit}${typeof limit === 'number' ? ' bytes' : ''}.`,
    };
  }
  if (ending === 'stopped') return { ...how, ...STOPPED };
  if (signal !== undefined) return { ...how, reason: 'signal', message: `Its program was ended by ${signal}.` };
  return { ...how, reason: 'exit', message: `Its program ended with status ${code ?? 0}.` };
}

function namespacesOf({ pid }: ProcessRef): Sandbox['namespaces'] {
  const namespaces: Partial<Record<string, NamespaceRef>> = {};
  for (const kind of NAMESPACE_KINDS) {
    let descriptor: number;
    try {
      descriptor = fs.openSync(`/proc/${pid}/ns/${kind}`, 'r');
    } catch {
      // It has ended already, or the kernel has no such kind.
      continue;
    }
    const { dev, ino } = fs.fstatSync(descriptor);
    if (!isOwnNamespace(kind, descriptor)) namespaces[kind] = { kind, dev, ino };
    fs.closeSync(descriptor);
  }
  return namespaces;
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
