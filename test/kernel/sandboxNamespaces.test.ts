/** The namespaces of a sandbox: new, mapped, offset, the host’s or those of another. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import { SandboxesCreate, SandboxesRemove, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { isHelperRoot, testUid, unlessHelperIsRoot, unlessMaps } from '../fixtures/environment.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const NEEDS_SUBORDINATE = (isHelperRoot && 'the helper is root') || unlessMaps(testUid ?? process.getuid!());

describe('the namespaces of a sandbox', () => {
  const client = sandboxClient(path.join(os.tmpdir(), 'isoscope-namespaces-'));
  const { request, output, refused } = client;

  test('any of the eight is the host’s when that is asked for', async () => {
    const kinds = NAMESPACE_KINDS.filter((kind) => fs.existsSync(`/proc/self/ns/${kind}`));
    for (const kind of ['net', 'ipc', 'uts', 'cgroup'] as const satisfies NamespaceKind[]) {
      const namespaces = { [kind]: 'host' } as SandboxSpec['namespaces'];
      const spec: SandboxSpec = { namespaces: namespaces ?? {} };
      const text = await output(spec, `readlink /proc/self/ns/${kind}`);
      assert.equal(text.trim(), fs.readlinkSync(`/proc/${client.helper.process.pid}/ns/${kind}`));
    }
    assert.ok(kinds.length >= 7);
  });

  test('in a new user namespace root inside is the user outside', async () => {
    const text = await output({ namespaces: { user: 'new' } }, 'id -u; cat /proc/self/uid_map');
    assert.match(text, new RegExp(`^0\\n\\s+0\\s+${client.helper.host.uid}\\s+1\\n$`));
  });

  test('ranges of ids are mapped as they were given', { skip: unlessHelperIsRoot }, async () => {
    const mappings = [{ containerID: 0, hostID: 100_000, size: 1000 }];
    const spec: SandboxSpec = {
      idMappings: { uidMappings: mappings, gidMappings: mappings },
      process: { user: { uid: 7, gid: 8, additionalGids: [9] } },
    };
    const text = await output(spec, 'id; cat /proc/self/uid_map');
    assert.match(text, /uid=7.* gid=8.* groups=8[^,]*,9/);
    assert.match(text, /0\s+100000\s+1000\n$/);
  });

  test('subordinate ids are mapped by newuidmap for who has them', { skip: NEEDS_SUBORDINATE }, async () => {
    const spec: SandboxSpec = {
      idMappings: 'subids',
      process: { user: { uid: 7, gid: 8, additionalGids: [9] }, oomScoreAdj: 300 },
    };
    const text = await output(spec, 'id; cat /proc/self/oom_score_adj /proc/self/uid_map');
    assert.match(text, /uid=7.* gid=8.* groups=8[^,]*,9/);
    assert.match(text, new RegExp(`\\n300\\n\\s+0\\s+${client.helper.host.uid}\\s+1\\n\\s+1\\s+\\d+\\s+\\d+\\n`));
  });

  test('the clocks of a new time namespace are offset', async () => {
    const spec: SandboxSpec = { timeOffsets: { boottime: 864_000, monotonic: 1000 } };
    const text = await output(spec, 'cat /proc/uptime /proc/self/timens_offsets');
    assert.ok(Number(text.split('.')[0]) > os.uptime() + 863_000);
    assert.match(text, /monotonic\s+1000\s+0\nboottime\s+864000\s+0/);
  });

  test('those of another sandbox are joined by its name', async () => {
    const { sandbox } = await request(SandboxesCreate, {
      spec: { name: 'first', process: { args: ['sleep', '1000'], terminal: false } },
    });
    const user = isHelperRoot ? {} : { user: { sandbox: 'first' } };
    const spec: SandboxSpec = { namespaces: { ...user, net: { sandbox: 'first' }, uts: { sandbox: sandbox.id } } };
    const text = await output(spec, 'readlink /proc/self/ns/net; hostname');
    assert.equal(text, `net:[${sandbox.namespaces.net?.ino}]\nfirst\n`);
    await request(SandboxesRemove, { sandbox: 'first' });
    assert.equal((await refused(spec, 'gone')).data?.reason, 'gone');
  });
});
