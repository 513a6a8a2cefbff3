/** The requests `programs/*` and `terminals/open`: their schemas, and who answers them. */
import * as v from 'valibot';
import type { CancellationToken } from 'vscode-jsonrpc';
import type { Dispatcher } from '../dispatch.ts';
import { Failure } from '../failure.ts';
import {
  type ProgramParams,
  ProgramsExplain,
  type ProgramsExplainResult,
  ProgramsRun,
  type ProgramsRunParams,
  type ProgramsRunResult,
  TerminalsOpen,
  type TerminalsOpenParams,
  type TerminalsOpenResult,
} from '../protocol/programs.ts';
import { cString, namespaceKind, namespaceRef, path, processRef, stdin } from '../schemas.ts';
import { explainProgram } from './explain.ts';
import { runProgram } from './run.ts';
import type { OpenNamespace } from './target.ts';
import type { Terminals } from './terminal.ts';

/** Together they must fit into a syscall program, and do: 128 KiB of each. */
const MAX_ARGUMENTS_BYTES = 128 * 1024;
const totalBytes = (strings: string[]) => strings.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
const bounded = (strings: string[]) => totalBytes(strings) <= MAX_ARGUMENTS_BYTES;
const TOO_LONG = `together they must be at most ${MAX_ARGUMENTS_BYTES} bytes`;

const command = v.pipe(
  v.array(cString(MAX_ARGUMENTS_BYTES)),
  v.minLength(1, 'it must name a program'),
  v.maxLength(4096),
  v.check((words) => words[0] !== '', 'the name of the program must not be empty'),
  v.check(bounded, TOO_LONG),
);

const environment = v.pipe(
  v.record(v.string(), cString(MAX_ARGUMENTS_BYTES)),
  v.check(
    (variables) => Object.keys(variables).every((name) => /^[^=\0]+$/.test(name)),
    'a name must not be empty or contain "="',
  ),
  v.check((variables) => bounded(Object.entries(variables).flat()), TOO_LONG),
);

const programEntries = {
  process: v.exactOptional(processRef),
  kinds: v.exactOptional(v.pipe(v.array(namespaceKind), v.maxLength(16))),
  namespaces: v.exactOptional(v.pipe(v.array(namespaceRef), v.maxLength(16))),
  sandbox: v.exactOptional(v.pipe(v.string(), v.maxLength(64))),
  command: v.exactOptional(command),
  identity: v.exactOptional(v.picklist(['root', 'target'])),
  seccomp: v.exactOptional(v.literal('none')),
  root: v.exactOptional(v.boolean()),
  cgroup: v.exactOptional(v.boolean()),
  directory: v.exactOptional(v.pipe(path, v.minLength(1))),
  environment: v.exactOptional(environment),
};

const natural = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));

const runParams = v.strictObject({
  ...programEntries,
  command,
  stdin: v.exactOptional(stdin),
  timeoutMillis: v.exactOptional(natural(3_600_000)),
  outputLimitBytes: v.exactOptional(natural(16 * 1024 * 1024)),
});

const cells = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000));
const openParams = v.strictObject({ ...programEntries, columns: v.exactOptional(cells), rows: v.exactOptional(cells) });
const explainParams = v.strictObject({ ...programEntries, terminal: v.exactOptional(v.boolean()) });

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

export function servePrograms(requests: Dispatcher, services: ProgramServices): void {
  const { openNamespace, terminals, streamSocket, sandboxes } = services;
  requests.on(ProgramsRun, runParams, (params, token) =>
    isForSandbox(params) ? sandboxes.runProgram(params, token) : runProgram(params, openNamespace, token),
  );
  requests.on(TerminalsOpen, openParams, (params) =>
    isForSandbox(params) ? sandboxes.openTerminal(params) : terminals.open(params, streamSocket, openNamespace),
  );
  requests.on(ProgramsExplain, explainParams, (params) =>
    isForSandbox(params) ? sandboxes.explainProgram(params) : explainProgram(params, openNamespace),
  );
}

/** A sandbox is entered as a whole. */
function isForSandbox<P extends ProgramParams>(params: P): params is P & { sandbox: string } {
  if (params.sandbox === undefined) return false;
  const contradicting = (['process', 'namespaces', 'kinds', 'root', 'cgroup', 'identity', 'seccomp'] as const).find(
    (field) => params[field] !== undefined,
  );
  if (contradicting === undefined) return true;
  throw new Failure('invalid', `A sandbox is entered as a whole: "${contradicting}" cannot be chosen.`, {
    field: [contradicting],
    hint: 'Leave it out, or name the process of the sandbox instead of the sandbox.',
  });
}
