/** The process of a sandbox: what it is given, how its end is told, and what it leaves. */
import assert from 'node:assert/strict';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { unlessHelperIsRoot } from '../fixtures/environment.ts';
import { markedPids } from '../fixtures/procFiles.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';
import { until } from '../fixtures/until.ts';

describe('the process of a sandbox', () => {
  const { run, output } = sandboxClient(path.join(os.tmpdir(), 'isoscope-process-'));

  test('its environment, directory, user, umask, limits and score are those asked for', {
    skip: unlessHelperIsRoot,
  }, async () => {
    const spec: SandboxSpec = {
      process: {
        cwd: '/usr/bin',
        env: { A: 'one two', PATH: '/usr/bin:/bin' },
        user: { uid: 1234, gid: 2345, additionalGids: [3456], umask: 0o27 },
        rlimits: [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 128 }],
        oomScoreAdj: 500,
        capabilities: ['CAP_NET_RAW'],
      },
    };
    const script = 'pwd; env; id; umask; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; grep Cap /proc/self/status';
    const text = await output(spec, script);
    assert.match(text, /^\/usr\/bin\n/);
    assert.match(text, /^A=one two$/m);
    assert.match(text, /uid=1234.*gid=2345.*groups=2345.*,3456/);
    assert.match(text, /^0027\n64\n128\n500$/m);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      assert.match(text, new RegExp(`^Cap${set}:\\s+0000000000002000$`, 'm'));
  });

  test('how it ended is told exactly, also below an init', async () => {
    const end = async (script: string, more: SandboxSpec['process'] = {}) =>
      (await run({ process: { ...more, args: ['sh', '-c', script] } })).exit;
    assert.deepEqual(await end('exit 7'), { code: 7, reason: 'exit', message: 'Its program ended with status 7.' });
    assert.deepEqual(await end('exit 137'), { code: 137, reason: 'exit', message: 'Its program ended with status 137.' });
    assert.equal((await end('kill -SEGV $$')).signal, 'SIGSEGV');
    assert.equal((await end('kill -9 $$')).reason, 'signal');
    assert.deepEqual((await end('exit 5', { init: false })).code, 5);
    const late = await end('sleep 1000', { timeout: 0.2 });
    assert.deepEqual([late.reason, late.timedOut, late.signal], ['timeout', true, 'SIGKILL']);
  });

  test('an init reaps what is left over; without it the program is pid 1', async () => {
    const orphan = 'sh -c "sleep 0 & exit" ; sleep 0.3; ps -o stat= ax | grep -c Z || true';
    assert.equal(await output({}, orphan), '0\n');
    assert.equal(await output({ process: { init: false } }, 'echo $$'), '1\n');
  });

  test('what it leaves in the background ends with it', async () => {
    const marker = `isoscope-${process.pid}-left`;
    await output({}, `setsid sh -c 'sleep 1000; : ${marker}' & sleep 0.1`);
    await until(() => markedPids(marker).length === 0, 'nothing is left');
  });
});
