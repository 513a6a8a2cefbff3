/** How much the objects of a running helper take, as its own V8 tells over the inspector's protocol. */
import { once } from 'node:events';
import type { RunningHelper } from '../fixtures/helper.ts';
import { until } from '../fixtures/until.ts';

/** Of a helper that was started with `INSPECTABLE`. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' };

const LISTENING = /^Debugger listening on (ws:\/\/\S+)/m;
const WAIT_MILLIS = 10_000;

/** Asks what is left after a collection of everything that is referred to by nothing, in MB. */
export async function openHeap(helper: RunningHelper): Promise<{ heldMegabytes(): Promise<number> } & Disposable> {
  helper.process.kill('SIGUSR1');
  await until(() => LISTENING.test(helper.log()), 'the helper says where it can be inspected');
  const socket = new WebSocket(LISTENING.exec(helper.log())![1]!);
  await once(socket, 'open', { signal: AbortSignal.timeout(WAIT_MILLIS) });
  const waiting = new Map<number, (result: { result?: { value?: number } }) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data));
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let asked = 0;
  const ask = (method: string, params: object) =>
    new Promise<{ result?: { value?: number } }>((resolve) => {
      asked += 1;
      waiting.set(asked, resolve);
      socket.send(JSON.stringify({ id: asked, method, params }));
    });
  return {
    heldMegabytes: async () => {
      await ask('HeapProfiler.collectGarbage', {});
      const { result } = await ask('Runtime.evaluate', { expression: 'process.memoryUsage().heapUsed' });
      return (result?.value ?? Number.NaN) / 2 ** 20;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
