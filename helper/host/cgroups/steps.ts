/** The steps of a change, and what is read to know how each is taken back. */
import { Failure, type FieldPath, isSystemError, unknownFrom } from '../../failure.ts';
import type { ProcessRef, Unknown } from '../../protocol.ts';
import { type OpenCgroup, readFile } from './directory.ts';
import { fileRefusal } from './refusals.ts';

export interface WriteStep {
  do: 'write';
  file: string;
  text: string;
  before: string | Unknown;
  /** What writes back what stood there; undefined when it cannot be. */
  undo?: string;
}

export type Step =
  | WriteStep
  | { do: 'mkdir'; name: string }
  | { do: 'rmdir' }
  | { do: 'kill' }
  | { do: 'move'; process: ProcessRef };

/** A file that holds one value: its old text puts it back. */
export async function valueStep(cgroup: OpenCgroup, file: string, text: string): Promise<WriteStep> {
  const before = await standing(cgroup, file);
  return writeStep(file, text, before, typeof before === 'string' ? before : undefined);
}

export function writeStep(file: string, text: string, before: string | Unknown, undo: string | undefined): WriteStep {
  return { do: 'write', file, text, before, ...(undo === undefined ? {} : { undo }) };
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
export function invalid(field: FieldPath, message: string, hint: string): Failure {
  return new Failure('invalid', message, { field: [...field], hint });
}
