/** The requests `sandboxes/*`: their schemas, and who answers them. */
import * as v from 'valibot';
import type { Dispatcher } from '../dispatch.ts';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesImages,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  SandboxesStop,
} from '../protocol/sandboxes.ts';
import { nothing, path, stdin } from '../schemas.ts';
import { imagesOf } from './imageReading.ts';
import { Sandboxes, type SandboxServices } from './sandboxes.ts';
import { sandboxSpec } from './spec.ts';

const cells = v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)));
const sandbox = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const entries = {
  spec: sandboxSpec,
  directory: v.exactOptional(v.pipe(path, v.startsWith('/', 'it must be absolute'))),
};
const runParams = v.strictObject({
  ...entries,
  stdin: v.exactOptional(stdin),
  outputLimitBytes: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16 * 1024 * 1024))),
});
const graceMillis = v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(600_000)));

export function serveSandboxes(requests: Dispatcher, services: SandboxServices): Sandboxes {
  const sandboxes = new Sandboxes(services);
  requests.on(SandboxesExplain, v.strictObject(entries), (params) => sandboxes.explain(params));
  requests.on(SandboxesCreate, v.strictObject({ ...entries, columns: cells, rows: cells }), (params) =>
    sandboxes.create(params),
  );
  requests.on(SandboxesRun, runParams, (params, token) => sandboxes.run(params, token));
  requests.on(SandboxesList, nothing as v.GenericSchema<unknown, Record<string, never>>, async () => ({
    sandboxes: await sandboxes.list(),
  }));
  requests.on(SandboxesImages, v.strictObject({ engine: v.picklist(['docker', 'podman']) }), async ({ engine }) => ({
    images: await imagesOf(engine),
  }));
  requests.on(SandboxesStop, v.strictObject({ sandbox, graceMillis }), async (params) => {
    await sandboxes.stop(params.sandbox, params.graceMillis);
    return {};
  });
  requests.on(SandboxesRemove, v.strictObject({ sandbox }), async (params) => {
    await sandboxes.remove(params.sandbox);
    return {};
  });
  requests.on(SandboxesRestart, v.strictObject({ sandbox, columns: cells, rows: cells }), (params) =>
    sandboxes.restart(params.sandbox, params),
  );
  return sandboxes;
}
