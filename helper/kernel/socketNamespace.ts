/** Which net namespace a socket is in, or a descriptor of the tun device: the one in which it was opened. */

import { lastErrno, libcFunction } from './libc.ts';
import { SIOCGSKNS } from './numbers.ts';

const ioctl = libcFunction('int ioctl(int descriptor, unsigned long request, uintptr_t argument)');

/** SIOCGSKNS, which /dev/net/tun knows since Linux 5.0 (drivers/net/tun.c). A descriptor of the namespace, or `-errno`: `EPERM` without `CAP_NET_ADMIN` over it. */
export function openNamespaceOfSocket(socket: number): number {
  const descriptor = ioctl(socket, SIOCGSKNS, 0);
  return descriptor === -1 ? -lastErrno() : descriptor;
}
