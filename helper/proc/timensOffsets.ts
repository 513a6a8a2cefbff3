/** `/proc/PID/timens_offsets`: time_namespaces(7). Lines of clock, seconds, nanoseconds. */

export interface TimeOffsets {
  /** Signed decimal numbers: they do not fit a double. */
  monotonicNanos: string;
  boottimeNanos: string;
}

export function parseTimeOffsets(text: string): TimeOffsets {
  const nanos = (clock: string, id: string) => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(clock) || candidate.startsWith(`${id} `));
    const [, seconds = '0', fraction = '0'] = line?.trim().split(/\s+/) ?? [];
    return /^-?\d+$/.test(seconds) && /^\d+$/.test(fraction)
      ? String(BigInt(seconds) * 1_000_000_000n + BigInt(fraction))
      : '0';
  };
  return { monotonicNanos: nanos('monotonic', '1'), boottimeNanos: nanos('boottime', '7') };
}
