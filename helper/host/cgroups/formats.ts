/** What the kernel accepts in the files of cgroups, in words: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. */

const BYTES_V2 = 'a number of bytes (the kernel rounds down to whole pages; K, M and G are understood), or "max" for no limit';
const BYTES_V1 = 'a number of bytes (the kernel rounds down to whole pages; K, M and G are understood), or -1 for no limit';
const DEVICE_V1 =
  'MAJOR:MINOR and a number, such as "8:0 1048576", for a whole disk and not a partition; 0 as the number removes the limit';
const ONE_OR_ZERO = '0 or 1';
const PRIORITY = '"no-change", "promote-to-rt", "restrict-to-be" or "idle"';
const PROCESS = 'one process id as seen from the helper; 0 is the one that writes';

/** By the file's full name; `hugetlb.2MB.max` and the like are found by `PATTERNS`. */
const FORMATS: Record<string, string> = {
  'cgroup.freeze': '1 to freeze, 0 to thaw',
  'cgroup.kill': '1',
  'cgroup.pressure': ONE_OR_ZERO,
  'cgroup.procs': PROCESS,
  'cgroup.threads': 'one thread id, of a process in the same threaded domain',
  'cgroup.type': '"threaded", which cannot be undone',
  'cgroup.max.depth': 'a number of levels, or "max"',
  'cgroup.max.descendants': 'a number of cgroups, or "max"',
  'cgroup.subtree_control': '"+NAME" or "-NAME" for each controller, separated by spaces, from those in cgroup.controllers',
  'cgroup.clone_children': ONE_OR_ZERO,
  notify_on_release: ONE_OR_ZERO,
  release_agent: 'the absolute path of a program, at most 4,095 bytes; only in the root of the hierarchy',
  tasks: 'one thread id as seen from the helper',
  'cpu.max':
    '"QUOTA PERIOD" in microseconds, such as "50000 100000": a quota of at least 1,000 or "max", a period from 1,000 to 1,000,000',
  'cpu.max.burst': 'microseconds, at most as many as the quota of cpu.max',
  'cpu.weight': 'a number from 1 to 10,000',
  'cpu.weight.nice': 'a number from -20 to 19',
  'cpu.idle': ONE_OR_ZERO,
  'cpu.uclamp.min': 'a percentage from 0 to 100 with at most two decimals, or "max"',
  'cpu.uclamp.max': 'a percentage from 0 to 100 with at most two decimals, or "max"',
  'cpu.cfs_quota_us':
    'microseconds of each period, at least 1,000, or -1 for no limit; as a share of the period at most the parent’s and at least each child’s',
  'cpu.cfs_period_us': 'microseconds from 1,000 to 1,000,000',
  'cpu.cfs_burst_us': 'microseconds, at most as many as cpu.cfs_quota_us',
  'cpu.shares': 'a number from 2 to 262,144',
  'cpu.rt_runtime_us': 'microseconds of cpu.rt_period_us, at most what the parent has left',
  'cpu.rt_period_us': 'microseconds, at least as many as cpu.rt_runtime_us',
  'cpuacct.usage': '0, which resets it',
  'memory.max': BYTES_V2,
  'memory.high': BYTES_V2,
  'memory.low': BYTES_V2,
  'memory.min': BYTES_V2,
  'memory.swap.max': BYTES_V2,
  'memory.swap.high': BYTES_V2,
  'memory.zswap.max': BYTES_V2,
  'memory.oom.group': ONE_OR_ZERO,
  'memory.zswap.writeback': ONE_OR_ZERO,
  'memory.reclaim': 'a number of bytes to reclaim now',
  'memory.limit_in_bytes': `${BYTES_V1}; at most memory.memsw.limit_in_bytes, where that file exists`,
  'memory.memsw.limit_in_bytes': `${BYTES_V1}; at least memory.limit_in_bytes, since it counts memory and swap together`,
  'memory.soft_limit_in_bytes': BYTES_V1,
  'memory.kmem.limit_in_bytes': `${BYTES_V1}; newer kernels do not take it any more`,
  'memory.kmem.tcp.limit_in_bytes': BYTES_V1,
  'memory.swappiness': 'a number from 0 to 200 (to 100 before Linux 5.8)',
  'memory.oom_control': '1 to pause processes instead of killing one when memory is out, 0 to kill',
  'memory.use_hierarchy': '1',
  'memory.move_charge_at_immigrate': 'a number from 0 to 3; newer kernels take only 0',
  'memory.force_empty': 'anything: it makes the kernel reclaim all that it can',
  'pids.max': 'a number of tasks, or "max" for no limit',
  'cpuset.cpus': 'CPUs as a list, such as "0-3,8", of those that the parent has',
  'cpuset.mems': 'memory nodes as a list, such as "0-1", of those that the parent has',
  'cpuset.cpus.exclusive': 'CPUs as a list, such as "0-3,8", that no sibling has',
  'cpuset.cpus.partition': '"member", "root" or "isolated"',
  'cpuset.cpu_exclusive': ONE_OR_ZERO,
  'cpuset.mem_exclusive': ONE_OR_ZERO,
  'cpuset.mem_hardwall': ONE_OR_ZERO,
  'cpuset.memory_migrate': ONE_OR_ZERO,
  'cpuset.memory_pressure_enabled': ONE_OR_ZERO,
  'cpuset.memory_spread_page': ONE_OR_ZERO,
  'cpuset.memory_spread_slab': ONE_OR_ZERO,
  'cpuset.sched_load_balance': ONE_OR_ZERO,
  'cpuset.sched_relax_domain_level': 'a number from -1 to 5',
  'io.max':
    'MAJOR:MINOR and any of rbps=, wbps=, riops=, wiops= with a number or "max", such as "8:0 rbps=1048576 wiops=max", for a whole disk and not a partition',
  'io.weight': '"default N" or "MAJOR:MINOR N" with N from 1 to 10,000',
  'io.bfq.weight': '"default N" or "MAJOR:MINOR N" with N from 1 to 1,000',
  'io.latency': 'MAJOR:MINOR and target=MICROSECONDS, or target=max for none',
  'io.prio.class': PRIORITY,
  'blkio.throttle.read_bps_device': DEVICE_V1,
  'blkio.throttle.write_bps_device': DEVICE_V1,
  'blkio.throttle.read_iops_device': DEVICE_V1,
  'blkio.throttle.write_iops_device': DEVICE_V1,
  'blkio.bfq.weight': 'a number from 1 to 1,000',
  'blkio.bfq.weight_device': 'MAJOR:MINOR and a number from 1 to 1,000',
  'blkio.weight': 'a number from 10 to 1,000',
  'blkio.weight_device': 'MAJOR:MINOR and a number from 10 to 1,000',
  'blkio.prio.class': PRIORITY,
  'blkio.reset_stats': 'any number',
  'freezer.state': '"FROZEN" or "THAWED"',
  'devices.allow': '"a", or "b" or "c" with MAJOR:MINOR and some of "rwm", such as "c 1:3 rwm"; * stands for any number',
  'devices.deny': '"a", or "b" or "c" with MAJOR:MINOR and some of "rwm", such as "c 1:3 rwm"; * stands for any number',
  'net_cls.classid': 'a number, such as 0x100001',
  'net_prio.ifpriomap': 'the name of an interface and a number',
  'rdma.max': 'the name of a device and hca_handle= or hca_object= with a number or "max"',
  'misc.max': 'the name of a resource and a number or "max"',
  'dmem.max': 'the name of a region and a number of bytes or "max"',
  'dmem.min': 'the name of a region and a number of bytes or "max"',
  'dmem.low': 'the name of a region and a number of bytes or "max"',
};

const PATTERNS: [pattern: RegExp, format: string][] = [
  [/^hugetlb\..+\.max$/, BYTES_V2],
  [/\.(?:failcnt|max_usage_in_bytes)$/, '0, which resets it'],
  [/^memory\.(?:swap\.)?peak$/, 'anything: what is read by the same descriptor counts from then on'],
  [/^hugetlb\..+\.limit_in_bytes$/, BYTES_V1],
  [
    /^(?:cpu|memory|io|irq)\.pressure$/,
    'a trigger, "some" or "full" with a threshold and a window in microseconds, held open by its writer',
  ],
];

/** What a file accepts, as the object of "accepts"; undefined for a file that is not known here. */
export function acceptedFormat(file: string): string | undefined {
  return Object.hasOwn(FORMATS, file) ? FORMATS[file] : PATTERNS.find(([pattern]) => pattern.test(file))?.[1];
}
