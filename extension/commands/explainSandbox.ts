import type * as vscode from 'vscode';
import { showExplanation } from '../documents/sandboxExplanation.ts';
import { paramsOf } from '../programs/sandboxTargets.ts';
import type { SandboxTarget } from '../target.ts';

/** Shows what a specification would do, step by step, without running anything. */
export async function explainSandbox(target: SandboxTarget | vscode.Uri = {}): Promise<void> {
  const params = await paramsOf(target);
  if (params !== undefined) await showExplanation(params);
}
