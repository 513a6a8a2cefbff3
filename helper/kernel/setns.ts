/** Moving the calling thread between namespaces: setns(2). It acts on one thread and on no other of Node's. */
import { checked, libcFunction } from './libc.ts';
import { CLONE_FLAGS } from './nsfs.ts';

const setnsCall = libcFunction('int setns(int descriptor, int kind)');

/**
 * Calls `action` with this thread in another net namespace, and returns only in the own one. Everything in between must be
 * synchronous. A socket made there stays of that namespace.
 */
export function inNetNamespace<T>(target: number, own: number, action: () => T): T {
  checked('setns', setnsCall(target, CLONE_FLAGS.net));
  try {
    return action();
  } finally {
    returnTo(own);
  }
}

/** A thread that cannot come back would serve every later request from the wrong network: nothing may follow. */
function returnTo(own: number): void {
  if (setnsCall(own, CLONE_FLAGS.net) === 0) return;
  process.stderr.write('[error] setns back to the own net namespace failed\n');
  process.abort();
}
