/** What every request may be answered with instead of its result, and every fact instead of itself. Types and constants only. */
import type { Said } from './sentences.ts';

/** Why a request failed. Programs decide on this, never on the message's words. */
export type Reason = 'notFound' | 'gone' | 'permission' | 'unsupported' | 'invalid' | 'busy' | 'kernel' | 'unfiltered';

/** The `data` of every error response. */
export interface ErrorData {
  reason: Reason;
  /** What failed, as `{ code, args }`: the error's `message` is its sentence in English. Absent where the kernel or Node says it in its own words. */
  text?: Said;
  /** The kernel's error, by name: `EPERM`. */
  errno?: string;
  syscall?: string;
  path?: string;
  /** What the person can do about it, as `{ code, args }`. The sentences are in [texts](texts/), with `{0}` for the first argument. */
  hint?: Said;
  /** Of a sandbox: the index of the step that failed, among the `steps` of `sandboxes/explain`. */
  step?: number;
  /** The field of the parameters that cannot be accepted, from the outermost: `['spec', 'mounts', 0, 'type']`. */
  field?: (string | number)[];
  /** Id of the sandbox that has the name that was wished for. */
  taken?: string;
}

/** JSON-RPC error codes, one for each reason, outside the range that JSON-RPC reserves. */
export const ERROR_CODES = {
  /** There is no such thing. */
  notFound: 1001,
  /** It is not there any more: a process that ended, a namespace that nothing keeps alive, a cgroup that was removed. */
  gone: 1002,
  /** Who runs the helper may not do it. */
  permission: 1003,
  /** This kernel, this host or this helper cannot do it. */
  unsupported: 1004,
  /** The parameters cannot be accepted, for what they are or for what they are about: `field` names the one. */
  invalid: 1005,
  /** Something is in the way: a name that is taken, a limit of what goes on at once, a file system that does not answer, a warning that was not acknowledged. */
  busy: 1006,
  /** The kernel refused it, or what came was not foreseen: `errno`, if there is one, says why. */
  kernel: 1007,
  /** The seccomp filters of the process cannot be had for a program. It runs without them when it is asked with `seccomp: "none"`. */
  unfiltered: 1008,
} as const satisfies Record<Reason, number>;

/** A fact that could not be read, with why. Never to be shown as "none". */
export interface Unknown {
  /** The reason, and the kernel's error by name when there was one. */
  unknown: Reason;
  errno?: string;
}
