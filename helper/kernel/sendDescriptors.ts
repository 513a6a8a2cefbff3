/** Sending open files over a Unix socket: sendmsg(2), unix(7) "SCM_RIGHTS". */
import koffi from 'koffi';
import { lastErrno, libcFunction, SyscallError } from './libc.ts';

koffi.struct('isoscope_iovec', { base: 'const uint8_t *', length: 'size_t' });
koffi.struct('isoscope_msghdr', {
  name: 'void *',
  nameLength: 'uint32_t',
  vectors: 'isoscope_iovec *',
  vectorCount: 'size_t',
  control: 'const uint8_t *',
  controlLength: 'size_t',
  flags: 'int',
});
const sendmsg = libcFunction('intptr_t sendmsg(int socket, isoscope_msghdr *message, int flags)');

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const CMSG_HEADER_BYTES = 16;

/** How many bytes were sent, at once: as many as there was room for. The descriptors go with the first. Throws a `SyscallError`. */
export function sendWithDescriptors(socket: number, content: Buffer, descriptors: readonly number[]): number {
  const length = CMSG_HEADER_BYTES + descriptors.length * 4;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CMSG_HEADER_BYTES + index * 4);
  const message = {
    name: null,
    nameLength: 0,
    vectors: [{ base: content, length: content.length }],
    vectorCount: 1,
    control,
    controlLength: control.length,
    flags: 0,
  };
  const sent = Number(sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent === -1) throw new SyscallError('sendmsg', lastErrno());
  return sent;
}
