/** Answers the requests that read cgroups: lists, one in full, samples; and keeps what is watched true. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import { CgroupsList } from '../../protocol/cgroups.ts';
import type { Host } from '../host.ts';
import { CgroupList } from './list.ts';

const hierarchy = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

/** Registers the handlers. */
export function serveCgroups(requests: Dispatcher, host: Host): void {
  const cgroups = new CgroupList(host, () => host.noteCgroups());
  host.onWatch((parts) => cgroups.watch(parts.includes('cgroups')));
  requests.on(
    CgroupsList,
    v.strictObject({ hierarchy: v.exactOptional(hierarchy), figures: v.exactOptional(v.boolean()) }),
    (params) => cgroups.list(params),
  );
}
