/** Which ids of the host are which inside a new user namespace: user_namespaces(7). */
import { leastOf } from '../../lists.ts';
import type { SandboxIdMapping } from '../../protocol/sandboxes.ts';

export interface IdMaps {
  uid: SandboxIdMapping[];
  gid: SandboxIdMapping[];
  /**
   * `self`: the process writes them, as any may for its own id alone. `helper`: the helper does, which may map everything.
   * `newuidmap`: the set-user-ID programs of that name do, for the ranges that /etc/subuid gives the user.
   */
  writtenBy: 'self' | 'helper' | 'newuidmap';
}

/** The id inside that is this one of the host, if any. */
export function insideOf(mappings: SandboxIdMapping[], outside: number): number | undefined {
  const mapping = mappings.find(({ hostID, size }) => outside >= hostID && outside - hostID < size);
  return mapping === undefined ? undefined : mapping.containerID + (outside - mapping.hostID);
}

/** The other way round. */
export function outsideOf(mappings: SandboxIdMapping[], inside: number): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => inside >= containerID && inside - containerID < size);
  return mapping === undefined ? undefined : mapping.hostID + (inside - mapping.containerID);
}

/** Of the host, who root inside is; or whoever has the lowest id. */
export function rootOf(mappings: SandboxIdMapping[]): number {
  return outsideOf(mappings, leastOf(mappings.map(({ containerID }) => containerID))) ?? 0;
}

/** The lines of `/proc/PID/uid_map`. */
export function mapText(mappings: SandboxIdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('');
}
