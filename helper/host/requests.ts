/** Answers every request about the host: processes, namespaces, containers, network, and what of it is being watched. */
import os from 'node:os';
import type { HandlersOf } from '../dispatch.ts';
import { Failure } from '../failure.ts';
import { hasOpenat2 } from '../kernel/openat2.ts';
import { type InitializeParams, PROTOCOL_VERSION } from '../protocol/host.ts';
import { said } from '../saying.ts';
import type { Host } from './host.ts';
import { identity } from './identity.ts';

type HostAreas = 'initialize' | 'host' | 'processes' | 'containers' | 'namespaces' | 'network' | 'mounts';

export function hostHandlers(host: Host, streamSocket: string): HandlersOf<HostAreas> {
  return {
    initialize: (params) => {
      refuseUnsupported(params);
      return identity(streamSocket, host.changes);
    },
    'host/watch': ({ parts }) => {
      host.watch(parts);
      return {};
    },
    'processes/list': ({ since }) => host.listProcesses(since),
    'processes/inspect': ({ process }) => host.inspectProcess(process),
    'containers/list': ({ since }) => host.listContainers(since),
    'namespaces/list': (params) => host.listNamespaces(params),
    'namespaces/inspect': ({ namespace }) => host.inspectNamespace(namespace),
    'network/inspect': (params) => host.inspectNetwork(params),
    'network/counters': (params) => host.countNetwork(params),
    'mounts/list': ({ process }) => host.listMounts(process),
  };
}

/** Throws when helper and client, or helper and kernel, do not go together. */
function refuseUnsupported({ protocolVersion }: InitializeParams): void {
  if (protocolVersion !== undefined && protocolVersion !== PROTOCOL_VERSION) {
    throw new Failure('unsupported', said('protocolVersionDiffers', PROTOCOL_VERSION, protocolVersion), {
      hint: said('reloadWindow'),
    });
  }
  if (!hasOpenat2()) {
    throw new Failure('unsupported', said('kernelIsTooOldForIsoscope', os.release()), {
      hint: said('withoutOpenat2'),
    });
  }
}
