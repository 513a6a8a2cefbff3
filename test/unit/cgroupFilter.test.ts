import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CgroupFindings } from '../../extension/model/cgroupFilter.ts';
import { CgroupModel } from '../../extension/model/cgroupModel.ts';
import { cgroupAnswer } from '../fixtures/hostAnswers.ts';

const shop = cgroupAnswer('cpu', '/docker/3f2a', { title: 'shop', container: 'docker 3f2a' });
const cgroups = [
  cgroupAnswer('cpu', '/'),
  cgroupAnswer('cpu', '/docker'),
  shop,
  cgroupAnswer('cpu', '/docker/3f2a/init'),
  cgroupAnswer('cpu', '/docker/77'),
];

function shown(text: string): string[] {
  const model = new CgroupModel();
  model.apply({ mode: 'v1', hierarchies: [], cgroups, unreadable: [], truncated: false }, 0);
  const findings = new CgroupFindings(model, text);
  return cgroups.filter((cgroup) => findings.cgroupOrBelow(cgroup)).map(({ path }) => path);
}

test('a container’s name finds its cgroup, leaves the way to it and all that is below it', () => {
  assert.deepEqual(shown('SHOP'), ['/', '/docker', '/docker/3f2a', '/docker/3f2a/init']);
});

test('a name within finds just the way to it', () => {
  assert.deepEqual(shown('77'), ['/', '/docker', '/docker/77']);
});

test('the processes of a cgroup on the way are no finding', () => {
  const model = new CgroupModel();
  model.apply({ mode: 'v1', hierarchies: [], cgroups, unreadable: [], truncated: false }, 0);
  const findings = new CgroupFindings(model, 'shop');
  const itself = cgroups.filter((cgroup) => findings.cgroupItself(cgroup)).map(({ path }) => path);
  assert.deepEqual(itself, ['/docker/3f2a', '/docker/3f2a/init']);
});

test('what nothing is called finds nothing', () => {
  assert.deepEqual(shown('no such thing'), []);
});
