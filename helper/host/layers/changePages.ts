/**
 * layers/changes, a page at a time. While the client reads a page the next one is made: both take about as long, and whoever asks for one
 * page of changes mostly asks for all.
 */
import type { CancellationToken } from 'vscode-jsonrpc';
import { Failure } from '../../failure.ts';
import { logError } from '../../log.ts';
import type { LayersChangesResult } from '../../protocol/layers.ts';
import { ChangeWalk } from './changes.ts';
import type { OpenedStack } from './fileRequests.ts';
import { namesOf } from './layerPath.ts';
import { Pace } from './pace.ts';
import { PageCache } from './pageCache.ts';

/** Nobody may ever ask for the next page, and the directories stay open as long: a file system that is in use cannot be unmounted. */
const AHEAD_MILLIS = 100;

export interface ChangesRequest {
  layer: number;
  after?: string;
  limit: number;
  sizes?: boolean;
}

/** A walk between two pages; `ahead` settles when it can go on. */
interface Kept {
  walk: ChangeWalk;
  ahead: Promise<void>;
}

export class ChangePages {
  private readonly kept = new PageCache<Kept>();

  /** Closes `opened` when it is done with it, which may be after the answer. */
  async page(
    opened: OpenedStack,
    overlay: string,
    request: ChangesRequest,
    token: CancellationToken,
  ): Promise<LayersChangesResult> {
    const { layer, after, limit, sizes = false } = request;
    const key = (path: string) => `${overlay} ${layer} ${sizes} ${path}`;
    let walk: ChangeWalk | undefined;
    let goesAhead = false;
    try {
      const kept = after === undefined ? undefined : this.kept.take(key(after));
      await kept?.ahead;
      walk = kept?.walk ?? startWalk(opened, request);
      const changes = await walk.next(opened.stack, limit, new Pace(token));
      const incomplete = walk.incomplete === undefined ? {} : { incomplete: walk.incomplete };
      const last = changes.at(-1);
      if (walk.isDone || last === undefined) return { changes, ...incomplete };
      goesAhead = true;
      this.kept.put(key(last.path), { walk, ahead: goAhead(walk, opened, limit) });
      return { changes, next: last.path, ...incomplete };
    } finally {
      if (!goesAhead) end(walk, opened);
    }
  }
}

function startWalk({ stack }: OpenedStack, { layer, after, sizes }: ChangesRequest): ChangeWalk {
  return after === undefined ? ChangeWalk.start(stack, layer, sizes) : ChangeWalk.after(stack, layer, namesOf(after), sizes);
}

function end(walk: ChangeWalk | undefined, opened: OpenedStack): void {
  walk?.pause();
  opened[Symbol.dispose]();
}

/** Never rejects: what went wrong comes up again for the next page. */
async function goAhead(walk: ChangeWalk, opened: OpenedStack, limit: number): Promise<void> {
  const pace = new Pace(undefined, AHEAD_MILLIS);
  try {
    // The answer goes first.
    await pace.rest();
    await walk.fill(opened.stack, limit, pace);
  } catch (error) {
    if (!(error instanceof Failure)) logError('reading changes ahead failed', error);
  } finally {
    end(walk, opened);
  }
}
