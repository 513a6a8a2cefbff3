/** Where the files of a cgroup are read while its hierarchy is walked: relative to the directory above, which is open already. */

import {
  close,
  type DirectoryStatus,
  directoryStatus,
  O_DIRECTORY,
  openAt,
  readBytes,
  readNumberLines,
} from '../../kernel/files.ts';
import { EBUSY, O_PATH } from '../../kernel/numbers.ts';
import { bytesOfName, isPlainName } from '../../proc/fileName.ts';

/** The directory is opened only when it must be: thousands of cgroups have no children and need it not. */
export class Place implements Disposable {
  private readonly parent: Place | undefined;
  private readonly name: string;
  private readonly isPlain: boolean;
  private opened: number | undefined;
  private readonly refused: ReadonlySet<string> | undefined;

  /** Without a parent `opened` is the directory of the root, which is closed with this. Files that are `refused` answer EBUSY. */
  constructor(parent: Place | undefined, name: string, opened?: number, refused?: ReadonlySet<string>) {
    this.refused = refused;
    this.parent = parent;
    this.name = name;
    this.opened = opened;
    // A name that is not UTF-8 cannot be part of a path that is text.
    this.isPlain = parent !== undefined && isPlainName(name);
  }

  /** `-errno` when it cannot be opened. */
  get fd(): number {
    this.opened ??= openAt(this.parent?.fd ?? -1, pathOf(this.name), O_PATH | O_DIRECTORY);
    return this.opened;
  }

  /** The file's bytes, valid until the next reading, or `-errno`. */
  read(file: string): Buffer | number {
    if (this.refused?.has(file)) return -EBUSY;
    return this.isPlain ? readBytes(this.parent!.fd, `${this.name}/${file}`) : readBytes(this.fd, file);
  }

  /** A descriptor of the file, which the caller closes, or `-errno`. */
  open(file: string): number {
    return this.isPlain ? openAt(this.parent!.fd, `${this.name}/${file}`, 0) : openAt(this.fd, file, 0);
  }

  /** The ids of processes or threads that the file lists, or `-errno`. */
  readIds(file: string): number[] | number {
    if (this.refused?.has(file)) return -EBUSY;
    return this.isPlain ? readNumberLines(this.parent!.fd, `${this.name}/${file}`) : readNumberLines(this.fd, file);
  }

  status(): DirectoryStatus | number {
    return this.isPlain ? directoryStatus(this.parent!.fd, this.name) : directoryStatus(this.fd, '');
  }

  /** A path that leads to it whatever it is called, for inotify(7). */
  get path(): string {
    return this.isPlain ? `/proc/self/fd/${this.parent!.fd}/${this.name}` : `/proc/self/fd/${this.fd}`;
  }

  [Symbol.dispose](): void {
    if (this.opened !== undefined && this.opened >= 0) close(this.opened);
    this.opened = undefined;
  }
}

/** The bytes of a name with their final NUL, or the name itself when it is plain text. */
function pathOf(name: string): string | Buffer {
  if (isPlainName(name)) return name;
  return Buffer.concat([bytesOfName(name) ?? Buffer.alloc(0), Buffer.of(0)]);
}
