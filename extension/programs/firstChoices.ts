/** What is proposed to who makes a sandbox for the first time; it has to work for the user who is asked. Pure. */
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { SandboxRoot } from '../../helper/protocol/sandboxes.ts';

/** What was chosen, which is what is proposed the next time. */
export interface SandboxChoices {
  kinds: NamespaceKind[];
  root: SandboxRoot;
  command: string;
}

/**
 * `mustOwnUsers`: the helper has no privilege, so there is a user namespace. In one the kernel makes no overlay of a root directory that has other file
 * systems mounted in it, which most have; read-only binds it takes.
 */
export function firstChoices(mustOwnUsers: boolean): SandboxChoices {
  return {
    kinds: ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
    root: { type: 'host', access: mustOwnUsers ? 'readOnly' : 'overlay' },
    command: '',
  };
}
