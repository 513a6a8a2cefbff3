import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareMountTables, mountView, pathOfSame, sharedLayers, usualPart } from '../../extension/words/mountComparison.ts';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { dockerMounts as docker, HOST_MOUNTS as HOST } from '../fixtures/mountTables.ts';

const compare = (mine: string, other: string) => compareMountTables(parseMountinfo(mine), parseMountinfo(other));
const view = (table: string) => mountView(parseMountinfo(table));
/** The table with one line more. */
const with_ = (table: string, ...lines: string[]) => [table, ...lines].join('\n');
const line = (id: number, on: number, device: string, root: string, point: string, options = 'rw', type = 'ext4') =>
  `${id} ${on} ${device} ${root} ${point} ${options} - ${type} ${type === 'ext4' ? '/dev/sda1' : type} rw`;
const places = (seen: { mount: { mountPoint: string } }[]) => seen.map(({ mount }) => mount.mountPoint);

describe('two mount tables', () => {
  test('that are the same, with other ids and in another order, do not differ', () => {
    const copy = HOST.replaceAll(/^(\d+) (\d+)/gm, (_, id: string, on: string) => `${Number(id) + 900} ${Number(on) + 900}`);
    const turned = copy.split('\n').reverse().join('\n');
    const { changed, onlyMine, onlyOther, hiddenMine, hiddenOther, same, propagation } = compare(turned, HOST);
    assert.deepEqual([changed, onlyMine, onlyOther, hiddenMine, hiddenOther, propagation], [[], [], [], [], [], []]);
    assert.equal(same.length, 9);
  });

  test('differ by what only one of them has', () => {
    const mine = with_(HOST, line(60, 22, '0:60', '/', '/tmp', 'rw', 'tmpfs'));
    const { onlyMine, onlyOther } = compare(mine, HOST);
    assert.deepEqual([places(onlyMine), places(onlyOther)], [['/tmp'], []]);
    assert.deepEqual(places(compare(HOST, mine).onlyOther), ['/tmp']);
  });

  test('differ by another file system at a place, by another directory of it, and by what may be done there', () => {
    const at = (rest: string) => compare(`1 0 ${rest}`, '1 0 8:1 /a / rw,relatime - ext4 /dev/sda1 rw').changed[0];
    assert.equal(at('8:2 /a / rw - ext4 /dev/sda1 rw')?.change, 'fileSystem');
    assert.equal(at('8:1 /b / rw - ext4 /dev/sda1 rw')?.change, 'directory');
    const confined = at('8:1 /a / ro,nosuid,noatime - ext4 /dev/sda1 rw');
    assert.deepEqual([confined?.change, confined?.gained, confined?.lost], ['options', ['ro', 'nosuid'], []]);
    assert.equal(at('8:1 /a / rw,noatime - ext4 /dev/root rw'), undefined, 'how it is called and when it was read are nothing');
  });

  test('differ by options that one lost, and by a file system that is read-only itself', () => {
    const [own] = compare('1 0 8:1 / /a rw - ext4 x ro', '1 0 8:1 / /a rw,nodev,noexec - ext4 x rw').changed;
    assert.deepEqual([own?.gained, own?.lost], [['ro'], ['nodev', 'noexec']]);
  });

  test('have the same kind of file system each of its own, when that is made anew', () => {
    const change = (type: string) =>
      compare(`1 0 0:50 / /a rw - ${type} x rw`, `1 0 0:51 / /a rw - ${type} y rw`).changed[0]?.change;
    assert.deepEqual(['proc', 'tmpfs', 'mqueue', 'overlay', 'ext4'].map(change), [
      'own',
      'own',
      'own',
      'fileSystem',
      'fileSystem',
    ]);
  });

  test('are told apart by how mounts that are made later are passed on, by places', () => {
    const mine = HOST.replaceAll(/shared:(\d+)/g, 'master:$1').replace('master:4', 'shared:77');
    const { changed, propagation } = compare(mine, HOST);
    assert.deepEqual(changed, []);
    assert.deepEqual(
      propagation.map(({ mine, other, places }) => [mine, other, places.length]),
      [['slave', 'shared', 8]],
    );
  });

  test('of which one is empty differ by all of the other', () => {
    const { changed, onlyMine, onlyOther, same } = compare('', HOST);
    assert.deepEqual([changed, onlyMine, same], [[], [], []]);
    assert.equal(onlyOther.length, 9);
  });
});

