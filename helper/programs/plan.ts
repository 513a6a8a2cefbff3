/** From a request to a plan: everything a program needs, found and held open, before anything is started. */

import fs from 'node:fs';
import { Failure } from '../failure.ts';
import { readFileInRoot } from '../host/fileInRoot.ts';
import { O_DIRECTORY } from '../kernel/files.ts';
import { O_PATH } from '../kernel/numbers.ts';
import { append } from '../lists.ts';
import { type PasswdEntry, parsePasswdEntries } from '../proc/passwd.ts';
import type { ProgramParams } from '../protocol/programs.ts';
import type { Said } from '../protocol/sentences.ts';
import { said } from '../saying.ts';
import { type HeldCgroups, holdCgroups } from './cgroups.ts';
import { enteredAs, environmentInside } from './enteredAs.ts';
import { DEFAULT_PATH, Environment } from './environment.ts';
import { filtersOf, type SeccompFilter } from './filters.ts';
import { type Identity, identityOf, own } from './identity.ts';
import { type HeldProcess, type HeldTarget, holdTarget, type OpenNamespace } from './target.ts';

/** One way to start the program; the next is tried when there is no such file. */
export interface Candidate {
  path: string;
  arguments: string[];
}

export interface Plan {
  target: HeldTarget;
  identity: Identity;
  /** The root and working directory of the process, held open. */
  root?: { descriptor: number; name: string };
  workingDirectory?: { descriptor: number; name: string };
  /** A path inside, which replaces the working directory. */
  directory?: string;
  cgroups?: HeldCgroups;
  environment: Environment;
  /** To be loaded in this order. */
  seccomp: SeccompFilter[];
  candidates: Candidate[];
  /** The command as asked for, or the shell. */
  command: string[];
  /** True when nothing was asked for and a shell is looked for. */
  shell: boolean;
  terminal: boolean;
  /** Name of the user it runs as, else the uid. */
  user: string;
  differences: Said[];
  dispose(): void;
}

export interface PlanOptions {
  terminal: boolean;
  openNamespace: OpenNamespace;
  /** Nothing is to be started. */
  isShown?: boolean;
}

const MAX_PASSWD_BYTES = 64 * 1024;
/** Tried in this order after the user's own. */
export const SHELLS = ['bash', 'sh', 'ash'];
/** Shells that only say goodbye. */
const NOT_SHELLS = ['nologin', 'false', 'true', 'sync', 'halt', 'shutdown'];

/** Throws a `Failure` and holds nothing when the program could not be started as asked. */
export async function makePlan(params: ProgramParams, options: PlanOptions): Promise<Plan> {
  const target = holdTarget(params, options.openNamespace);
  const disposables = [() => target.dispose()];
  const dispose = () => {
    for (const close of disposables.splice(0)) close();
  };
  try {
    const entersMount = target.namespaces.some(({ kind }) => kind === 'mnt');
    const takesRoot = target.process !== undefined && (params.root ?? (entersMount || target.complete));
    if (params.root === true && target.process === undefined) {
      throw new Failure('invalid', said('rootNeedsProcess'), {
        field: ['root'],
      });
    }
    const root = takesRoot ? await rootOf(target.process!) : undefined;
    const { as, record } = await enteredAs(params, target, root?.root.descriptor);
    const identity = identityOf(as, target);
    const plan: Plan = {
      target,
      identity,
      seccomp: [],
      ...root,
      environment: takesRoot ? await environmentInside(target.process!, record, identity.differences) : Environment.plain(),
      candidates: [],
      command: params.command ?? [],
      shell: params.command === undefined,
      terminal: options.terminal,
      user: '',
      differences: identity.differences,
      dispose,
    };
    if (takesRoot) plan.environment.setUnlessPresent('PATH', DEFAULT_PATH);
    else if (entersMount) plan.environment.set('PATH', DEFAULT_PATH);
    if (params.directory !== undefined) plan.directory = params.directory;
    joinCgroups(plan, params.cgroup, disposables);
    if (as.who !== 'root' && target.process !== undefined) {
      const wish = { without: params.seccomp === 'none', isShown: options.isShown === true };
      plan.seccomp = await filtersOf(target.process, wish, identity.differences);
    }
    await setUser(plan, { entersMount, home: record === undefined ? '/root' : '/' });
    if (options.terminal) setTerminal(plan.environment, record !== undefined);
    for (const [name, value] of Object.entries(params.environment ?? {})) plan.environment.set(name, value);
    if (!plan.shell) plan.candidates = inPath(plan.environment, params.command!);
    target.check();
    return plan;
  } catch (error) {
    dispose();
    throw error;
  }
}

