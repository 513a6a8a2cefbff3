import type { Sandboxes } from '../host/sandboxes.ts';
import type { SandboxStarter } from '../programs/sandboxStarter.ts';
import { sandboxOf } from '../programs/sandboxTargets.ts';
import type { SandboxTarget } from '../target.ts';

/** Ends a sandbox, and makes it again from its specification. */
export async function restartSandbox(sandboxes: Sandboxes, starter: SandboxStarter, target: SandboxTarget = {}): Promise<void> {
  const sandbox = await sandboxOf(sandboxes, target);
  if (sandbox !== undefined) await starter.restart(sandbox);
}
