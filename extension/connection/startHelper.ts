/** Starts the helper in the first way that works, as root when that is wanted. Knows nothing of VS Code. */
import { ErrorCodes, ResponseError } from 'vscode-jsonrpc';
import { Initialize, type InitializeResult, PROTOCOL_VERSION } from '../../helper/protocol/host.ts';
import { commandLineFor, type HelperProgram, helperEnvironment, type Preference, type Way, waysFor } from './elevation.ts';
import { type Ending, HelperProcess } from './helperProcess.ts';
import { type AskForPassword, type AskpassProgram, servePasswords } from './passwordServer.ts';
import { Patience } from './patience.ts';

/** Why a helper that was to be root is not. */
export type WithoutRoot =
  /** It was not asked for: by the setting or a command. */
  | { why: 'chosen' }
  /** sudo wants a password, which nobody has been asked for. */
  | { why: 'passwordNeeded' }
  /** The person closed the password box. */
  | { why: 'declined' }
  | { why: 'noSudo' }
  /** sudo said no; `detail` is what it wrote. */
  | { why: 'refused'; detail: string };

export interface StartOptions {
  preference: Preference;
  uid: number;
  program: HelperProgram;
  askpass: AskpassProgram;
  /** Where a private folder may be made, see `servePasswords`. */
  folders: string[];
  askForPassword: AskForPassword;
  onLogLine: (line: string) => void;
}

export interface Started {
  helper: HelperProcess;
  host: InitializeResult;
  /** Absent when it runs as root. */
  withoutRoot?: WithoutRoot;
}

/** The helper could not be started in any way, or the start was given up. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
  readonly ending: Ending | 'timeout' | 'abandoned';

  constructor(ending: Ending | 'timeout' | 'abandoned') {
    super(typeof ending === 'string' ? ending : ending.lastWords);
    this.ending = ending;
  }
}

/** For everything but waiting for a person. sudo may ask a directory service, which can be slow. */
const START_MILLIS = 60_000;

/** @throws StartFailure */
export async function startHelper(options: StartOptions, abandoned: AbortSignal): Promise<Started> {
  let withoutRoot: WithoutRoot | undefined = options.preference === 'user' && options.uid !== 0 ? { why: 'chosen' } : undefined;
  for (const way of waysFor(options.preference, options.uid)) {
    if (way === 'sudoAsking' && withoutRoot?.why === 'noSudo') continue;
    const attempt = await attemptStart(way, options, abandoned);
    if ('helper' in attempt) return way === 'direct' && withoutRoot !== undefined ? { ...attempt, withoutRoot } : attempt;
    if (way === 'direct') throw new StartFailure(attempt.ending);
    withoutRoot = unasked(way, options.preference, attempt.withoutRoot);
  }
  throw new StartFailure('abandoned');
}

/** sudo that may not ask refuses with the same words whoever asks: only one that may tells why. */
function unasked(way: Way, preference: Preference, refusal: WithoutRoot): WithoutRoot {
  return way === 'sudoQuiet' && preference === 'quiet' && refusal.why === 'refused' ? { why: 'passwordNeeded' } : refusal;
}

interface Refusal {
  ending: Ending;
  withoutRoot: WithoutRoot;
}

async function attemptStart(way: Way, options: StartOptions, abandoned: AbortSignal): Promise<Started | Refusal> {
  const launch = new Launch(way, options, abandoned);
  if (way !== 'sudoAsking') return launch.outcome({});
  let declined = false;
  const ask: AskForPassword = async (question) => {
    const password = await launch.whilePatient(() => options.askForPassword(question));
    declined = password === undefined;
    return password;
  };
  await using server = await servePasswords(options.folders, options.askpass, ask);
  const outcome = await launch.outcome({ SUDO_ASKPASS: server.askpass });
  return declined && 'ending' in outcome ? { ...outcome, withoutRoot: { why: 'declined' } } : outcome;
}

/** One attempt: a process, and what came first of its answer, its end, the time limit and the caller's giving up. */
class Launch {
  private readonly way: Way;
  private readonly options: StartOptions;
  private readonly abandoned: AbortSignal;
  private patience: Patience | undefined;

  constructor(way: Way, options: StartOptions, abandoned: AbortSignal) {
    this.way = way;
    this.options = options;
    this.abandoned = abandoned;
  }

  whilePatient<T>(wait: () => Promise<T>): Promise<T> {
    return this.patience === undefined ? wait() : this.patience.during(wait);
  }

  async outcome(extraEnvironment: NodeJS.ProcessEnv): Promise<Started | Refusal> {
    if (this.abandoned.aborted) throw new StartFailure('abandoned');
    const { program, onLogLine } = this.options;
    const environment = { ...helperEnvironment(process.env, program), ...extraEnvironment };
    const helper = new HelperProcess(commandLineFor(this.way, program), environment, onLogLine);
    const outcome = await Promise.race([initialized(helper), this.givenUp()]);
    this.patience?.end();
    if (typeof outcome === 'object' && 'host' in outcome) return { helper, host: outcome.host };
    helper.stop();
    helper.terminate();
    if (typeof outcome === 'string') throw new StartFailure(outcome);
    return { ending: outcome, withoutRoot: refusalOf(outcome) };
  }

  private givenUp(): Promise<'timeout' | 'abandoned'> {
    return new Promise((resolve) => {
      this.patience = new Patience(START_MILLIS, () => resolve('timeout'));
      this.abandoned.addEventListener('abort', () => resolve('abandoned'), { once: true });
    });
  }
}

/** The answer to `initialize`, or how the helper ended instead of answering. */
async function initialized(helper: HelperProcess): Promise<{ host: InitializeResult } | Ending> {
  try {
    const host = await helper.connection.sendRequest<InitializeResult>(Initialize.method, {
      protocolVersion: PROTOCOL_VERSION,
    });
    return { host };
  } catch (error) {
    if (error instanceof ResponseError && error.code !== ErrorCodes.PendingResponseRejected) {
      return { code: null, signal: null, lastWords: error.message };
    }
    return helper.ended;
  }
}

function refusalOf(ending: Ending): WithoutRoot {
  return ending.spawnError === 'ENOENT' ? { why: 'noSudo' } : { why: 'refused', detail: ending.lastWords };
}
