import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subjectsOf } from '../../extension/panels/monitorSubjects.ts';
import type { Cgroup, CgroupsListResult } from '../../helper/protocol/cgroups.ts';

function cgroup(hierarchy: string, path: string, ino: number, more: Partial<Cgroup> = {}): Cgroup {
  const rest = { type: 'domain', memberCount: 0, populated: false, badges: [], figures: {} } as const;
  return { hierarchy, path, ino, ...rest, badges: [], ...more };
}

function listOf(version: 1 | 2, cgroups: Cgroup[]): CgroupsListResult {
  const names = [...new Set(cgroups.map(({ hierarchy }) => hierarchy))];
  const hierarchies = names.map((hierarchy) => ({ hierarchy, version, controllers: hierarchy.split(',') }));
  return { mode: version === 1 ? 'v1' : 'v2', hierarchies, cgroups, unreadable: [], truncated: false };
}

const container = { container: 'docker web', title: 'web' };
const v1 = listOf(1, [
  cgroup('cpu', '/docker/web', 10, container),
  cgroup('cpuacct', '/docker/web', 20, container),
  cgroup('memory', '/elsewhere/web', 30, container),
  cgroup('name=systemd', '/docker/web', 40, container),
  cgroup('cpu', '/docker/web/child', 11),
  cgroup('memory', '/docker/web/child', 31),
]);

test('a container of v1 is one line with the figures of all its hierarchies, wherever it is in them', () => {
  const [web, ...others] = subjectsOf([{ hierarchy: 'cpu', path: '/docker/web', ino: 10 }], v1);
  assert.deepEqual(others, []);
  assert.equal(web?.title, 'web');
  assert.deepEqual(
    web?.cgroups.map(({ ino }) => ino),
    [10, 20, 30],
    'that of no figures is left out',
  );
});

test('asked for by several of its cgroups, it is still one', () => {
  const asked = [
    { hierarchy: 'memory', path: '/elsewhere/web', ino: 30 },
    { hierarchy: 'cpu', path: '/docker/web', ino: 10 },
  ];
  assert.deepEqual(
    subjectsOf(asked, v1).map(({ cgroups }) => cgroups.map(({ ino }) => ino)),
    [[30, 10, 20]],
  );
});

test('asked for by a cgroup that has no figures, it is shown with those that have', () => {
  assert.deepEqual(
    subjectsOf([...v1.cgroups].reverse(), v1).map(({ cgroups }) => cgroups.map(({ ino }) => ino)),
    [
      [31, 11],
      [10, 20, 30],
    ],
  );
});

test('what belongs to no container goes by its path', () => {
  const [child] = subjectsOf([{ hierarchy: 'memory', path: '/docker/web/child', ino: 31 }], v1);
  assert.deepEqual(
    child?.cgroups.map(({ ino }) => ino),
    [31, 11],
  );
  assert.equal(child?.title, 'child');
});

test('on v2 two cgroups of one container are two lines when both are asked for', () => {
  const list = listOf(2, [cgroup('unified', '/a.scope', 1, container), cgroup('unified', '/a.scope/inner', 2, container)]);
  assert.equal(subjectsOf(list.cgroups, list).length, 2);
});

test('one that is gone is not taken for the new one of the same name', () => {
  const [gone] = subjectsOf([{ hierarchy: 'cpu', path: '/docker/web', ino: 9 }], v1);
  assert.deepEqual(gone?.cgroups, [{ hierarchy: 'cpu', path: '/docker/web', ino: 9 }]);
});

test('a hostile name is shown on one line', () => {
  const list = listOf(2, [cgroup('unified', '/a\nb\u202e', 1)]);
  assert.equal(subjectsOf(list.cgroups, list)[0]?.title, 'a⏎b\ufffd');
});
