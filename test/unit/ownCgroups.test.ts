/** Whose very cgroup a cgroup is: that of a container without a cgroup of its own is others' too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownerKey, ownersOfCgroups } from '../../helper/host/cgroups/ownCgroups.ts';
import type { ProcessRecord } from '../../helper/host/processRecord.ts';
import { containerAnswer } from '../fixtures/hostAnswers.ts';

const SESSION = { hierarchy: 'memory', path: '/session' };
const sandbox = containerAnswer('box', 2, { key: 'isoscope box', engine: 'isoscope', cgroups: [SESSION] });

/** Processes by pid, as the model of the host has them: their iterator can be gone through once. */
function ownerOf(...processes: [pid: number, container: string | undefined][]): string | undefined {
  const whose = new Map(processes);
  const records = new Map(
    processes.map(([pid]) => [pid, { pid, startTime: pid, parentPid: 1, membership: { cgroups: [SESSION] } }]),
  );
  const owners = ownersOfCgroups([sandbox], records.values() as Iterable<never> as Iterable<ProcessRecord>, ({ pid }) =>
    whose.get(pid),
  );
  return owners.get(ownerKey(SESSION.hierarchy, SESSION.path))?.key;
}

test('a sandbox that is alone in a cgroup has it, and one that is there with others has not', () => {
  assert.equal(ownerOf([2, 'isoscope box'], [3, 'isoscope box']), 'isoscope box');
  assert.equal(ownerOf([2, 'isoscope box'], [9, undefined]), undefined);
  assert.equal(ownerOf([9, 'docker other'], [2, 'isoscope box']), undefined);
});
