/**
 * The program that sudo runs to get a password (`SUDO_ASKPASS`, sudo(8)): asks the extension, which shows a password box,
 * and prints the answer. It ends with status 1, printing nothing, when the person cancelled or nobody answers.
 * Its arguments are the private folder and sudo's prompt. Standard input is the helper's, so it is left alone.
 */
import { readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type Answer, MAX_LINE_BYTES, NONCE, type Question, SOCKET } from './askpassFolder.ts';

const [folder = '', prompt = ''] = process.argv.slice(2);
process.exitCode = 1;

const question: Question = { nonce: readFileSync(path.join(folder, NONCE), 'utf8'), prompt };
const socket = net.connect(path.join(folder, SOCKET), () => socket.write(`${JSON.stringify(question)}\n`));
let received = '';
socket.setEncoding('utf8');
socket.on('data', (text: string) => {
  received += text;
  if (received.length > MAX_LINE_BYTES) socket.destroy();
});
socket.on('end', () => {
  if (!received.endsWith('\n')) {
    // Whoever made the folder was killed while the person was asked, and cannot remove it any more.
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  const { password } = JSON.parse(received) as Answer;
  if (password === undefined) return;
  process.stdout.write(`${password}\n`);
  process.exitCode = 0;
});
socket.on('error', (error) => process.stderr.write(`isoscope: no password box could be reached: ${error.message}\n`));
