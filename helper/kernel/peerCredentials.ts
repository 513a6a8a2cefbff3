/** Who is at the other end of a Unix socket: `SO_PEERCRED` of unix(7), as it was when it connected. */

import { checked, libcFunction } from './libc.ts';
import { SO_PEERCRED, SOL_SOCKET } from './numbers.ts';

const getsockopt = libcFunction(
  'int getsockopt(int descriptor, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
);

export function peerCredentials(descriptor: number): { pid: number; uid: number; gid: number } {
  const value = Buffer.alloc(12);
  checked('getsockopt', getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, value, [value.length]));
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}
