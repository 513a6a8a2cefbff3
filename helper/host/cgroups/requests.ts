/** Answers every request about cgroups: lists, one in full, samples, files and changes; and keeps what is watched true. */
import type { HandlersOf } from '../../dispatch.ts';
import type { Host } from '../host.ts';
import { changeCgroup } from './changes.ts';
import { explainChange } from './explain.ts';
import { readCgroupFile, writeCgroupFile } from './files.ts';
import { CgroupList } from './list.ts';
import { type CgroupSubscriptions, DEFAULT_INTERVAL_MILLIS } from './subscriptions.ts';

/** Samples go out through `subscriptions`. */
export function cgroupHandlers(host: Host, subscriptions: CgroupSubscriptions): HandlersOf<'cgroups'> {
  const cgroups = new CgroupList(host, () => host.noteCgroups());
  host.onWatch((parts) => cgroups.watch(parts.includes('cgroups')));
  return {
    'cgroups/list': (params) => cgroups.list(params),
    'cgroups/inspect': ({ cgroup }) => cgroups.inspect(cgroup),
    'cgroups/readFile': readCgroupFile,
    'cgroups/writeFile': writeCgroupFile,
    'cgroups/subscribe': ({ subscription, cgroups: refs, intervalMillis }) => {
      subscriptions.subscribe(subscription, refs, intervalMillis ?? DEFAULT_INTERVAL_MILLIS);
      return {};
    },
    'cgroups/explain': explainChange,
    'cgroups/change': changeCgroup,
    'cgroups/freeze': ({ frozen, ...params }) => changeCgroup({ ...params, change: { kind: 'freeze', frozen } }),
    'cgroups/kill': (params) => changeCgroup({ ...params, change: { kind: 'kill' } }),
  };
}
