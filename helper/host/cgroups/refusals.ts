/** Why the kernel refused to do something to a cgroup, in words for a person: the errno, the file, and how the cgroup stands. */

import { Failure, isSystemError, reasonOf } from '../../failure.ts';
import { readText } from '../../kernel/files.ts';
import { ENOENT } from '../../kernel/numbers.ts';
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
  const message = `${path} was not ${action === 'write' ? 'written' : 'read'}: ${why.message} (${error.code}).`;
  return new Failure(reasonOf(error.code), message, { ...details, ...(why.hint === undefined ? {} : { hint: why.hint }) });
}

interface Why {
  message: string;
  hint?: string | undefined;
}

const AS_ROOT = 'Restart the helper as root, or ask whoever owns the cgroup.';

function whyNotRead(errno: string): Why {
  if (errno === 'EACCES' || errno === 'EPERM') return { message: 'you may not read it', hint: AS_ROOT };
  if (errno === 'EOPNOTSUPP')
    return { message: 'a threaded cgroup has no list of processes', hint: 'Read cgroup.threads, or its threaded domain.' };
  return { message: 'the kernel does not let it be read', hint: 'Some files can only be written.' };
}

function whyNotWritten(cgroup: OpenCgroup, file: string, errno: string, text: string | undefined): Why {
  const particular = PARTICULAR[file]?.(cgroup, errno, text);
  return (
    particular ?? { ...GENERAL[errno], message: GENERAL[errno]?.message ?? 'the kernel refused', hint: hintOf(file, errno) }
  );
}

function hintOf(file: string, errno: string): string | undefined {
  const general = GENERAL[errno]?.hint;
  if (general !== undefined) return general;
  const format = acceptedFormat(file);
  return format === undefined ? undefined : `${file} accepts ${format}.`;
}

