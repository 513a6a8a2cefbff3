/** What the requests about programs and terminals take. */
import * as v from 'valibot';
import { ProgramsExplain, ProgramsRun, TerminalsOpen } from '../programs.ts';
import { cells, cString, namespaceKind, namespaceRef, outputLimitBytes, path, positive, processRef, stdin } from './parts.ts';
import { takes } from './taken.ts';

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

export const PROGRAMS = [
  takes(
    ProgramsRun,
    v.strictObject({
      ...programEntries,
      command,
      stdin: v.exactOptional(stdin),
      timeoutMillis: v.exactOptional(positive(3_600_000)),
      outputLimitBytes,
    }),
  ),
  takes(ProgramsExplain, v.strictObject({ ...programEntries, terminal: v.exactOptional(v.boolean()) })),
  takes(TerminalsOpen, v.strictObject({ ...programEntries, columns: cells, rows: cells })),
];
