import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import type { Limit } from '../../helper/protocol/cgroups.ts';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import type { Block, Page, Section, Value } from '../../webview/messages.ts';
import { inspectAnswer, NOT_IN_V1, ownLimit } from '../fixtures/cgroupAnswers.ts';
import { ANSWERS } from '../fixtures/hostileAnswers.ts';
import { dockerMounts, HOST_MOUNTS } from '../fixtures/mountTables.ts';

const { compareMountsPage, comparePage } = await import('../../extension/panels/comparePage.ts');

const WITH_HOST = { mine: 'web', other: 'the host', isOtherHost: true, engine: 'Docker' };
const WITH_DB = { mine: 'web', other: 'db', isOtherHost: false, engine: 'Docker' };

const mounts = (...lines: string[]): MountsListResult => ({
  mounts: parseMountinfo(lines.join('\n')),
  omitted: 0,
  complete: true,
});
const host = mounts(HOST_MOUNTS);
const web = (...more: string[]) => mounts(dockerMounts('0123abcd', 6), ...more);
const page = (mine: MountsListResult, other = host, names: typeof WITH_HOST = WITH_HOST) =>
  compareMountsPage({ mine, other }, names, true);

const valueText = ({ text, note }: Value) => (note === undefined || note === '' ? text : `${text} (${note})`);

/** What a block says, a line each; of what is folded only its summary. */
function said(block: Block): string[] {
  switch (block.kind) {
    case 'facts':
      return block.facts.map(({ label, value }) => `${label}: ${valueText(value)}`);
    case 'table':
      return block.table.rows.map(({ cells }) => cells.map(valueText).join(' | '));
    case 'text':
      return [block.text];
    case 'heading':
      return [`# ${block.text}`];
    case 'names':
      return [block.names.map(({ text, danger }) => (danger ? `${text}!` : text)).join(' ')];
    case 'details':
      return [`▸ ${block.summary}`];
    default:
      return [];
  }
}

const headings = ({ sections }: Page) => sections.map(({ heading }) => heading);
const section = ({ sections }: Page, heading: string): string[] =>
  (sections.find((one): one is Section => one.heading === heading)?.blocks ?? []).flatMap(said);

