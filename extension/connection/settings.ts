import { tmpdir } from 'node:os';
import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import type { SettingContribution } from '../base/contributions.ts';
import { Setting } from '../base/ids.ts';
import type { ConnectionOptions } from './connection.ts';
import type { Preference } from './elevation.ts';

export const elevationSetting: SettingContribution = {
  setting: 'elevation',
  scope: 'machine',
  default: 'auto',
  description: "Whether Isoscope's helper, which reads the kernel and opens terminals in namespaces, runs as root.",
  values: {
    auto: 'As root where `sudo` needs no password; else as the user, until “Become Root…” is chosen, which asks for it.',
    never: 'As the user. What the user may not read is shown as unknown. “Become Root…” still asks.',
  },
};

/** What the setting says: `auto` is root, where it can be had without a question. A password is asked for only when a person chose to become root. */
export function elevationPreference(): Preference {
  const value = vscode.workspace.getConfiguration().get<string>(Setting.elevation, 'auto');
  return value === 'never' ? 'user' : 'quiet';
}

/** The programs and places with which the helper is started here. */
export function startEnvironment(context: vscode.ExtensionContext): ConnectionOptions['start'] {
  const node = process.execPath;
  return {
    uid: process.getuid?.() ?? -1,
    program: { node, script: context.asAbsolutePath('dist/helper.js'), electron: process.versions.electron !== undefined },
    askpass: { node, script: context.asAbsolutePath('dist/askpass.js') },
    folders: [process.env.XDG_RUNTIME_DIR ?? '', tmpdir()].filter(isAbsolute),
  };
}
