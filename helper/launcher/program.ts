/**
 * Syscall programs: the flat list of steps that the launcher executes, and their encoding for it. `launcher.c` says what the
 * bytes mean and validates them.
 */
import * as numbers from '../kernel/numbers.ts';
import { type SyscallName, syscallNumber } from '../kernel/syscalls.ts';
import type { Said } from '../protocol/sentences.ts';
import { english, said } from '../saying.ts';

/** An argument of a system call, with what is needed to show it to a person. */
export type Argument =
  /** An integer; `text` is how it is written in source code, `CLONE_NEWNET`. */
  | { type: 'integer'; value: number | bigint; text?: string }
  /** An open file that the launcher gets from the helper; `text` says which, `/proc/7/ns/net`. */
  | { type: 'descriptor'; value: number; text: string }
  /** A pointer to a NUL-terminated string. */
  | { type: 'string'; value: string | Buffer }
  /** A pointer to a NULL-terminated array of such pointers. */
  | { type: 'strings'; values: (string | Buffer)[] }
  /** A pointer to a structure, aligned to 8 bytes; `text` is how it is shown, `{rlim_cur=1024, rlim_max=4096}`. */
  | { type: 'bytes'; value: Buffer; text: string }
  /** A pointer to a `struct sock_fprog` with these instructions, of 8 bytes each. */
  | { type: 'filter'; value: Buffer; text: string }
  /** A pointer to an array of `struct iovec`: what is written are these parts, of buffers that other steps may have read into. */
  | { type: 'vectors'; parts: Part[]; text: string }
  /** What the step before, at this index, returned. */
  | { type: 'result'; step: number };

/** Bytes of a buffer that are the argument of a step, as they are then. */
export interface Part {
  buffer: Buffer;
  offset: number;
  length: number;
}

interface StepBase {
  /** What it is for, in words that complete "could not …": `enter the net namespace`. */
  purpose: Said;
  /** Go on when it fails. */
  ignoreError?: boolean;
  /** Go on when it fails because nothing is there: ENOENT, ENOTDIR. */
  ignoreLacking?: boolean;
  /** It runs only if the step of this index, before it, ran and succeeded, or failed. Of system calls only. */
  condition?: { step: number; failed: boolean };
  /** Report that it is arrived at: what closes the socket is a start only then. */
  announce?: boolean;
  /** Report the result also when that is a success, or an ignored failure. */
  reportResult?: boolean;
  /** What is told of the sandbox when it was reported to have failed. */
  note?: Said;
}

export type Step =
  | (StepBase & { kind: 'syscall'; name: SyscallName; arguments: Argument[] })
  /**
   * The child goes on; the parent hands on signals, waits, and ends as the child ends. Its result, the
   * child's pid, is always reported. `cgroup` is a descriptor of the cgroup (v2) that the child begins in; to `status` the parent
   * writes the child's wait status (wait(2), 4 bytes) before it ends. With `keeper` the parent stays outside of what the child goes into, and
   * leaves the killing to it, which forks again: the word is as long as the first of the parent's title, and takes its place.
   */
  | (StepBase & { kind: 'fork'; cgroup?: Argument; status?: Argument; keeper?: string })
  /** The same for a parent that is the pid 1 of its pid namespace. It keeps no capability but `CAP_KILL`. */
  | (StepBase & { kind: 'init'; cgroup?: Argument; status?: Argument })
  /**
   * Reports that it is here and waits for the helper's go. Its result is the descriptor that the helper hands over, if it does. `awaits` says for
   * what, in a program that waits for several things.
   */
  | (StepBase & { kind: 'sync'; awaits?: string })
  /** Asks for this signal when the parent dies, and ends if it has died already. */
  | (StepBase & { kind: 'tether'; signal: number })
  /** The program ends before it. System calls after it are made by the first process when it ends, however far it came. */
  | (StepBase & { kind: 'finally' });

export interface SyscallProgram {
  steps: Step[];
  /** How many descriptors the launcher keeps, counted from 0; 3 is its socket. Every other one is closed. */
  descriptors: number;
  /** As the launcher reads it, where it was encoded already. */
  encoded?: Buffer;
}

/** The descriptor of the launcher's socket. */
export const LAUNCHER_SOCKET = 3;
/** Told to a parent that waits: kill the child's process group. Also what it asks for when the helper dies. */
export const KILL_GROUP_SIGNAL = 64;

