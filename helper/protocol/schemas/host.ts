/** What the requests about the host take, and about processes, containers, namespaces, network and mounts. */
import * as v from 'valibot';
import { ContainersList } from '../containers.ts';
import { HostWatch, Initialize, type InitializeParams } from '../host.ts';
import { MountsList } from '../mounts.ts';
import { NamespacesInspect, NamespacesList } from '../namespaces.ts';
import { NetworkCounters, NetworkInspect } from '../network.ts';
import { ProcessesInspect, ProcessesList } from '../processes.ts';
import { namespaceKind, namespaceRef, processRef, revision } from './parts.ts';
import { takes } from './taken.ts';

const HOST_PARTS = ['processes', 'namespaces', 'containers', 'network', 'cgroups', 'mounts', 'sandboxes'] as const;
/** Of another version a client is told so, and not of a field that is not known here. */
const initializeParams: v.GenericSchema<unknown, InitializeParams> = v.looseObject({
  protocolVersion: v.exactOptional(v.number()),
});
const since = v.exactOptional(revision);
const network = v.union([v.strictObject({ namespace: namespaceRef }), v.strictObject({ process: processRef })]);
const kinds = v.exactOptional(v.pipe(v.array(namespaceKind), v.maxLength(64)));

export const HOST = [
  takes(Initialize, initializeParams),
  takes(HostWatch, v.strictObject({ parts: v.pipe(v.array(v.picklist(HOST_PARTS)), v.maxLength(64)) })),
  takes(ProcessesList, v.strictObject({ since })),
  takes(ProcessesInspect, v.strictObject({ process: processRef })),
  takes(ContainersList, v.strictObject({ since })),
  takes(NamespacesList, v.strictObject({ since, kinds, members: v.exactOptional(v.boolean()) })),
  takes(NamespacesInspect, v.strictObject({ namespace: namespaceRef })),
  takes(NetworkInspect, network),
  takes(NetworkCounters, network),
  takes(MountsList, v.strictObject({ process: v.exactOptional(processRef) })),
];
