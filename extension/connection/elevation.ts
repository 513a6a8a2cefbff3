/** In which ways the helper may be started, one after the other until one works, and with what environment. */

/** As whom the helper is wanted: `quiet` is root where that takes no question, by the setting; `root` and `user` a person chose with a command. */
export type Preference = 'quiet' | 'root' | 'user';

export type Way =
  /** As whoever runs the extension host. */
  | 'direct'
  /** sudo(8) that may not ask: for a rule with NOPASSWD, or a password given a moment ago. */
  | 'sudoQuiet'
  /** sudo(8) that asks for the password through our askpass program. */
  | 'sudoAsking';

/** The ways to try, in order. The last one, unless root was had before, is unprivileged. */
export function waysFor(preference: Preference, uid: number): Way[] {
  if (uid === 0 || preference === 'user') return ['direct'];
  return preference === 'quiet' ? ['sudoQuiet', 'direct'] : ['sudoQuiet', 'sudoAsking', 'direct'];
}

export interface HelperProgram {
  /** VS Code's own Node, `process.execPath`. */
  node: string;
  /** `dist/helper.js`. */
  script: string;
  /** True when `node` is Electron, which is a Node only when `ELECTRON_RUN_AS_NODE` is set. */
  electron: boolean;
}

export interface CommandLine {
  command: string;
  arguments: string[];
}

export function commandLineFor(way: Way, program: HelperProgram): CommandLine {
  const helper = [program.node, program.script];
  if (way === 'direct') return { command: program.node, arguments: [program.script] };
  // sudo resets the environment. A rule must allow this option, so it is left out where nothing needs it.
  const preserved = program.electron ? ['--preserve-env=ELECTRON_RUN_AS_NODE'] : [];
  return { command: 'sudo', arguments: [way === 'sudoQuiet' ? '-n' : '-A', ...preserved, '--', ...helper] };
}

/** What a program started by the helper with the host's tools may need. Everything else stays in VS Code. */
const PASSED_ON = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR|SUDO_(UID|GID|USER))$/;

export function helperEnvironment(environment: NodeJS.ProcessEnv, program: HelperProgram): NodeJS.ProcessEnv {
  const passedOn = Object.fromEntries(Object.entries(environment).filter(([name]) => PASSED_ON.test(name)));
  return program.electron ? { ...passedOn, ELECTRON_RUN_AS_NODE: '1' } : passedOn;
}
