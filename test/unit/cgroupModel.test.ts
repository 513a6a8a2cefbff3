import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CgroupModel, keyOfCgroup } from '../../extension/model/cgroupModel.ts';
import { isEmpty } from '../../extension/model/clientModel.ts';
import type { Cgroup, CgroupsListResult } from '../../helper/protocol/cgroups.ts';
import { cgroupAnswer } from '../fixtures/hostAnswers.ts';

function answer(...cgroups: Cgroup[]): CgroupsListResult {
  return {
    mode: 'v1',
    hierarchies: [{ hierarchy: 'cpu', version: 1, controllers: ['cpu'] }],
    cgroups,
    unreadable: [],
    truncated: false,
  };
}

const root = cgroupAnswer('cpu', '/');
const docker = cgroupAnswer('cpu', '/docker');

test('an answer that says the same again changes nothing', () => {
  const model = new CgroupModel();
  model.apply(answer(root, docker), 0);
  assert.ok(isEmpty(model.apply(answer(structuredClone(root), structuredClone(docker)), 1000)));
});

test('children stand in the order of the names that people use, and follow a cgroup that comes and goes', () => {
  const model = new CgroupModel();
  const ten = cgroupAnswer('cpu', '/docker/aaa', { title: 'web10', container: 'docker aaa' });
  const two = cgroupAnswer('cpu', '/docker/bbb', { title: 'web2', container: 'docker bbb' });
  model.apply(answer(root, docker, ten, two), 0);
  assert.deepEqual(
    model.childrenOf(docker).map(({ title }) => title),
    ['web2', 'web10'],
  );
  assert.equal(model.at('cpu', '/docker/bbb')?.title, 'web2');
  const delta = model.apply(answer(root, docker, ten), 1000);
  assert.ok(delta.cgroupList && delta.cgroups.has(keyOfCgroup(docker)));
  assert.deepEqual(
    model.childrenOf(docker).map(({ title }) => title),
    ['web10'],
  );
  assert.deepEqual(model.ofContainer('docker bbb'), []);
});

test('what was known of a hierarchy stays while it does not answer, and goes when it cannot be read', () => {
  const model = new CgroupModel();
  model.apply(answer(root, docker), 0);
  model.apply({ ...answer(), unreadable: [{ hierarchy: 'cpu', why: { unknown: 'busy' } }] }, 1000);
  assert.deepEqual(model.childrenOf(model.root('cpu')!), [docker]);
  assert.equal(model.unreadable.length, 1);
  assert.ok(isEmpty({ ...model.apply(answer(root, docker), 2000), cgroupList: false }));
  model.apply({ ...answer(), unreadable: [{ hierarchy: 'cpu', why: { unknown: 'permission' } }] }, 3000);
  assert.equal(model.root('cpu'), undefined);
});

test('a cgroup that is made anew with the name of another is another', () => {
  const model = new CgroupModel();
  model.apply(answer(root, docker), 0);
  model.apply(answer(root, { ...docker, ino: 7 }), 1000);
  assert.equal(model.cgroup(docker), undefined);
  assert.equal(model.childrenOf(root)[0]?.ino, 7);
});

test('figures that change touch the row and leave the lists alone, and the indexes have the new ones', () => {
  const model = new CgroupModel();
  model.apply(answer(root, docker), 0);
  const delta = model.apply(answer(root, { ...docker, figures: { tasks: 3 } }), 1000);
  assert.deepEqual([...delta.cgroups], [keyOfCgroup(docker)]);
  assert.equal(delta.cgroupList, false);
  assert.equal(model.childrenOf(root)[0]?.figures.tasks, 3);
});

test('the CPU use is a rate over the time between two answers, told again when it falls to nothing', () => {
  const model = new CgroupModel();
  const used = (cpuUsageMicros: number) => answer(root, { ...docker, figures: { cpuUsageMicros } });
  model.apply(used(1_000_000), 0);
  assert.equal(model.coresUsed(docker), undefined);
  model.apply(used(1_040_000), 2000);
  assert.equal(model.coresUsed(docker), 0.02);
  assert.ok(model.apply(used(1_040_000), 4000).cgroups.has(keyOfCgroup(docker)));
  assert.equal(model.coresUsed(docker), 0);
  model.apply(used(0), 6000);
  assert.equal(model.coresUsed(docker), undefined);
});
