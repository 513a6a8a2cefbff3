/** A process that has gone where a program leads and waits there, to be looked at from outside. Everything is synchronous. */
import fs from 'node:fs';
import { close } from '../kernel/files.ts';
import { receiveSome, setTimeouts } from '../kernel/passDescriptors.ts';
import { openSocketPair, waitForEnd } from '../kernel/spawn.ts';
import { encodeProgram } from './program.ts';
import { decodeReport, REPORT_BYTES, RESULTED, SYNCED } from './report.ts';
import { startLauncher } from './startLauncher.ts';
import type { CompiledSteps } from './steps.ts';

export interface HeldProcess extends Disposable {
  readonly pid: number;
  /** The results that were reported, by the step; negative is an errno. */
  readonly results: ReadonlyMap<number, number>;
}

/**
 * Runs a program that ends in a `sync` step and forks nothing, up to there; the process ends when it is disposed of. Undefined when a
 * step failed, or did not come to its end within `seconds`: a file system may never answer.
 */
export function holdProcess({ program, descriptors }: CompiledSteps, seconds: number): HeldProcess | undefined {
  const { ours, theirs } = openSocketPair();
  let pid: number;
  try {
    setTimeouts(ours, seconds);
    pid = startLauncher(theirs, descriptors);
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
  waitForEnd(pid, () => undefined);
  const end = () => {
    // As long as its end was not seen, which takes another tick, its pid is its own.
    process.kill(pid, 'SIGKILL');
    close(ours);
  };
  try {
    fs.writeSync(ours, encodeProgram(program));
    const results = resultsUntilSync(ours);
    if (results !== undefined) return { pid, results, [Symbol.dispose]: end };
  } catch {
    // It took too long, or has ended.
  }
  end();
  return undefined;
}

const reports = Buffer.alloc(1024 * REPORT_BYTES);

/** Many are taken at once: nothing comes after the one that it has arrived. */
function resultsUntilSync(socket: number): Map<number, number> | undefined {
  const results = new Map<number, number>();
  for (let end = 0; ; ) {
    const received = receiveSome(socket, reports.subarray(end));
    if (received === 0) return undefined;
    end += received;
    let at = 0;
    for (; at + REPORT_BYTES <= end; at += REPORT_BYTES) {
      const { kind, step, value } = decodeReport(reports.subarray(at, at + REPORT_BYTES));
      if (kind === SYNCED) return results;
      if (kind !== RESULTED) return undefined;
      results.set(step, value);
    }
    reports.copyWithin(0, at, end);
    end -= at;
  }
}
