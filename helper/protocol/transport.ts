/**
 * The protocol between the extension and the helper: JSON-RPC 2.0 with `Content-Length` headers (vscode-jsonrpc) over the helper's stdin and stdout.
 * Bulk bytes (terminals) go over a Unix stream socket instead, framed as `helper/stream/frame.ts` says.
 */

/** No request comes near this; a larger one is refused unread, and a client does not send it. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
