/** A specification with every default filled in: what all parts of a plan are made of. */
import type { NamespaceKind } from '../../protocol/namespaces.ts';
import type { NamespaceChoice, SandboxSpec } from '../../protocol/sandboxes.ts';

type Required<T, K extends keyof T> = T & { [P in K]-?: NonNullable<T[P]> };
export type ResolvedSpec = Required<
  Omit<SandboxSpec, 'namespaces' | 'process'>,
  | 'name'
  | 'root'
  | 'changeRoot'
  | 'proc'
  | 'dev'
  | 'mounts'
  | 'systemPaths'
  | 'maskedPaths'
  | 'readonlyPaths'
  | 'network'
  | 'seccomp'
  | 'persistent'
> & {
  namespaces: Record<NamespaceKind, NamespaceChoice>;
  process: Required<NonNullable<SandboxSpec['process']>, 'env' | 'cwd' | 'terminal' | 'noNewPrivileges' | 'init'>;
};
