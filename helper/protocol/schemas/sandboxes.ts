/** What the requests about sandboxes take. */
import * as v from 'valibot';
import { sandboxSpec } from '../../sandbox/specification/spec.ts';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesImages,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  SandboxesStop,
} from '../sandboxes.ts';
import { cells, nothing, outputLimitBytes, path, stdin } from './parts.ts';
import { takes } from './taken.ts';

const sandbox = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const entries = {
  spec: sandboxSpec,
  directory: v.exactOptional(v.pipe(path, v.startsWith('/', 'it must be absolute'))),
};
const graceMillis = v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(600_000)));

export const SANDBOXES = [
  takes(SandboxesExplain, v.strictObject(entries)),
  takes(SandboxesImages, v.strictObject({ engine: v.picklist(['docker', 'podman']) })),
  takes(SandboxesCreate, v.strictObject({ ...entries, columns: cells, rows: cells })),
  takes(SandboxesRun, v.strictObject({ ...entries, stdin: v.exactOptional(stdin), outputLimitBytes })),
  takes(SandboxesList, nothing),
  takes(SandboxesStop, v.strictObject({ sandbox, graceMillis })),
  takes(SandboxesRemove, v.strictObject({ sandbox })),
  takes(SandboxesRestart, v.strictObject({ sandbox, columns: cells, rows: cells })),
];
