/** What weakens a sandbox is said: for every field of the specification, and by what a thing is, not by the field that names it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NAMESPACE_KINDS } from '../../helper/protocol/namespaceKinds.ts';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { JsonSchema } from '../../webview/jsonSchema.ts';
import type { English } from '../fixtures/english.ts';
import { clientUid, isHelperRoot, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const schema = JSON.parse(fs.readFileSync(path.join(ROOT, 'media/sandbox.schema.json'), 'utf8')) as JsonSchema;

/** Where something can be said, and each choice where there are few: `root.access=readOnly`, `mounts[].source`. */
function* placesOf(of: JsonSchema, where = ''): Generator<string> {
  if (of.anyOf !== undefined) for (const one of of.anyOf) yield* placesOf(one, where);
  else if (of.properties !== undefined)
    for (const [key, one] of Object.entries(of.properties)) yield* placesOf(one, where === '' ? key : `${where}.${key}`);
  else if (of.items !== undefined) yield* placesOf(of.items as JsonSchema, `${where}[]`);
  else if (of.const !== undefined) yield `${where}=${of.const}`;
  else if (of.enum !== undefined) for (const one of of.enum) yield `${where}=${one}`;
  else if (of.type === 'boolean') yield* [`${where}=true`, `${where}=false`];
  else yield where;
}

/** Of each place that may weaken, a specification that does. */
const WEAKER: Record<string, { spec: SandboxSpec; note: RegExp; needsRoot?: boolean }> = {
  'root.access=readWrite': { spec: { root: { type: 'host', access: 'readWrite' } }, note: /files of the host can be changed/ },
  'root.upper': {
    spec: { root: { type: 'host', access: 'overlay', upper: '/var/tmp' } },
    note: /can change the files in \/var\/tmp/,
  },
  'root.idmap=true': {
    spec: { root: { type: 'host', idmap: true }, namespaces: { user: 'new' } },
    note: /belongs to root of the host, set-user-ID files included/,
    needsRoot: true,
  },
  'root.path': { spec: { root: { type: 'directory', path: '/' } }, note: /files of the host can be changed/ },
  'changeRoot=chroot': { spec: { changeRoot: 'chroot' }, note: /^chroot changes only where paths begin/ },
  oldRoot: { spec: { oldRoot: '/mnt' }, note: /old root is kept/ },
  'proc=none': { spec: { proc: 'none' }, note: /files of the host's kernel in \/proc/ },
  'dev=host': { spec: { dev: 'host' }, note: /^Device nodes in \/dev/ },
  'mounts[].type=bind': {
    spec: { mounts: [{ destination: '/mnt', type: 'bind', source: '/usr', options: ['rw'] }] },
    note: /can change the files in \/usr/,
  },
  'mounts[].source': {
    spec: { mounts: [{ destination: '/run', type: 'bind', source: '/run' }] },
    note: /have their sockets in \/run/,
  },
  'mounts[].type=sysfs': {
    spec: {
      root: { type: 'tmpfs' },
      systemPaths: 'unmasked',
      mounts: [{ destination: '/sys', type: 'sysfs', options: ['rw'] }],
    },
    note: /by which the kernel is told what to do/,
  },
  'mounts[].type=cgroup2': {
    spec: { mounts: [{ destination: '/mnt', type: 'cgroup2', options: ['rw'] }] },
    note: /by which the kernel is told what to do/,
  },
  'mounts[].type=overlay': {
    spec: {
      mounts: [{ destination: '/mnt', type: 'overlay', options: ['lowerdir=/usr', 'upperdir=/var/tmp', 'workdir=/var/lib'] }],
    },
    note: /can change the files in \/var\/tmp/,
  },
  'mounts[].options[]': {
    spec: { mounts: [{ destination: '/mnt', type: 'tmpfs', options: ['dev', 'suid'] }] },
    note: /^Device nodes in \/mnt/,
  },
  'systemPaths=unmasked': { spec: { systemPaths: 'unmasked' }, note: /^Nothing in \/proc and \/sys is hidden/ },
  'network.type=host': { spec: { network: { type: 'host' } }, note: /abstract Unix sockets/ },
  'network.type=veth': { spec: { network: { type: 'veth' } }, note: /reaches the host/, needsRoot: true },
  'network.nat=true': {
    spec: { network: { type: 'veth', nat: true } },
    note: /whatever the host reaches/,
    needsRoot: true,
  },
  'network.peers=true': { spec: { network: { type: 'veth', peers: true } }, note: /other sandboxes/, needsRoot: true },
  'network.ports[].hostAddress': {
    spec: { network: { type: 'veth', ports: [{ hostAddress: '0.0.0.0', hostPort: 8080, containerPort: 80 }] } },
    note: /^Other machines reach it: port 8080 on 0\.0\.0\.0/,
    needsRoot: true,
  },
  'network.ports[].hostPort': {
    spec: { network: { type: 'veth', ports: [{ hostPort: 8080, containerPort: 80 }] } },
    note: /ports that are forwarded/,
    needsRoot: true,
  },
  'seccomp=unconfined': { spec: { seccomp: 'unconfined' }, note: /^No seccomp filter/ },
  'seccomp.defaultAction=SCMP_ACT_ALLOW': {
    spec: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } },
    note: /takes the place of the default/,
  },
  'process.user.additionalGids[]': {
    spec: { process: { user: { uid: 1000, additionalGids: [6] } } },
    note: /^It has the groups 6/,
    needsRoot: true,
  },
  'process.capabilities[]': { spec: { process: { capabilities: ['CAP_SYS_ADMIN'] } }, note: /SYS_ADMIN|covers \/proc/ },
  ...Object.fromEntries(
    (['bounding', 'permitted'] as const).map((set) => [
      `process.capabilities.${set}[]`,
      { spec: { process: { capabilities: { [set]: ['CAP_NET_RAW'] } } }, note: /capabilities/ },
    ]),
  ),
  'process.noNewPrivileges=false': { spec: { process: { noNewPrivileges: false } }, note: /^no_new_privs is off/ },
  'process.oomScoreAdj': {
    spec: { process: { oomScoreAdj: -1 } },
    note: /others are killed before it/,
    needsRoot: true,
  },
  'persistent=true': { spec: { persistent: true, process: { terminal: false } }, note: /goes on when VS Code/ },
  ...Object.fromEntries(
    (['mnt', 'pid', 'ipc', 'uts', 'cgroup', 'net'] as const).flatMap((kind) => {
      const more = kind === 'mnt' ? { root: { type: 'host', access: 'readWrite' } as const } : {};
      const proc = kind === 'pid' ? ({ proc: 'none' } as const) : {};
      const shares = /its own|Its mounts are|pid namespace of its own|network is the host's/;
      return [[`namespaces.${kind}=host`, { spec: { ...more, ...proc, namespaces: { [kind]: 'host' } }, note: shares }]];
    }),
  ),
};

