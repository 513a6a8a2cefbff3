/** How the helper ends. */
import { exitAtOnce } from './kernel/thread.ts';
import { log } from './log.ts';
import { readers } from './reading/readers.ts';

/**
 * Ends now. What it started ends with it: the kernel tells the launcher's processes, terminals hang up as their masters
 * close, and the guard of the stream socket's folder removes that.
 */
export function end(status: number): never {
  // An orderly exit joins Node's threads, and would wait for one that a file system does not answer.
  if (readers.areBusy) {
    process.emit('exit', status);
    exitAtOnce(status);
  }
  process.exit(status);
}

/** Nobody may be left to write to: the extension is gone while a terminal still runs. */
export function ignoreBrokenOutputs(): void {
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
}

/** A stop that was asked for ends at once. A line that was lost is like the end of standard input, which tells it as well. */
export function handleSignals(): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log('info', `ended by ${signal}`);
      end(0);
    });
  }
  process.on('SIGHUP', () => undefined);
}
