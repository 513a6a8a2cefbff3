import { StreamMessageReader } from 'vscode-jsonrpc/node';

/**
 * Reads what a helper writes. The library's reader wakes every ten seconds while a message is incomplete, which is for ever when the helper
 * was killed in the middle of one; nobody listens to what it then tells.
 */
export function messageReader(output: NodeJS.ReadableStream): StreamMessageReader {
  const reader = new StreamMessageReader(output);
  reader.partialMessageTimeout = 0;
  return reader;
}
