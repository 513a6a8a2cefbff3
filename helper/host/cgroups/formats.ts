import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';

/** What the kernel accepts in the files of cgroups, in words: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. */

const BYTES_V2 = said('formatBytesOrMax');
const BYTES_V1 = said('formatBytesOrMinusOne');
const DEVICE_V1 = said('formatDeviceAndNumber');
const ONE_OR_ZERO = '0 or 1';
const PRIORITY = said('formatIoPriority');
const PROCESS = said('formatProcess');

/** By the file's full name; `hugetlb.2MB.max` and the like are found by `PATTERNS`. */
const FORMATS: Record<string, string | Said> = {
  'cgroup.freeze': said('formatFreeze'),
  'cgroup.kill': '1',
  'cgroup.pressure': ONE_OR_ZERO,
  'cgroup.procs': PROCESS,
  'cgroup.threads': said('formatThreadOfDomain'),
  'cgroup.type': said('formatThreaded'),
  'cgroup.max.depth': said('formatLevels'),
  'cgroup.max.descendants': said('formatCgroups'),
  'cgroup.subtree_control': said('formatControllers'),
  'cgroup.clone_children': ONE_OR_ZERO,
  notify_on_release: ONE_OR_ZERO,
  release_agent: said('formatProgram'),
  tasks: said('formatThread'),
  'cpu.max': said('formatCpuMax'),
  'cpu.max.burst': said('formatBurst'),
  'cpu.weight': said('formatFrom1To10000'),
  'cpu.weight.nice': said('formatNice'),
  'cpu.idle': ONE_OR_ZERO,
  'cpu.uclamp.min': said('formatPercentage'),
  'cpu.uclamp.max': said('formatPercentage'),
  'cpu.cfs_quota_us': said('formatQuotaV1'),
  'cpu.cfs_period_us': said('formatPeriodV1'),
  'cpu.cfs_burst_us': said('formatBurstV1'),
  'cpu.shares': said('formatShares'),
  'cpu.rt_runtime_us': said('formatRealtimeRuntime'),
  'cpu.rt_period_us': said('formatRealtimePeriod'),
  'cpuacct.usage': said('formatReset'),
  'memory.max': BYTES_V2,
  'memory.high': BYTES_V2,
  'memory.low': BYTES_V2,
  'memory.min': BYTES_V2,
  'memory.swap.max': BYTES_V2,
  'memory.swap.high': BYTES_V2,
  'memory.zswap.max': BYTES_V2,
  'memory.oom.group': ONE_OR_ZERO,
  'memory.zswap.writeback': ONE_OR_ZERO,
  'memory.reclaim': said('formatReclaim'),
  'memory.limit_in_bytes': said('formatMemoryV1', BYTES_V1),
  'memory.memsw.limit_in_bytes': said('formatMemoryAndSwapV1', BYTES_V1),
  'memory.soft_limit_in_bytes': BYTES_V1,
  'memory.kmem.limit_in_bytes': said('formatKernelMemory', BYTES_V1),
  'memory.kmem.tcp.limit_in_bytes': BYTES_V1,
  'memory.swappiness': said('formatSwappiness'),
  'memory.oom_control': said('formatOomControl'),
  'memory.use_hierarchy': '1',
  'memory.move_charge_at_immigrate': said('formatMoveCharge'),
  'memory.force_empty': said('formatForceEmpty'),
  'pids.max': said('formatTasks'),
  'cpuset.cpus': said('formatCpus'),
  'cpuset.mems': said('formatMemoryNodes'),
  'cpuset.cpus.exclusive': said('formatExclusiveCpus'),
  'cpuset.cpus.partition': said('formatPartition'),
  'cpuset.cpu_exclusive': ONE_OR_ZERO,
  'cpuset.mem_exclusive': ONE_OR_ZERO,
  'cpuset.mem_hardwall': ONE_OR_ZERO,
  'cpuset.memory_migrate': ONE_OR_ZERO,
  'cpuset.memory_pressure_enabled': ONE_OR_ZERO,
  'cpuset.memory_spread_page': ONE_OR_ZERO,
  'cpuset.memory_spread_slab': ONE_OR_ZERO,
  'cpuset.sched_load_balance': ONE_OR_ZERO,
  'cpuset.sched_relax_domain_level': said('formatRelaxDomain'),
  'io.max': said('formatIoMax'),
  'io.weight': said('formatIoWeight'),
  'io.bfq.weight': said('formatBfqWeight'),
  'io.latency': said('formatIoLatency'),
  'io.prio.class': PRIORITY,
  'blkio.throttle.read_bps_device': DEVICE_V1,
  'blkio.throttle.write_bps_device': DEVICE_V1,
  'blkio.throttle.read_iops_device': DEVICE_V1,
  'blkio.throttle.write_iops_device': DEVICE_V1,
  'blkio.bfq.weight': said('formatFrom1To1000'),
  'blkio.bfq.weight_device': said('formatDeviceFrom1To1000'),
  'blkio.weight': said('formatFrom10To1000'),
  'blkio.weight_device': said('formatDeviceFrom10To1000'),
  'blkio.prio.class': PRIORITY,
  'blkio.reset_stats': said('formatAnyNumber'),
  'freezer.state': said('formatFreezerState'),
  'devices.allow': said('formatDevices'),
  'devices.deny': said('formatDevices'),
  'net_cls.classid': said('formatClassid'),
  'net_prio.ifpriomap': said('formatInterfacePriority'),
  'rdma.max': said('formatRdma'),
  'misc.max': said('formatResource'),
  'dmem.max': said('formatRegion'),
  'dmem.min': said('formatRegion'),
  'dmem.low': said('formatRegion'),
};

const PATTERNS: [pattern: RegExp, format: string | Said][] = [
  [/^hugetlb\..+\.max$/, BYTES_V2],
  [/\.(?:failcnt|max_usage_in_bytes)$/, said('formatReset')],
  [/^memory\.(?:swap\.)?peak$/, said('formatPeak')],
  [/^hugetlb\..+\.limit_in_bytes$/, BYTES_V1],
  [/^(?:cpu|memory|io|irq)\.pressure$/, said('formatTrigger')],
];

/** What a file accepts, as the object of "accepts"; undefined for a file that is not known here. */
export function acceptedFormat(file: string): string | Said | undefined {
  return Object.hasOwn(FORMATS, file) ? FORMATS[file] : PATTERNS.find(([pattern]) => pattern.test(file))?.[1];
}
