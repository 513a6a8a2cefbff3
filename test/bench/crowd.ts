/** Thousands of sleeping processes, for figures on a busy host; all end with the shell that started them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Starts `count` processes that sleep, and returns what stops them. */
export async function startCrowd(count: number): Promise<() => Promise<void>> {
  // The shell prints once all are started, and ends them when its input ends.
  const script = `i=0; while [ $i -lt ${count} ]; do sleep 100000 & i=$((i+1)); done; echo ready; read -r line; kill 0`;
  const shell = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
  await once(shell.stdout, 'data');
  return async () => {
    shell.stdin.end();
    await once(shell, 'exit');
  };
}
