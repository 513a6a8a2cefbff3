/** What a namespace is known by. */

/** The eight kinds of namespace, by the names of their links in `/proc/PID/ns` (namespaces(7)). */
export const NAMESPACE_KINDS = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const;
export type NamespaceKind = (typeof NAMESPACE_KINDS)[number];

/** A namespace: its kind, and the device and inode number of its nsfs file. Shown as `net:[4026531840]`. */
export interface NamespaceRef {
  kind: NamespaceKind;
  dev: number;
  ino: number;
}

/** Of each kind the option of nsenter(1) and unshare(1). */
export const NAMESPACE_OPTIONS: Readonly<Record<NamespaceKind, string>> = {
  user: '--user',
  mnt: '--mount',
  pid: '--pid',
  net: '--net',
  ipc: '--ipc',
  uts: '--uts',
  cgroup: '--cgroup',
  time: '--time',
};
