/** Who could have the kernel run a program by `release_agent`, told with the evidence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReleaseSettings, risksOf } from '../../helper/host/cgroups/risks.ts';
import { inEnglish } from '../fixtures/english.ts';

const settings: ReleaseSettings = {
  releaseAgent: '',
  notifyOnRelease: false,
  agentFile: { uid: 0, mode: 0o100644 },
  hierarchy: 'pids',
  path: '/docker/shop',
};
const risks = (changed: Partial<ReleaseSettings>) =>
  inEnglish(risksOf({ ...settings, ...changed }, undefined, (uid) => `user${uid}`));

test('without a program, and with root alone to name one, there is nothing to tell', () => {
  assert.deepEqual(risks({}), []);
  assert.deepEqual(risks({ notifyOnRelease: true }), []);
  assert.deepEqual(risks({ agentFile: undefined, releaseAgent: undefined }), []);
});

test('a program that is named is told with whether this cgroup asks for it', () => {
  const [set] = risks({ releaseAgent: '/sbin/cleanup', notifyOnRelease: true });
  assert.match(
    set?.evidence ?? '',
    /release_agent of the hierarchy pids is "\/sbin\/cleanup", and notify_on_release of .* is 1: .* as root/,
  );
  const [unasked] = risks({ releaseAgent: '/sbin/cleanup' });
  assert.match(unasked?.evidence ?? '', /is 0: it is not run for this cgroup/);
  const [unknown] = risks({ releaseAgent: '/sbin/cleanup', notifyOnRelease: undefined });
  assert.match(unknown?.evidence ?? '', /is unknown/);
});

test('whoever else may write the file is named', () => {
  const evidence = (mode: number, uid = 0) =>
    risks({ agentFile: { uid, mode } })
      .map((risk) => risk.evidence)
      .join();
  assert.match(evidence(0o100644, 1000), /by the user user1000, who owns it, besides root/);
  assert.match(evidence(0o100664), /by its group besides root/);
  assert.match(evidence(0o100666), /by everybody besides root/);
});
