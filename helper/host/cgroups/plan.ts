/** What a change comes to: the files to write, with which text, in which order. Nothing is written here. */
import fs from 'node:fs';
import { Failure, type FieldPath, inFieldLater } from '../../failure.ts';
import { close } from '../../kernel/files.ts';
import { hasEnded, openPidfd } from '../../kernel/pidfd.ts';
import { bytesOfName } from '../../proc/fileName.ts';
import type { CgroupChange } from '../../protocol/cgroups.ts';
import type { ProcessRef } from '../../protocol/processes.ts';
import { said } from '../../saying.ts';
import { readStartTime } from '../processReader.ts';
import { isComponent, listNames, type OpenCgroup, openFile } from './directory.ts';
import {
  planCpuLimit,
  planCpuWeight,
  planIoLimit,
  planMemoryHigh,
  planMemoryLimit,
  planSwapLimit,
  planTasksLimit,
} from './limitPlan.ts';
import { membersBelow } from './members.ts';
import { directoryRefusal, fileRefusal } from './refusals.ts';
import { invalid, type Step, type WriteStep, writeStep } from './steps.ts';

/**
 * Throws a `Failure`: `invalid` for values that the kernel cannot take, `notFound` or `unsupported` for what this cgroup does not have, `permission` for
 * what the helper may not write. It names the field, `at` being where the request has the change.
 */
export async function planChange(cgroup: OpenCgroup, change: CgroupChange, at: FieldPath = ['change']): Promise<Step[]> {
  const steps = await stepsOf(cgroup, change, at);
  // Opening writes nothing; a refusal should come before the first write, not between two.
  for (const step of steps) if (step.do === 'write') close(openToWrite(cgroup, step.file));
  return steps;
}

type WholeChange = Extract<CgroupChange, { kind: 'freeze' | 'kill' | 'remove' }>;

async function stepsOf(cgroup: OpenCgroup, change: CgroupChange, at: FieldPath): Promise<Step[]> {
  switch (change.kind) {
    case 'freeze':
      return planFreeze(cgroup, change.frozen);
    case 'kill':
      return planKill(cgroup);
    case 'remove':
      return planRemove(cgroup);
    default:
      return inFieldLater(at, () => stepsOfValue(cgroup, change));
  }
}

