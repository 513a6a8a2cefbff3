/** What the askpass program and the server that answers it share: the files of their private folder, and one message each way. */

/** In the folder: the server's Unix socket, the nonce that a client must send, and the executable for `SUDO_ASKPASS`. */
export const SOCKET = 'socket';
export const NONCE = 'nonce';
export const PROGRAM = 'askpass';

/** Both messages are one line of JSON, at most this long. */
export const MAX_LINE_BYTES = 16_384;

export interface Question {
  /** 64 hexadecimal digits, the content of the file `nonce`. */
  nonce: string;
  /** sudo's own prompt. */
  prompt: string;
}

/** Without a password the person cancelled, which is not the same as an empty one. */
export interface Answer {
  password?: string;
}