describe('what is seen of a table', () => {
  const seen = (table: string, place: string) => view(table).seen.get(place)?.mount.device;
  const hidden = (table: string) => view(table).hidden.map(({ mount, under }) => [mount.device, under?.device]);

  test('is what was mounted last on a place', () => {
    assert.equal(seen(HOST, '/proc/sys/fs/binfmt_misc'), '0:40');
    assert.deepEqual(hidden(HOST), [['0:33', '0:40']]);
  });

  test('is not what something mounted above it hides', () => {
    const over = with_(HOST, line(70, 23, '0:70', '/', '/sys', 'rw', 'tmpfs'));
    assert.equal(seen(over, '/sys'), '0:70');
    assert.equal(seen(over, '/sys/fs/cgroup'), undefined);
    assert.deepEqual(hidden(over), [
      ['0:21', '0:70'],
      ['0:26', '0:70'],
      ['0:33', '0:40'],
    ]);
  });

  test('is not what lies below a later mount on a directory above', () => {
    const over = with_(HOST, line(70, 22, '0:70', '/', '/srv/a/b'), line(71, 22, '0:71', '/', '/srv/a'));
    assert.equal(seen(over, '/srv/a/b'), undefined, 'both are mounted on the root, under /srv');
    assert.deepEqual(hidden(over).slice(1), [
      ['0:70', '8:2'],
      ['0:71', '8:2'],
    ]);
  });

  test('is what is mounted in a mount that covers, at the same path', () => {
    const over = with_(HOST, line(70, 23, '0:70', '/', '/sys', 'rw', 'tmpfs'), line(71, 70, '0:71', '/', '/sys/fs/cgroup'));
    assert.equal(seen(over, '/sys/fs/cgroup'), '0:71');
  });

  test('is all that there is when the process cannot see what its root is mounted on', () => {
    const confined = with_(line(5, 1, '0:5', '/', '/proc', 'rw', 'proc'), line(6, 5, '0:5', '/sys', '/proc/sys', 'ro', 'proc'));
    assert.deepEqual([seen(confined, '/proc'), seen(confined, '/proc/sys')], ['0:5', '0:5']);
    assert.deepEqual(hidden(confined), []);
  });

  test('is found also where mounts claim to stand on each other in a circle', () => {
    const circle = with_(line(5, 6, '0:5', '/', '/a'), line(6, 5, '0:6', '/', '/a'), line(7, 7, '0:7', '/', '/'));
    assert.equal(view(circle).seen.size + view(circle).hidden.length, 3);
  });

  test('tells what is hidden here and not there', () => {
    const over = with_(HOST, line(70, 29, '0:70', '/', '/srv', 'rw', 'tmpfs'));
    const { changed, hiddenMine, hiddenOther } = compare(over, HOST);
    assert.deepEqual(places(hiddenMine), ['/srv']);
    assert.deepEqual(hiddenOther, [], 'what both hide is no difference');
    assert.deepEqual(
      changed.map(({ place, change }) => [place, change]),
      [['/srv', 'fileSystem']],
    );
  });
});

describe('where the same file or directory is in another table', () => {
  const same = (device: string, root: string, table = HOST) =>
    pathOfSame(parseMountinfo(line(1, 0, device, root, '/data'))[0]!, view(table));

  test('is found below what has it', () => {
    assert.equal(same('8:2', '/volume'), '/srv/volume');
    assert.equal(same('8:2', '/'), '/srv');
    assert.equal(same('8:1', '/etc/hosts'), '/etc/hosts');
  });

  test('is unknown where that is not mounted, or only another part of it', () => {
    assert.equal(same('8:9', '/volume'), undefined);
    assert.equal(same('8:2', '/volumes', line(1, 0, '8:2', '/volume', '/v')), undefined);
  });

  test('is not where something else is mounted on the way', () => {
    assert.equal(same('8:1', '/srv/old'), undefined, 'the other disk is mounted on /srv');
  });

  test('is the first of several places', () => {
    const twice = with_(HOST, line(60, 22, '8:2', '/', '/mnt/long/name'));
    assert.equal(same('8:2', '/volume', twice), '/srv/volume');
  });
});

