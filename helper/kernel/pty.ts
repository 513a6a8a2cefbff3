/** Pseudoterminals: pty(7), ioctl_tty(2). */

import fs from 'node:fs';
import { close } from './files.ts';
import { checked, libcFunction } from './libc.ts';
import { DEVPTS_SUPER_MAGIC, O_CLOEXEC, TIOCGPTPEER, TIOCSPTLCK, TIOCSWINSZ } from './numbers.ts';

const ioctlPointer = libcFunction('int ioctl(int descriptor, unsigned long request, const uint8_t *argument)');
const ioctlNumber = libcFunction('int ioctl(int descriptor, unsigned long request, uintptr_t argument)');

/** Character device 5:2, as stat(2) has it. */
const PTMX_DEVICE = (5 << 8) | 2;
const SLAVE_FLAGS = fs.constants.O_RDWR | fs.constants.O_NOCTTY | O_CLOEXEC;
/** Neither reading nor writing a master may wait: its program may be of somebody hostile, or just slow. */
const MASTER_FLAGS = SLAVE_FLAGS | fs.constants.O_NONBLOCK;

export interface Pty {
  master: number;
  slave: number;
}

/** A new pseudoterminal of the devpts that `/dev/ptmx` leads to. Both descriptors are close-on-exec. */
export function openPty(): Pty {
  return completed(fs.openSync('/dev/ptmx', MASTER_FLAGS));
}

/**
 * A new pseudoterminal of the devpts that `ptmx` is on, so that its name, `/dev/pts/0`, means something to whoever has that
 * mounted. `ptmx` was opened with `O_PATH`; undefined when it is not what it should be: it may be of a hostile container.
 */
export function openPtyAt(ptmx: number): Pty | undefined {
  const stat = fs.fstatSync(ptmx);
  if (!stat.isCharacterDevice() || stat.rdev !== PTMX_DEVICE) return undefined;
  const path = `/proc/self/fd/${ptmx}`;
  // A device node of these numbers elsewhere would lead to the devpts that is mounted beside it.
  if (fs.statfsSync(path).type !== DEVPTS_SUPER_MAGIC) return undefined;
  return completed(fs.openSync(path, MASTER_FLAGS));
}

function completed(master: number): Pty {
  try {
    checked('ioctl TIOCSPTLCK', ioctlPointer(master, TIOCSPTLCK, Buffer.alloc(4)));
    return { master, slave: checked('ioctl TIOCGPTPEER', ioctlNumber(master, TIOCGPTPEER, SLAVE_FLAGS)) };
  } catch (error) {
    close(master);
    throw error;
  }
}

/** Tells the programs on it (`SIGWINCH`) when that is a change. Characters; the size in pixels is not given. */
export function resizePty({ master }: Pick<Pty, 'master'>, columns: number, rows: number): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  checked('ioctl TIOCSWINSZ', ioctlPointer(master, TIOCSWINSZ, size));
}
