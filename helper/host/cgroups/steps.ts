/** The steps of a change, and what is read to know how each is taken back. */
import { Failure, type FieldPath, isSystemError, unknownFrom } from '../../failure.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { type OpenCgroup, readFile } from './directory.ts';
import { filesForUndo, type Undo, undoOf } from './putBack.ts';
import { fileRefusal } from './refusals.ts';

export interface WriteStep {
  do: 'write';
  file: string;
  text: string;
  before: string | Unknown;
  /** What writes back what stood there, in this order; empty when it cannot be. */
  undo: readonly Undo[];
}

export type Step =
  | WriteStep
  | { do: 'mkdir'; name: string }
  | { do: 'rmdir' }
  | { do: 'kill' }
  | { do: 'move'; process: ProcessRef };

/** A write, with what stands there and what puts it back. Throws a `Failure` where there is no such file. */
export async function writeStep(cgroup: OpenCgroup, file: string, text: string): Promise<WriteStep> {
  const before = await standing(cgroup, file);
  const readings = new Map<string, string>();
  for (const name of filesForUndo(file)) {
    const reading = name === file ? before : await standing(cgroup, name, true);
    if (typeof reading === 'string') readings.set(name, reading);
  }
  return { do: 'write', file, text, before, undo: undoOf(file, text, readings) };
}

/** What stands in a file now, without the line break at its end. Throws a `Failure` where there is no such file; unless it is `optional`. */
export async function standing(cgroup: OpenCgroup, file: string, optional = false): Promise<string | Unknown> {
  try {
    return (await readFile(cgroup.fd, file)).trimEnd();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT' && !optional) throw fileRefusal(cgroup, file, 'read', error);
    return unknownFrom(error);
  }
}

/** `field`: of the change; or of the request, where it is the cgroup. */
export function invalid(field: FieldPath, text: Said, hint: Said): Failure {
  return new Failure('invalid', text, { field: [...field], hint });
}
