/** Collecting the steps of a syscall program. */
import { Failure } from '../failure.ts';
import type { SyscallName } from '../kernel/syscalls.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import {
  type Argument,
  descriptor,
  encodeProgram,
  LAUNCHER_SOCKET,
  ProgramTooLarge,
  result,
  type Step,
  type SyscallProgram,
} from './program.ts';

export interface CompiledSteps {
  program: SyscallProgram;
  /** Descriptors of the helper that become 4, 5, … in the launcher. */
  descriptors: number[];
}

function tooLarge({ text }: ProgramTooLarge, lists: Readonly<Record<string, unknown>>): Failure {
  const lengths = Object.entries(lists).map(([field, list]): [string, number] => [field, JSON.stringify(list ?? []).length]);
  const [longest] = lengths.toSorted(([, one], [, other]) => other - one);
  const hint = longest === undefined ? {} : { hint: said('makeListShorter', longest[0]) };
  return new Failure('invalid', text, hint);
}

export type StepFlags = Pick<Step, 'ignoreError' | 'ignoreLacking' | 'reportResult' | 'note' | 'announce'>;

/** Collects steps, and the descriptors that they name. */
export class Steps {
  private readonly steps: Step[] = [];
  private readonly descriptors: number[] = [];
  private readonly slots: number[] = [];
  private condition: Step['condition'];

  /** How many there are: the index of the next. */
  get count(): number {
    return this.steps.length;
  }

  add(step: Step): Argument {
    this.steps.push(this.condition === undefined ? step : { ...step, condition: this.condition });
    return result(this.steps.length - 1);
  }

  call(name: SyscallName, values: Argument[], purpose: Said, flags: StepFlags = {}): Argument {
    return this.add({ kind: 'syscall', name, arguments: values, purpose, ...flags });
  }

  /** What `add` adds, system calls only, runs if the step of that result succeeded. Within another such it also hangs on that one, if its step does. */
  ifDone<T>(result: Argument, add: () => T): T {
    return this.under(result, false, add);
  }

  /** The same, if that step ran and failed. */
  ifFailed<T>(result: Argument, add: () => T): T {
    return this.under(result, true, add);
  }

  private under<T>(result: Argument, failed: boolean, add: () => T): T {
    if (result.type !== 'result') throw new TypeError('a condition is the result of a step');
    const outer = this.condition;
    this.condition = { step: result.step, failed };
    try {
      return add();
    } finally {
      this.condition = outer;
    }
  }

  /** The number that a descriptor of the helper has in the launcher. */
  descriptor(held: number, text: string): Argument {
    let index = this.descriptors.indexOf(held);
    if (index === -1) index = this.descriptors.push(held) - 1;
    return descriptor(LAUNCHER_SOCKET + 1 + index, text);
  }

  /**
   * A number of the launcher at which nothing is opened, for dup3(2) to put something there whose name in /proc/self/fd must be known beforehand. Until then
   * the first descriptor of the helper lies there, too.
   */
  slot(index: number): number {
    const [placeholder] = this.descriptors;
    if (placeholder === undefined) throw new Error('a slot needs a descriptor that lies there first');
    while (this.slots.length <= index) this.slots.push(LAUNCHER_SOCKET + this.descriptors.push(placeholder));
    return this.slots[index]!;
  }

  /**
   * Throws a `Failure` when there is more of it than the launcher takes, be it only to be shown; `lists` are what it was made of, by their fields, of
   * which the longest is named then.
   */
  compiled(lists: () => Readonly<Record<string, unknown>> = () => ({})): CompiledSteps {
    const program = { steps: this.steps, descriptors: LAUNCHER_SOCKET + 1 + this.descriptors.length };
    try {
      return { program: { ...program, encoded: encodeProgram(program) }, descriptors: this.descriptors };
    } catch (error) {
      throw error instanceof ProgramTooLarge ? tooLarge(error, lists()) : error;
    }
  }
}
