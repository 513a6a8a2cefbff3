import { StreamMessageWriter } from 'vscode-jsonrpc/node';
import { MAX_MESSAGE_BYTES } from '../../helper/protocol/transport.ts';

/** Writes what a helper reads. What it would refuse is not sent: the request fails at once, with the reason. */
export function messageWriter(input: NodeJS.WritableStream): StreamMessageWriter {
  const encode = (message: unknown) => {
    const content = Buffer.from(JSON.stringify(message), 'utf8');
    if (content.length <= MAX_MESSAGE_BYTES) return Promise.resolve(content);
    const megabytes = (content.length / 1e6).toFixed(1);
    return Promise.reject(new Error(`A request of ${megabytes} MB is too large: at most 16 MiB can be sent.`));
  };
  return new StreamMessageWriter(input, { contentTypeEncoder: { name: 'application/json', encode } });
}