const joining = NAMESPACE_KINDS.flatMap((kind) => [
  `namespaces.${kind}.process.pid`,
  `namespaces.${kind}.process.startTime`,
  `namespaces.${kind}.namespace.dev`,
  `namespaces.${kind}.namespace.ino`,
  `namespaces.${kind}.sandbox`,
  ...NAMESPACE_KINDS.map((other) => `namespaces.${kind}.namespace.kind=${other}`),
]);

/** Of every other place why nothing that is said there weakens, or where it is said. */
const HARMLESS: Record<string, readonly string[]> = {
  'only names': ['$schema', 'name', 'hostname', 'hosts[].address', 'hosts[].names[]', 'network.name'],
  'the default': [
    'root.type=host',
    'root.access=readOnly',
    'root.idmap=false',
    'changeRoot=pivot_root',
    'proc=own',
    'dev=minimal',
    'systemPaths=default',
    'network.type=loopback',
    'network.nat=false',
    'network.peers=false',
    'network.ipv6=false',
    'seccomp=default',
    'process.noNewPrivileges=true',
    'process.terminal=true',
    'process.init=true',
    'persistent=false',
    'namespaces.user=host',
    'namespaces.time=host',
    ...NAMESPACE_KINDS.map((kind) => `namespaces.${kind}=new`),
    'idMappings=root',
  ],
  'less than the default': [
    'maskedPaths[]',
    'readonlyPaths[]',
    'dev=none',
    'network.type=none',
    'root.type=tmpfs',
    'root.type=programs',
    'root.type=image',
  ],
  'judged by the path': ['root.type=directory', 'mounts[].destination'],
  'changes are thrown away, or said with the upper directory': ['root.access=overlay'],
  'files of a person’s choice, seen only': [
    'root.programs[]',
    'root.files=bind',
    'root.files=copy',
    'root.image.format=oci',
    'root.image.format=dockerArchive',
    'root.image.format=tar',
    'root.image.format=docker',
    'root.image.format=podman',
    'root.image.path',
    'root.image.reference',
  ],
  'file systems of its own, covered like the default ones': [
    'mounts[].type=tmpfs',
    'mounts[].type=proc',
    'mounts[].type=mqueue',
    'mounts[].type=devpts',
  ],
  'a limit': [
    'root.size',
    'root.mode',
    'process.rlimits[].type',
    'process.rlimits[].soft',
    'process.rlimits[].soft=unlimited',
    'process.rlimits[].hard',
    'process.rlimits[].hard=unlimited',
    'process.timeout',
    ...['quota', 'period', 'shares', 'cpus', 'mems'].map((one) => `resources.cpu.${one}`),
    'resources.memory.limit',
    'resources.memory.swap',
    'resources.pids.limit',
    ...['device', 'readBps', 'writeBps', 'readIOPS', 'writeIOPS'].map((one) => `resources.blockIO[].${one}`),
  ],
  'what the program is given': [
    'process.args[]',
    'process.env',
    'process.cwd',
    'process.terminal=false',
    'process.init=false',
    'process.user.umask',
    'timeOffsets.monotonic',
    'timeOffsets.boottime',
  ],
  'an id: root of the host is said by what it becomes there': [
    'process.user.uid',
    'process.user.gid',
    'idMappings=user',
    'idMappings=subids',
    ...['uidMappings', 'gidMappings'].flatMap((of) =>
      ['containerID', 'hostID', 'size'].map((one) => `idMappings.${of}[].${one}`),
    ),
  ],
  'addresses of a network of its own, which is said as such': [
    'network.address',
    'network.gateway',
    'network.ipv6=true',
    'network.address6',
    'network.gateway6',
    'network.ports[].protocol=tcp',
    'network.ports[].protocol=udp',
    'network.ports[].containerPort',
    'network.nameservers[]',
    'network.searchDomains[]',
    'network.resolverOptions[]',
  ],
  'part of a capability set that is said': ['effective', 'inheritable', 'ambient'].map(
    (set) => `process.capabilities.${set}[]`,
  ),
  'what is joined is said as such, below': joining,
};
/** Any profile in the place of the default one is said. */
const OF_PROFILE = /^seccomp\./;

