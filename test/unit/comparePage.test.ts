import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import type { MountsListResult } from '../../helper/protocol/mounts.ts';
import type { Block, Page, Section, Value } from '../../webview/messages.ts';
import { dockerMounts, HOST_MOUNTS } from '../fixtures/mountTables.ts';

const { compareMountsPage } = await import('../../extension/panels/comparePage.ts');

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
    assert.deepEqual(headings(plain), ['As Docker does to every container: 17', 'Mounts that are made later', 'The rest']);
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
    assert.deepEqual(section(plain, 'The rest'), ['▸ 2 of the host that web does not have']);
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
      '/dev/shm | tmpfs mine (writable) | tmpfs (writable, nosuid, nodev)',
      '/proc | /jail of the host (writable · ext4 /dev/sda1[/jail]) | proc (writable, nosuid)',
    ]);
    assert.deepEqual(section(found, 'Read-only in sh (7): 1'), ['/srv | read-only, nosuid | writable']);
    assert.equal(section(found, 'Mounted in sh (7), and hidden: 3').length, 3);
  });

  test('do not differ where they are the same', () => {
    const same = page(host);
    assert.equal(same.subtitle, 'Mounts: no place differs');
    assert.deepEqual(section(same, 'The rest'), ['Nothing differs.', '▸ 9 the same']);
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
