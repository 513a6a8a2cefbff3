/** Paths of the host that a specification names. */
import fs from 'node:fs';
import { Failure, isSystemError } from '../failure.ts';

/** The real path of something of the host that is to be seen inside. Throws a `Failure` that names the field. */
export function realPath(given: string, field: string): { path: string; isDirectory: boolean } {
  try {
    const real = fs.realpathSync.native(given);
    return { path: real, isDirectory: fs.statSync(real).isDirectory() };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Failure(error.code === 'ENOENT' ? 'notFound' : 'invalid', `"${field}": ${given} cannot be used: ${error.code}.`, {
      errno: error.code,
      path: given,
    });
  }
}
