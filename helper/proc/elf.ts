/** What the dynamic loader is told by an ELF file (elf(5), System V ABI). Pure: bytes come from the `read` that is given. */
import { DT_NEEDED, DT_NULL, DT_RPATH, DT_STRTAB, PT_DYNAMIC, PT_INTERP, PT_LOAD } from '../kernel/numbers.ts';

export interface Elf {
  /** `e_machine` with the class, so that two files fit together when these are equal. */
  machine: string;
  /** PT_INTERP: the program loader. */
  interpreter?: string;
  /** DT_NEEDED, DT_RPATH and DT_RUNPATH, as they are written. */
  needed: string[];
  rpath?: string;
  runpath?: string;
}

/** Bytes from `offset`; fewer than `length` only at the end of the file. */
export type ReadAt = (offset: number, length: number) => Buffer;

const DT_RUNPATH = 29;

/** Far more than any real file has. */
const MOST_HEADERS = 512;
const MOST_DYNAMIC_BYTES = 1 << 20;
const MOST_PATH_BYTES = 4096;
const MOST_NEEDED = 1024;

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

/** Undefined when it is no ELF file, or none that makes sense. */
export function parseElf(read: ReadAt): Elf | undefined {
  const header = read(0, 64);
  if (header.length < 52 || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const wide = header[4] === 2;
  const reader = fieldReader(wide, header[5] === 2);
  if (reader === undefined || (wide && header.length < 64)) return undefined;
  const segments = segmentsOf(header, reader, read);
  const elf: Elf = { machine: `${wide ? 64 : 32}-${reader.half(header, 18)}`, needed: [] };
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  if (interpreter !== undefined)
    elf.interpreter = textAt(read, interpreter.offset, Math.min(interpreter.size, MOST_PATH_BYTES));
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic !== undefined) addDynamic(elf, dynamic, segments, reader, read);
  return elf;
}

interface FieldReader {
  wide: boolean;
  half(from: Buffer, at: number): number;
  word(from: Buffer, at: number): number;
  /** An address or offset: 4 or 8 bytes. NaN beyond what a number holds exactly. */
  long(from: Buffer, at: number): number;
}

function fieldReader(wide: boolean, bigEndian: boolean): FieldReader | undefined {
  // No architecture of ours is big-endian.
  if (bigEndian) return undefined;
  return {
    wide,
    half: (from, at) => from.readUInt16LE(at),
    word: (from, at) => from.readUInt32LE(at),
    long: (from, at) => (wide ? exact(from.readBigUInt64LE(at)) : from.readUInt32LE(at)),
  };
}

function exact(value: bigint): number {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;
}

function segmentsOf(header: Buffer, reader: FieldReader, read: ReadAt): Segment[] {
  const { wide, half, word, long } = reader;
  const offset = long(header, wide ? 32 : 28);
  const size = half(header, wide ? 54 : 42);
  const count = Math.min(half(header, wide ? 56 : 44), MOST_HEADERS);
  if (!Number.isSafeInteger(offset) || size < (wide ? 56 : 32)) return [];
  const table = read(offset, size * count);
  const segments: Segment[] = [];
  for (let at = 0; at + size <= table.length; at += size) {
    segments.push({
      type: word(table, at),
      offset: long(table, at + (wide ? 8 : 4)),
      address: long(table, at + (wide ? 16 : 8)),
      size: long(table, at + (wide ? 32 : 16)),
    });
  }
  return segments.filter((one) => [one.offset, one.address, one.size].every(Number.isSafeInteger));
}

function addDynamic(elf: Elf, dynamic: Segment, segments: Segment[], { wide, long }: FieldReader, read: ReadAt): void {
  const table = read(dynamic.offset, Math.min(dynamic.size, MOST_DYNAMIC_BYTES));
  const step = wide ? 16 : 8;
  const entries: [tag: number, value: number][] = [];
  for (let at = 0; at + step <= table.length; at += step) {
    const tag = long(table, at);
    if (tag === DT_NULL) break;
    entries.push([tag, long(table, at + step / 2)]);
  }
  const strings = fileOffset(entries.find(([tag]) => tag === DT_STRTAB)?.[1], segments);
  if (strings === undefined) return;
  const text = (value: number) => (Number.isSafeInteger(value) ? textAt(read, strings + value, MOST_PATH_BYTES) : '');
  for (const [tag, value] of entries) {
    if (tag === DT_NEEDED && elf.needed.length < MOST_NEEDED) elf.needed.push(text(value));
    if (tag === DT_RPATH) elf.rpath = text(value);
    if (tag === DT_RUNPATH) elf.runpath = text(value);
  }
}

function fileOffset(address: number | undefined, segments: Segment[]): number | undefined {
  if (address === undefined) return undefined;
  const holder = segments.find((one) => one.type === PT_LOAD && address >= one.address && address < one.address + one.size);
  return holder === undefined ? undefined : holder.offset + (address - holder.address);
}

/** The text up to its NUL. */
function textAt(read: ReadAt, offset: number, most: number): string {
  const bytes = read(offset, most);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
