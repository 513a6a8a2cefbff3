/**
 * What of the kernel's own file systems a sandbox is kept from, wherever they are mounted in it: files of procfs and sysfs act on the whole host, and
 * many of them ask for the user id 0 only, not for a capability. Said here once, for file systems that are made for the sandbox and for those of the host
 * that come with a root or a bind mount.
 */
import path from 'node:path';
import { Failure } from '../../failure.ts';
import type { Mount } from '../../proc/mountinfo.ts';
import { said } from '../../saying.ts';
import type { HostMounts, MountBelow } from './hostMounts.ts';
import { isWithin } from './within.ts';

/** At a path of a tree of mounts. Not every kernel has each of them. */
export interface Cover {
  /** Where the file system is, from the root of the tree on; empty for that itself. */
  mount: string;
  /** From there on; empty for all of it. */
  path: string;
  /** Its content is hidden; or it cannot be written. */
  how: 'mask' | 'readOnly';
  /** Of what is masked; left out where it has to be seen. */
  kind?: 'directory' | 'file';
  /** It is of nodes of devices, which work nevertheless. */
  ofDevices?: true;
}

/** Docker's, by file system, from the root of each. */
const MASKED: Record<string, [path: string, kind: 'directory' | 'file'][]> = {
  proc: [
    ['acpi', 'directory'],
    ['asound', 'directory'],
    ['interrupts', 'file'],
    ['kcore', 'file'],
    ['keys', 'file'],
    ['latency_stats', 'file'],
    ['sched_debug', 'file'],
    ['scsi', 'directory'],
    ['timer_list', 'file'],
    ['timer_stats', 'file'],
  ],
  sysfs: [
    ['devices/virtual/powercap', 'directory'],
    ['firmware', 'directory'],
  ],
};
/** Of procfs, in which processes have files of their own to write: Docker's, and two that not every kernel has. Of every other all is read-only. */
const READ_ONLY_OF_PROC = ['bus', 'dynamic_debug', 'fs', 'irq', 'mtrr', 'sys', 'sysrq-trigger'];
/** Their files are handles of the kernel: `release_agent`, `uevent_helper`, `kprobe_events` and their like. */
const OF_KERNEL = new Set([
  'proc',
  'sysfs',
  'binfmt_misc',
  'bpf',
  'cgroup',
  'cgroup2',
  'configfs',
  'debugfs',
  'efivarfs',
  'fusectl',
  'nfsd',
  'pstore',
  'resctrl',
  'securityfs',
  'selinuxfs',
  'smackfs',
  'tracefs',
]);
/** Whoever owns a node may change its mode, for all; that its mount is read-only keeps from that, and not from using the device. In a container /dev is a tmpfs. */
const DEVICES = new Set(['devtmpfs', 'devpts']);

/** Whether files of such a file system are switches of the kernel, as type of a mount. */
export function isOfKernel(type: string): boolean {
  return OF_KERNEL.has(type);
}

/** Of a file system that is made for the sandbox. */
export function coversOfNew(type: string): Cover[] {
  return OF_KERNEL.has(type) ? coversOf(type, { path: '', within: '/' }) : [];
}

/** What is read-only already needs no cover against writing. */
export function withoutWrites(covers: readonly Cover[]): Cover[] {
  return covers.filter(({ how }) => how !== 'readOnly');
}

/**
 * Of all that comes with the real path `source` of the host. With `unmasked` only of the host's devices. Throws a `Failure` where the source itself is
 * to be hidden.
 */
export function coversOfHost(
  source: string,
  mounts: HostMounts,
  { unmasked, isDirectory = true }: { unmasked: boolean; isDirectory?: boolean },
): Cover[] {
  const devices = mounts.of('/dev/null');
  const isOfDevices = (mount: Mount) => DEVICES.has(mount.type) || (mount.id === devices?.id && mount.mountPoint !== '/');
  const isWanted = (mount: Mount) => isOfDevices(mount) || (!unmasked && OF_KERNEL.has(mount.type));
  return mounts.from(source, isWanted, isDirectory).flatMap((below): Cover[] => {
    if (isOfDevices(below.mount)) return [{ mount: below.path, path: '', how: 'readOnly', ofDevices: true }];
    const covers = coversOf(below.mount.type, below);
    if (covers.some(({ mount, path, how }) => mount === '' && path === '' && how === 'mask')) throw hidden(source);
    return covers;
  });
}

function coversOf(type: string, { path: mount, within }: Omit<MountBelow, 'mount'>): Cover[] {
  const masked = maskedOf(type);
  if (masked.some(([file]) => isWithin(within, `/${file}`))) return [{ mount, path: '', how: 'mask' }];
  const isBelow = (file: string) => isWithin(`/${file}`, within);
  const hidden = masked
    .filter(([file]) => isBelow(file))
    .map(([file, kind]): Cover => ({ mount, path: path.relative(within, `/${file}`), how: 'mask', kind }));
  const isOfProcesses = type === 'proc' && !READ_ONLY_OF_PROC.some((file) => isWithin(within, `/${file}`));
  const fixed = isOfProcesses ? READ_ONLY_OF_PROC.filter(isBelow).map((file) => path.relative(within, `/${file}`)) : [''];
  return [...hidden, ...fixed.map((file): Cover => ({ mount, path: file, how: 'readOnly' }))];
}

function maskedOf(type: string): [path: string, kind: 'directory' | 'file'][] {
  return MASKED[type] ?? [];
}

function hidden(source: string): Failure {
  return new Failure('invalid', said('isKeptFromSandboxes', source), {
    path: source,
    hint: said('leaveOutOrUnmask'),
  });
}

/** Below `destination`, where the tree of mounts is. */
export function pathOf(cover: Cover, destination: string): string {
  return path.join(destination, cover.mount, cover.path);
}
