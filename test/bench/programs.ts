/** Running /bin/true inside a Docker container, against nsenter and docker exec. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ContainersList } from '../../helper/protocol/containers.ts';
import type { ProcessRef } from '../../helper/protocol/processes.ts';
import { ProgramsRun } from '../../helper/protocol/programs.ts';
import { startDocker } from '../fixtures/docker.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { type Figures, inTurns, type Row } from './rows.ts';

const run = promisify(execFile);

async function inContainer(
  measure: (helper: RunningHelper, leader: ProcessRef, name: string) => Promise<Figures>,
): Promise<Figures> {
  await using docker = await startDocker();
  using container = docker.run(`isoscope-bench-${process.pid}`, ['sleep', '100000']);
  await using helper = await startHelper();
  const { containers } = await helper.request(ContainersList, {});
  const leader = containers.find(({ name }) => name === container.name)?.leader;
  if (leader === undefined) throw new Error('the container was not found');
  return await measure(helper, leader, container.name);
}

const runTrue = async (helper: RunningHelper, process: ProcessRef): Promise<void> => {
  const { exit } = await helper.request(ProgramsRun, { process, command: ['/bin/true'] });
  if (exit.code !== 0) throw new Error(`/bin/true ended with ${JSON.stringify(exit)}`);
};

export const programRows: Row[] = [
  {
    name: 'programs/run of /bin/true in a container (peer: nsenter -a)',
    target: 1.5,
    unit: 'ms',
    measure: () =>
      inContainer((helper, leader) =>
        inTurns(
          31,
          () => runTrue(helper, leader),
          async () => void (await run('nsenter', ['-a', '-t', String(leader.pid), '/bin/true'])),
        ),
      ),
  },
  {
    name: 'programs/run of /bin/true in a container (peer: docker exec)',
    target: 1 / 50,
    unit: 'ms',
    measure: () =>
      inContainer((helper, leader, name) =>
        inTurns(
          11,
          () => runTrue(helper, leader),
          async () => void (await run('docker', ['exec', name, '/bin/true'])),
        ),
      ),
  },
];
