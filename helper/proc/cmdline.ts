/** `/proc/PID/cmdline`: proc_pid_cmdline(5). Arguments, each ended by a NUL, unless the process rewrote them. */

/** `ps` shows a title set by a process (`nginx: worker`) as it is; so does this, as one argument. */
export function parseCmdline(bytes: Buffer): string[] {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end === 0 ? [] : bytes.toString('utf8', 0, end).split('\0');
}
