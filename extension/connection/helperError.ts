import type { ErrorData, Reason } from '../../helper/protocol/errors.ts';
import { plainLines } from '../plain/plainText.ts';

/** `disconnected`: the helper is not running, or ended before it answered. `cancelled`: the caller's token said so. */
export type HelperErrorReason = Reason | 'disconnected' | 'cancelled';

/** A request that was refused or never answered. `message` and `hint` are words for a person. */
export class HelperError extends Error {
  override readonly name = 'HelperError';
  readonly reason: HelperErrorReason;
  readonly hint: string | undefined;
  /** What the helper sent with its refusal: errno, system call, path. */
  readonly data: ErrorData | undefined;

  constructor(reason: HelperErrorReason, message: string, hint?: string, data?: ErrorData) {
    // Whoever throws it, and wherever VS Code shows it: names that others chose are in it.
    super(plainLines(message));
    this.reason = reason;
    this.hint = hint === undefined ? undefined : plainLines(hint);
    this.data = data;
  }
}

/** Whether nothing went wrong but that an answer is no longer to come: the connection's state tells of a helper that ended. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof HelperError && (error.reason === 'disconnected' || error.reason === 'cancelled');
}
