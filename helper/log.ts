/**
 * The helper's log: a line an event on standard error, which the extension shows in its output channel. Never a secret,
 * never an environment, never a whole command line.
 */
type Level = 'debug' | 'info' | 'warn' | 'error';

const MAX_LINE = 2000;

export function log(level: Level, message: string): void {
  // One event stays one line, whatever a hostile name put in it.
  const line = message.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, MAX_LINE);
  process.stderr.write(`[${level}] ${line}\n`);
}

export function logError(what: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log('error', `${what}: ${detail}`);
}
