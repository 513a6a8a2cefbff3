/** Every sandbox of this helper, from its making until nothing is left of it. */
import crypto from 'node:crypto';
import fs from 'node:fs';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../failure.ts';
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
} from '../protocol/sandboxes.ts';
import {
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
import { planEntry } from './entry.ts';
import { explainSandbox } from './explain.ts';
import { textOf } from './network.ts';
import { makeSandboxPlan, type PlanContext, type SandboxPlan } from './plan.ts';
import { forwardPorts } from './ports.ts';
import { type StartedSandbox, startSandbox } from './start.ts';

export interface SandboxServices {
  openNamespace: OpenNamespace;
  terminals: Terminals;
  streamSocket: string;
  /** The list is another. */
  changed: () => void;
  ended: (sandbox: Sandbox, exit: SandboxExit) => void;
}

export interface LiveSandbox {
  sandbox: Sandbox;
  started: StartedSandbox;
  params: SandboxParams;
  plan: SandboxPlan;
  /** Why it ends, when that is not by itself. */
  ending?: 'stopped' | 'timeout';
  ended: Promise<SandboxExit>;
}

const ID_BYTES = 8;
const MAX_SANDBOXES = 1000;

export class Sandboxes {
  private readonly live = new Map<string, LiveSandbox>();
  /** Names of those that are being made. */
  private readonly reserved = new Set<string>();
  /** Of the ends inside of pairs of interfaces. */
  private readonly addresses = new Set<string>();
  private readonly services: SandboxServices;

  constructor(services: SandboxServices) {
    this.services = services;
  }

  explain(params: SandboxParams): SandboxesExplainResult {
    const plan = this.plan(params, newId(), (wish) => wish);
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
    const plan = this.plan(params, id);
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
    const plan = this.plan({ ...params, spec: { ...spec, process: { ...spec.process, terminal: false } } }, newId());
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
    return [...this.live.values()].map(({ sandbox }) => sandbox);
  }

  /** Resolves when nothing of it runs any more. */
  async stop(idOrName: string, graceMillis = 0): Promise<void> {
    const live = this.find(idOrName);
    live.ending ??= 'stopped';
    if (graceMillis > 0) {
      live.started.signal('SIGTERM');
      const timer = setTimeout(() => killAll(live.plan, live.started), graceMillis);
      await live.ended;
      clearTimeout(timer);
    } else {
      killAll(live.plan, live.started);
      await live.ended;
    }
  }

  async restart(idOrName: string, size: { columns?: number; rows?: number }): Promise<SandboxesCreateResult> {
    const { sandbox, params } = this.find(idOrName);
    await this.stop(sandbox.id);
    return this.create({ ...params, spec: { ...params.spec, name: sandbox.name }, ...size }, sandbox.id);
  }

  /** The sandbox with its plan, for programs that are to run in it. */
  find(idOrName: string): LiveSandbox {
    const found = this.live.get(idOrName) ?? [...this.live.values()].find(({ sandbox }) => sandbox.name === idOrName);
    if (found !== undefined) return found;
    throw new Failure('gone', `There is no sandbox ${idOrName} any more.`, {
      hint: 'Refresh the view and choose another one.',
    });
  }

  processOf(idOrName: string): ProcessRef {
    const { sandbox } = this.find(idOrName);
    if (sandbox.process !== undefined) return sandbox.process;
    throw new Failure('gone', `The sandbox ${sandbox.name} has ended.`);
  }

  openTerminal(params: TerminalsOpenParams & { sandbox: string }): Promise<TerminalsOpenResult> {
    const plan = planEntry(this.find(params.sandbox), params, true);
    return this.services.terminals.openPlanned(plan, params, this.services.streamSocket);
  }

  runProgram(params: ProgramsRunParams & { sandbox: string }, token: CancellationToken): Promise<ProgramsRunResult> {
    return runPlanned(planEntry(this.find(params.sandbox), params, false), params, token);
  }

  explainProgram(params: ProgramParams & { sandbox: string; terminal?: boolean }): ProgramsExplainResult {
    return explainPlanned(planEntry(this.find(params.sandbox), params, params.terminal ?? false));
  }

  private plan(
    { spec, directory }: SandboxParams,
    id: string,
    freeName = (wish: string) => this.freeName(wish, spec.name !== undefined),
  ): SandboxPlan {
    const context: PlanContext = {
      id,
      ...(directory === undefined ? {} : { directory }),
      openNamespace: this.services.openNamespace,
      addresses: () => [...this.addresses],
      sandboxProcess: (name) => this.processOf(name),
      freeName,
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
    const { leader } = started;
    const sandbox: Sandbox = {
      id,
      name: plan.spec.name,
      spec: plan.spec,
      state: 'running',
      ...(leader === undefined ? {} : { process: leader }),
      namespaces: leader === undefined ? {} : namespacesOf(leader),
      cgroups: plan.cgroups.map(({ hierarchy, path }) => ({ hierarchy, path })),
      persistent: plan.spec.persistent,
      createdMillis: Date.now(),
    };
    const live: LiveSandbox = { sandbox, started, params, plan, ended: started.ended.then((end) => this.finish(live, end)) };
    this.live.set(id, live);
    const { timeout } = plan.spec.process;
    if (timeout !== undefined) {
      const expire = () => {
        live.ending ??= 'timeout';
        killAll(plan, started);
      };
      const timer = setTimeout(expire, Math.min(timeout * 1000, 2 ** 31 - 1));
      void live.ended.then(() => clearTimeout(timer));
    }
    this.services.changed();
    return live;
  }

  private finish(live: LiveSandbox, end: End): SandboxExit {
    const exit = exitOf(live.plan, end, live.ending ?? (live.started.ranOutOfMemory ? 'oom' : undefined));
    this.live.delete(live.sandbox.id);
    this.services.ended(live.sandbox, exit);
    this.services.changed();
    return exit;
  }
}

function newId(): string {
  return crypto.randomBytes(ID_BYTES).toString('hex');
}

/** The end of a pid namespace's first process is the end of all in it. */
function killAll(plan: SandboxPlan, started: StartedSandbox): void {
  if (plan.fresh.has('pid')) started.kill();
  else killTree(started);
}

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
  if (ending === 'stopped') return { ...how, reason: 'stopped', message: 'It was stopped.' };
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
