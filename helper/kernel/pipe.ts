/** pipe(2). A program may open `/dev/stdout` when that is a pipe; when it is a socket, as Node would give it, it may not. */
import { checked, libcFunction } from './libc.ts';

const pipe2 = libcFunction('int pipe2(_Out_ int32_t *ends, int flags)');
const fcntl = libcFunction('int fcntl(int descriptor, int command, long argument)');

const O_CLOEXEC = 0o2000000;

/** Both ends, close-on-exec. */
export function openPipe(): { read: number; write: number } {
  const ends = new Int32Array(2);
  checked('pipe2', pipe2(ends, O_CLOEXEC));
  return { read: ends[0]!, write: ends[1]! };
}

const F_DUPFD_CLOEXEC = 1030;

/** Another descriptor of the same open file, close-on-exec. */
export function duplicate(descriptor: number): number {
  return checked('fcntl', fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
}
