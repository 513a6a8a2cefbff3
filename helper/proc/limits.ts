/** `/proc/PID/limits`: proc_pid_limits(5). A heading, then a line for each resource in the order of their numbers. */

export interface ResourceLimit {
  /** `RLIMIT_*` of asm-generic/resource.h: 7 is `RLIMIT_NOFILE`. */
  resource: number;
  /** `RLIM_INFINITY`, 2^64-1, when unlimited. */
  soft: bigint;
  hard: bigint;
}

/** Names by number. */
export const RESOURCE_NAMES =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'
    .split(' ')
    .map((name) => `RLIMIT_${name}`);

export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

const LINE = /^Max [a-z ]+? +([0-9]+|unlimited) +([0-9]+|unlimited)\b/;

export function parseLimits(text: string): ResourceLimit[] {
  const limits: ResourceLimit[] = [];
  text
    .split('\n')
    .slice(1, 1 + RESOURCE_NAMES.length)
    .forEach((line, resource) => {
      const [, soft, hard] = LINE.exec(line) ?? [];
      if (soft !== undefined && hard !== undefined) limits.push({ resource, soft: limitOf(soft), hard: limitOf(hard) });
    });
  return limits;
}

function limitOf(text: string): bigint {
  return text === 'unlimited' ? RLIM_INFINITY : BigInt(text);
}
