/** Id-mapped mounts of sandboxes, seen from inside, from outside and on the disk. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
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
import { isHelperRoot } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { sandboxOutput } from '../fixtures/sandboxOutput.ts';

const RANGE = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const idMappings: IdMappings = { uidMappings: RANGE, gidMappings: RANGE };
const NEEDS_ROOT_HELPER = !isHelperRoot && 'the helper is not root';

describe('an id-mapped mount of a sandbox', () => {
  let helper: RunningHelper;
  let folder: string;
  before(async () => {
    helper = await startHelper();
    // On the disk: /tmp may be a tmpfs, which takes no id maps before Linux 6.3.
    folder = fs.mkdtempSync('/var/tmp/isoscope-idmap-');
    fs.chmodSync(folder, 0o755);
  });
  after(async () => {
    await helper?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** A directory with a file of root and one of user 7. */
  function owned(name: string): string {
    const directory = path.join(folder, name);
    fs.mkdirSync(directory);
    for (const [file, id] of [
      ['roots', 0],
      ['sevens', 7],
    ] as const) {
      fs.writeFileSync(path.join(directory, file), file, { mode: 0o600 });
      fs.chownSync(path.join(directory, file), id, id);
    }
    return directory;
  }

  const output = (spec: SandboxSpec, script: string) => sandboxOutput(helper, spec, script);

  const bound = (source: string, ...options: string[]): SandboxSpec => ({
    idMappings,
    mounts: [{ destination: '/mnt', type: 'bind', source, options }],
  });

  test('shows files to root inside as root’s, and what it makes is root’s on the disk', {
    skip: NEEDS_ROOT_HELPER,
  }, async () => {
    const shared = owned('bind');
    const script = 'cd /mnt; stat -c %u:%g roots sevens; cat roots; touch made; stat -c %u made';
    assert.equal(await output(bound(shared, 'rw', 'idmap'), script), '0:0\n7:7\nroots0\n');
    assert.equal(fs.statSync(path.join(shared, 'made')).uid, 0);
    const unmapped = await output(bound(shared, 'rw'), 'cd /mnt; stat -c %u:%g roots sevens; cat roots 2>&1 || true');
    assert.match(unmapped, /^65534:65534\n65534:65534\n.*Permission denied/);
  });

  test('is told by the kernel in the mount table, and is read-only unless it is to be written', {
    skip: NEEDS_ROOT_HELPER,
  }, async () => {
    const spec = { ...bound(owned('table'), 'idmap'), process: { args: ['sleep', '1000'], terminal: false } };
    const { sandbox } = await helper.request(SandboxesCreate, { spec });
    const table = fs.readFileSync(`/proc/${sandbox.process!.pid}/mountinfo`, 'utf8');
    assert.match(table, / \/mnt ro,\S*\bidmapped\b/);
    await helper.request(SandboxesRemove, { sandbox: sandbox.id });
  });

  test('can be the root, also below an overlay that is kept', { skip: NEEDS_ROOT_HELPER }, async () => {
    const root = makeBusyboxRoot(path.join(folder, 'root'), ['proc', 'dev'], undefined);
    fs.chmodSync(root, 0o755);
    const upper = owned('upper');
    const script = 'stat -c %u /bin/busybox /; touch /made; grep " / / \\| / " /proc/self/mountinfo | head -1';
    const direct: SandboxSpec = { idMappings, root: { type: 'directory', path: root, idmap: true } };
    assert.match(await output(direct, script), /^0\n0\n.*idmapped/);
    assert.equal(fs.statSync(path.join(root, 'made')).uid, 0);
    const changed: SandboxSpec = { idMappings, root: { type: 'directory', path: root, access: 'overlay', upper, idmap: true } };
    assert.match(
      await output(changed, 'stat -c %u /bin/busybox / /made; echo more >/made; touch /new; cat /made'),
      /^0\n0\n0\nmore\n/,
    );
    assert.equal(fs.readFileSync(path.join(root, 'made'), 'utf8'), '');
    assert.equal(fs.statSync(path.join(upper, 'upper/new')).uid, 0);
  });

  test('of a file system that cannot do it is refused with the reason, and nothing is left', {
    skip: NEEDS_ROOT_HELPER,
  }, async () => {
    const before = fs.readdirSync(`/proc/${helper.process.pid}/fd`).length;
    for (const [source, option] of [
      ['/sys', 'idmap'],
      ['/', 'ridmap'],
    ] as const) {
      const refusal = await refusalOf(
        helper.request(SandboxesRun, { spec: { ...bound(source, option), process: { args: ['true'] } } }),
        'unsupported',
      );
      assert.match(refusal.message, new RegExp(`files in ${source} cannot be mapped`));
      assert.match(refusal.data?.hint ?? '', /tmpfs since 6\.3/);
    }
    assert.equal(fs.readdirSync(`/proc/${helper.process.pid}/fd`).length, before);
  });

  test('is a step of the explanation, with what it means', { skip: NEEDS_ROOT_HELPER }, async () => {
    const source = owned('explained');
    const { steps, notes } = await helper.request(SandboxesExplain, { spec: bound(source, 'idmap') });
    const mapping = steps.find(({ purpose }) => purpose.includes('MOUNT_ATTR_IDMAP'));
    assert.match(mapping?.purpose ?? '', new RegExp(`map the owners in ${source}`));
    assert.ok(steps.some(({ call }) => call.startsWith('move_mount(') && call.includes(`${source}, id-mapped`)));
    assert.ok(notes.some((note) => note.includes('set-user-ID files included')));
  });

  test('needs a new user namespace', async () => {
    const spec: SandboxSpec = {
      namespaces: { user: 'host' },
      mounts: [{ destination: '/mnt', type: 'bind', source: folder, options: ['idmap'] }],
    };
    assert.match((await refusalOf(helper.request(SandboxesExplain, { spec }), 'invalid')).message, /idmap.*user namespace/);
  });

  test('is refused to an ordinary user, to whom the kernel refuses it', {
    skip: isHelperRoot && 'the helper is root',
  }, async () => {
    const spec: SandboxSpec = { mounts: [{ destination: '/mnt', type: 'bind', source: '/usr', options: ['idmap'] }] };
    const refusal = await refusalOf(helper.request(SandboxesExplain, { spec }), 'permission');
    assert.match(refusal.message, /only be mapped by root/);
  });
});
