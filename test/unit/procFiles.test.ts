/** The parsers of `/proc`: recorded text of real hosts, and text that a hostile process could bring about. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PF_KTHREAD } from '../../helper/kernel/numbers.ts';
import { capabilityNames } from '../../helper/proc/capabilities.ts';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { parseCmdline } from '../../helper/proc/cmdline.ts';
import { parseIdMap } from '../../helper/proc/idMap.ts';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { formatNamespaceLink, parseNamespaceLink } from '../../helper/proc/namespaceLink.ts';
import { parseHomes, parsePasswd } from '../../helper/proc/passwd.ts';
import { parseProtocols, parseRawSockets } from '../../helper/proc/rawSockets.ts';
import { parseSocketLink } from '../../helper/proc/socketLink.ts';
import { parseStat } from '../../helper/proc/stat.ts';
import { parseStatus } from '../../helper/proc/status.ts';
import { parseTimeOffsets } from '../../helper/proc/timensOffsets.ts';

describe('/proc/PID/stat', () => {
  const rest = 'S 2386 2382 7476 0 -1 4194304 95 0 0 0 7 5 0 0 20 0 3 0 939389 2990080 380 18446744073709551615 0 0 0';

  test('gives name, state, parent, flags, threads and start time', () => {
    assert.deepEqual(parseStat(`2387 (sleep) ${rest}`), {
      pid: 2387,
      name: 'sleep',
      state: 'S',
      parentPid: 2386,
      flags: 4194304,
      threads: 3,
      startTime: 939389,
    });
  });

  test('is not misled by a name that imitates the fields after it', () => {
    const name = 'x) R 1 1 1 (y\n<b>';
    const stat = parseStat(`2387 (${name}) ${rest}`);
    assert.deepEqual([stat?.name, stat?.state, stat?.parentPid, stat?.startTime], [name, 'S', 2386, 939389]);
  });

  test('tells a thread of the kernel', () => {
    const stat = parseStat('2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 30 0 0 0');
    assert.ok(((stat?.flags ?? 0) & PF_KTHREAD) !== 0);
  });

  test('is nothing when it is cut off or empty', () => {
    for (const text of ['', '2387', '2387 (sleep', '2387 (sleep) S 1 2']) assert.equal(parseStat(text), undefined);
  });
});

describe('/proc/PID/status', () => {
  const text = [
    'Name:\ta\\nUid:\t0 0 0 0',
    'State:\tS (sleeping)',
    'Uid:\t1000\t1001\t1002\t1003',
    'Gid:\t1\t2\t3\t4',
    'Groups:\t4 24 27 ',
    'NSpid:\t7295\t7\t1',
    'CapInh:\t0000000000000000',
    'CapPrm:\t00000000a80425fb',
    'CapEff:\t00000000a80425fb',
    'CapBnd:\t000001ffffffffff',
    'CapAmb:\t0000000000000000',
    'NoNewPrivs:\t1',
    'Seccomp:\t2',
    'Seccomp_filters:\t3',
  ].join('\n');

  test('gives credentials, nested pids, capabilities and seccomp', () => {
    const status = parseStatus(text);
    assert.deepEqual(status.uid, [1000, 1001, 1002, 1003]);
    assert.deepEqual(status.gid, [1, 2, 3, 4]);
    assert.deepEqual(status.groups, [4, 24, 27]);
    assert.deepEqual(status.namespacePids, [7295, 7, 1]);
    assert.equal(status.capabilities.effective, 0xa80425fbn);
    assert.deepEqual([status.noNewPrivileges, status.seccompMode, status.seccompFilters], [true, 2, 3]);
  });

  test('what the kernel does not tell is undefined, not zero', () => {
    const status = parseStatus('Name:\told\nUid:\t0\t0\t0\t0\n');
    assert.deepEqual([status.noNewPrivileges, status.seccompMode, status.seccompFilters], [undefined, undefined, undefined]);
    assert.deepEqual(status.namespacePids, []);
  });
});

test("the capabilities of Docker's default set have the names of capsh", () => {
  assert.deepEqual(
    capabilityNames(0xa80425fbn).join(),
    'CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_SETGID,CAP_SETUID,CAP_SETPCAP,CAP_NET_BIND_SERVICE,CAP_NET_RAW,CAP_SYS_CHROOT,CAP_MKNOD,CAP_AUDIT_WRITE,CAP_SETFCAP',
  );
});

test('a capability that is newer than the list has its number', () => {
  assert.deepEqual(capabilityNames(1n << 45n), ['CAP_45']);
});

describe('/proc/PID/mountinfo', () => {
  test('gives every field, with the optional ones in between', () => {
    const line =
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n' +
      '37 35 0:5 / /dev rw - devtmpfs udev rw,size=1k';
    const [one, other] = parseMountinfo(line);
    assert.deepEqual(one, {
      id: 36,
      parentId: 35,
      device: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt2',
      options: ['rw', 'noatime'],
      propagation: ['master:1', 'propagate_from:2'],
      type: 'ext3',
      source: '/dev/root',
      superOptions: ['rw', 'errors=continue'],
    });
    assert.deepEqual([other?.mountPoint, other?.propagation], ['/dev', []]);
  });

  test('spaces, newlines and backslashes in paths are as they are on disk', () => {
    const [mount] = parseMountinfo('1 2 0:4 net:[4026532184] /run/a\\040b\\012c\\134d rw - nsfs nsfs rw');
    assert.deepEqual([mount?.root, mount?.mountPoint, mount?.type], ['net:[4026532184]', '/run/a b\nc\\d', 'nsfs']);
  });

  test('lines of another shape are left out', () => {
    assert.deepEqual(parseMountinfo('\nnonsense\n1 2 3 - \n1 2 0:1 / / rw - ext4'), []);
  });
});

describe('a link to a namespace', () => {
  test('is its kind and number', () => {
    assert.deepEqual(parseNamespaceLink('net:[4026531840]'), { kind: 'net', ino: 4026531840 });
    assert.equal(formatNamespaceLink({ kind: 'net', ino: 4026531840 }), 'net:[4026531840]');
  });

  test('is not a socket, a file of that name, or a kind that there is not', () => {
    for (const text of ['socket:[4026531840]', '/tmp/net:[4026531840]', 'net:[1] (deleted)', 'net:[x]', 'net:[]', 'foo:[1]']) {
      assert.equal(parseNamespaceLink(text), undefined, text);
    }
  });
});

test('/proc/PID/cgroup gives each hierarchy by its controllers, and a colon in a path stays in it', () => {
  assert.deepEqual(parseCgroups('12:cpu,cpuacct:/a:b\n1:name=systemd:/x\n0::/y (deleted)\n'), [
    { hierarchy: 'cpu,cpuacct', path: '/a:b' },
    { hierarchy: 'name=systemd', path: '/x' },
    { hierarchy: 'unified', path: '/y' },
  ]);
});

test('/proc/PID/cmdline is split at its NULs, empty arguments kept, bytes that are no UTF-8 replaced', () => {
  const bytes = Buffer.concat([Buffer.from('sh\0-c\0\0echo '), Buffer.from([0xff]), Buffer.from('\0')]);
  assert.deepEqual(parseCmdline(bytes), ['sh', '-c', '', 'echo \ufffd']);
  assert.deepEqual(parseCmdline(Buffer.from('nginx: worker process\0\0\0')), ['nginx: worker process']);
  assert.deepEqual(parseCmdline(Buffer.alloc(0)), []);
});

test('/proc/PID/uid_map gives ranges, the whole of the ids too', () => {
  assert.deepEqual(parseIdMap('         0       1000          1\n         1     100000      65536\n'), [
    { inside: 0, outside: 1000, count: 1 },
    { inside: 1, outside: 100000, count: 65536 },
  ]);
  assert.deepEqual(parseIdMap('         0          0 4294967295\n'), [{ inside: 0, outside: 0, count: 4294967295 }]);
  assert.deepEqual(parseIdMap(''), []);
});

test('/proc/PID/timens_offsets gives nanoseconds, by name and by the clock numbers of older kernels', () => {
  const expected = { monotonicNanos: '86400000000005', boottimeNanos: '-1000000000' };
  assert.deepEqual(parseTimeOffsets('monotonic       86400         5\nboottime            -1         0\n'), expected);
  assert.deepEqual(parseTimeOffsets('1 86400 5\n7 -1 0\n'), expected);
});

test('/etc/passwd gives the first name of an id, and skips lines of another shape', () => {
  const text =
    'root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n# comment\n+::::::\nperson:x:1000:1000::/home/person:\n';
  assert.deepEqual(
    parsePasswd(text),
    new Map([
      [0, 'root'],
      [1000, 'person'],
    ]),
  );
  assert.equal(parseHomes(text).get(1000), '/home/person');
});

test('a link to a socket gives its inode number, and no other link does', () => {
  const parse = (text: string) => parseSocketLink(Buffer.from(`${text} and what was in the buffer before`), text.length);
  assert.deepEqual(['socket:[1]', 'socket:[4294967295]'].map(parse), [1, 4294967295]);
  const others = ['pipe:[12345]', 'socket:[', 'net:[4026531840]', '/tmp/socket:[5]', '/', 'anon_inode:[eventfd]'];
  assert.deepEqual(others.map(parse), Array(others.length).fill(undefined));
});

test('/proc/net/raw gives the addresses, the protocols and the inode numbers of raw sockets', () => {
  const heads =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';
  const four =
    ' 227: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 8170197 2 00000000f32e46aa 0\n';
  const six = `   58: ${'00000000'.repeat(3)}01000000:003A ${'0'.repeat(32)}:0000 07 00000000:00000000 00:00000000 00000000     0        0 17 2 0000 0\n`;
  assert.deepEqual(parseRawSockets(heads + four + six), [
    { address: Buffer.of(127, 0, 0, 1), ipProtocol: 1, uid: 1000, inode: 8170197 },
    { address: Buffer.of(...Array(15).fill(0), 1), ipProtocol: 58, uid: 0, inode: 17 },
  ]);
  assert.deepEqual(parseRawSockets(heads), []);
  assert.deepEqual(parseRawSockets(''), []);
});

test('/proc/net/protocols gives the names of protocols', () => {
  const text = 'protocol  size sockets  memory\nAF_VSOCK  1216      0      -1\nUDP-Lite  1344      0      -1\n';
  assert.deepEqual([...parseProtocols(text)].filter(Boolean), ['AF_VSOCK', 'UDP-Lite']);
});
