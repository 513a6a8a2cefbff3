import type * as vscode from 'vscode';
import type { SandboxStarter } from '../programs/sandboxStarter.ts';
import { toRunOf } from '../programs/sandboxTargets.ts';
import type { SandboxTarget } from '../target.ts';

/** Runs the specification of a file; `target` may be the file as the explorer gives it. */
export async function startSandbox(starter: SandboxStarter, target: SandboxTarget | vscode.Uri = {}): Promise<void> {
  const toRun = await toRunOf(target);
  if (toRun !== undefined) await starter.start(toRun);
}
