import * as vscode from 'vscode';
import { TerminalsOpen, type TerminalsOpenParams, type TerminalsOpenResult } from '../../helper/protocol/programs.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { createTerminal } from '../plain/titled.ts';
import { orWithoutFilter } from './unfiltered.ts';

export interface TerminalOptions {
  /** What its tab says. */
  name: string;
  icon: string;
}

/** Opens terminals whose program is `dist/attach.js`: a real tty, which VS Code keeps over a reload of the window. */
export class TerminalOpener {
  private readonly connection: HelperConnection;
  private readonly attachScript: string;

  constructor(connection: HelperConnection, attachScript: string) {
    this.connection = connection;
    this.attachScript = attachScript;
  }

  /** Starts what `params` says, and shows its terminal. Rejects with a `HelperError`, and then opens none. */
  async open(params: TerminalsOpenParams, options: TerminalOptions): Promise<vscode.Terminal> {
    const opened = await orWithoutFilter(params, (asked) => this.connection.request(TerminalsOpen, asked));
    return this.attach(opened, options);
  }

  /** Shows a terminal that the helper holds ready under a one-time token. */
  attach({ streamSocket, token }: TerminalsOpenResult, options: TerminalOptions): vscode.Terminal {
    const terminal = createTerminal({
      name: options.name,
      iconPath: new vscode.ThemeIcon(options.icon),
      shellPath: process.execPath,
      shellArgs: [this.attachScript],
      env: { ISOSCOPE_STREAM: streamSocket, ISOSCOPE_TOKEN: token, ELECTRON_RUN_AS_NODE: '1' },
      // Nothing of VS Code's own environment is for this program: NODE_OPTIONS would put a debugger into it.
      strictEnv: true,
    });
    terminal.show();
    return terminal;
  }
}
