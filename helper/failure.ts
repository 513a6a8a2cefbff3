/** The errors that a request is answered with: one class, one reason from the closed list, words for a person. */
import type { ErrorData, Reason, Unknown } from './protocol/errors.ts';
import type { Said } from './protocol/sentences.ts';
import { english } from './saying.ts';

/** A request that could not be done. `text` says what failed; the client shows it to the person. `message` is that in English. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly data: ErrorData & { text: Said };

  constructor(reason: Reason, text: Said, details: Omit<ErrorData, 'reason' | 'text'> = {}, options?: ErrorOptions) {
    super(english(text), options);
    // Details taken from another failure bring its reason along, and its text; this one's count.
    this.data = { ...details, reason, text };
  }

  get text(): Said {
    return this.data.text;
  }

  get reason(): Reason {
    return this.data.reason;
  }
}

/** From the outermost: `['mounts', 0, 'source']`. */
export type FieldPath = readonly (string | number)[];

/** Does what a field of a request asks for: a refusal names that field, before what of it was named already. */
export function inField<T>(field: FieldPath, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw ofField(field, error);
  }
}

/** Likewise of work that is waited for. */
export async function inFieldLater<T>(field: FieldPath, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ofField(field, error);
  }
}

function ofField(field: FieldPath, error: unknown): unknown {
  if (error instanceof Failure) error.data.field = [...field, ...(error.data.field ?? [])];
  return error;
}

/** What the errors of Node's fs and of helper/kernel have in common. */
interface SystemError extends Error {
  code: string;
  syscall?: string;
  path?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as Partial<SystemError>).code === 'string';
}

const REASONS: Record<string, Reason> = {
  ESRCH: 'gone',
  ENOENT: 'notFound',
  ENOTDIR: 'notFound',
  EPERM: 'permission',
  EACCES: 'permission',
  EBUSY: 'busy',
  EAGAIN: 'busy',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  EINVAL: 'invalid',
};

/** The reason that an errno stands for, by the errno's name; `kernel` for every one without a reason of its own. */
export function reasonOf(code: string): Reason {
  return REASONS[code] ?? 'kernel';
}

/** `Unknown` for a fact of a process that could not be read. ENOENT below `/proc/PID` means that the process is gone. */
export function unknownFrom(error: unknown): Unknown {
  if (error instanceof Failure)
    return { unknown: error.reason, ...(error.data.errno === undefined ? {} : { errno: error.data.errno }) };
  if (!isSystemError(error)) throw error;
  return { unknown: error.code === 'ENOENT' ? 'gone' : reasonOf(error.code), errno: error.code };
}
