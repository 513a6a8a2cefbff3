/** The helper's entry: joins its parts to a JSON-RPC connection on standard input and output. */
import './host/heap.ts';
import { createMessageConnection, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { answerRequests } from './dispatch.ts';
import { BoundedMessageReader } from './framing.ts';
import { cgroupHandlers } from './host/cgroups/requests.ts';
import { CgroupSubscriptions } from './host/cgroups/subscriptions.ts';
import { Host } from './host/host.ts';
import { serveLayers } from './host/layers/requests.ts';
import { hostHandlers } from './host/requests.ts';
import { end, handleSignals, ignoreBrokenOutputs } from './life.ts';
import { log, logError } from './log.ts';
import { programHandlers } from './programs/requests.ts';
import { killRunning } from './programs/run.ts';
import { Terminals } from './programs/terminal.ts';
import { CgroupsSampled } from './protocol/cgroups.ts';
import { HostChanged } from './protocol/host.ts';
import { LayersChanged, LayersMeasuring } from './protocol/layers.ts';
import type { NamespaceRef } from './protocol/namespaces.ts';
import { SandboxesEnded } from './protocol/sandboxes.ts';
import { makeRoomForLimits } from './sandbox/limits/delegation.ts';
import { sandboxHandlers } from './sandbox/requests.ts';
import { Sandboxes } from './sandbox/sandboxes.ts';
import { nameOfRunning } from './sandbox/saved/runningNotes.ts';
import { listen } from './stream/server.ts';

void serve();

async function serve(): Promise<void> {
  process.on('uncaughtException', (error) => logError('uncaught', error));
  handleSignals();
  ignoreBrokenOutputs();
  makeRoomForLimits();
  const writer = new StreamMessageWriter(process.stdout);
  const reader = new BoundedMessageReader(process.stdin, (problem, id) => {
    log('warn', `malformed message: ${problem}`);
    void writer.write({
      jsonrpc: '2.0',
      id: id ?? null,
      error: { code: id === undefined ? -32700 : -32600, message: `Malformed message: ${problem}.` },
    } as never);
  });
  const connection = createMessageConnection(reader, writer);

  // Once nobody sends requests any more, only attached terminals keep the helper.
  let unasked = false;
  const terminals = new Terminals(() => unasked && end(0));
  const stream = await listen((token) => terminals.take(token));
  const streamSocket = stream.path;
  const host = new Host((parts) => void connection.sendNotification(HostChanged, { parts }));
  host.knowSandboxes(nameOfRunning);
  const samples = new CgroupSubscriptions((params) => connection.sendNotification(CgroupsSampled, params));
  const openNamespace = (ref: NamespaceRef) => host.openNamespace(ref);
  const sandboxes = new Sandboxes({
    openNamespace,
    terminals,
    streamSocket,
    changed: () => host.changed(['sandboxes']),
    onWatch: (follower) => host.onWatch(follower),
    onProcesses: (follower) => host.onProcesses(follower),
    ended: ({ id, name }, exit) => void connection.sendNotification(SandboxesEnded, { id, name, exit }).catch(() => undefined),
  });
  const layers = serveLayers(
    { ...host.overlaySource, rootLayers: (ino) => sandboxes.rootLayers(ino) },
    {
      changed: (params) => void connection.sendNotification(LayersChanged, params),
      measuring: (params) => void connection.sendNotification(LayersMeasuring, params),
    },
  );
  answerRequests(connection, {
    ...hostHandlers(host, streamSocket),
    ...programHandlers({ openNamespace, terminals, streamSocket, sandboxes }),
    ...cgroupHandlers(host, samples),
    ...layers.handlers,
    ...sandboxHandlers(sandboxes),
  });

  connection.onClose(() => {
    unasked = true;
    connection.dispose();
    host.watch([]);
    samples[Symbol.dispose]();
    layers.watches.dispose();
    stream.close();
    killRunning();
    terminals.dropWaiting();
    if (terminals.count === 0) end(0);
  });
  connection.listen();
}
