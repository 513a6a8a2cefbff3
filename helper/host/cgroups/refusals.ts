/** Why the kernel refused to do something to a cgroup, in words for a person: the errno, the file, and how the cgroup stands. */

import { Failure, isSystemError, reasonOf } from '../../failure.ts';
import { readText } from '../../kernel/files.ts';
import { ENOENT } from '../../kernel/numbers.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { gone, type OpenCgroup } from './directory.ts';
import { acceptedFormat } from './formats.ts';
import { hierarchyWith } from './hierarchies.ts';

const MAX_BYTES = 64 * 1024;

/** A refusal to read or write a file, `text` what was to be written. `error` is thrown on when it is none of the system. */
export function fileRefusal(
  cgroup: OpenCgroup,
  file: string,
  action: 'read' | 'write',
  error: unknown,
  text?: string,
): Failure {
  if (error instanceof Failure || !isSystemError(error)) throw error;
  if (isGone(cgroup)) return gone(cgroup.ref);
  const path = `${cgroup.directory}/${file}`;
  const details = { errno: error.code, syscall: error.syscall ?? action, path };
  // From write(2) it speaks of what the text names.
  if (error.code === 'ENOENT' && details.syscall !== 'write') return missingFile(cgroup, file, details);
  const why = action === 'write' ? whyNotWritten(cgroup, file, error.code, text) : whyNotRead(error.code);
  const refusal = said(action === 'write' ? 'wasNotWritten' : 'wasNotRead', path, why.message, error.code);
  return new Failure(reasonOf(error.code), refusal, { ...details, ...(why.hint === undefined ? {} : { hint: why.hint }) });
}

interface Why {
  message: Said;
  hint?: Said | undefined;
}

const AS_ROOT = said('restartHelperAsRootOrAskOwner');

function whyNotRead(errno: string): Why {
  if (errno === 'EACCES' || errno === 'EPERM') return { message: said('whyMayNotRead'), hint: AS_ROOT };
  if (errno === 'EOPNOTSUPP') return { message: said('whyThreadedHasNoProcesses'), hint: said('readThreadsOrDomain') };
  return { message: said('whyNotReadable'), hint: said('someFilesCanOnlyBeWritten') };
}

function whyNotWritten(cgroup: OpenCgroup, file: string, errno: string, text: string | undefined): Why {
  const particular = PARTICULAR[file]?.(cgroup, errno, text);
  return particular ?? { ...GENERAL[errno], message: GENERAL[errno]?.message ?? said('whyRefused'), hint: hintOf(file, errno) };
}

function hintOf(file: string, errno: string): Said | undefined {
  const general = GENERAL[errno]?.hint;
  if (general !== undefined) return general;
  const format = acceptedFormat(file);
  return format === undefined ? undefined : said('fileAccepts', file, format);
}

const GENERAL: Record<string, Why> = {
  EINVAL: { message: said('whyValueNotAccepted') },
  ERANGE: { message: said('whyOutOfRange') },
  E2BIG: { message: said('whyTooLong') },
  EBUSY: { message: said('whyInUse') },
  EOPNOTSUPP: { message: said('whyNotSupported') },
  ENXIO: { message: said('whyNoDevice') },
  ENODEV: { message: said('whyNoDisk') },
  EACCES: { message: said('whyMayNotWrite'), hint: AS_ROOT },
  EPERM: { message: said('whyMayNotDo'), hint: AS_ROOT },
  EROFS: {
    message: said('whyReadOnly'),
    hint: said('startHelperOutsideContainer'),
  },
};

/** Files whose errors say more than the errno: cgroups(7), kernel/cgroup/cgroup.c. */
const PARTICULAR: Record<string, (cgroup: OpenCgroup, errno: string, text?: string) => Why | undefined> = {
  'cgroup.procs': whyNotMoved,
  'cgroup.threads': whyNotMoved,
  tasks: whyNotMoved,
  'cgroup.subtree_control': whyNotHandedDown,
  'memory.limit_in_bytes': whyNotLimited,
  'memory.memsw.limit_in_bytes': whyNotLimited,
  'cgroup.kill': (_, errno) =>
    errno === 'EOPNOTSUPP' ? { message: said('whyThreadedIsNotKilled'), hint: said('killThreadedDomain') } : undefined,
  'cgroup.type': (_, errno) =>
    errno === 'EOPNOTSUPP' || errno === 'EBUSY'
      ? {
          message: said('whyNotThreaded'),
          hint: said('moveProcessesAndDisableControllers'),
        }
      : undefined,
  'cpu.max': (cgroup, errno, text) => (errno === 'EINVAL' ? belowBurst(cgroup, 'cpu.max.burst', text) : undefined),
  'cpu.max.burst': (cgroup, errno, text) => aboveQuota(cgroup, errno, 'cpu.max', text),
  'cpu.cfs_quota_us': whyNoBandwidth,
  'cpu.cfs_period_us': whyNoBandwidth,
  'cpu.cfs_burst_us': (cgroup, errno, text) => aboveQuota(cgroup, errno, 'cpu.cfs_quota_us', text),
  'cpu.weight': whyNoWeight,
  'cpu.weight.nice': whyNoWeight,
  'cpu.shares': whyNoWeight,
};

