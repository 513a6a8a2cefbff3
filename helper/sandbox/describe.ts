/** What is told of a sandbox, and noted of it for other helpers. */
import fs from 'node:fs';
import type { End } from '../kernel/spawn.ts';
import { isOwnNamespace } from '../programs/target.ts';
import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceRef } from '../protocol/namespaces.ts';
import type { ProcessRef } from '../protocol/processes.ts';
import type { Sandbox, SandboxExit, SandboxParams } from '../protocol/sandboxes.ts';
import { said } from '../saying.ts';
import type { SandboxPlan } from './plan/sandboxPlan.ts';
import type { SavedSandbox } from './saved/saved.ts';

export function describe(id: string, plan: SandboxPlan, leader: ProcessRef | undefined, createdMillis: number): Sandbox {
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

export function savedParams({ spec, directory }: SandboxParams): SandboxParams {
  return directory === undefined ? { spec } : { spec, directory };
}

export function savedOf({ sandbox, params }: { sandbox: Sandbox; params: SandboxParams }): SavedSandbox {
  const { id, createdMillis, process } = sandbox;
  const spec = { ...params.spec, process: sandbox.spec.process ?? {} };
  return { id, params: savedParams({ ...params, spec }), createdMillis, ...(process === undefined ? {} : { process }) };
}

export function pastOf({ id, params, createdMillis, exit }: SavedSandbox): { sandbox: Sandbox; params: SandboxParams } {
  const sandbox: Sandbox = {
    id,
    name: params.spec.name ?? id,
    spec: params.spec,
    state: 'ended',
    namespaces: {},
    cgroups: [],
    persistent: isPersistent(params),
    notes: [],
    createdMillis,
    ...(exit === undefined ? {} : { exit }),
  };
  return { sandbox, params };
}

/** Any other is noted only while it runs. */
export function isPersistent({ spec }: SandboxParams): boolean {
  return spec.persistent === true;
}

export const STOPPED: SandboxExit = { reason: 'stopped', message: said('exitStopped') };

export function exitOf(
  { spec }: SandboxPlan,
  { code, signal }: End,
  ending: 'stopped' | 'timeout' | 'oom' | undefined,
): SandboxExit {
  const how = { ...(code === undefined ? {} : { code }), ...(signal === undefined ? {} : { signal }) };
  if (ending === 'timeout') {
    return {
      ...how,
      timedOut: true,
      reason: 'timeout',
      message: said('exitTimeout', spec.process.timeout ?? 0),
    };
  }
  if (ending === 'oom') {
    const limit = spec.resources?.memory?.limit;
    return {
      ...how,
      reason: 'oom',
      message: typeof limit === 'number' ? said('exitOomBytes', limit) : said('exitOom', String(limit)),
    };
  }
  if (ending === 'stopped') return { ...how, ...STOPPED };
  if (signal !== undefined) return { ...how, reason: 'signal', message: said('exitSignal', signal) };
  return { ...how, reason: 'exit', message: said('exitStatus', code ?? 0) };
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
