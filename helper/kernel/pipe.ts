/** pipe(2). A program may open `/dev/stdout` when that is a pipe; when it is a socket, as Node would give it, it may not. */

import { close } from './files.ts';
import { checked, libcFunction } from './libc.ts';
import { O_CLOEXEC } from './numbers.ts';

const pipe2 = libcFunction('int pipe2(_Out_ int32_t *ends, int flags)');

export interface Pipe {
  read: number;
  write: number;
}

/** Both ends, close-on-exec. */
export function openPipe(): Pipe {
  const ends = new Int32Array(2);
  checked('pipe2', pipe2(ends, O_CLOEXEC));
  return { read: ends[0]!, write: ends[1]! };
}

/** All of them, or none is left open. */
export function openPipes(count: number): Pipe[] {
  const pipes: Pipe[] = [];
  try {
    while (pipes.length < count) pipes.push(openPipe());
    return pipes;
  } catch (error) {
    for (const { read, write } of pipes) for (const end of [read, write]) close(end);
    throw error;
  }
}
