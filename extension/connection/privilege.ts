import type { HelperConnection } from './connection.ts';

/** Whether a helper runs, and without the privilege to make namespaces that no user namespace of their own owns. */
export function isUnprivileged({ state }: HelperConnection): boolean {
  return state.kind === 'ready' && state.host.mode === 'unprivileged';
}
