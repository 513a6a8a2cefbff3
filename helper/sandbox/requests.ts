/** Answers every request about sandboxes. */
import type { HandlersOf } from '../dispatch.ts';
import { imagesOf } from './images/imageReading.ts';
import type { Sandboxes } from './sandboxes.ts';

export function sandboxHandlers(sandboxes: Sandboxes): HandlersOf<'sandboxes'> {
  return {
    'sandboxes/explain': (params) => sandboxes.explain(params),
    'sandboxes/images': async ({ engine }) => ({ images: await imagesOf(engine) }),
    'sandboxes/create': (params) => sandboxes.create(params),
    'sandboxes/run': (params, token) => sandboxes.run(params, token),
    'sandboxes/list': async () => ({ sandboxes: await sandboxes.list() }),
    'sandboxes/stop': async (params) => {
      await sandboxes.stop(params.sandbox, params.graceMillis);
      return {};
    },
    'sandboxes/remove': async (params) => {
      await sandboxes.remove(params.sandbox);
      return {};
    },
    'sandboxes/restart': (params) => sandboxes.restart(params.sandbox, params),
  };
}
