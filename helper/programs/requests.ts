/** Answers every request about programs and terminals. */
import type { CancellationToken } from 'vscode-jsonrpc';
import type { HandlersOf } from '../dispatch.ts';
import { Failure } from '../failure.ts';
import type {
  ProgramParams,
  ProgramsExplainResult,
  ProgramsRunParams,
  ProgramsRunResult,
  TerminalsOpenParams,
  TerminalsOpenResult,
} from '../protocol/programs.ts';
import { said } from '../saying.ts';
import { explainProgram } from './explain.ts';
import { runProgram } from './run.ts';
import type { OpenNamespace } from './target.ts';
import type { Terminals } from './terminal.ts';

/** Programs in a sandbox, which are confined as its own is. */
export interface SandboxPrograms {
  openTerminal(params: TerminalsOpenParams & { sandbox: string }): Promise<TerminalsOpenResult>;
  runProgram(params: ProgramsRunParams & { sandbox: string }, token: CancellationToken): Promise<ProgramsRunResult>;
  explainProgram(params: ProgramParams & { sandbox: string; terminal?: boolean }): Promise<ProgramsExplainResult>;
}

export interface ProgramServices {
  openNamespace: OpenNamespace;
  terminals: Terminals;
  streamSocket: string;
  sandboxes: SandboxPrograms;
}

export function programHandlers(services: ProgramServices): HandlersOf<'programs' | 'terminals'> {
  const { openNamespace, terminals, streamSocket, sandboxes } = services;
  return {
    'programs/run': (params, token) =>
      isForSandbox(params) ? sandboxes.runProgram(params, token) : runProgram(params, openNamespace, token),
    'programs/explain': (params) =>
      isForSandbox(params) ? sandboxes.explainProgram(params) : explainProgram(params, openNamespace),
    'terminals/open': (params) =>
      isForSandbox(params) ? sandboxes.openTerminal(params) : terminals.open(params, streamSocket, openNamespace),
  };
}

/** A sandbox is entered as a whole. */
function isForSandbox<P extends ProgramParams>(params: P): params is P & { sandbox: string } {
  if (params.sandbox === undefined) return false;
  const contradicting = (['process', 'namespaces', 'kinds', 'root', 'cgroup', 'identity', 'seccomp'] as const).find(
    (field) => params[field] !== undefined,
  );
  if (contradicting === undefined) return true;
  throw new Failure('invalid', said('sandboxIsEnteredAsWhole', contradicting), {
    field: [contradicting],
    hint: said('leaveOutOrNameProcess'),
  });
}
