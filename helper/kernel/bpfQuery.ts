/** Which BPF programs are attached to a cgroup: bpf(2), `BPF_PROG_QUERY`. */

import { lastErrno, libcFunction } from './libc.ts';
import { BPF_CGROUP_DEVICE, BPF_F_QUERY_EFFECTIVE, BPF_PROG_QUERY } from './numbers.ts';
import { syscallNumber } from './syscalls.ts';

const syscall = libcFunction('long syscall(long number, int command, _Inout_ uint8_t *attributes, unsigned int size)');

const SYS_bpf = syscallNumber('bpf');
/** union bpf_attr, its part `query`: target_fd, attach_type, query_flags, attach_flags, prog_ids 8, prog_cnt. */
const QUERY_BYTES = 64;

/** How many programs decide on the devices of a cgroup, those of its ancestors included, or `-errno`. The descriptor is not `O_PATH`. */
export function countDevicePrograms(directory: number): number {
  const query = Buffer.alloc(QUERY_BYTES);
  query.writeUInt32LE(directory, 0);
  query.writeUInt32LE(BPF_CGROUP_DEVICE, 4);
  query.writeUInt32LE(BPF_F_QUERY_EFFECTIVE, 8);
  // Without room for their ids only their number is told.
  if (Number(syscall(SYS_bpf, BPF_PROG_QUERY, query, query.length)) === -1) return -lastErrno();
  return query.readUInt32LE(24);
}
