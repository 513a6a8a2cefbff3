/** Steps that give a sandbox the nodes of devices. */
import { MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE, S_IFCHR } from '../../kernel/numbers.ts';
import { type Argument, integer, string } from '../../launcher/program.ts';
import type { Steps } from '../../launcher/steps.ts';
import { said } from '../../saying.ts';
import type { Device, PlannedMount } from '../plan/plannedMounts.ts';
import { cloneTree, closeDescriptor, makeFile, mountOnEntry, openSource, setAttributes } from './mountCalls.ts';

/** A read-only mount keeps from changing the mode of a node, which is the host's own, and not from writing to the device. */
const BOUND = { set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, propagation: MS_PRIVATE };

export function addDevices(
  steps: Steps,
  directory: Argument,
  { devices, own }: Extract<PlannedMount, { what: 'devices' }>,
): void {
  if (!own) {
    for (const device of devices) bind(steps, directory, device);
    return;
  }
  const mask = steps.call('umask', [integer(0)], said('letNodesHaveMode'));
  for (const device of devices) {
    const made = makeNode(steps, directory, device);
    // A helper in a container may not, nor where a cgroup keeps from it.
    steps.ifFailed(made, () => bind(steps, directory, device));
  }
  steps.call('umask', [mask], said('takeBackUmask'));
}

/** mknod(2): the number as makedev(3) has it, of which both parts are below 256. */
function makeNode(steps: Steps, directory: Argument, { name, major, minor }: Device): Argument {
  const mode = integer(S_IFCHR | 0o666, 'S_IFCHR|0666');
  const number = integer((major << 8) | minor, `makedev(${major}, ${minor})`);
  return steps.call('mknodat', [directory, string(name), mode, number], said('makeDevice', name), { ignoreError: true });
}

function bind(steps: Steps, directory: Argument, { name }: Device): void {
  const purpose = said('bindDevice', name);
  makeFile(steps, directory, name, 0o644, purpose);
  const node = openSource(steps, `/dev/${name}`, purpose);
  const tree = cloneTree(steps, node, purpose);
  setAttributes(steps, tree, BOUND, purpose);
  mountOnEntry(steps, tree, [directory, name], purpose);
  for (const held of [node, tree]) closeDescriptor(steps, held, purpose);
}
