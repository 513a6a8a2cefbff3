/** The seccomp filters of a process, for a program that is to be confined as it is: what docker-exec(1) does by loading the container's anew. */

import { Failure, isSystemError } from '../failure.ts';
import { freezerState } from '../host/freezer.ts';
import { SyscallError } from '../kernel/libc.ts';
import { EBUSY } from '../kernel/numbers.ts';
import { readFilters } from '../kernel/ptrace.ts';
import { parseCgroups } from '../proc/cgroup.ts';
import { parseStatus } from '../proc/status.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import { Remembered } from './remembered.ts';
import type { HeldProcess } from './target.ts';

/** BPF instructions, 8 bytes each, and what they are called. */
export interface SeccompFilter {
  instructions: Buffer;
  name: Said;
  /** SECCOMP_FILTER_FLAG_…, and how they are written. */
  flags?: { value: number; text: string };
}

const MAX_STATUS_BYTES = 16 * 1024;
const MAX_CGROUP_BYTES = 128 * 1024;
/** SECCOMP_MODE_FILTER: linux/seccomp.h. */
const MODE_FILTER = 2;
const LOG = { value: 2, text: 'SECCOMP_FILTER_FLAG_LOG' };

/** Docker's has 8 KB. */
const MAX_REMEMBERED_BYTES = 64 * 1024;

/**
 * So that a process is stopped once and not for each program. None of its filters can be taken away or exchanged, only others added (seccomp(2)), so
 * it has the same ones as long as it has as many (`Seccomp_filters`, Linux 5.9).
 */
const remembered = new Remembered<SeccompFilter[]>();

const bytesOf = (filters: readonly SeccompFilter[]) => filters.reduce((sum, { instructions }) => sum + instructions.length, 0);

export interface FilterWish {
  /** Not to have them was chosen, by name. */
  without: boolean;
  /** It is only to be shown, which is not refused. */
  isShown: boolean;
}

/**
 * In the order in which they are to be loaded, the oldest first. Adds to `differences` when the program runs without. Rejects with a `Failure`: `unfiltered`
 * when there are some that cannot be had, `gone`.
 */
export async function filtersOf(
  process: HeldProcess,
  { without, isShown }: FilterWish,
  differences: Said[],
): Promise<SeccompFilter[]> {
  const { seccompMode, seccompFilters: count } = parseStatus(process.read('status', MAX_STATUS_BYTES, said('theIdentity')));
  if (seccompMode !== MODE_FILTER) return [];
  if (without) {
    differences.push(said('differsWithoutFilter'));
    return [];
  }
  const known = count === undefined ? undefined : remembered.get(process.ref, count);
  if (known !== undefined) return known;
  try {
    // It would stop only when it is thawed, and stay traced until then.
    if (freezerState(parseCgroups(process.read('cgroup', MAX_CGROUP_BYTES, said('theCgroups')))) === 'paused')
      throw new SyscallError('ptrace', EBUSY);
    process.check();
    const loaded = await readFilters(process.ref.pid);
    process.check();
    const filters = loaded.map(({ instructions, flags }, index) => ({
      instructions,
      name: said('filterOfProcess', process.ref.pid, index + 1, loaded.length),
      ...(flags === LOG.value ? { flags: LOG } : {}),
    }));
    if (count === filters.length && bytesOf(filters) <= MAX_REMEMBERED_BYTES) remembered.set(process.ref, filters, count);
    return filters;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    process.check();
    const failure = unfiltered(process.ref.pid, error.code);
    if (!isShown) throw failure;
    differences.push(said('sentences', failure.text, said('refusedWithFilter')));
    return [];
  }
}

const WHY: Readonly<Record<string, Said>> = {
  EPERM: said('whyTraced'),
  EACCES: said('whyNeedsSysAdmin'),
  EBUSY: said('whyDoesNotStop'),
  EINVAL: said('whyKernelDoesNotTell'),
};

function unfiltered(pid: number, errno: string): Failure {
  return new Failure('unfiltered', said('filterCannotBeRead', pid, WHY[errno] ?? errno), {
    errno,
    syscall: 'ptrace',
    hint: said('runWithoutFilter'),
  });
}
