/** Answers the requests that read cgroups: lists, one in full, samples; and keeps what is watched true. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import { CgroupsInspect, CgroupsList, type CgroupsSampledParams, CgroupsSubscribe } from '../../protocol/cgroups.ts';
import { cgroupRef } from '../../schemas.ts';
import type { Host } from '../host.ts';
import { serveCgroupChanges } from './changeRequests.ts';
import { CgroupList } from './list.ts';
import { CgroupSubscriptions, DEFAULT_INTERVAL_MILLIS } from './subscriptions.ts';

const hierarchy = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

const subscribeParams = v.strictObject({
  cgroups: v.pipe(v.array(cgroupRef), v.maxLength(64)),
  subscription: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  intervalMillis: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(250), v.maxValue(60_000))),
});

/** Registers the handlers. Samples go out through `send`; what is returned ends them. */
export function serveCgroups(
  requests: Dispatcher,
  host: Host,
  send: (params: CgroupsSampledParams) => Promise<void>,
): Disposable {
  const cgroups = new CgroupList(host, () => host.noteCgroups());
  host.onWatch((parts) => cgroups.watch(parts.includes('cgroups')));
  serveCgroupChanges(requests);
  requests.on(
    CgroupsList,
    v.strictObject({ hierarchy: v.exactOptional(hierarchy), figures: v.exactOptional(v.boolean()) }),
    (params) => cgroups.list(params),
  );
  requests.on(CgroupsInspect, v.strictObject({ cgroup: cgroupRef }), ({ cgroup }) => cgroups.inspect(cgroup));
  const subscriptions = new CgroupSubscriptions(send);
  requests.on(CgroupsSubscribe, subscribeParams, ({ subscription, cgroups: refs, intervalMillis }) => {
    subscriptions.subscribe(subscription, refs, intervalMillis ?? DEFAULT_INTERVAL_MILLIS);
    return {};
  });
  return subscriptions;
}
