/** The requests `programs/*` and `terminals/open`: their schemas, and who answers them. */
import * as v from 'valibot';
import type { Dispatcher } from '../dispatch.ts';
import { ProgramsExplain, ProgramsRun, TerminalsOpen } from '../protocol.ts';
import { cString, namespaceKind, namespaceRef, path, processRef } from '../schemas.ts';
import { explainProgram } from './explain.ts';
import { runProgram } from './run.ts';
import type { OpenNamespace } from './target.ts';
import type { Terminals } from './terminal.ts';

/** Together they must fit into a syscall program, and do: 128 KiB of each. */
const MAX_ARGUMENTS_BYTES = 128 * 1024;
const MAX_STDIN_BYTES = 8 * 1024 * 1024;

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
  command: v.exactOptional(command),
  identity: v.exactOptional(v.picklist(['root', 'target'])),
  root: v.exactOptional(v.boolean()),
  cgroup: v.exactOptional(v.boolean()),
  directory: v.exactOptional(v.pipe(path, v.minLength(1))),
  environment: v.exactOptional(environment),
};

const base64 = v.pipe(v.string(), v.maxLength(Math.ceil((MAX_STDIN_BYTES * 4) / 3) + 4), v.base64());
const natural = (maximum: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maximum));

const runParams = v.strictObject({
  ...programEntries,
  command,
  stdin: v.exactOptional(v.union([v.literal(''), base64])),
  timeoutMillis: v.exactOptional(natural(3_600_000)),
  outputLimitBytes: v.exactOptional(natural(16 * 1024 * 1024)),
});

const cells = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000));
const openParams = v.strictObject({ ...programEntries, columns: v.exactOptional(cells), rows: v.exactOptional(cells) });
const explainParams = v.strictObject({ ...programEntries, terminal: v.exactOptional(v.boolean()) });

export interface ProgramServices {
  openNamespace: OpenNamespace;
  terminals: Terminals;
  streamSocket: string;
}

export function servePrograms(requests: Dispatcher, { openNamespace, terminals, streamSocket }: ProgramServices): void {
  requests.on(ProgramsRun, runParams, (params, token) => runProgram(params, openNamespace, token));
  requests.on(TerminalsOpen, openParams, (params) => terminals.open(params, streamSocket, openNamespace));
  requests.on(ProgramsExplain, explainParams, (params) => explainProgram(params, openNamespace));
}
