/** Moving the calling thread between namespaces: setns(2). It acts on one thread and on no other of Node's. */
import fs from 'node:fs';
import { close } from './files.ts';
import { checked, libcFunction } from './libc.ts';
import { CLONE_FLAGS } from './nsfs.ts';

const setnsCall = libcFunction('int setns(int descriptor, int kind)');

/**
 * Calls `action` with this thread in the net namespace behind the descriptor, `undefined` for the helper's own, and returns only in the own one. Everything
 * in between must be synchronous. A socket made there stays of that namespace. Throws a `SyscallError`, `EPERM` when the caller may not enter it.
 */
export function inNetNamespace<T>(namespace: number | undefined, action: () => T): T {
  if (namespace === undefined) return action();
  const own = fs.openSync('/proc/thread-self/ns/net', 'r');
  try {
    checked('setns', setnsCall(namespace, CLONE_FLAGS.net));
    try {
      return action();
    } finally {
      returnTo(own);
    }
  } finally {
    close(own);
  }
}

/** A thread that cannot come back would serve every later request from the wrong network: nothing may follow. */
function returnTo(own: number): void {
  if (setnsCall(own, CLONE_FLAGS.net) === 0) return;
  process.stderr.write('[error] setns back to the own net namespace failed\n');
  process.abort();
}