async function stepsOfValue(cgroup: OpenCgroup, change: Exclude<CgroupChange, WholeChange>): Promise<Step[]> {
  switch (change.kind) {
    case 'cpuLimit':
      return planCpuLimit(cgroup, change.quotaMicros, change.periodMicros);
    case 'cpuWeight':
      return planCpuWeight(cgroup, change.weight);
    case 'memoryLimit':
      return planMemoryLimit(cgroup, change.limitBytes);
    case 'memoryHigh':
      return planMemoryHigh(cgroup, change.limitBytes);
    case 'swapLimit':
      return planSwapLimit(cgroup, change.limitBytes);
    case 'tasksLimit':
      return planTasksLimit(cgroup, change.limit);
    case 'ioLimit':
      return planIoLimit(cgroup, change);
    case 'create':
      return planCreate(cgroup, change.name);
    case 'move':
      return planMove(cgroup, change.process);
    case 'controller':
      return planController(cgroup, change.controller, change.enabled);
    case 'write':
      return [await planWrite(cgroup, change.file, change.text)];
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes

async function planFreeze(cgroup: OpenCgroup, frozen: boolean): Promise<WriteStep[]> {
  if (cgroup.ref.path === '/') throw invalid(['cgroup'], said('rootCgroupCannotBeFrozen'), said('chooseCgroupBelow'));
  if (cgroup.version === 2) return [await writeStep(cgroup, 'cgroup.freeze', frozen ? '1' : '0')];
  return [await writeStep(cgroup, 'freezer.state', frozen ? 'FROZEN' : 'THAWED')];
}

function planKill(cgroup: OpenCgroup): Step[] {
  if (cgroup.ref.path !== '/') return [{ do: 'kill' }];
  throw invalid(['cgroup'], said('rootCgroupIsNotKilled'), said('chooseCgroupBelow'));
}

function planMove(cgroup: OpenCgroup, process: ProcessRef): Step[] {
  close(holdProcess(process));
  close(openToWrite(cgroup, 'cgroup.procs'));
  return [{ do: 'move', process }];
}

/** A pidfd of exactly that process. Throws a `Failure`, `gone`. */
export function holdProcess({ pid, startTime }: ProcessRef): number {
  const gone = () => new Failure('gone', said('processHasEnded', pid), { hint: said('refreshViewAndChooseAnotherProcess') });
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch {
    throw gone();
  }
  // Read after the pidfd was opened: of the process that it holds, unless that one has ended.
  if (readStartTime(pid) === startTime && !hasEnded(pidfd)) return pidfd;
  close(pidfd);
  throw gone();
}

// ---------------------------------------------------------------------------------------------------------------------
// The tree

function planCreate(cgroup: OpenCgroup, name: string): Step[] {
  const bytes = bytesOfName(name);
  if (bytes === undefined || !isComponent(bytes)) {
    throw invalid(['name'], said('isNoNameOfCgroup'), said('giveNameOfCgroup'));
  }
  // The kernel refuses it, so that /proc/PID/cgroup stays a line for each hierarchy.
  if (name.includes('\n')) throw invalid(['name'], said('nameOfCgroupHasLineBreak'), said('leaveItOut'));
  demandWritable(cgroup, '.', name);
  return [{ do: 'mkdir', name }];
}

function planRemove(cgroup: OpenCgroup): Step[] {
  if (cgroup.ref.path === '/') throw invalid(['cgroup'], said('rootOfHierarchyCannotBeRemoved'), said('chooseCgroupBelow'));
  demandWritable(cgroup, '..', undefined);
  const children = listNames(cgroup.fd).cgroups.length;
  const processes = membersBelow(cgroup.fd).pids.size;
  if (children === 0 && processes === 0) return [{ do: 'rmdir' }];
  throw new Failure('busy', said('cgroupIsInUse', cgroup.directory, processes, children), {
    hint: said('moveOrKillProcessesFirst'),
  });
}

/** Of the directory in which the name is made or, without one, this cgroup removed. */
function demandWritable(cgroup: OpenCgroup, directory: '.' | '..', name: string | undefined): void {
  try {
    fs.accessSync(`/proc/self/fd/${cgroup.fd}/${directory}`, fs.constants.W_OK);
  } catch (error) {
    throw directoryRefusal(cgroup, name, error);
  }
}

async function planController(cgroup: OpenCgroup, controller: string, enabled: boolean): Promise<WriteStep[]> {
  if (cgroup.version === 1) {
    throw new Failure('unsupported', said('v1ControllersActEverywhere'), {
      hint: said('createInHierarchyOfController'),
    });
  }
  return [await writeStep(cgroup, 'cgroup.subtree_control', `${enabled ? '+' : '-'}${controller}`)];
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

async function planWrite(cgroup: OpenCgroup, file: string, text: string): Promise<WriteStep> {
  if (text === '') throw inText(fileRefusal(cgroup, file, 'write', NO_TEXT));
  close(openToWrite(cgroup, file));
  return writeStep(cgroup, file, text);
}

function inText(refusal: Failure): Failure {
  return new Failure(refusal.reason, refusal.text, { ...refusal.data, field: ['text'] });
}

/** What the kernel answers to text that it cannot read. */
const NO_TEXT = Object.assign(new Error('EINVAL'), { code: 'EINVAL' });

/** A descriptor of one of its files. Throws a `Failure` that says why it cannot be written. */
export function openToWrite(cgroup: OpenCgroup, file: string): number {
  try {
    return openFile(cgroup.fd, file, fs.constants.O_WRONLY);
  } catch (error) {
    throw fileRefusal(cgroup, file, 'write', error);
  }
}
