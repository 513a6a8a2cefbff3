/** Answers every request about the host: processes, namespaces, containers, network, and what of it is being watched. */
import os from 'node:os';
import * as v from 'valibot';
import type { Dispatcher } from '../dispatch.ts';
import { Failure } from '../failure.ts';
import { hasOpenat2 } from '../kernel/openat2.ts';
import { ContainersList } from '../protocol/containers.ts';
import { type HostPart, HostWatch, Initialize, PROTOCOL_VERSION } from '../protocol/host.ts';
import { MountsList } from '../protocol/mounts.ts';
import { NamespacesInspect, NamespacesList } from '../protocol/namespaces.ts';
import { NetworkInspect } from '../protocol/network.ts';
import { ProcessesInspect, ProcessesList } from '../protocol/processes.ts';
import { namespaceKind, namespaceRef, processRef, revision } from '../schemas.ts';
import { Host } from './host.ts';
import { identity } from './identity.ts';

const HOST_PARTS = ['processes', 'namespaces', 'containers', 'network', 'cgroups', 'mounts', 'sandboxes'] as const;
const since = v.exactOptional(revision);
const listParams = v.strictObject({ since });

/** Tells the client which parts changed. */
export type Notify = (parts: HostPart[]) => void;

/** Registers the handlers. `notify` is called only for parts that the client said it watches. */
export function serveHost(requests: Dispatcher, notify: Notify, { streamSocket }: { streamSocket: string }): Host {
  const host = new Host(notify);
  requests.on(Initialize, v.looseObject({ protocolVersion: v.exactOptional(v.number()) }), ({ protocolVersion }) => {
    if (protocolVersion !== undefined && protocolVersion !== PROTOCOL_VERSION) {
      throw new Failure(
        'unsupported',
        `The helper speaks version ${PROTOCOL_VERSION} of its protocol, not ${protocolVersion}.`,
        {
          hint: 'Reload the window, so that extension and helper are of one version.',
        },
      );
    }
    if (!hasOpenat2()) {
      throw new Failure('unsupported', `Isoscope needs Linux 5.6 or newer, and this is ${os.release()}.`, {
        hint: 'Without openat2(2) files of containers cannot be read safely.',
      });
    }
    return identity(streamSocket, host.changes);
  });
  requests.on(HostWatch, v.strictObject({ parts: v.pipe(v.array(v.picklist(HOST_PARTS)), v.maxLength(64)) }), ({ parts }) => {
    host.watch(parts);
    return {};
  });
  requests.on(ProcessesList, listParams, (params) => host.listProcesses(params.since));
  requests.on(ProcessesInspect, v.strictObject({ process: processRef }), ({ process }) => host.inspectProcess(process));
  requests.on(ContainersList, listParams, (params) => host.listContainers(params.since));
  const kinds = v.exactOptional(v.pipe(v.array(namespaceKind), v.maxLength(64)));
  requests.on(NamespacesList, v.strictObject({ since, kinds, members: v.exactOptional(v.boolean()) }), (params) =>
    host.listNamespaces(params),
  );
  const network = v.union([v.strictObject({ namespace: namespaceRef }), v.strictObject({ process: processRef })]);
  requests.on(NamespacesInspect, v.strictObject({ namespace: namespaceRef }), ({ namespace }) =>
    host.inspectNamespace(namespace),
  );
  requests.on(MountsList, v.strictObject({ process: v.exactOptional(processRef) }), ({ process }) => host.listMounts(process));
  requests.on(NetworkInspect, network, (params) => host.inspectNetwork(params));
  return host;
}