const NO_INTERNAL_PROCESSES = said('whyNoInternalProcesses');

function whyNotMoved(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno === 'ESRCH') return { message: said('whyProcessHasEnded'), hint: said('refreshView') };
  if (errno === 'EBUSY' && cgroup.version === 2) {
    const handedDown = textOf(cgroup, 'cgroup.subtree_control');
    return {
      message: said('whyItHandsDown', NO_INTERNAL_PROCESSES, handedDown || said('someControllers')),
      hint: said('chooseChildOrDisableControllers'),
    };
  }
  if (errno === 'EOPNOTSUPP') {
    return {
      message: said('whyTypeTakesNoProcesses', textOf(cgroup, 'cgroup.type') || 'threaded'),
      hint: said('makeThreadedOrChooseDomain'),
    };
  }
  if (errno === 'ENOSPC') return { message: said('whyCpusetIsEmpty'), hint: said('setCpusetFirst') };
  if (errno === 'EINVAL')
    return {
      message: said('whyBoundThreads'),
      hint: said('itAccepts', acceptedFormat('cgroup.procs')!),
    };
  if (errno === 'EACCES') return { message: said('whyMayNotWriteOrAbove'), hint: AS_ROOT };
  if (errno === 'EAGAIN') return { message: said('whyTasksLimitReached'), hint: said('raisePidsMaxFirst') };
  return undefined;
}

function whyNotHandedDown(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno === 'EBUSY' || errno === 'EOPNOTSUPP') {
    if (cgroup.ref.path !== '/' && textOf(cgroup, 'cgroup.procs') !== '') {
      return {
        message: said('whyItHasProcesses', NO_INTERNAL_PROCESSES),
        hint: said('createChildAndMoveProcesses'),
      };
    }
    if (errno === 'EOPNOTSUPP') {
      return {
        message: said('whyOnlyThreadedControllers', textOf(cgroup, 'cgroup.type') ?? ''),
        hint: said('chooseDomain'),
      };
    }
    return {
      message: said('whyChildUsesController'),
      hint: said('disableForGrandchildren'),
    };
  }
  if (errno === 'ENOENT' || errno === 'EINVAL') return notOffered(cgroup);
  return undefined;
}

function notOffered(cgroup: OpenCgroup): Why {
  const offered = textOf(cgroup, 'cgroup.controllers');
  return {
    message: offered === '' ? said('whyNothingOffered') : said('whyNotOffered', offered ?? ''),
    hint: said('enableFromRootDownwards'),
  };
}

function whyNotLimited(_: OpenCgroup, errno: string): Why | undefined {
  if (errno !== 'EBUSY') return undefined;
  return {
    message: said('whyCannotReclaim'),
    hint: said('chooseLimitAboveUsage'),
  };
}

function whyNoBandwidth(cgroup: OpenCgroup, errno: string, text?: string): Why | undefined {
  if (errno !== 'EINVAL') return undefined;
  // The words for a value that the kernel cannot read are those of every file.
  if (text !== undefined && !/^-?[0-9]+$/.test(text.trim())) return undefined;
  const burst = belowBurst(cgroup, 'cpu.cfs_burst_us', text);
  if (burst !== undefined) return burst;
  const [quota, period] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) => textOf(cgroup, file));
  return {
    message: said('whyShareOfPeriod'),
    hint: said('standsAtOfPeriod', quota ?? '', period ?? '', acceptedFormat('cpu.cfs_quota_us')!),
  };
}

/** A quota, the first number of `text`, that is less than what stands in the file of the burst. */
function belowBurst(cgroup: OpenCgroup, file: string, text: string | undefined): Why | undefined {
  const quota = Number.parseInt(text ?? '', 10);
  const burst = Number(textOf(cgroup, file));
  if (!(burst > quota)) return undefined;
  return {
    message: said('whyBelowBurst', burst, file),
    hint: said('writeBurstFirst', quota, file, burst),
  };
}

