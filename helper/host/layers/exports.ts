/** The exports under way, each read by its client at its own speed: `layers/export`, `layers/exportRead`, `layers/exportEnd`. */
import { randomUUID } from 'node:crypto';
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../../failure.ts';
import { exportTar, type TarPiece } from './export.ts';
import type { OpenedStack } from './fileRequests.ts';
import { Pace } from './pace.ts';

/** An export that nobody reads for so long is given up. */
const UNREAD_MILLIS = 60_000;
const MAX_EXPORTS = 8;
const MAX_READ_BYTES = 1024 * 1024;
/** Beyond it, another piece might not fit any more: a piece of a file, or a header with long attributes. */
const ENOUGH_BYTES = MAX_READ_BYTES - 512 * 1024;

interface Export {
  opened: OpenedStack;
  pieces: AsyncGenerator<TarPiece>;
  timer?: NodeJS.Timeout;
  isBeingRead: boolean;
}

export class Exports {
  private readonly running = new Map<string, Export>();

  /** Takes over the opened stack. */
  begin(opened: OpenedStack, layer: number | 'merged', path: string): { id: string } {
    if (this.running.size >= MAX_EXPORTS) {
      opened[Symbol.dispose]();
      throw new Failure('busy', `${MAX_EXPORTS} exports are under way already.`, { hint: 'Wait until one of them has ended.' });
    }
    const id = randomUUID();
    const one: Export = { opened, pieces: exportTar(opened.stack, layer, path, new Pace()), isBeingRead: false };
    this.running.set(id, one);
    this.wait(id, one);
    return { id };
  }

  async read(id: string, token: CancellationToken): Promise<{ base64: string; done: boolean; entries: number; path: string }> {
    const one = this.running.get(id);
    if (one === undefined) throw unknownExport();
    if (one.isBeingRead)
      throw new Failure('busy', 'This export is being read already.', { hint: 'Await one read before the next.' });
    one.isBeingRead = true;
    clearTimeout(one.timer);
    try {
      const result = await collect(one.pieces, token);
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
    await one.pieces.return(undefined);
    one.opened[Symbol.dispose]();
  }

  private wait(id: string, one: Export): void {
    one.timer = setTimeout(() => void this.end(id), UNREAD_MILLIS);
    one.timer.unref();
  }
}

async function collect(
  pieces: AsyncGenerator<TarPiece>,
  token: CancellationToken,
): Promise<{ base64: string; done: boolean; entries: number; path: string }> {
  const collected: Buffer[] = [];
  let total = 0;
  let last = { entries: 0, path: '/' };
  while (total < ENOUGH_BYTES && !token.isCancellationRequested) {
    const { value, done } = await pieces.next();
    if (done === true) return { base64: Buffer.concat(collected).toString('base64'), done: true, ...last };
    collected.push(value.bytes);
    total += value.bytes.length;
    last = { entries: value.entries, path: value.path };
  }
  return { base64: Buffer.concat(collected).toString('base64'), done: false, ...last };
}

function unknownExport(): Failure {
  return new Failure('gone', 'This export has ended: it was read to its end, given up, or not read for a minute.', {
    hint: 'Export again.',
  });
}
