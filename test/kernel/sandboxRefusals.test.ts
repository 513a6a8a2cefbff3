/** Whatever of a specification cannot be had is refused by the field in which it is said, so that a form or a file can show it there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { ErrorData } from '../../helper/protocol/errors.ts';
import { SandboxesExplain, SandboxesRun, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { isHelperRoot, unlessHelperIsRoot } from '../fixtures/environment.ts';
import { mulberry32 } from '../fixtures/random.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

type Field = (string | number)[];

const ids = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });
const mapped = (...uidMappings: ReturnType<typeof ids>[]) => ({ uidMappings, gidMappings: [ids(0, 0, 1)] });
const bind = (source: string, options: string[] = []) => ({ destination: '/mnt', type: 'bind' as const, source, options });
const veth = (given: object): SandboxSpec => ({ network: { type: 'veth', ...given } });
const profile = (given: object) =>
  ({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64'], ...given } }) as SandboxSpec;
const gone = { pid: 4_194_304, startTime: 1 };

/** Of each refusal in the planning of a sandbox one specification. The reason is another for an ordinary user in some. */
const REFUSED: [spec: SandboxSpec, field: Field][] = [
  [{ root: { type: 'directory', path: '/no/such' } }, ['root', 'path']],
  [{ root: { type: 'directory', path: '/etc/passwd' } }, ['root', 'path']],
  [{ root: { type: 'directory', path: 'relative' } }, ['root', 'path']],
  [{ root: { type: 'directory', path: '/', upper: '/tmp' } }, ['root', 'upper']],
  [{ root: { type: 'host', access: 'overlay', upper: '/no/such' } }, ['root', 'upper']],
  [{ root: { type: 'host', idmap: true }, namespaces: { user: 'host' } }, ['root', 'idmap']],
  [{ root: { type: 'programs', programs: ['true', 'no-such-program'] } }, ['root', 'programs', 1]],
  [{ root: { type: 'programs', programs: ['true', '/etc/passwd'] } }, ['root', 'programs', 1]],
  [{ root: { type: 'image', image: { format: 'docker', reference: 'no/such:image' } } }, ['root', 'image']],
  [{ root: { type: 'image', image: { format: 'oci', path: '/no/such' } } }, ['root', 'image']],
  [{ root: { type: 'image', image: { format: 'tar', path: 'relative' } } }, ['root', 'image', 'path']],
  [{ root: { type: 'tmpfs' }, namespaces: { mnt: 'host' } }, ['root', 'type']],
  [{ mounts: [bind('/etc')], namespaces: { mnt: 'host' } }, ['mounts']],
  [{ proc: 'own', namespaces: { mnt: 'host' } }, ['proc']],
  [{ proc: 'own', namespaces: { pid: 'host' } }, ['proc']],
  [{ dev: 'minimal', namespaces: { mnt: 'host' } }, ['dev']],
  [{ maskedPaths: ['/etc'], namespaces: { mnt: 'host' } }, ['maskedPaths']],
  [{ readonlyPaths: ['/etc'], namespaces: { mnt: 'host' } }, ['readonlyPaths']],
  [{ systemPaths: 'default', namespaces: { mnt: 'host' } }, ['systemPaths']],
  [{ changeRoot: 'pivot_root', namespaces: { mnt: 'host' } }, ['changeRoot']],
  [{ hosts: [{ address: '10.0.0.1', names: ['a'] }], namespaces: { mnt: 'host' } }, ['hosts']],
  [{ hostname: 'a', namespaces: { uts: 'host' } }, ['hostname']],
  [{ timeOffsets: { boottime: 1 }, namespaces: { time: 'host' } }, ['timeOffsets']],
  [{ idMappings: 'root', namespaces: { user: 'host' } }, ['idMappings']],
  [{ network: { type: 'loopback' }, namespaces: { net: 'host' } }, ['network']],
  [{ network: { type: 'host' }, namespaces: { net: 'new' } }, ['network', 'type']],
  [{ process: { init: true }, namespaces: { pid: 'host' } }, ['process', 'init']],
  [{ oldRoot: '/old', changeRoot: 'chroot' }, ['oldRoot']],
  [{ oldRoot: '/' }, ['oldRoot']],
  [{ oldRoot: '/a/..', root: { type: 'tmpfs' } }, ['oldRoot']],
  [{ maskedPaths: ['/etc', '/../etc'] }, ['maskedPaths', 1]],
  [{ readonlyPaths: ['/etc', '/etc/passwd', '/.'] }, ['readonlyPaths', 2]],
  [{ mounts: [bind('/etc'), { destination: '/x', type: 'bind' }] }, ['mounts', 1, 'source']],
  [{ mounts: [bind('/etc'), bind('/no/such')] }, ['mounts', 1, 'source']],
  [{ mounts: [bind('relative')] }, ['mounts', 0, 'source']],
  [{ mounts: [bind('/etc', ['ro', 'size=1M'])] }, ['mounts', 0, 'options', 1]],
  [{ mounts: [bind('/etc', ['shared'])], namespaces: { user: 'new' } }, ['mounts', 0, 'options']],
  [{ mounts: [bind('/etc', ['idmap'])], namespaces: { user: 'host' } }, ['mounts', 0, 'options', 0]],
  [{ mounts: [{ destination: '/etc/passwd', type: 'bind', source: '/etc' }] }, ['mounts', 0, 'source']],
  [{ mounts: [{ destination: '/', type: 'tmpfs' }] }, ['mounts', 0, 'destination']],
  [{ root: { type: 'tmpfs' }, mounts: [{ destination: '/a/../..', type: 'tmpfs' }] }, ['mounts', 0, 'destination']],
  [{ mounts: [{ destination: '/mnt', type: 'tmpfs', source: '/etc' }] }, ['mounts', 0, 'source']],
  [{ mounts: [{ destination: '/mnt', type: 'tmpfs', options: ['nonsense'] }] }, ['mounts', 0, 'options', 0]],
  [{ mounts: [{ destination: '/mnt', type: 'tmpfs', options: ['ro', 'size=much'] }] }, ['mounts', 0, 'options', 1]],
  [{ mounts: [{ destination: '/mnt', type: 'overlay', options: ['ro', 'lowerdir=/no/such'] }] }, ['mounts', 0, 'options', 1]],
  [{ mounts: [{ destination: '/mnt', type: 'overlay', options: ['lowerdir=relative'] }] }, ['mounts', 0, 'options', 0]],
  [{ persistent: true, process: { terminal: true } }, ['process', 'terminal']],
  [{ persistent: true, namespaces: { pid: 'host' } }, ['namespaces', 'pid']],
  [{ persistent: true, process: { init: false } }, ['process', 'init']],
  [{ persistent: true, process: { timeout: 1 } }, ['process', 'timeout']],
  [{ namespaces: { net: { process: gone } } }, ['namespaces', 'net']],
  [{ namespaces: { uts: { namespace: { kind: 'uts', dev: 4, ino: 1 } } } }, ['namespaces', 'uts']],
  [{ namespaces: { uts: { namespace: { kind: 'net', dev: 4, ino: 1 } } } }, ['namespaces', 'uts', 'namespace', 'kind']],
  [{ namespaces: { ipc: { sandbox: 'no-such-sandbox' } } }, ['namespaces', 'ipc']],
  [{ root: { type: 'tmpfs' }, namespaces: { mnt: { sandbox: 'no-such-sandbox' } } }, ['root', 'type']],
  [{ process: { user: { uid: 7 } }, namespaces: { user: 'new' } }, ['process', 'user', 'uid']],
  [{ process: { user: { uid: 0, gid: 7 } }, namespaces: { user: 'new' } }, ['process', 'user', 'gid']],
  [{ process: { capabilities: ['CAP_CHOWN', 'CAP_NONSENSE'] } }, ['process', 'capabilities', 1]],
  [{ process: { capabilities: { permitted: ['CAP_CHOWN', 'CAP_NONSENSE'] } } }, ['process', 'capabilities', 'permitted', 1]],
  [{ process: { capabilities: { effective: ['CAP_CHOWN'] } } }, ['process', 'capabilities']],
  [{ process: { rlimits: [{ type: 'RLIMIT_NONSENSE', soft: 1, hard: 1 }] } }, ['process', 'rlimits', 0, 'type']],
  [{ process: { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 2, hard: 1 }] } }, ['process', 'rlimits', 0, 'soft']],
  [{ idMappings: mapped(ids(0, 0, 2), ids(1, 9, 1)) }, ['idMappings', 'uidMappings', 1, 'containerID']],
  [{ resources: { memory: { swap: '1M' } } }, ['resources', 'memory', 'swap']],
  [{ resources: { blockIO: [{ device: '/dev/null', readBps: 1 }] } }, ['resources', 'blockIO', 0, 'device']],
  [profile({ architectures: ['SCMP_ARCH_ARM'] }), ['seccomp', 'architectures']],
  [profile({ defaultErrnoRet: 1 }), ['seccomp', 'defaultErrnoRet']],
  [profile({ flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_NONE'] }), ['seccomp', 'flags']],
  [profile({ syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', errnoRet: 1 }] }), ['seccomp', 'syscalls', 0, 'errnoRet']],
];

const OF_ROOT: [spec: SandboxSpec, field: Field][] = [
  [veth({ address: '127.0.0.2/8' }), ['network', 'address']],
  [veth({ address: '10.77.1.3/30' }), ['network', 'address']],
  [veth({ address: '10.77.1.2/30', gateway: '10.77.9.9' }), ['network', 'gateway']],
  [veth({ ipv6: false, address6: 'fd00:77::2/64' }), ['network', 'ipv6']],
  [{ persistent: true, ...veth({ ports: [{ hostPort: 4, containerPort: 4 }] }) }, ['network', 'ports']],
];

const OF_USER: [spec: SandboxSpec, field: Field][] = [
  [veth({}), ['network', 'type']],
  [{ namespaces: { user: 'host' } }, ['namespaces', 'user']],
  [{ process: { user: { uid: 0, additionalGids: [5] } } }, ['process', 'user', 'additionalGids']],
  [{ mounts: [bind('/etc', ['idmap'])] }, ['mounts', 0, 'options']],
  [{ root: { type: 'host', idmap: true } }, ['root', 'idmap']],
];

/** The refusal of an explanation; undefined when it is explained. */
async function refusal(asked: Promise<unknown>): Promise<(Error & { data?: ErrorData }) | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    return error as Error & { data?: ErrorData };
  }
}

/** Whether the specification has the field, or at least that in which it is lacking. */
function isIn(spec: unknown, [first, ...rest]: Field): boolean {
  if (first === undefined || rest.length === 0) return typeof spec === 'object' && spec !== null;
  return typeof spec === 'object' && spec !== null && isIn((spec as Record<string, unknown>)[first], rest);
}

describe('a refusal of a specification', () => {
  const { request } = sandboxClient(path.join(os.tmpdir(), 'isoscope-refusals-'));

  test('names the field, of whatever kind it is', async () => {
    for (const [spec, field] of [...REFUSED, ...(isHelperRoot ? OF_ROOT : OF_USER)]) {
      const refused = await refusal(request(SandboxesExplain, { spec }));
      const told = `${JSON.stringify(spec)}: ${refused?.message}`;
      assert.deepEqual(refused?.data?.field, ['spec', ...field], told);
    }
  });

  test('names what only shows when it is made', { skip: unlessHelperIsRoot }, async () => {
    const port = { hostPort: 65_535, containerPort: 4, hostAddress: '192.0.2.1' };
    const spec = { ...veth({ ports: [port] }), process: { args: ['true'] } };
    const refused = await refusal(request(SandboxesRun, { spec }));
    assert.deepEqual(refused?.data?.field, ['spec', 'network', 'ports', 0, 'hostPort'], refused?.message);
    const persistent = await refusal(request(SandboxesRun, { spec: { persistent: true } }));
    assert.deepEqual(persistent?.data?.field, ['spec', 'persistent']);
  });

  test('names a field that is in the specification, of whatever it is put together', async () => {
    const seed = Number(process.env.ISOSCOPE_SEED ?? 20_261_130);
    const random = mulberry32(seed);
    const pool = [...REFUSED, ...OF_ROOT, ...OF_USER].map(([spec]) => spec);
    const counts = { explained: 0, refused: 0 };
    for (let round = 0; round < 300; round += 1) {
      const parts = Array.from({ length: 1 + Math.floor(random() * 4) }, () => pool[Math.floor(random() * pool.length)]!);
      // One field of each, so that many are no contradiction any more.
      const fields = parts.flatMap((part) => {
        const entries = Object.entries(part);
        return entries.slice(Math.floor(random() * entries.length));
      });
      const spec = Object.fromEntries(fields) as SandboxSpec;
      const refused = await refusal(request(SandboxesExplain, { spec }));
      counts[refused === undefined ? 'explained' : 'refused'] += 1;
      if (refused === undefined) continue;
      const { field = [] } = refused.data ?? {};
      const told = `seed ${seed}, round ${round}: ${JSON.stringify(spec)}: ${refused.message} ${JSON.stringify(field)}`;
      assert.ok(field[0] === 'spec' && field.length > 1, told);
      // What is not given is the default that contradicts what is.
      assert.ok(isIn({ namespaces: {}, process: {}, root: {}, network: {}, ...spec }, field.slice(1)), told);
    }
    assert.ok(counts.explained > 10 && counts.refused > 100, JSON.stringify(counts));
  });

  test('is tried here for every field that the planning may refuse', () => {
    const known = new Set([...REFUSED, ...OF_ROOT, ...OF_USER].map(([, [first]]) => String(first)));
    const source = readFileSync(path.resolve(import.meta.dirname, '../../helper/sandbox/plan/sandboxPlan.ts'), 'utf8');
    const refusing = [
      ...source.matchAll(/(?:inField\(|invalid\()\s*\['(\w+)'|needs\([^;]*?'(?:mnt|pid|net|uts|time|user)',\s*'(\w+)/g),
    ].map(([, one, other]) => one ?? other!);
    assert.ok(refusing.length > 15);
    // A name is taken only where there is another sandbox: sandboxLife.test.ts.
    assert.deepEqual(
      [...new Set(refusing)].filter((field) => !known.has(field) && !['name', 'namespace', 'idmap'].includes(field)),
      [],
    );
  });
});