describe('the mounts of a container beside those of the host', () => {
  test('are all as usual in a plain one, in a line a kind, and what of the host it lacks is folded', () => {
    const plain = page(web());
    assert.equal(plain.title, 'web ↔ the host');
    assert.equal(plain.subtitle, 'Mounts: 17 places differ, all as in every container');
    assert.deepEqual(headings(plain), ['As Docker does to every container: 17', 'The rest']);
    assert.deepEqual(
      section(plain, 'As Docker does to every container: 17').map((line) => line.replace(/ \(.*/, '')),
      [
        'Root: an overlay of its own, made of layers',
        'Hidden: 3: parts of /proc and /sys that tell of the host or act on it',
        'Read-only: 2: parts of /proc and /sys that would set something of the host',
        'Of its own: 8: processes, devices, shared memory, and its part of the cgroups',
        'Names: 3: files that the engine writes for it',
      ],
    );
    assert.deepEqual(section(plain, 'The rest'), ['▸ 2 mounts of the host that web does not have']);
  });

  test('begin with what was bound into it, with the path on the host', () => {
    const bound = page(
      web(
        '900 600 8:2 /data /data rw,relatime - ext4 /dev/sdb1 rw',
        '901 600 8:1 /run/docker.sock /run/docker.sock ro shared:1 - ext4 /dev/sda1 rw',
        '902 600 0:90 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw',
      ),
    );
    assert.equal(bound.subtitle, 'Mounts: 20 places differ, 3 of them not as in every container');
    assert.equal(headings(bound)[0], 'Only in web: 3');
    assert.deepEqual(section(bound, 'Only in web: 3'), [
      '/data | /srv/data of the host (writable · ext4 /dev/sdb1[/data])',
      '/run/docker.sock | /run/docker.sock of the host (read-only · shared · ext4 /dev/sda1[/run/docker.sock])',
      '/tmp | tmpfs (writable, nosuid, nodev)',
    ]);
  });

  test('tell what is read-only in it, what hides, and what is something else there', () => {
    const own = [
      HOST_MOUNTS.replaceAll(/ shared:\d+/g, '').replace('8:2 / /srv rw', '8:2 / /srv ro,nosuid'),
      '90 25 0:90 / /dev/shm rw - tmpfs mine rw',
      '91 22 8:1 /jail /proc rw - ext4 /dev/sda1 rw',
    ];
    const found = page(mounts(...own), host, { mine: 'sh (7)', other: 'the host', isOtherHost: true } as typeof WITH_HOST);
    assert.equal(found.subtitle, 'Mounts: 7 places differ');
    assert.deepEqual(section(found, 'Something else than on the host: 2'), [
      '/dev/shm | tmpfs mine (one of its own · writable) | tmpfs (writable, nosuid, nodev)',
      '/proc | /jail of the host (writable · ext4 /dev/sda1[/jail]) | proc (writable, nosuid)',
    ]);
    assert.deepEqual(section(found, 'Read-only in sh (7): 1'), ['/srv | read-only, nosuid | writable']);
    assert.equal(section(found, 'Mounted in sh (7), and hidden: 3').length, 3);
  });

  test('are known as usual also in a container whose root is the host’s', () => {
    const own = [HOST_MOUNTS, '90 24 0:90 / /proc rw - proc proc rw', '91 90 0:91 / /proc/acpi ro - tmpfs tmpfs ro'];
    const names = { mine: 'box', other: 'the host', isOtherHost: true } as typeof WITH_HOST;
    const found = page(mounts(...own), host, names);
    assert.deepEqual(section(found, 'As is usual in containers: 2').length, 2);
    assert.equal(found.subtitle, 'Mounts: 5 places differ, 3 of them not as in every container', 'it hides what it copied');
  });

  test('are told soon of a table that somebody made endless, the first of them by name', () => {
    const many = Array.from({ length: 50_000 }, (_, at) => `${at + 1000} 600 8:2 /${at} /many/${at} rw - ext4 /dev/sdb1 rw`);
    const started = performance.now();
    const found = page(web(...many));
    assert.ok(performance.now() - started < 5000);
    assert.equal(section(found, 'Only in web: 50000').length, 201);
    assert.equal(section(found, 'Only in web: 50000').at(-1), '49800 more are not shown.');
  });

  test('do not differ where they are the same', () => {
    const same = page(host);
    assert.equal(same.subtitle, 'Mounts: no place differs');
    assert.deepEqual(section(same, 'What is the same'), ['Nothing differs.', '▸ 9 mounts the same']);
  });

  test('are not said to be the same, nor to be missing, where they could not all be read', () => {
    const part = page({ ...host, complete: false, omitted: 4 });
    assert.deepEqual(section(part, 'What is not known'), [
      'Of web only what is mounted below the root of its process could be read: what seems to be only in the host may be in it, too.',
      '4 more mounts of web are left out of this.',
    ]);
    assert.doesNotMatch(JSON.stringify(part), /Nothing differs|no place differs/);
  });
});

describe('the mounts of two containers', () => {
  const db = (...more: string[]) => mounts(dockerMounts('4567cdef', 7), ...more);

  test('differ by their roots, and what each has of its own is folded', () => {
    const two = page(web(), db(), WITH_DB);
    assert.deepEqual(headings(two), ['Something else than in db: 1', 'The rest']);
    assert.deepEqual(section(two, 'Something else than in db: 1'), [
      '/ | overlay (writable · 2 of its 3 lower layers are in both) | overlay (writable)',
    ]);
    assert.deepEqual(section(two, 'The rest'), ['▸ 16 of the same kind, each its own']);
  });

  test('differ by a volume, and tell where the other has the same directory', () => {
    const two = page(
      web('900 600 8:2 /shared /in rw - ext4 /dev/sdb1 rw'),
      db('900 700 8:2 /shared /out ro - ext4 /dev/sdb1 rw'),
      WITH_DB,
    );
    assert.deepEqual(section(two, 'Only in web: 1'), ['/in | /out of db (writable · ext4 /dev/sdb1[/shared])']);
    assert.deepEqual(section(two, 'Only in db: 1'), ['/out | /in of web (read-only · ext4 /dev/sdb1[/shared])']);
  });

  test('tell which of them lacks what engines do to every container', () => {
    const privileged = mounts(
      dockerMounts('0123abcd', 6)
        .split('\n')
        .filter((line) => !/ \/(proc|sys)\/(bus|sys|acpi|kcore|firmware) /.test(line))
        .join('\n')
        .replace('/sys ro,', '/sys rw,')
        .replace('sysfs sysfs ro', 'sysfs sysfs rw'),
    );
    const two = page(privileged, db(), WITH_DB);
    assert.deepEqual(
      section(two, 'Only in db, as engines do to every container: 5').map((line) => line.replace(/: \d.*/, '')),
      ['Hidden', 'Read-only'],
    );
    assert.deepEqual(section(two, 'With other options: 1'), [
      '/sys | writable, nosuid, nodev, noexec | read-only, nosuid, nodev, noexec',
    ]);
  });
});

describe('two things in all respects', () => {
  const KINDS = { user: 1, mnt: 2, pid: 3, net: 4, ipc: 5, uts: 6, cgroup: 7, time: 8 };
  const ALL = ['CAP_CHOWN', 'CAP_KILL', 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE'];
  const setsOf = (names: string[]) => ({ effective: names, permitted: names, bounding: names, inheritable: [], ambient: [] });
  const everyId = [{ inside: 0, outside: 0, count: 4294967295 }];

  const processOf = (given: Partial<ProcessesInspectResult> = {}): ProcessesInspectResult => ({
    ...ANSWERS['processes/inspect'],
    user: 'root',
    uid: 0,
    namespaces: KINDS,
    root: { confinement: 'host', path: '/', hostRootReachableAt: ['/'] },
    capabilities: setsOf(ALL),
    noNewPrivileges: false,
    seccomp: { mode: 'disabled' },
    securityLabel: 'unconfined',
    uidMap: everyId,
    gidMap: everyId,
    ...given,
  });
  const first = { mounts: host, process: processOf(), limits: 'none' as const, hostNamespaces: KINDS };
  const memory = (limit: Limit) => [
    inspectAnswer('memory', '/docker/web', {
      memory: {
        usageBytes: 1,
        workingSetBytes: 1,
        peakBytes: 1,
        anonBytes: 1,
        fileBytes: 1,
        kernelBytes: 1,
        slabBytes: 1,
        swapBytes: 1,
        minBytes: NOT_IN_V1,
        lowBytes: NOT_IN_V1,
        highBytes: NOT_IN_V1,
        limit,
        swapLimit: { lacking: 'kernel' },
        events: {},
        oomGroup: NOT_IN_V1,
        pressure: NOT_IN_V1,
      },
    }),
  ];
  const inWeb = {
    ...first,
    mounts: web(),
    process: processOf({
      namespaces: { ...KINDS, mnt: 20, pid: 30, net: 40, ipc: 50, uts: 60 },
      root: { confinement: 'mountNamespace', path: '/', hostRootReachableAt: [] },
      capabilities: setsOf(['CAP_CHOWN', 'CAP_KILL']),
      seccomp: { mode: 'filter', filters: 1 },
    }),
    limits: memory(
      ownLimit({ hierarchy: 'memory', path: '/docker/web' }, 64 * 2 ** 20, '67108864', 'memory.limit_in_bytes'),
    ) as never,
  };
  const compared = (mine: typeof first, other = first, names: typeof WITH_HOST = WITH_HOST) =>
    comparePage({ mine, other }, names, true);

  test('tell of a container and the host what differs, and fold what is the same', () => {
    const found = compared(inWeb);
    assert.deepEqual(section(found, 'Namespaces'), [
      'Network | separate (net:[40]) | the host’s (net:[4])',
      'Process ids | separate (pid:[30]) | the host’s (pid:[3])',
      'Mounts | separate (mnt:[20]) | the host’s (mnt:[2])',
      'Host name | separate (uts:[60]) | the host’s (uts:[6])',
      'IPC | separate (ipc:[50]) | the host’s (ipc:[5])',
      '▸ Namespaces: 3 the same',
    ]);
    assert.deepEqual(section(found, 'Capabilities'), [
      'Only the host, in effect: 2',
      'CAP_SYS_ADMIN CAP_SYS_MODULE',
      '▸ 2 in effect in both',
    ]);
    assert.deepEqual(section(found, 'Restrictions'), [
      'seccomp | filtered | off: it may make every system call',
      '▸ Restrictions: 2 the same',
    ]);
    assert.equal(section(found, 'Limits that bind').at(1), 'Memory | 64 MiB (its own binds) | not limited');
    assert.match(section(found, 'Root directory')[0] ?? '', /^What it sees \| mounts of its own \| the host’s files$/);
    assert.deepEqual(section(found, 'Users'), ['▸ Users: 3 the same']);
    assert.equal(section(found, 'Mounts')[0], '# As Docker does to every container: 17');
    assert.equal(
      found.subtitle,
      'What differs: Namespaces 5 · Root directory 3 · Capabilities 2 · Restrictions 1 · Limits that bind 1 · Mounts 17',
    );
  });

  test('have what is the same in both after all that differs', () => {
    assert.equal(headings(compared(inWeb)).at(-1), 'Users');
    const same = compared(first);
    assert.equal(same.subtitle, 'Nothing differs');
    assert.deepEqual(section(same, 'Capabilities'), ['▸ 4 in effect in both']);
  });

  test('say of capabilities in a user namespace of its own how far they reach', () => {
    const own = {
      ...first,
      process: processOf({ namespaces: { ...KINDS, user: 10 }, capabilities: setsOf(['CAP_SYS_ADMIN']) }),
    };
    assert.deepEqual(section(compared(own, inWeb, WITH_DB), 'Capabilities'), [
      'Only web, in effect: 1',
      'CAP_SYS_ADMIN',
      'Only db, in effect: 2',
      'CAP_CHOWN CAP_KILL',
      'Those of web hold only over what its own user namespace owns.',
    ]);
    const strong = { ...first, process: processOf({ capabilities: setsOf(['CAP_SYS_ADMIN']) }) };
    assert.deepEqual(
      section(compared(strong, inWeb, WITH_DB), 'Capabilities').slice(1, 3),
      ['CAP_SYS_ADMIN!', '▸ What the marked one allows'],
      'they hold against the host',
    );
  });

  test('tell of what may be gained where that differs otherwise than what is in effect', () => {
    const user = { ...first, process: processOf({ capabilities: { ...setsOf([]), bounding: ALL } }) };
    const confined = { ...first, process: processOf({ capabilities: setsOf([]) }) };
    assert.deepEqual(section(compared(user, confined, WITH_DB), 'Capabilities'), ['Only web, may be gained: 4', ALL.join(' ')]);
  });

  test('are never called the same where one of them is unknown', () => {
    const unknown = { unknown: 'permission' as const };
    const closed = { ...first, process: unknown as never, mounts: unknown as never, limits: unknown as never };
    const found = compared(inWeb, closed);
    assert.equal(found.subtitle, 'What is known is the same, the rest is unknown');
    assert.doesNotMatch(JSON.stringify(found), /Nothing differs|: \d+ the same|Neither/);
    assert.equal(section(found, 'Capabilities')[0], 'In effect | 2 in effect | unknown: permission denied');
    for (const [heading, lines] of found.sections.map((one) => [one.heading, one.blocks.flatMap(said)] as const))
      assert.ok(lines.length > 0 && lines.every((line) => line.includes('unknown')), heading);
  });

  test('know the namespaces and the root of a host whose first process is closed to everybody', () => {
    const found = compared(inWeb, { ...first, process: { unknown: 'permission' } as never });
    assert.equal(section(found, 'Namespaces')[0], 'Network | separate (net:[40]) | the host’s (net:[4])');
    assert.match(section(found, 'Root directory')[0] ?? '', /\| the host’s files$/);
    assert.equal(section(found, 'Capabilities')[0], 'In effect | 2 in effect | unknown: permission denied');
  });

  test('are told of by parts where only some is unknown', () => {
    const half = {
      ...inWeb,
      process: { ...inWeb.process, namespaces: { ...KINDS, net: null }, seccomp: { unknown: 'permission' as const } },
    };
    const found = compared(half);
    assert.deepEqual(section(found, 'Namespaces')[0], 'Network | unknown: permission denied | the host’s (net:[4])');
    assert.match(section(found, 'Restrictions')[0] ?? '', /^seccomp \| unknown/);
  });

  test('are not said to have the same filter, since only that there is one is known', () => {
    const found = compared(inWeb, inWeb, WITH_DB);
    assert.deepEqual(section(found, 'Restrictions'), [
      'seccomp | filtered | filtered (whether by the same rules is unknown)',
      '▸ Restrictions: 2 the same',
    ]);
    assert.equal(found.subtitle, 'What is known is the same, the rest is unknown');
  });

  test('differ by packages where both have a list of them, and by nothing where one has none', () => {
    const packages = (list: Record<string, string>) => new Map(Object.entries(list));
    const one = { ...inWeb, packages: packages({ bash: '5.2', curl: '8.1', musl: '1.2' }) };
    const two = { ...inWeb, packages: packages({ bash: '5.1', musl: '1.2' }) };
    assert.deepEqual(section(compared(one, two, WITH_DB), 'Packages'), [
      'bash | 5.2 | 5.1',
      'curl | 8.1 | –',
      '▸ Packages: 1 the same',
    ]);
    assert.ok(compared(one, two, WITH_DB).subtitle.endsWith('Packages 2'));
    assert.deepEqual(section(compared(one, inWeb, WITH_DB), 'Packages'), []);
    const closed = { ...inWeb, packages: { unknown: 'permission' } as never };
    assert.deepEqual(section(compared(one, closed, WITH_DB), 'Packages'), ['Installed | 3 | unknown: permission denied']);
    const many = { ...inWeb, packages: packages(Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`p${at}`, '1']))) };
    assert.equal(section(compared(many, two, WITH_DB), 'Packages').at(-1), '702 more are not shown.');
  });
});
