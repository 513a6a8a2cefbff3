/** Whose the files of an image are in the sandbox of an ordinary user who has subordinate ids, against tar, root and what rootless engines do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type IdMappings,
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { makeBusyboxRoot } from '../fixtures/busyboxRoot.ts';
import { testUid, unlessMaps, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { sandboxOutput } from '../fixtures/sandboxOutput.ts';
import { type TarEntry, tarOf } from '../fixtures/tarOf.ts';
import { until } from '../fixtures/until.ts';

const UID = testUid || 1001;
const SKIP = unlessRootHas('tar', 'busybox', 'setpriv', 'unshare') || unlessMaps(UID);
/** More than a program of the launcher has steps. */
const MANY = 2500;
const LIST = 'cd /; busybox find . -xdev -exec busybox stat -c "%A %u/%g %n" {} +';

describe('an image as the root of the sandbox of a user with subordinate ids', { skip: SKIP }, () => {
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    helper = await startHelper({ uid: UID, gid: UID });
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-owners-'));
    fs.chmodSync(folder, 0o755);
    const root = makeBusyboxRoot(path.join(folder, 'root'), ['home', 'closed', 'shared'], undefined);
    const own = (name: string, uid: number, gid: number, mode?: number) => {
      fs.lchownSync(path.join(root, name), uid, gid);
      if (mode !== undefined) fs.chmodSync(path.join(root, name), mode);
    };
    for (const name of ['set-ids', 'home/file', 'closed/file', 'plain']) fs.writeFileSync(path.join(root, name), name);
    fs.linkSync(path.join(root, 'set-ids'), path.join(root, 'home/hard'));
    fs.symlinkSync('/plain', path.join(root, 'home/soft'));
    own('set-ids', 7, 8, 0o6755);
    own('home', 1000, 1000, 0o750);
    own('home/file', 1000, 100, 0o640);
    own('home/soft', 1000, 1000);
    own('closed', 33, 0, 0);
    own('closed/file', 0, 33, 0o400);
    own('shared', 0, 50, 0o3777);
    execFileSync('tar', ['-C', root, '-cf', at('root.tar'), '.']);
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const at = (name: string) => path.join(folder, name);
  const ofFile = (format: 'tar' | 'dockerArchive', name: string, idMappings: IdMappings = 'subids'): SandboxSpec => ({
    root: { type: 'image', image: { format, path: at(name) } },
    idMappings,
    dev: 'none',
    proc: 'none',
    process: { capabilities: ['CAP_DAC_OVERRIDE'] },
  });
  /** The user is 1000 inside, and 0 one of its subordinate ids. */
  const inTheMiddle = (): IdMappings => {
    const first = Number(/:(\d+):/.exec(lineOf('/etc/subuid'))?.[1]);
    const mappings = [
      { containerID: 0, hostID: first, size: 1000 },
      { containerID: 1000, hostID: UID, size: 1 },
      { containerID: 1001, hostID: first + 1000, size: 1000 },
    ];
    return { uidMappings: mappings, gidMappings: mappings };
  };
  const lineOf = (file: string) => {
    const name = execFileSync('id', ['-un', String(UID)], { encoding: 'utf8' }).trim();
    const named = (line: string) => [name, String(UID)].includes(line.split(':')[0]!);
    return fs.readFileSync(file, 'utf8').split('\n').find(named) ?? '';
  };
  /** What tar says is in it, but for the root directory, which is the overlay's. As LIST has it. */
  const listed = (name: string) =>
    execFileSync('tar', ['--numeric-owner', '-tvf', at(name)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => /^(\S+) +(\S+) +\d+ +\S+ +\S+ (\S+)/.exec(line)!.slice(1) as [string, string, string])
      .filter(([, , file]) => file !== './')
      .map(([mode, owner, file]) => `${mode.replace('h', '-')} ${owner} ${file.replace(/\/$/, '')}`)
      .sort();

  test('belongs inside to whom the tar says, with its modes, whoever the user is inside', async () => {
    const expected = listed('root.tar');
    assert.ok(expected.includes('-rwsr-sr-x 7/8 ./home/hard') && expected.includes('d--------- 33/0 ./closed'));
    for (const idMappings of ['subids', inTheMiddle()] satisfies IdMappings[]) {
      const lines = (await sandboxOutput(helper, ofFile('tar', 'root.tar', idMappings), LIST)).trim().split('\n');
      assert.deepEqual(lines.filter((line) => expected.includes(line)).sort(), expected, lines.join('\n'));
    }
  });

  test('belongs outside to whom a tool that unpacks in such a user namespace gives it', async () => {
    const theirs = at('theirs');
    fs.mkdirSync(theirs);
    fs.chownSync(theirs, UID, UID);
    const as = ['--reuid', String(UID), '--regid', String(UID), '--clear-groups'];
    const unpack = [
      'unshare',
      '--user',
      '--map-root-user',
      '--map-auto',
      'tar',
      '--numeric-owner',
      '-xpf',
      at('root.tar'),
      '-C',
      theirs,
    ];
    execFileSync('setpriv', [...as, ...unpack], { cwd: '/' });
    const spec = { ...ofFile('tar', 'root.tar'), process: { args: ['sleep', '1000'], terminal: false } };
    const { sandbox } = await helper.request(SandboxesCreate, { spec });
    const names = listed('root.tar').map((line) => line.split(' ')[2]!);
    const seen = (root: string) =>
      names.map((name) => {
        const { uid, gid, mode, nlink } = fs.lstatSync(path.join(root, name));
        return { name, uid, gid, mode, nlink: name === './home/hard' ? nlink : undefined };
      });
    try {
      assert.deepEqual(seen(`/proc/${sandbox.process!.pid}/root`), seen(theirs));
    } finally {
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });

  const programs: TarEntry[] = [
    [{ name: 'bin/busybox', mode: 0o755 }, fs.readFileSync('/bin/busybox')],
    [{ name: 'bin/sh', type: 'symlink', linkname: 'busybox' }],
  ];

  test('in several layers is as root has it, also where a layer changes the directories of others', async () => {
    const ids = { uid: 33, gid: 34 };
    const lower = await tarOf([
      ...programs,
      [{ name: 'www', type: 'directory', mode: 0o500, ...ids }],
      [{ name: 'back', type: 'directory', mode: 0o755, ...ids }],
      ...['www/kept', 'www/deleted', 'www/replaced', 'www/opaque/a', 'back/file'].map(
        (name): TarEntry => [{ name, mode: 0o4755, ...ids }, 'lower'],
      ),
    ]);
    const upper = await tarOf([
      [{ name: 'www/.wh.deleted' }],
      [{ name: 'www/replaced', mode: 0o644, uid: 5, gid: 6 }, 'upper'],
      [{ name: 'www/opaque/.wh..wh..opq' }],
      [{ name: 'www/opaque/b', mode: 0o644, uid: 7, gid: 0 }, 'upper'],
      [{ name: 'back', type: 'directory', mode: 0o711 }],
    ]);
    const archive = await tarOf([
      [{ name: '1.tar' }, lower],
      [{ name: '2.tar' }, upper],
      [{ name: 'config.json' }, JSON.stringify({ rootfs: { diff_ids: [`sha256:${'0'.repeat(64)}`] } })],
      [{ name: 'manifest.json' }, JSON.stringify([{ Config: 'config.json', Layers: ['1.tar', '2.tar'] }])],
    ]);
    fs.writeFileSync(at('layers.tar'), archive);
    const script = 'cd /; busybox find www back -exec busybox stat -c "%A %u/%g %n" {} + | busybox sort';
    const range = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    await using root = await startHelper({ uid: 0, gid: 0 });
    const expected = await sandboxOutput(
      root,
      ofFile('dockerArchive', 'layers.tar', { uidMappings: range, gidMappings: range }),
      script,
    );
    for (const line of [
      '-rwsr-xr-x 33/34 back/file',
      'drwx--x--x 0/0 back',
      'dr-x------ 33/34 www',
      '-rw-r--r-- 7/0 www/opaque/b',
    ])
      assert.ok(expected.split('\n').includes(line), expected);
    assert.equal(await sandboxOutput(helper, ofFile('dockerArchive', 'layers.tar'), script), expected);
  });

  test('says which owners are not mapped; those files belong to root inside', async () => {
    fs.writeFileSync(
      at('far.tar'),
      await tarOf([...programs, [{ name: 'far', uid: 70_000, gid: 3 }], [{ name: 'further', uid: 80_000, gid: 90_000 }]]),
    );
    const spec = ofFile('tar', 'far.tar');
    const args = ['/bin/busybox', 'stat', '-c', '%u:%g', '/far', '/further'];
    const { stdout, notes } = await helper.request(SandboxesRun, { spec: { ...spec, process: { args } } });
    assert.equal(stdout, '0:3\n0:0\n');
    const told =
      '2 files of the image have owners that are not mapped (user 70000, 80000; group 90000); they belong to root inside.';
    assert.ok(notes.includes(told), notes.join('\n'));
  });

  test('changes no owner outside, whatever its links lead to', async () => {
    const victim = at('victim');
    fs.writeFileSync(victim, 'mine');
    fs.chownSync(victim, UID, UID);
    const [ids, type] = [{ uid: 7, gid: 7 }, 'symlink'] as const;
    fs.writeFileSync(
      at('links.tar'),
      await tarOf([
        ...programs,
        [{ name: folder.slice(1), type: 'directory' }],
        [{ name: 'out', type, linkname: folder, ...ids }],
        [{ name: 'out/victim', ...ids }, 'theirs'],
        [{ name: 'victim', type, linkname: victim, ...ids }],
        [{ name: 'again', type: 'link', linkname: 'out/victim', ...ids }],
      ]),
    );
    const script = `busybox stat -c %u:%g /victim /again ${victim}; busybox cat /out/victim`;
    assert.equal(await sandboxOutput(helper, ofFile('tar', 'links.tar'), script), '7:7\n7:7\n7:7\ntheirs');
    assert.equal(fs.statSync(victim).uid, UID);
    assert.equal(fs.readFileSync(victim, 'utf8'), 'mine');
  });

  test('may have any number of files, and leaves nothing', async () => {
    const { pid } = helper.process;
    const traces = () => ({
      descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
      children: fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').length,
      files: fs.readdirSync(folder).length,
    });
    const files = Array.from({ length: MANY }, (_, index): TarEntry => [{ name: `many/${index}`, uid: index + 1, gid: 9 }]);
    fs.writeFileSync(at('many.tar'), await tarOf([...programs, ...files]));
    const before = traces();
    const script = `busybox find /many -type f -group 9 | busybox wc -l; busybox stat -c %u /many /many/${MANY - 1}`;
    for (const idMappings of ['subids', inTheMiddle()] satisfies IdMappings[]) {
      const [count, directory, last] = (await sandboxOutput(helper, ofFile('tar', 'many.tar', idMappings), script)).split('\n');
      assert.deepEqual([Number(count), directory], [MANY, '0']);
      if (idMappings === 'subids') assert.equal(last, String(MANY));
    }
    const isLeft = () => {
      const now = traces();
      return now.descriptors > before.descriptors || now.children > before.children || now.files > before.files;
    };
    await until(
      () => !isLeft(),
      () => JSON.stringify([before, traces()]),
    );
  });

  test('has its owners in the explanation', async () => {
    const { steps } = await helper.request(SandboxesExplain, { spec: ofFile('tar', 'root.tar') });
    assert.ok(steps.some(({ purpose }) => /unpack the image.*owners.*fchownat in the user namespace/.test(purpose)));
    const alone = await helper.request(SandboxesExplain, { spec: ofFile('tar', 'root.tar', 'root') });
    assert.ok(!alone.steps.some(({ purpose }) => purpose.includes('fchownat')));
  });
});
