/** The eight kinds of namespace, by the names of their links in `/proc/PID/ns` (namespaces(7)). */
export const NAMESPACE_KINDS = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const;
