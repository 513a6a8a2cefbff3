/** The requests that read and write single files of cgroups and change cgroups: their schemas, and who answers them. */
import * as v from 'valibot';
import type { Dispatcher } from '../../dispatch.ts';
import {
  CgroupsChange,
  CgroupsExplain,
  CgroupsFreeze,
  CgroupsKill,
  CgroupsReadFile,
  CgroupsWriteFile,
} from '../../protocol/cgroups.ts';
import { cgroupRef, cString, processRef } from '../../schemas.ts';
import { changeCgroup } from './changes.ts';
import { explainChange } from './explain.ts';
import { readCgroupFile, writeCgroupFile } from './files.ts';

/** The kernel takes at most a page, of 4 to 64 KiB (`kernfs_fop_write_iter`). */
const MAX_TEXT_BYTES = 64 * 1024;
/** NAME_MAX. An escaped byte is three in UTF-8. */
const MAX_NAME_BYTES = 3 * 255;

const amount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const limit = v.nullable(amount);
/** 0 would forbid, or in v1 silently lift, what is meant to be limited. */
const rate = v.exactOptional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1))));
const name = v.pipe(cString(MAX_NAME_BYTES), v.nonEmpty('it must not be empty'));
const text = cString(MAX_TEXT_BYTES);
const device = v.pipe(v.string(), v.maxLength(32), v.regex(/^\d+:\d+$/, 'it must be MAJOR:MINOR, such as 8:0'));
const controller = v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,64}$/, 'it must be the name of a controller, such as memory'));

const change = v.variant('kind', [
  v.strictObject({ kind: v.literal('cpuLimit'), quotaMicros: limit, periodMicros: v.exactOptional(amount) }),
  v.strictObject({ kind: v.literal('cpuWeight'), weight: amount }),
  v.strictObject({ kind: v.literal('memoryLimit'), limitBytes: limit }),
  v.strictObject({ kind: v.literal('memoryHigh'), limitBytes: limit }),
  v.strictObject({ kind: v.literal('swapLimit'), limitBytes: limit }),
  v.strictObject({ kind: v.literal('tasksLimit'), limit }),
  v.strictObject({
    kind: v.literal('ioLimit'),
    device,
    readBytes: rate,
    writtenBytes: rate,
    readOperations: rate,
    writeOperations: rate,
  }),
  v.strictObject({ kind: v.literal('freeze'), frozen: v.boolean() }),
  v.strictObject({ kind: v.literal('kill') }),
  v.strictObject({ kind: v.literal('create'), name }),
  v.strictObject({ kind: v.literal('remove') }),
  v.strictObject({ kind: v.literal('move'), process: processRef }),
  v.strictObject({ kind: v.literal('controller'), controller, enabled: v.boolean() }),
  v.strictObject({ kind: v.literal('write'), file: name, text }),
]);

const acknowledged = v.exactOptional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64)));
const cgroup = cgroupRef;
const changeParams = v.strictObject({ cgroup, change, acknowledged });

export function serveCgroupChanges(requests: Dispatcher): void {
  requests.on(CgroupsReadFile, v.strictObject({ cgroup, file: name }), readCgroupFile);
  requests.on(CgroupsWriteFile, v.strictObject({ cgroup, file: name, text, acknowledged }), writeCgroupFile);
  requests.on(CgroupsExplain, changeParams, explainChange);
  requests.on(CgroupsChange, changeParams, changeCgroup);
  requests.on(CgroupsFreeze, v.strictObject({ cgroup, frozen: v.boolean(), acknowledged }), ({ frozen, ...params }) =>
    changeCgroup({ ...params, change: { kind: 'freeze', frozen } }),
  );
  requests.on(CgroupsKill, v.strictObject({ cgroup, acknowledged }), (params) =>
    changeCgroup({ ...params, change: { kind: 'kill' } }),
  );
}
