/** The nsenter(1) command line that does what Isoscope does for a process or a namespace, to copy and run by hand. */
import { NAMESPACE_OPTIONS } from '../../helper/protocol/namespaceKinds.ts';
import type { Namespace } from '../../helper/protocol/namespaces.ts';
import type { Process } from '../../helper/protocol/processes.ts';
import type { ClientModel } from '../model/clientModel.ts';
import { KIND_ORDER } from '../model/hierarchy.ts';
import { shellWord } from '../plain/plainText.ts';

/** Enters every namespace of `process` that is not the host's, its root and its working directory when its mounts are its own. */
export function nsenterProcess(model: ClientModel, process: Process): string {
  const own = KIND_ORDER.filter((kind) => {
    const ino = process.namespaces[kind];
    return ino !== undefined && ino !== model.hostNamespace(kind)?.ino;
  });
  const options = own.map((kind) => NAMESPACE_OPTIONS[kind]);
  if (own.includes('mnt')) options.push('--root', '--wd');
  return ['nsenter', `--target ${process.pid}`, ...options].join(' ');
}

/** Enters one namespace, by a member if it has one, else by its file, a bind mount or an open descriptor, or by a socket. `undefined` when neither is known. */
export function nsenterNamespace(namespace: Namespace): string | undefined {
  const option = NAMESPACE_OPTIONS[namespace.kind];
  if (namespace.leader !== undefined) return `nsenter --target ${namespace.leader.pid} ${option}`;
  // Since util-linux 2.41, so what any nsenter takes comes first.
  let socket: string | undefined;
  for (const pin of namespace.pins) {
    if (pin.by === 'descriptor') return `nsenter ${option}=/proc/${pin.process.pid}/fd/${pin.descriptor}`;
    if (pin.by === 'socket') socket ??= `nsenter --target ${pin.process.pid} --net-socket ${pin.descriptor}`;
    if (pin.by === 'thread') return `nsenter ${option}=/proc/${pin.process.pid}/task/${pin.tid}/ns/${namespace.kind}`;
    if (pin.by === 'forChildren') return `nsenter ${option}=/proc/${pin.process.pid}/ns/${namespace.kind}_for_children`;
    if (pin.by === 'bindMount') return `nsenter ${option}=${shellWord(pin.mountPoint)}`;
  }
  return socket;
}
