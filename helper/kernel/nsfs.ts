/** Questions to an open namespace: ioctl_ns(2). A namespace is any descriptor that opening `/proc/PID/ns/KIND` gives. */

import { NAMESPACE_KINDS } from '../protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../protocol/namespaces.ts';
import { lastErrno, libcFunction, openedOr } from './libc.ts';
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  NS_GET_NSTYPE,
  NS_GET_OWNER_UID,
  NS_GET_PARENT,
  NS_GET_USERNS,
} from './numbers.ts';

const ioctlPlain = libcFunction('int ioctl(int descriptor, unsigned long request, uintptr_t argument)');
const ioctlUid = libcFunction('int ioctl(int descriptor, unsigned long request, _Out_ uint32_t *uid)');

/** clone(2) flags by kind. */
export const CLONE_FLAGS: Record<NamespaceKind, number> = {
  user: CLONE_NEWUSER,
  mnt: CLONE_NEWNS,
  pid: CLONE_NEWPID,
  net: CLONE_NEWNET,
  ipc: CLONE_NEWIPC,
  uts: CLONE_NEWUTS,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME,
};

/**
 * A descriptor of the user namespace that owns this one, or `-errno`: `EPERM` when that lies outside of the caller's own
 * user namespace, or is the initial one's parent, which there is not.
 */
export function openOwner(namespace: number): number {
  return plain(namespace, NS_GET_USERNS);
}

/** A descriptor of the parent of a pid or user namespace, or `-errno`: `EPERM` as above, `EINVAL` for other kinds. */
export function openParent(namespace: number): number {
  return plain(namespace, NS_GET_PARENT);
}

/** The kind of an open namespace, or undefined when the descriptor is none. */
export function kindOf(descriptor: number): NamespaceKind | undefined {
  const flag = plain(descriptor, NS_GET_NSTYPE);
  return NAMESPACE_KINDS.find((kind) => CLONE_FLAGS[kind] === flag);
}

/** Uid of the creator of a user namespace as the caller's user namespace sees it, or `-errno`. */
export function ownerUid(userNamespace: number): number {
  const uid: [number] = [0];
  return ioctlUid(userNamespace, NS_GET_OWNER_UID, uid) === -1 ? -lastErrno() : uid[0];
}

function plain(descriptor: number, request: number): number {
  return openedOr('ioctl', ioctlPlain(descriptor, request, 0));
}