function aboveQuota(cgroup: OpenCgroup, errno: string, file: string, text: string | undefined): Why | undefined {
  const burst = Number(text?.trim());
  const quota = Number.parseInt(textOf(cgroup, file) ?? '', 10);
  if (errno !== 'EINVAL' || !(quota > 0 && burst > quota)) return undefined;
  return {
    message: said('whyAboveQuota', quota, file),
    hint: said('giveAtMostOrRaise', quota, file),
  };
}

function whyNoWeight(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno !== 'EINVAL' || textOf(cgroup, 'cpu.idle') !== '1') return undefined;
  return {
    message: said('whyIdleHasNoWeight'),
    hint: said('writeZeroToIdle'),
  };
}

function missingFile(cgroup: OpenCgroup, file: string, details: { errno: string; syscall: string; path: string }): Failure {
  const controller = file.split('.')[0] ?? '';
  const { hierarchy, version } = cgroup.hierarchy;
  const fail = (text: Said, hint: Said) => new Failure('notFound', text, { ...details, hint });
  const elsewhere = hierarchyWith(controller);
  if (elsewhere !== undefined && elsewhere.hierarchy !== hierarchy) {
    return fail(
      said('hierarchyHasNoFile', hierarchy, file, controller, elsewhere.hierarchy),
      said('chooseCgroupInHierarchy', elsewhere.hierarchy),
    );
  }
  if (cgroup.ref.path === '/') return fail(said('rootCgroupHasNoFile', file), said('chooseCgroupBelow'));
  const enabled = (textOf(cgroup, 'cgroup.controllers') ?? '').split(' ');
  if (version === 2 && elsewhere !== undefined && !enabled.includes(controller)) {
    return fail(said('controllerIsNotEnabled', cgroup.ref.path, file, controller), said('enableControllerInParent'));
  }
  return fail(said('cgroupHasNoFile', cgroup.ref.path, file), said('kernelHasNoFile'));
}

/** A removed cgroup that is still held has no files any more; every one that is not removed has one of these. */
function isGone(cgroup: OpenCgroup): boolean {
  return ['cgroup.procs', 'cgroup.threads'].every((file) => readText(cgroup.fd, file, 1) === -ENOENT);
}

/** What a file holds now, without the line break at its end; undefined when it cannot be read. */
function textOf(cgroup: OpenCgroup, file: string): string | undefined {
  const text = readText(cgroup.fd, file, MAX_BYTES);
  return typeof text === 'number' ? undefined : text.trimEnd();
}

/** A refusal to make or remove a cgroup. */
export function directoryRefusal(cgroup: OpenCgroup, name: string | undefined, error: unknown): Failure {
  if (error instanceof Failure || !isSystemError(error)) throw error;
  const path = name === undefined ? cgroup.directory : `${cgroup.directory}/${name}`;
  const details = { errno: error.code, syscall: name === undefined ? 'rmdir' : 'mkdir', path };
  if (error.code === 'ENOENT' || error.code === 'ENODEV') return gone(cgroup.ref);
  const why = (name === undefined ? NOT_REMOVED : NOT_CREATED)[error.code] ?? GENERAL[error.code];
  const text = said(
    name === undefined ? 'wasNotRemoved' : 'wasNotCreated',
    path,
    why?.message ?? said('whyRefused'),
    error.code,
  );
  return new Failure(reasonOf(error.code), text, { ...details, ...(why?.hint === undefined ? {} : { hint: why.hint }) });
}

const NOT_CREATED: Record<string, Why> = {
  EEXIST: { message: said('whyNameIsTaken'), hint: said('chooseAnotherName') },
  EINVAL: { message: said('whyNameNotAccepted'), hint: said('nameMustHaveNoLineBreak') },
  ENAMETOOLONG: { message: said('whyNameTooLong'), hint: said('nameHasAtMost255Bytes') },
  EAGAIN: {
    message: said('whyLimitOfCgroups'),
    hint: said('raiseLimitOfCgroups'),
  },
  ENOMEM: { message: said('whyNoRoom'), hint: said('removeUnusedCgroups') },
};

const NOT_REMOVED: Record<string, Why> = {
  EBUSY: { message: said('whyStillInUse'), hint: said('moveOrKillProcessesFirst') },
};