describe('what weakens a sandbox', () => {
  const { request, inFolder, rootDirectory } = sandboxClient(path.join(fs.realpathSync(os.tmpdir()), 'isoscope-weak-'));
  const notesOf = async (spec: SandboxSpec) => await request(SandboxesExplain, { spec });

  test('is decided for every field and choice of the schema', () => {
    const decided = new Set([...Object.keys(WEAKER), ...Object.values(HARMLESS).flat()]);
    const places = [...new Set(placesOf(schema))];
    assert.deepEqual(
      places.filter((place) => !decided.has(place) && !OF_PROFILE.test(place)),
      [],
      'say in weaknesses.ts how it weakens, or here why it does not',
    );
    assert.deepEqual(
      [...decided].filter((place) => !places.includes(place)),
      [],
      'the schema has these no more',
    );
  });

  /** Without it translated addresses are refused, for they would reach nothing. */
  const forwards = fs.readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8') === '1\n';

  for (const [place, { spec, note, needsRoot }] of Object.entries(WEAKER)) {
    const skip =
      (needsRoot === true && unlessHelperIsRoot) ||
      (place === 'network.nat=true' && !forwards && 'the host does not forward packets');
    test(`is said of ${place}`, { skip }, async () => {
      const [ours, byDefault] = [await notesOf(spec), await notesOf({})];
      assert.ok(
        ours.notes.some((one) => note.test(one)),
        ours.notes.join('\n'),
      );
      assert.ok(
        ours.weaker.some((one) => note.test(one)),
        ours.weaker.join('\n'),
      );
      assert.ok(!byDefault.notes.some((one) => note.test(one)), byDefault.notes.join('\n'));
    });
  }

  test('is nothing in the default one, but that root is root', async () => {
    const { weaker, notes } = await notesOf({});
    assert.deepEqual(
      weaker.filter((one) => !/listen on sockets|Sockets are reached/.test(one)),
      [],
    );
    assert.equal(
      notes.some((one) => /runs as the root of the host/.test(one)),
      isHelperRoot,
    );
  });

  test('is that it enters what something else runs in', async () => {
    const { sandbox } = await request(SandboxesCreate, {
      spec: { name: 'entered', process: { args: ['sleep', '1000'], terminal: false } },
    });
    try {
      for (const kind of ['net', 'ipc'] as const) {
        const { weaker } = await notesOf({ namespaces: { [kind]: { process: sandbox.process! }, user: joinedUser(sandbox) } });
        assert.ok(
          weaker.some((one) => one.startsWith('It enters /proc/')),
          weaker.join('\n'),
        );
      }
    } finally {
      await request(SandboxesRemove, { sandbox: sandbox.id });
    }
  });
  /** Without privilege one may enter only with the user namespace that owns it. */
  const joinedUser = (sandbox: English<Sandbox>) => (isHelperRoot ? ('host' as const) : { process: sandbox.process! });

  describe('by what a thing is', { skip: unlessHelperIsRoot || unlessRootHas('mount', 'umount') }, () => {
    let bound: string;
    before(() => {
      bound = inFolder('holder/root');
      fs.mkdirSync(bound, { recursive: true });
      execFileSync('mount', ['--bind', '/', bound]);
    });
    after(() => {
      execFileSync('umount', [bound]);
    });
    const whole = /files of the host can be changed/;

    test('is the host’s root by whatever directory', async () => {
      for (const directory of ['/', bound, inFolder('holder')]) {
        const { weaker } = await notesOf({ root: { type: 'directory', path: directory } });
        assert.ok(
          weaker.some((one) => whole.test(one)),
          `${directory}: ${weaker.join('\n')}`,
        );
        const mounts: SandboxSpec['mounts'] = [{ destination: '/mnt', type: 'bind', source: directory, options: ['rw'] }];
        assert.ok(
          (await notesOf({ mounts })).weaker.some((one) => whole.test(one)),
          directory,
        );
      }
      const plain = await notesOf({ root: { type: 'directory', path: rootDirectory('plain') } });
      assert.ok(!plain.notes.some((one) => whole.test(one)), plain.notes.join('\n'));
    });

    test('is the host’s root as a directory as covered as the host’s root', async () => {
      const { steps } = await notesOf({ root: { type: 'directory', path: '/', access: 'readOnly' } });
      assert.ok(
        steps.some(({ purpose }) => purpose === 'mount tmpfs on /run'),
        'the sockets in /run are covered',
      );
    });

    test('is the host’s root user in a directory, too', async () => {
      const { notes } = await notesOf({ root: { type: 'directory', path: rootDirectory('owned') } });
      assert.ok(
        notes.some((one) => /runs as the root of the host/.test(one)),
        notes.join('\n'),
      );
    });
  });

  test('are sockets that are reached through a read-only root, and through mounts', async () => {
    // Not below /tmp, which the default sandbox covers.
    const folder = fs.mkdtempSync('/var/lib/isoscope-sockets-');
    fs.chmodSync(folder, 0o755);
    const socket = path.join(folder, 'S.agent');
    const server = net.createServer().listen(socket);
    try {
      await once(server, 'listening');
      fs.chmodSync(socket, 0o666);
      if (clientUid !== undefined) fs.chownSync(socket, clientUid, clientUid);
      const said = (notes: readonly string[]) => notes.some((one) => one.includes('listen on sockets') && one.includes(socket));
      assert.ok(said((await notesOf({})).notes), 'through the root');
      const root = { type: 'tmpfs' } as const;
      assert.ok(!said((await notesOf({ root })).notes));
      for (const source of [folder, socket])
        assert.ok(said((await notesOf({ root, mounts: [{ destination: '/x', type: 'bind', source }] })).notes), source);
      const cover: SandboxSpec['mounts'] = [{ destination: folder, type: 'tmpfs' }];
      assert.ok(!said((await notesOf({ mounts: cover })).notes), 'covered');
    } finally {
      server.close();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