async function rootOf(held: HeldProcess): Promise<Required<Pick<Plan, 'root' | 'workingDirectory'>>> {
  const { pid } = held.ref;
  const open = async (link: 'root' | 'cwd', what: Said) => ({
    descriptor: await held.openLinked(link, O_PATH | O_DIRECTORY, what),
    name: `/proc/${pid}/${link}`,
  });
  return {
    root: await open('root', said('theRootDirectory')),
    workingDirectory: await open('cwd', said('theWorkingDirectory')),
  };
}

/** What engines set is what images are made for: few have a description of another terminal (terminfo(5)). */
function setTerminal(environment: Environment, isAsEngine: boolean): void {
  if (isAsEngine) environment.setUnlessPresent('TERM', 'xterm');
  else environment.set('TERM', 'xterm-256color');
}

/** By default the cgroups are joined with a whole container, where the helper has the right to. */
function joinCgroups(plan: Plan, asked: boolean | undefined, disposables: (() => void)[]): void {
  const held = plan.target.process;
  if (!(asked ?? plan.target.complete)) return;
  if (held === undefined) throw new Failure('invalid', said('cgroupsNeedProcess'), { field: ['cgroup'] });
  if (asked === undefined && !own().privileged) {
    plan.differences.push(said('differsCgroupsNotJoined'));
    return;
  }
  const cgroups = holdCgroups(held);
  disposables.push(() => cgroups.dispose());
  plan.cgroups = cgroups;
  append(plan.differences, cgroups.differences);
}

/**
 * What `/etc/passwd` says about the user: name, home, shell. It is read only when something of it is needed. `home` is root's where it says nothing,
 * which for engines is the root directory.
 */
async function setUser(plan: Plan, { entersMount, home }: { entersMount: boolean; home: string }): Promise<void> {
  const uid = plan.identity.uid ?? own().uid;
  const needed = plan.terminal || plan.shell || !plan.environment.has('HOME');
  // Of a mount namespace without a process there is no directory to read from.
  const unreachable = entersMount && plan.root === undefined;
  const entry = needed && !unreachable ? await passwdEntry(plan, uid) : undefined;
  plan.user = entry?.name ?? (uid === 0 ? 'root' : String(uid));
  plan.environment.setUnlessPresent('HOME', entry?.home ?? (uid === 0 ? home : '/'));
  if (plan.root === undefined) {
    plan.environment.set('USER', plan.user);
    plan.environment.set('LOGNAME', plan.user);
  }
  if (!plan.shell) return;
  const shells = [...(entry !== undefined && isShell(entry.shell) ? [entry.shell] : []), ...SHELLS];
  plan.candidates = shells.flatMap((shell) => inPath(plan.environment, [shell]));
  plan.command = plan.candidates[0]!.arguments;
}

async function passwdEntry({ root: reached, differences }: Plan, uid: number): Promise<PasswdEntry | undefined> {
  const root = reached?.descriptor;
  const directory = root ?? fs.openSync('/', O_PATH | O_DIRECTORY);
  try {
    const content = await readFileInRoot(directory, 'etc/passwd', MAX_PASSWD_BYTES);
    return content === undefined ? undefined : parsePasswdEntries(content.toString('utf8')).get(uid);
  } catch (error) {
    if (!(error instanceof Failure) || error.reason !== 'busy') throw error;
    differences.push(said('differsUserNotLookedUp', error.text));
    return undefined;
  } finally {
    if (root === undefined) fs.closeSync(directory);
  }
}

function isShell(shell: string): boolean {
  return shell.startsWith('/') && !NOT_SHELLS.includes(shell.slice(shell.lastIndexOf('/') + 1));
}

/** The paths at which execvp(3) would look for it. An empty part of PATH is the working directory, and so is left out. */
export function inPath(environment: Environment, command: string[]): Candidate[] {
  const [name = ''] = command;
  if (name.includes('/')) return [{ path: name, arguments: command }];
  const folders = (environment.get('PATH') ?? DEFAULT_PATH).split(':').filter((folder) => folder.startsWith('/'));
  return [...new Set(folders)].slice(0, 32).map((folder) => ({ path: `${folder}/${name}`, arguments: command }));
}
