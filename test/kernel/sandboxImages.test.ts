/** Images of an engine on this host as roots, against the engine itself. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { type Docker, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';

const SKIP = (!isHelperRoot && 'the helper is not root') || unlessRootHas('docker', 'dockerd');
const LAYERED = `isoscope-layered-${process.pid}`;

describe('an image of Docker as the root of a sandbox', { skip: SKIP }, () => {
  let daemon: Docker;
  let helper: RunningHelper;
  before(async () => {
    daemon = await startDocker();
    helper = await startHelper();
    // A second layer: a file more, one deleted, one changed, a directory made anew (opaque).
    const script = 'echo new >/added; mkdir -p /etc/kept; rm /bin/ls; rm -rf /dev/shm; mkdir /opaque; echo 1 >/opaque/file';
    const name = `${LAYERED}-build`;
    docker('run', '--name', name, IMAGE, 'sh', '-c', script);
    docker('commit', '--change', 'ENV FROM_IMAGE=yes', '--change', 'WORKDIR /opaque', '--change', 'CMD ["pwd"]', name, LAYERED);
    docker('rm', name);
  });
  after(async () => {
    await helper?.stop();
    docker('rmi', LAYERED);
    await daemon?.[Symbol.asyncDispose]();
  });

  const image = (reference: string): SandboxSpec => ({ root: { type: 'image', image: { format: 'docker', reference } } });

  async function output(spec: SandboxSpec, ...args: string[]): Promise<string> {
    const process = args.length === 0 ? {} : { process: { args } };
    const { stdout, stderr, exit } = await helper.request(SandboxesRun, { spec: { ...spec, ...process } });
    assert.equal(exit.code, 0, stderr);
    return stdout;
  }

  test('has the files that the engine’s container has, deletions included', async () => {
    const list = ['sh', '-c', 'for f in /bin/* /added /etc/kept /opaque/*; do [ -e $f ] && echo $f; done; true'];
    for (const reference of [IMAGE, LAYERED]) {
      assert.equal(await output(image(reference), ...list), `${docker('run', '--rm', reference, ...list)}\n`);
    }
    assert.doesNotMatch(await output(image(LAYERED), ...list), /\/bin\/ls$/m);
  });

  test('runs the program of the image, in its directory and environment, unless told otherwise', async () => {
    assert.equal(await output(image(LAYERED)), '/opaque\n');
    assert.match(await output(image(LAYERED), 'env'), /^FROM_IMAGE=yes$/m);
    const { spec } = await helper.request(SandboxesExplain, { spec: image(LAYERED) });
    assert.deepEqual([spec.process?.args, spec.process?.cwd], [['pwd'], '/opaque']);
  });

  test('is not changed by what runs in it', async () => {
    await output(image(IMAGE), 'sh', '-c', 'echo changed >/added-by-sandbox; rm -rf /bin');
    assert.equal(await output(image(IMAGE), 'sh', '-c', 'echo /added-by*'), '/added-by*\n');
  });

  test('is found by the beginning of its id, and what is not there is said', async () => {
    const id = docker('image', 'inspect', '--format', '{{.Id}}', IMAGE).replace('sha256:', '');
    assert.equal(await output(image(id.slice(0, 12)), 'echo', 'found'), 'found\n');
    await assert.rejects(output(image('no-such-image'), 'true'), /no image no-such-image/);
    for (const reference of ['../../../etc/passwd', '..', '/'])
      await assert.rejects(output(image(reference), 'true'), /no image/);
  });
});
