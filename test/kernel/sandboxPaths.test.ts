/** Paths of the host in a specification, whose folder may hold symbolic links that somebody else made. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { clientUid, patient } from '../fixtures/environment.ts';
import type { Outcome } from '../fixtures/exchangePath.ts';
import { fixtureProgram } from '../fixtures/fixtureProgram.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const EXCHANGE = fixtureProgram('exchangePath');

describe('a path of a specification', () => {
  const { request, inFolder, rootDirectory, folder } = lazily(
    sandboxClient(path.join(fs.realpathSync(os.tmpdir()), 'isoscope-paths-')),
  );
  let elsewhere: string;
  before(() => {
    elsewhere = directory('elsewhere', 'elsewhere/work');
    fs.writeFileSync(path.join(elsewhere, 'secret'), '');
    fs.writeFileSync(path.join(elsewhere, 'work/kept'), '');
  });

  /** For the helper's user. The first is returned. */
  function directory(...names: [string, ...string[]]): string {
    for (const name of names) {
      fs.mkdirSync(inFolder(name));
      if (clientUid !== undefined) fs.chownSync(inFolder(name), clientUid, clientUid);
    }
    return inFolder(names[0]);
  }

  const untouched = () => {
    assert.deepEqual(fs.readdirSync(elsewhere), ['secret', 'work']);
    assert.deepEqual(fs.readdirSync(path.join(elsewhere, 'work')), ['kept']);
  };
  const runIn = (spec: SandboxSpec) =>
    request(SandboxesRun, { spec: { process: { args: ['sh', '-c', 'echo >/leaked'] }, ...spec }, directory: folder() });
  const explain = (spec: SandboxSpec) => request(SandboxesExplain, { spec, directory: folder() });
  const refused = async (spec: SandboxSpec, message: RegExp) => {
    for (const asked of [explain(spec), runIn(spec)])
      assert.match((await refusalOf(asked as Promise<unknown>, 'invalid')).message, message);
    untouched();
  };

  test('leads to no changes through a link that lies where they are kept', async () => {
    rootDirectory('overlaid');
    for (const name of ['upper', 'work']) {
      const upper = `kept-${name}`;
      fs.symlinkSync(elsewhere, path.join(directory(upper), name));
      const root = { type: 'directory', path: 'overlaid', access: 'overlay', upper } as const;
      await refused({ root }, new RegExp(`^"root.upper": .*/${name} is a symbolic link`));
    }
    fs.symlinkSync(elsewhere, inFolder('kept'));
    await refused(
      { root: { type: 'directory', path: 'overlaid', access: 'overlay', upper: 'kept' } },
      /^"root.upper": .* goes through a symbolic link, to /,
    );
  });

  test('leads to no directory of an overlay through a link', async () => {
    directory('lower');
    directory('changes', 'changes/work');
    fs.symlinkSync(elsewhere, inFolder('linked'));
    const over = (...options: string[]): SandboxSpec => ({ mounts: [{ destination: '/mnt', type: 'overlay', options }] });
    await refused(over('lowerdir=lower:linked'), /^"mounts: lowerdir": .* goes through a symbolic link/);
    await refused(over('lowerdir=lower', 'upperdir=linked', 'workdir=changes/work'), /^"mounts: upperdir"/);
    await refused(over('lowerdir=lower', 'upperdir=changes', 'workdir=linked/work'), /^"mounts: workdir"/);
  });

  test('of a root goes through no link, as runc demands', async () => {
    fs.symlinkSync('/', inFolder('rootfs'));
    fs.symlinkSync('.', inFolder('here'));
    rootDirectory('plain');
    const of = (given: string): SandboxSpec => ({ root: { type: 'directory', path: given } });
    await refused(of('rootfs'), /^"root.path": .*\/rootfs goes through a symbolic link, to \/\.$/);
    await refused(of('here/plain'), /goes through a symbolic link/);
    await refused(of(inFolder('rootfs/tmp')), /goes through a symbolic link/);
    assert.equal((await runIn(of('plain'))).exit.code, 0);
  });

  test('may begin in a folder that a link leads to', async () => {
    rootDirectory('reached');
    const link = `${folder()}-link`;
    fs.symlinkSync(folder(), link);
    try {
      const spec: SandboxSpec = { root: { type: 'directory', path: 'reached' }, process: { args: ['true'] } };
      assert.equal((await request(SandboxesRun, { spec, directory: link })).exit.code, 0);
    } finally {
      fs.unlinkSync(link);
    }
  });

  test('that leaves the folder is said, whether by a link or by ".."', async () => {
    fs.symlinkSync('/usr', inFolder('data'));
    directory('inside');
    const notesFor = async (source: string) =>
      (await explain({ mounts: [{ destination: '/mnt', type: 'bind', source }] })).notes.filter((note) =>
        note.includes('leads out of the folder'),
      );
    assert.deepEqual(await notesFor('data/lib'), [
      '"mounts": data/lib leads out of the folder of the specification, to /usr/lib.',
    ]);
    assert.equal((await notesFor('../')).length, 1);
    assert.equal((await notesFor(inFolder('data'))).length, 1);
    assert.deepEqual(await notesFor('inside'), []);
    assert.deepEqual(await notesFor('/usr'), []);
  });

  test('of an image leads to no file outside of it', async () => {
    const secret = path.join(elsewhere, 'secret');
    fs.symlinkSync(secret, path.join(directory('layout'), 'index.json'));
    const asked = explain({ root: { type: 'image', image: { format: 'oci', path: 'layout' } } });
    assert.match((await refusalOf(asked as Promise<unknown>, 'permission')).message, /leads out of the image/);
  });

  describe('that is exchanged for a link while the sandbox is made', () => {
    /** Before each step. The program fails when it sees what the link leads to. */
    async function exchange(spec: SandboxSpec, exchanged: string, link: string): Promise<Outcome[]> {
      const see = 'touch /leaked /mnt/leaked; [ ! -e /secret ] && [ ! -e /mnt/secret ]';
      const argument = JSON.stringify({
        spec: { dev: 'none', ...spec, process: { args: ['sh', '-c', see], terminal: false } },
        directory: exchanged,
        link,
      });
      const user = clientUid === undefined ? {} : { uid: clientUid, gid: clientUid };
      const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', EXCHANGE, argument];
      const { stdout } = await promisify(execFile)(process.execPath, args, { ...user, cwd: '/', timeout: patient(120_000) });
      const outcomes = JSON.parse(stdout) as Outcome[];
      untouched();
      return outcomes;
    }
    /** It is noticed up to the step that takes it, and from there on it has no effect. */
    function isNoticed(outcomes: Outcome[]): void {
      const first = outcomes.indexOf(0);
      const ran = outcomes.slice(first);
      assert.ok(first > 0 && outcomes.slice(0, first).every((one) => /E(LOOP|NOTDIR)/.test(String(one))), String(outcomes));
      assert.ok(
        ran.every((one) => one === 0),
        String(ran),
      );
    }
    let own: string;
    before(() => {
      // Where whoever makes the sandbox may rename.
      own = directory('own', 'own/elsewhere', 'own/lower', 'own/source', 'own/kept', 'own/kept/upper', 'own/kept/work');
      rootDirectory('own/root', ['proc', 'dev', 'tmp', 'mnt']);
    });
    const root = (): NonNullable<SandboxSpec['root']> => ({ type: 'directory', path: path.join(own, 'root') });

    test('is the root', async () => {
      isNoticed(await exchange({ root: root() }, path.join(own, 'root'), elsewhere));
    });

    test('keeps the changes', async () => {
      const upper = path.join(own, 'kept');
      const spec: SandboxSpec = { root: { ...root(), access: 'overlay', upper } as never };
      for (const name of ['', 'upper', 'work']) isNoticed(await exchange(spec, path.join(upper, name), elsewhere));
    });

    test('is the source of a mount', async () => {
      const source = path.join(own, 'source');
      const spec: SandboxSpec = { root: root(), mounts: [{ destination: '/mnt', type: 'bind', source, options: ['rw'] }] };
      isNoticed(await exchange(spec, source, elsewhere));
    });

    test('is a directory of an overlay', async () => {
      const [lower, upper, work] = ['lower', 'kept/upper', 'kept/work'].map((name) => path.join(own, name));
      const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`];
      const spec: SandboxSpec = { root: root(), mounts: [{ destination: '/mnt', type: 'overlay', options }] };
      for (const layer of [lower, upper, work]) isNoticed(await exchange(spec, layer!, elsewhere));
    });
  });
});

/** `folder` exists only while the tests run. */
function lazily(client: ReturnType<typeof sandboxClient>) {
  return { ...client, folder: () => client.folder };
}