const GENERAL: Record<string, Why> = {
  EINVAL: { message: 'the kernel does not accept this value' },
  ERANGE: { message: 'the value is out of range' },
  E2BIG: { message: 'the text is too long' },
  EBUSY: { message: 'the cgroup is in use in a way that does not allow it' },
  EOPNOTSUPP: { message: 'this cgroup does not support it' },
  ENXIO: { message: 'there is no such device' },
  ENODEV: { message: 'there is no such disk; a partition has no limit of its own' },
  EACCES: { message: 'you may not write it', hint: AS_ROOT },
  EPERM: { message: 'you may not do this', hint: AS_ROOT },
  EROFS: {
    message: 'the file system of cgroups is mounted read-only where the helper sees it',
    hint: 'Start the helper outside of the container, or mount it writable: mount -o remount,rw followed by the mount point.',
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
    errno === 'EOPNOTSUPP'
      ? { message: 'a threaded cgroup cannot be killed apart from its domain', hint: 'Kill its threaded domain above it.' }
      : undefined,
  'cgroup.type': (_, errno) =>
    errno === 'EOPNOTSUPP' || errno === 'EBUSY'
      ? {
          message: 'only a cgroup without processes and without controllers that cannot be threaded may become threaded',
          hint: 'Move its processes away and disable its domain controllers first.',
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

const NO_INTERNAL_PROCESSES =
  'by the no-internal-process rule of v2 a cgroup other than the root holds processes or hands controllers down to its children, not both';

function whyNotMoved(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno === 'ESRCH') return { message: 'the process has ended', hint: 'Refresh the view.' };
  if (errno === 'EBUSY' && cgroup.version === 2) {
    const handedDown = textOf(cgroup, 'cgroup.subtree_control');
    return {
      message: `${NO_INTERNAL_PROCESSES}; this one hands down ${handedDown || 'some'}`,
      hint: 'Choose one of its children, or disable its controllers for children first.',
    };
  }
  if (errno === 'EOPNOTSUPP') {
    return {
      message: `processes cannot join a cgroup of type "${textOf(cgroup, 'cgroup.type') || 'threaded'}"`,
      hint: 'Make it threaded with its domain (write "threaded" to cgroup.type), or choose a cgroup of type "domain".',
    };
  }
  if (errno === 'ENOSPC')
    return { message: 'its cpuset has no CPUs or no memory nodes yet', hint: 'Set cpuset.cpus and cpuset.mems first.' };
  if (errno === 'EINVAL')
    return {
      message: 'threads of the kernel that are bound to a CPU cannot be moved',
      hint: `It accepts ${acceptedFormat('cgroup.procs')}.`,
    };
  if (errno === 'EACCES')
    return { message: 'you may not write it, or not cgroup.procs of the nearest cgroup above both', hint: AS_ROOT };
  if (errno === 'EAGAIN') return { message: 'the limit of tasks there is reached', hint: 'Raise pids.max first.' };
  return undefined;
}

function whyNotHandedDown(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno === 'EBUSY' || errno === 'EOPNOTSUPP') {
    if (cgroup.ref.path !== '/' && textOf(cgroup, 'cgroup.procs') !== '') {
      return {
        message: `${NO_INTERNAL_PROCESSES}; this one has processes`,
        hint: 'Create a child, move the processes into it, and then enable the controller.',
      };
    }
    if (errno === 'EOPNOTSUPP') {
      return {
        message: `a cgroup of type "${textOf(cgroup, 'cgroup.type')}" hands down only controllers that know threads: cpu, cpuset, perf_event, pids`,
        hint: 'Choose a cgroup of type "domain".',
      };
    }
    return {
      message: 'a child still hands the controller down, or uses it',
      hint: 'Disable it for the children of the children first.',
    };
  }
  if (errno === 'ENOENT' || errno === 'EINVAL') return notOffered(cgroup);
  return undefined;
}

function notOffered(cgroup: OpenCgroup): Why {
  const offered = textOf(cgroup, 'cgroup.controllers');
  return {
    message: `its parent offers it ${offered === '' ? 'no controllers' : `only ${offered}`}`,
    hint: 'Enable the controller for the children of each cgroup above it, from the root downwards; one that a v1 hierarchy uses is not there.',
  };
}

function whyNotLimited(_: OpenCgroup, errno: string): Why | undefined {
  if (errno !== 'EBUSY') return undefined;
  return {
    message: 'the cgroup uses more than that and the kernel cannot reclaim enough',
    hint: 'Choose a limit above its usage, or end some of its processes first.',
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
    message: 'as a share of the period it must be at most the parent’s, and at least that of every child',
    hint: `It stands at ${quota} of every ${period} µs. cpu.cfs_quota_us accepts ${acceptedFormat('cpu.cfs_quota_us')}.`,
  };
}

/** A quota, the first number of `text`, that is less than what stands in the file of the burst. */
function belowBurst(cgroup: OpenCgroup, file: string, text: string | undefined): Why | undefined {
  const quota = Number.parseInt(text ?? '', 10);
  const burst = Number(textOf(cgroup, file));
  if (!(burst > quota)) return undefined;
  return {
    message: `the quota would be below the burst, which stands at ${burst} µs in ${file}`,
    hint: `Write ${quota} or less to ${file} first, or give a quota of at least ${burst} µs.`,
  };
}

function aboveQuota(cgroup: OpenCgroup, errno: string, file: string, text: string | undefined): Why | undefined {
  const burst = Number(text?.trim());
  const quota = Number.parseInt(textOf(cgroup, file) ?? '', 10);
  if (errno !== 'EINVAL' || !(quota > 0 && burst > quota)) return undefined;
  return {
    message: `the burst would be above the quota, which stands at ${quota} µs in ${file}`,
    hint: `Give at most ${quota}, or raise ${file} first.`,
  };
}

function whyNoWeight(cgroup: OpenCgroup, errno: string): Why | undefined {
  if (errno !== 'EINVAL' || textOf(cgroup, 'cpu.idle') !== '1') return undefined;
  return {
    message: 'the cgroup runs only when nobody else wants the CPU (cpu.idle is 1), and then has no weight of its own',
    hint: 'Write 0 to cpu.idle first.',
  };
}

function missingFile(cgroup: OpenCgroup, file: string, details: { errno: string; syscall: string; path: string }): Failure {
  const controller = file.split('.')[0] ?? '';
  const { hierarchy, version } = cgroup.hierarchy;
  const fail = (message: string, hint: string) => new Failure('notFound', message, { ...details, hint });
  const elsewhere = hierarchyWith(controller);
  if (elsewhere !== undefined && elsewhere.hierarchy !== hierarchy) {
    return fail(
      `The hierarchy ${hierarchy} has no ${file}: the controller ${controller} is in the hierarchy ${elsewhere.hierarchy}.`,
      `Choose the cgroup in the hierarchy ${elsewhere.hierarchy}.`,
    );
  }
  if (cgroup.ref.path === '/') return fail(`The root cgroup has no ${file}.`, 'Choose a cgroup below it.');
  const enabled = (textOf(cgroup, 'cgroup.controllers') ?? '').split(' ');
  if (version === 2 && elsewhere !== undefined && !enabled.includes(controller)) {
    return fail(
      `The cgroup ${cgroup.ref.path} has no ${file}: the controller ${controller} is not enabled for it.`,
      'Enable the controller for the children of its parent.',
    );
  }
  return fail(`The cgroup ${cgroup.ref.path} has no ${file}.`, 'This version of cgroups, or this kernel, does not have it.');
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
  const message = `${path} was not ${name === undefined ? 'removed' : 'created'}: ${why?.message ?? 'the kernel refused'} (${error.code}).`;
  return new Failure(reasonOf(error.code), message, { ...details, ...(why?.hint === undefined ? {} : { hint: why.hint }) });
}

const NOT_CREATED: Record<string, Why> = {
  EEXIST: { message: 'there is a cgroup or a file of this name', hint: 'Choose another name.' },
  EINVAL: { message: 'the kernel does not accept this name', hint: 'A name must not contain a line break.' },
  ENAMETOOLONG: { message: 'the name is too long', hint: 'A name has at most 255 bytes.' },
  EAGAIN: {
    message: 'a limit of the cgroups above it is reached',
    hint: 'Raise cgroup.max.descendants or cgroup.max.depth above it.',
  },
  ENOMEM: { message: 'the kernel has no room for it', hint: 'Remove cgroups that are not used any more.' },
};

const NOT_REMOVED: Record<string, Why> = {
  EBUSY: { message: 'it still has processes or children', hint: 'Move or kill its processes and remove its children first.' },
};
