/**
 * layers/changes, a page at a time. While the client reads a page the next one is made: both take about as long, and whoever asks for one
 * page of changes mostly asks for all.
 */
import { Failure } from '../../failure.ts';
import { logError } from '../../log.ts';
import type { LayersChangesResult } from '../../protocol/layers.ts';
import type { JobContext } from '../../reading/answering.ts';
import { ChangeWalk } from './changes.ts';
import type { ChangesRequest } from './fileJobs.ts';
import { namesOf } from './layerPath.ts';
import type { Stack } from './merged.ts';
import { Pace } from './pace.ts';
import { PageCache } from './pageCache.ts';

/** Nobody may ever ask for the next page, and the directories stay open as long: a file system that is in use cannot be unmounted. */
const AHEAD_MILLIS = 100;

interface PageRequest extends ChangesRequest {
  stack: Stack;
  layer: number;
  /** Names the overlay and the layer. */
  key: string;
}

/** A walk between two pages; `ahead` settles when it can go on. */
interface Kept {
  walk: ChangeWalk;
  ahead: Promise<void>;
}

export class ChangePages {
  private readonly kept = new PageCache<Kept>();

  /** Takes the descriptors over, when they are needed after the answer. */
  async page(request: PageRequest, context: JobContext<never>): Promise<LayersChangesResult> {
    const { stack, after, limit, sizes = false } = request;
    const key = (path: string) => `${request.key} ${request.layer} ${sizes} ${path}`;
    let walk: ChangeWalk | undefined;
    let goesAhead = false;
    try {
      const kept = after === undefined ? undefined : this.kept.take(key(after));
      await kept?.ahead;
      context.resume();
      walk = kept?.walk ?? startWalk(request);
      const changes = await walk.next(stack, limit, new Pace(context));
      const incomplete = walk.incomplete === undefined ? {} : { incomplete: walk.incomplete };
      const last = changes.at(-1);
      if (walk.isDone || last === undefined) return { changes, ...incomplete };
      goesAhead = true;
      this.kept.put(key(last.path), { walk, ahead: goAhead(walk, stack, limit, context) });
      return { changes, next: last.path, ...incomplete };
    } finally {
      if (!goesAhead) walk?.pause();
    }
  }
}

function startWalk({ stack, layer, after, sizes }: PageRequest): ChangeWalk {
  return after === undefined
    ? ChangeWalk.start(stack, layer, sizes)
    : ChangeWalk.after(stack, layer, namesOf(after, 'after'), sizes);
}

/** Never rejects: what went wrong comes up again for the next page. */
async function goAhead(walk: ChangeWalk, stack: Stack, limit: number, context: JobContext<never>): Promise<void> {
  using _ = context.descriptors.move();
  const pace = new Pace(context, AHEAD_MILLIS);
  try {
    // The answer goes first.
    await pace.rest();
    await walk.fill(stack, limit, pace);
  } catch (error) {
    if (!(error instanceof Failure)) logError('reading changes ahead failed', error);
  } finally {
    walk.pause();
  }
}