const MAGIC = 0x314f5349;
const VERSION = 1;
const HEADER_BYTES = 24;
const STEP_BYTES = 64;
const KINDS = { syscall: 1, fork: 2, init: 3, sync: 4, tether: 5, finally: 6 } as const;
const IGNORE_ERROR = 1;
const REPORT_RESULT = 2;
const IF_FAILED = 4;
const IGNORE_LACKING = 8;
const ANNOUNCE = 16;
/** How far the step may be that a condition names. */
const MAX_DISTANCE = 0xffff;
const INTEGER = 0;
const POINTER = 1;
const RESULT = 2;
/** The launcher's own limits: whatever the schemas of requests let through is within them. */
export const MAX_STEPS = 131_072;
export const MAX_DATA_BYTES = 33_554_432;
export const MAX_RELOCATIONS = 1_048_576;
export const MAX_DESCRIPTORS = 512;

export const integer = (value: number | bigint, text?: string): Argument =>
  text === undefined ? { type: 'integer', value } : { type: 'integer', value, text };
const NUMBERS = { ...numbers };
/** A number of the kernel's interface, which is told by its name. */
export const named = (name: keyof typeof NUMBERS): Argument => integer(NUMBERS[name], name);
export const string = (value: string | Buffer): Argument => ({ type: 'string', value });
export const strings = (values: (string | Buffer)[]): Argument => ({ type: 'strings', values });
export const bytes = (value: Buffer, text: string): Argument => ({ type: 'bytes', value, text });
export const filter = (value: Buffer, text: string): Argument => ({ type: 'filter', value, text });
export const vectors = (parts: Part[], text: string): Argument => ({ type: 'vectors', parts, text });
export const descriptor = (value: number, text: string): Argument => ({ type: 'descriptor', value, text });
export const result = (step: number): Argument => ({ type: 'result', step });

/** A program is over one of the launcher's limits; `what` says of which things it has how many, and how many it may have. */
export class ProgramTooLarge extends RangeError {
  readonly text: Said;

  constructor(text: Said) {
    super(english(text));
    this.text = text;
  }
}

type TooMany = 'tooManySteps' | 'tooManyOpenFiles' | 'tooManyBytes' | 'tooManyPointers';

function checkSize(count: number, most: number, tooMany: TooMany): void {
  if (count > most) throw new ProgramTooLarge(said(tooMany, count, most));
}

/** The program as the launcher reads it. Throws a `ProgramTooLarge`. */
export function encodeProgram(program: SyscallProgram, architecture: string = process.arch): Buffer {
  checkSize(program.steps.length, MAX_STEPS, 'tooManySteps');
  checkSize(program.descriptors, MAX_DESCRIPTORS, 'tooManyOpenFiles');
  const data = new DataSection();
  const steps = Buffer.alloc(program.steps.length * STEP_BYTES);
  program.steps.forEach((step, index) => {
    encodeStep(step, index, steps.subarray(index * STEP_BYTES, (index + 1) * STEP_BYTES), data, architecture);
  });
  const content = data.content();
  checkSize(content.length, MAX_DATA_BYTES, 'tooManyBytes');
  checkSize(data.relocations.length, MAX_RELOCATIONS, 'tooManyPointers');
  const header = Buffer.alloc(HEADER_BYTES);
  [MAGIC, VERSION, program.steps.length, content.length, data.relocations.length, program.descriptors].forEach(
    (field, index) => {
      header.writeUInt32LE(field, index * 4);
    },
  );
  const relocations = Buffer.alloc(data.relocations.length * 4);
  data.relocations.forEach((offset, index) => {
    relocations.writeUInt32LE(offset, index * 4);
  });
  return Buffer.concat([header, steps, relocations, content]);
}

/** `struct step`: kind 2, flags 2, number 4, arguments 6 × 8, their kinds 6, condition 2. */
function encodeStep(step: Step, index: number, into: Buffer, data: DataSection, architecture: string): void {
  into.writeUInt16LE(KINDS[step.kind], 0);
  into.writeUInt16LE(flagsOf(step), 2);
  into.writeUInt32LE(step.kind === 'syscall' ? syscallNumber(step.name, architecture) : 0, 4);
  argumentsOf(step).forEach((argument, place) => {
    const [kind, value] = encodeArgument(argument, data);
    writeInteger(into, value, 8 + place * 8);
    into.writeUInt8(kind, 56 + place);
  });
  if (step.condition !== undefined) into.writeUInt16LE(distanceOf(step.condition.step, index), 62);
}

function flagsOf({ ignoreError, reportResult, ignoreLacking, announce, condition }: Step): number {
  return (
    (ignoreError ? IGNORE_ERROR : 0) |
    (reportResult ? REPORT_RESULT : 0) |
    (condition?.failed ? IF_FAILED : 0) |
    (ignoreLacking ? IGNORE_LACKING : 0) |
    (announce ? ANNOUNCE : 0)
  );
}

function distanceOf(decisive: number, index: number): number {
  const distance = index - decisive;
  if (distance > 0 && distance <= MAX_DISTANCE) return distance;
  throw new RangeError('a condition of a syscall program names no step that is shortly before');
}

