import type { SandboxSpec } from '../../../helper/protocol/sandboxes.ts';
import type { CommandContribution } from '../../base/contributions.ts';
import { makeSpecificationFile } from '../../programs/specificationFile.ts';

export const newSandboxFileCommand: CommandContribution = {
  id: 'isoscope.sandbox.newFile',
  title: 'New Sandbox File…',
  icon: 'new-file',
};

const EXAMPLE: SandboxSpec = {
  root: { type: 'programs', programs: ['bash', 'ls', 'cat', 'ps'] },
  network: { type: 'loopback' },
  resources: { memory: { limit: '256M' }, pids: { limit: 64 } },
  process: { args: ['bash'] },
};

/** A small specification that runs, to begin with. */
export async function newSandboxFile(): Promise<void> {
  await makeSpecificationFile(EXAMPLE);
}
