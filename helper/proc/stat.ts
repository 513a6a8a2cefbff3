/** `/proc/PID/stat`: proc_pid_stat(5). */

export interface Stat {
  pid: number;
  /** `comm`; it may hold any byte, parentheses and newlines too. */
  name: string;
  state: string;
  parentPid: number;
  /** `PF_*` of include/linux/sched.h; PF_KTHREAD for a thread of the kernel. */
  flags: number;
  threads: number;
  /** Clock ticks after boot. */
  startTime: number;
}

/** Undefined when the text is not of that shape. */
export function parseStat(text: string): Stat | undefined {
  // The name is in parentheses and may contain some itself; no field after it does.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open === -1 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ', 20);
  const stat = {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    parentPid: Number(fields[1]),
    flags: Number(fields[6]),
    threads: Number(fields[17]),
    startTime: Number(fields[19]),
  };
  return Number.isSafeInteger(stat.pid) && Number.isSafeInteger(stat.startTime) ? stat : undefined;
}
