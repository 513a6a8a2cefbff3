/** What the requests about cgroups take. */
import * as v from 'valibot';
import {
  CgroupsChange,
  CgroupsExplain,
  CgroupsFreeze,
  CgroupsInspect,
  CgroupsKill,
  CgroupsList,
  CgroupsReadFile,
  CgroupsSubscribe,
  CgroupsWriteFile,
} from '../cgroups.ts';
import { cgroupRef as cgroup, cString, natural, processRef } from './parts.ts';
import { takes } from './taken.ts';

/** The kernel takes at most a page, of 4 to 64 KiB (`kernfs_fop_write_iter`). */
const MAX_TEXT_BYTES = 64 * 1024;
/** NAME_MAX. An escaped byte is three in UTF-8. */
const MAX_NAME_BYTES = 3 * 255;

const limit = v.nullable(natural);
/** 0 would forbid, or in v1 silently lift, what is meant to be limited. */
const rate = v.exactOptional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1))));
const name = v.pipe(cString(MAX_NAME_BYTES), v.nonEmpty('it must not be empty'));
const text = cString(MAX_TEXT_BYTES);
const device = v.pipe(v.string(), v.maxLength(32), v.regex(/^\d+:\d+$/, 'it must be MAJOR:MINOR, such as 8:0'));
const controller = v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,64}$/, 'it must be the name of a controller, such as memory'));

const change = v.variant('kind', [
  v.strictObject({ kind: v.literal('cpuLimit'), quotaMicros: limit, periodMicros: v.exactOptional(natural) }),
  v.strictObject({ kind: v.literal('cpuWeight'), weight: natural }),
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
const hierarchy = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

export const CGROUPS = [
  takes(CgroupsList, v.strictObject({ hierarchy: v.exactOptional(hierarchy), figures: v.exactOptional(v.boolean()) })),
  takes(CgroupsInspect, v.strictObject({ cgroup })),
  takes(CgroupsReadFile, v.strictObject({ cgroup, file: name })),
  takes(CgroupsWriteFile, v.strictObject({ cgroup, file: name, text, acknowledged })),
  takes(
    CgroupsSubscribe,
    v.strictObject({
      cgroups: v.pipe(v.array(cgroup), v.maxLength(64)),
      subscription: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
      intervalMillis: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(250), v.maxValue(60_000))),
    }),
  ),
  takes(CgroupsExplain, v.strictObject({ cgroup, change, acknowledged })),
  takes(CgroupsChange, v.strictObject({ cgroup, change, acknowledged })),
  takes(CgroupsFreeze, v.strictObject({ cgroup, frozen: v.boolean(), acknowledged })),
  takes(CgroupsKill, v.strictObject({ cgroup, acknowledged })),
];