describe('what an engine does to every container', () => {
  const parts = (table: string, other = HOST) => {
    const there = view(other).seen;
    return Object.fromEntries([...view(table).seen].map(([place, seen]) => [place, usualPart(seen, there.get(place))]));
  };

  test('is all of a plain one of Docker', () => {
    assert.deepEqual(parts(docker('0123abcd', 6)), {
      '/': 'root',
      '/dev': 'kernelFiles',
      '/dev/console': 'kernelFiles',
      '/dev/mqueue': 'kernelFiles',
      '/dev/pts': 'kernelFiles',
      '/dev/shm': 'kernelFiles',
      '/etc/hostname': 'engineFile',
      '/etc/hosts': 'engineFile',
      '/etc/resolv.conf': 'engineFile',
      '/proc': 'kernelFiles',
      '/proc/acpi': 'masked',
      '/proc/bus': 'readOnly',
      '/proc/kcore': 'masked',
      '/proc/sys': 'readOnly',
      '/sys': 'kernelFiles',
      '/sys/firmware': 'masked',
      '/sys/fs/cgroup': 'kernelFiles',
    });
  });

  test('is none of what was bound into one, nor what is the host’s, nor what may be written', () => {
    const other = (rest: string) => parts(with_(docker('0123abcd', 6), rest));
    assert.equal(other(line(900, 600, '8:1', '/srv/hosts', '/etc/hosts'))['/etc/hosts'], undefined);
    assert.equal(other(line(900, 600, '0:5', '/', '/dev', 'rw', 'devtmpfs'))['/dev'], undefined);
    assert.equal(other(line(900, 602, '0:24', '/', '/dev/shm', 'rw', 'tmpfs'))['/dev/shm'], undefined);
    assert.equal(other(line(900, 601, '8:1', '/etc', '/proc/fs', 'ro'))['/proc/fs'], undefined);
    assert.equal(other(line(900, 601, '0:61', '/fs', '/proc/fs', 'rw', 'proc'))['/proc/fs'], undefined);
    assert.equal(other(line(900, 605, '0:26', '/', '/sys/fs/cgroup', 'ro', 'cgroup2'))['/sys/fs/cgroup'], undefined);
    assert.equal(other(line(900, 604, '0:90', '/', '/sys', 'rw', 'sysfs'))['/sys'], undefined);
    assert.equal(other(line(900, 600, '0:90', '/', '/tmp', 'rw', 'tmpfs'))['/tmp'], undefined);
  });

  test('is known of Kubernetes and podman, too', () => {
    const file = (root: string, place: string) =>
      parts(with_(docker('0123abcd', 6), line(900, 600, '8:1', root, place)))[place];
    assert.equal(file('/var/lib/kubelet/pods/12-34/etc-hosts', '/etc/hosts'), 'engineFile');
    assert.equal(file('/run/containers/storage/overlay-containers/ab/userdata/hostname', '/etc/hostname'), 'engineFile');
    assert.equal(
      file('/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/ab/resolv.conf', '/etc/resolv.conf'),
      'engineFile',
    );
  });

  test('differs between two of its containers only by what is each one’s own', () => {
    const { changed, onlyMine, onlyOther } = compare(docker('0123abcd', 6), docker('4567cdef', 7));
    assert.deepEqual([onlyMine, onlyOther], [[], []]);
    const isUsual = ({ mine, other }: (typeof changed)[number]) =>
      usualPart(mine) !== undefined && usualPart(mine) === usualPart(other);
    const unlike = changed.filter((one) => one.change !== 'own' && !isUsual(one));
    assert.deepEqual(unlike, []);
  });
});

describe('layers that two overlays share', () => {
  const overlay = (options: string) => parseMountinfo(`1 0 0:50 / / rw - overlay overlay rw,${options}`)[0]!;

  test('are counted by their directories, however they were given', () => {
    const mine = overlay('lowerdir=l/A-init:l/B:l/C,upperdir=u');
    assert.deepEqual(sharedLayers(mine, overlay('lowerdir=l/D-init:l/B:l/C')), { shared: 2, all: 3 });
    assert.deepEqual(sharedLayers(mine, overlay('lowerdir+=l/B,lowerdir+=l/E')), { shared: 1, all: 3 });
    assert.deepEqual(sharedLayers(overlay('lowerdir=/a\\134:b:/c'), overlay('lowerdir=/c')), { shared: 1, all: 2 });
  });

  test('are unknown where one does not tell of them', () => {
    assert.equal(sharedLayers(overlay('lowerdir=/a'), overlay('upperdir=u')), undefined);
  });
});
