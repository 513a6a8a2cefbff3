/** The exports under way, each read by its client at its own speed: `layers/export`, `layers/exportRead`, `layers/exportEnd`. */
import { randomUUID } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { logError } from '../../log.ts';
import type { LayersExportReadResult } from '../../protocol/layers.ts';
import type { Descriptors, JobContext } from '../../reading/answering.ts';
import { said } from '../../saying.ts';
import { exportTar, type TarPiece } from './export.ts';
import { unknownExport } from './fileJobs.ts';
import type { Stack } from './merged.ts';
import { Pace } from './pace.ts';

/** An export that nobody reads for so long is given up. */
const UNREAD_MILLIS = 60_000;
const MAX_EXPORTS = 8;
const MAX_READ_BYTES = 1024 * 1024;
/** Beyond it, another piece might not fit any more: a piece of a file, or a header with long attributes. */
const ENOUGH_BYTES = MAX_READ_BYTES - 512 * 1024;

/** A cancelled read leaves what comes for the next one. */
const GOES_ON = { isCancellationRequested: false };

interface Export {
  descriptors: Descriptors;
  pieces: AsyncGenerator<TarPiece>;
  timer?: NodeJS.Timeout;
  /** Of whom the next piece is asked for. */
  readBy: { context: JobContext<never> | undefined };
  isBeingRead: boolean;
}

export class Exports {
  private readonly running = new Map<string, Export>();

  /** Takes over the descriptors of the stack. */
  begin(stack: Stack, descriptors: Descriptors, layer: number | 'merged', path: string): { id: string } {
    if (this.running.size >= MAX_EXPORTS) {
      descriptors[Symbol.dispose]();
      throw new Failure('busy', said('tooManyExports', MAX_EXPORTS), { hint: said('waitForAnExport') });
    }
    const id = randomUUID();
    const readBy = { context: undefined as JobContext<never> | undefined };
    const pace = new Pace({ token: GOES_ON, resume: () => readBy.context?.resume() });
    const one: Export = { descriptors, pieces: exportTar(stack, layer, path, pace), readBy, isBeingRead: false };
    this.running.set(id, one);
    this.wait(id, one);
    return { id };
  }

  async read(id: string, context: JobContext<never>): Promise<LayersExportReadResult> {
    const one = this.running.get(id);
    if (one === undefined) throw unknownExport();
    if (one.isBeingRead) throw new Failure('busy', said('exportIsBeingRead'), { hint: said('awaitOneRead') });
    one.isBeingRead = true;
    one.readBy.context = context;
    clearTimeout(one.timer);
    try {
      const result = await collect(one.pieces, context);
      if (result.done) await this.end(id);
      else this.wait(id, one);
      return result;
    } catch (error) {
      one.isBeingRead = false;
      await this.end(id);
      throw error;
    } finally {
      one.isBeingRead = false;
    }
  }

  /** A read under way ends first: the generator closes what it has open. */
  async end(id: string): Promise<void> {
    const one = this.running.get(id);
    if (one === undefined) return;
    this.running.delete(id);
    clearTimeout(one.timer);
    try {
      await one.pieces.return(undefined);
    } finally {
      one.descriptors[Symbol.dispose]();
    }
  }

  private wait(id: string, one: Export): void {
    const giveUp = () => void this.end(id).catch((error: unknown) => logError('an export did not end well', error));
    one.timer = setTimeout(giveUp, UNREAD_MILLIS);
    one.timer.unref();
  }
}

async function collect(
  pieces: AsyncGenerator<TarPiece>,
  { token, resume }: JobContext<never>,
): Promise<LayersExportReadResult> {
  const collected: Buffer[] = [];
  let total = 0;
  let last: Omit<TarPiece, 'bytes'> = { entries: 0, path: '/' };
  while (total < ENOUGH_BYTES && !token.isCancellationRequested) {
    resume();
    const { value, done } = await pieces.next();
    if (done === true) return { base64: Buffer.concat(collected).toString('base64'), done: true, ...last };
    const { bytes, ...rest } = value;
    collected.push(bytes);
    total += bytes.length;
    last = rest;
  }
  return { base64: Buffer.concat(collected).toString('base64'), done: false, ...last };
}