/** 64 bits, two's complement. Nearly all are small, and a BigInt for each would take longer than all the rest. */
function writeInteger(into: Buffer, value: number | bigint, offset: number): void {
  if (typeof value === 'number' && value >= 0 && value <= 0xffff_ffff) into.writeUInt32LE(value, offset);
  else into.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), offset);
}

function argumentsOf(step: Step): Argument[] {
  switch (step.kind) {
    case 'syscall':
      return step.arguments;
    case 'tether':
      return [integer(step.signal)];
    case 'fork':
      return [...keptOf(step), step.keeper === undefined ? integer(0) : string(step.keeper)];
    case 'init':
      return keptOf(step);
    case 'sync':
    case 'finally':
      return [];
  }
}

function keptOf({ cgroup, status }: { cgroup?: Argument; status?: Argument }): Argument[] {
  return [cgroup ?? integer(0), status ?? integer(0)];
}

function encodeArgument(argument: Argument, data: DataSection): [kind: number, value: number | bigint] {
  switch (argument.type) {
    case 'integer':
    case 'descriptor':
      return [INTEGER, argument.value];
    case 'string':
      return [POINTER, data.addString(argument.value)];
    case 'strings':
      return [POINTER, data.addStrings(argument.values)];
    case 'bytes':
      return [POINTER, data.addBytes(argument.value)];
    case 'filter':
      return [POINTER, data.addFilter(argument.value)];
    case 'vectors':
      return [POINTER, data.addVectors(argument.parts)];
    case 'result':
      return [RESULT, argument.step];
  }
}

/** The bytes that pointers point into. Equal strings are stored once, and a list that several steps name, like an environment, is looked at once. */
class DataSection {
  readonly relocations: number[] = [];
  private readonly parts: Buffer[] = [];
  private readonly known = new Map<string, number>();
  private readonly buffers = new Map<Buffer, number>();
  private readonly lists = new Map<readonly (string | Buffer)[], number>();
  private length = 0;

  content(): Buffer {
    return Buffer.concat(this.parts, this.length);
  }

  addString(value: string | Buffer): number {
    const content = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    if (content.includes(0)) throw new RangeError('a string of a syscall program contains a NUL');
    return this.once(`string ${content.toString('latin1')}`, () => this.append(Buffer.concat([content, Buffer.of(0)])));
  }

  /** The same buffer is the same place: what one step reads into, another may write from. */
  addBytes(value: Buffer): number {
    let offset = this.buffers.get(value);
    if (offset === undefined) {
      this.align();
      // A pointer must point into the data, even one to nothing.
      offset = this.append(value.length === 0 ? Buffer.alloc(8) : value);
      this.buffers.set(value, offset);
    }
    return offset;
  }

  /** `struct sock_fprog`: the number of instructions, 2 bytes and 6 of padding, and a pointer to them. */
  addFilter(instructions: Buffer): number {
    const at = this.addBytes(instructions);
    this.align();
    const header = Buffer.alloc(16);
    header.writeUInt16LE(instructions.length / 8, 0);
    header.writeUInt32LE(at, 8);
    this.relocations.push(this.length + 8);
    return this.append(header);
  }

  /** `struct iovec`: a pointer, and a length of 8 bytes. */
  addVectors(parts: readonly Part[]): number {
    const places = parts.map(({ buffer, offset }) => this.addBytes(buffer) + offset);
    this.align();
    const array = Buffer.alloc(parts.length * 16);
    parts.forEach(({ length }, index) => {
      writeInteger(array, places[index]!, index * 16);
      writeInteger(array, length, index * 16 + 8);
      this.relocations.push(this.length + index * 16);
    });
    return this.append(array);
  }

  addStrings(values: readonly (string | Buffer)[]): number {
    const known = this.lists.get(values);
    if (known !== undefined) return known;
    const added = this.addNewStrings(values);
    this.lists.set(values, added);
    return added;
  }

  private addNewStrings(values: readonly (string | Buffer)[]): number {
    const offsets = values.map((value) => this.addString(value));
    return this.once(`strings ${offsets.join()}`, () => {
      this.align();
      const array = Buffer.alloc((offsets.length + 1) * 8);
      offsets.forEach((offset, index) => {
        writeInteger(array, offset, index * 8);
        this.relocations.push(this.length + index * 8);
      });
      return this.append(array);
    });
  }

  private once(key: string, add: () => number): number {
    let offset = this.known.get(key);
    if (offset === undefined) {
      offset = add();
      this.known.set(key, offset);
    }
    return offset;
  }

  private align(): void {
    const excess = this.length % 8;
    if (excess > 0) this.append(Buffer.alloc(8 - excess));
  }

  private append(content: Buffer): number {
    const offset = this.length;
    this.parts.push(content);
    this.length += content.length;
    return offset;
  }
}
