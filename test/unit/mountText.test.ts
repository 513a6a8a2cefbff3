import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';

const { mountTableText } = await import('../../extension/words/mountText.ts');

const HOST = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
24 22 0:22 / /proc rw,nosuid shared:5 - proc proc rw
25 22 0:5 / /dev rw shared:2 - devtmpfs udev rw,mode=755`;
/** A copy of the host's, in which one more is mounted on a point that has one already, and /proc is another. */
const OWN = `80 79 8:1 / / rw,relatime - ext4 /dev/sda1 rw
82 80 0:22 / /proc rw,nosuid - proc proc rw
83 80 0:5 / /dev rw - devtmpfs udev rw,mode=755
91 82 0:61 / /proc rw,nosuid - proc proc rw`;

const text = (mountinfo: string, omitted = 0) => mountTableText({ mounts: parseMountinfo(mountinfo), omitted, complete: true });
const fields = (mountinfo: string) =>
  text(mountinfo)
    .split('\n')
    .map((line) => line.split(/ {2,}/));

test('the same mount gives the same line in every namespace, and another file system on the same point another', () => {
  const host = text(HOST).split('\n');
  const differing = text(OWN)
    .split('\n')
    .filter((line) => !host.includes(line));
  assert.deepEqual(
    differing.map((line) => line.split(/ {2,}/).slice(0, 3)),
    [['/proc', 'proc', '0:61'], ['private: all']],
  );
});

test('mounts stand by mount point, a directory before what is in it, and those on one point in their order', () => {
  const points = fields(`${OWN}\n92 80 0:62 / /dev-x rw - tmpfs a rw\n93 83 0:63 / /dev/shm rw - tmpfs b rw`).map(
    ([point, , device]) => [point, device],
  );
  assert.deepEqual(points.slice(0, 6), [
    ['/', '8:1'],
    ['/dev', '0:5'],
    ['/dev/shm', '0:63'],
    ['/dev-x', '0:62'],
    ['/proc', '0:22'],
    ['/proc', '0:61'],
  ]);
});

test('of a file system of which a part is mounted that part is named, as findmnt does', () => {
  assert.equal(fields('1 0 8:1 /srv/a /etc/hosts rw - ext4 /dev/sda1 rw')[0]?.[3], '/dev/sda1[/srv/a]');
});

test('a name with a line break stays on its line, and shows it', () => {
  assert.match(text('1 0 0:1 / /a\\012#\\040b rw - tmpfs x rw'), /^\/a⏎# b {2,}tmpfs/);
});

test('propagation is told by kind, and what was left out by number', () => {
  const mixed =
    '1 0 0:1 / /a rw master:3 shared:4 - tmpfs x rw\n2 0 0:1 / /b rw unbindable - tmpfs x rw\n3 0 0:1 / /c rw master:3 - tmpfs x rw';
  assert.match(text(mixed, 7), /# 7 more are left out\.\n\n# Propagation\nslave: \/c\nslave, shared: \/a\nunbindable: \/b\n$/);
});

test('of a table that was read through a chroot it is said what the rest is', () => {
  const told = (complete: boolean, root: string) => mountTableText({ mounts: parseMountinfo(OWN), omitted: 0, complete, root });
  assert.match(told(true, '/srv/jail'), /^# chroot confines the process to \/srv\/jail\. The rest is mounted all the same/);
  assert.match(told(false, '/srv/jail'), /^# Only what is mounted below \/srv\/jail, .* above it is unknown\./);
  assert.match(told(false, '/'), /^# Only what is mounted below the root of the process\. .* unknown\./);
  assert.match(told(true, '/'), /^\/ {2,}ext4/);
});
