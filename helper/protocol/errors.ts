/** What every request may be answered with instead of its result, and every fact instead of itself. Types and constants only. */

/** Why a request failed. Programs decide on this, never on the message's words. */
export type Reason = 'notFound' | 'gone' | 'permission' | 'unsupported' | 'invalid' | 'busy' | 'kernel' | 'unfiltered';

/** The `data` of every error response. */
export interface ErrorData {
  reason: Reason;
  /** The kernel's error, by name: `EPERM`. */
  errno?: string;
  syscall?: string;
  path?: string;
  /** What the person can do about it. */
  hint?: string;
  /** Of a sandbox: the index of the step that failed, among the `steps` of `sandboxes/explain`. */
  step?: number;
  /** The field of the parameters that cannot be accepted, from the outermost: `['spec', 'mounts', 0, 'type']`. */
  field?: (string | number)[];
  /** Id of the sandbox that has the name that was wished for. */
  taken?: string;
}

/** JSON-RPC error codes, one for each reason, outside the range that JSON-RPC reserves. */
export const ERROR_CODES: Record<Reason, number> = {
  notFound: 1001,
  gone: 1002,
  permission: 1003,
  unsupported: 1004,
  invalid: 1005,
  busy: 1006,
  kernel: 1007,
  unfiltered: 1008,
};

/** A fact that could not be read, with why. Never to be shown as "none". */
export interface Unknown {
  /** The reason, and the kernel's error by name when there was one. */
  unknown: Reason;
  errno?: string;
}
