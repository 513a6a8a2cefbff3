/** What the overview of a container says of what is known: its dangers, its rates, and what it does not claim. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { Host } from '../../extension/model/liveHost.ts';
import type { ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import type { Block, Page } from '../../webview/messages.ts';
import { inspectAnswer, ownLimit } from '../fixtures/cgroupAnswers.ts';
import { containerAnswer, HOST, namespaceAnswer, processAnswer, ref } from '../fixtures/hostAnswers.ts';
import { quietHost } from '../fixtures/quietHost.ts';

const { ClientModel, emptyDelta } = await import('../../extension/model/clientModel.ts');
const { dangersOf } = await import('../../extension/panels/overviewDangers.ts');
const { overviewPage } = await import('../../extension/panels/overviewPage.ts');
const { OverviewReading } = await import('../../extension/panels/overviewReading.ts');
const { Moments } = await import('../../extension/panels/overviewMoments.ts');

const OWN = { net: 41, pid: 42, mnt: 43, ipc: 44, uts: 45 };
const DOCKER = [
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE',
].flatMap((line) => line.split(' ').map((name) => `CAP_${name}`));

function inspected(given: Partial<ProcessesInspectResult> = {}, own: Partial<typeof OWN> = OWN): ProcessesInspectResult {
  const kinds = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'] as const;
  const capabilities = { inheritable: [], permitted: DOCKER, effective: DOCKER, bounding: DOCKER, ambient: [] };
  return {
    ...processAnswer(7, 1, { namespaces: own }),
    executable: '/bin/web',
    workingDirectory: '/',
    root: { confinement: 'mountNamespace', path: '/', hostRootReachableAt: [] },
    credentials: { uid: [0, 0, 0, 0], gid: [0, 0, 0, 0], groups: [] },
    capabilities,
    noNewPrivileges: false,
    seccomp: { mode: 'filter', filters: 1 },
    uidMap: [{ inside: 0, outside: 0, count: 4294967295 }],
    gidMap: [],
    cgroups: [],
    isolation: kinds.map((kind) => {
      const ino = (own as Record<string, number>)[kind] ?? HOST[kind];
      return { namespace: ref(kind, ino), host: ino === HOST[kind] };
    }),
    differingThreads: [],
    ...given,
  };
}

const texts = (process: ProcessesInspectResult) =>
  dangersOf({ process, cgroups: undefined, mounts: undefined }).map(({ severity, text }) => `${severity}: ${text}`);

describe('the dangers of a container', () => {
  test('as Docker makes it, there are none', () => {
    assert.deepEqual(texts(inspected()), []);
  });

  test('what is privileged is that, and not each of its capabilities', () => {
    const effective = [...DOCKER, 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_PTRACE'];
    const capabilities = { inheritable: [], permitted: [], effective, bounding: [], ambient: [] };
    assert.deepEqual(texts(inspected({ capabilities, seccomp: { mode: 'disabled' } })), [
      'danger: It is privileged',
      'caution: No seccomp filter',
    ]);
  });

  test('a capability over its own network is none, over the host’s it is one', () => {
    const effective = [...DOCKER, 'CAP_NET_ADMIN'];
    const capabilities = { inheritable: [], permitted: [], effective, bounding: [], ambient: [] };
    assert.deepEqual(texts(inspected({ capabilities })), []);
    const { net: _, ...shared } = OWN;
    assert.deepEqual(texts(inspected({ capabilities }, shared)), [
      'danger: Capabilities that hold against the host',
      'caution: It shares namespaces with the host',
    ]);
  });

  test('capabilities in a user namespace of its own are none', () => {
    const effective = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO'];
    const capabilities = { inheritable: [], permitted: [], effective, bounding: [], ambient: [] };
    assert.deepEqual(texts(inspected({ capabilities }, { ...OWN, user: 46 } as typeof OWN)), []);
  });

  test('the host’s root in reach, its processes in sight, and an engine’s socket are named', () => {
    const { pid: _, ...own } = OWN;
    const root = { confinement: 'mountNamespace' as const, path: '/', hostRootReachableAt: ['/host'] };
    const mount = {
      id: 1,
      parentId: 0,
      device: '0:1',
      options: [],
      propagation: [],
      type: 'tmpfs',
      source: '',
      superOptions: [],
    };
    const found = dangersOf({
      process: inspected({ root }, own),
      cgroups: undefined,
      mounts: [{ ...mount, root: '/docker.sock', mountPoint: '/var/run/docker.sock' }],
    });
    assert.deepEqual(
      found.map(({ text, detail }) => [text, detail]),
      [
        ['The host’s root directory is within its mounts', 'at /host'],
        ['An engine’s socket is mounted', 'who may write to /var/run/docker.sock starts containers as root on the host'],
        ['It shares namespaces with the host', 'process ids'],
      ],
    );
  });

  test('what is unknown is no danger, and no claim that there is none', () => {
    const unknown = { unknown: 'permission' } as const;
    assert.deepEqual(texts(inspected({ capabilities: unknown, root: unknown, seccomp: unknown })), []);
  });
});

const LACKING = { lacking: 'kernel' };
const memory = inspectAnswer('unified', '/web', {
  version: 2,
  cpu: { usageMicros: 1_000_000, periods: 10, throttledPeriods: 0, limit: LACKING, pressure: LACKING } as never,
  memory: {
    usageBytes: 60 * 2 ** 20,
    workingSetBytes: 60 * 2 ** 20,
    limit: ownLimit({ hierarchy: 'unified', path: '/web' }, 64 * 2 ** 20, '67108864', 'memory.max'),
    events: { oomKills: 2 },
    pressure: LACKING,
  } as never,
});

describe('the figures of a moment', () => {
  const carried = (bytes: number) => ({ receivedBytes: bytes, sentBytes: 2 * bytes });
  const first = { cpuUsageMicros: 1_000_000, periods: 10, throttledPeriods: 0, memoryBytes: 5 };

  test('are rates between two samples', () => {
    const moments = new Moments();
    moments.add(1000, first, carried(0));
    moments.add(3000, { cpuUsageMicros: 2_000_000, periods: 20, throttledPeriods: 5, memoryBytes: 6 }, carried(1000));
    const { values, received, sent } = moments.all[1]!;
    assert.deepEqual([values.cpu, values.throttledPeriods, values.memory, received, sent], [0.5, 50, 6, 500, 1000]);
  });

  test('are not known from one sample, after too long a time, when a counter began anew, or after a break', () => {
    const later = { cpuUsageMicros: 2_000_000 };
    for (const prepare of [
      (_: InstanceType<typeof Moments>) => undefined,
      (moments: InstanceType<typeof Moments>) => moments.add(1000, first, carried(5000)),
      (moments: InstanceType<typeof Moments>) => moments.add(59_000, { cpuUsageMicros: 3_000_000 }, carried(5000)),
      (moments: InstanceType<typeof Moments>) => {
        moments.add(59_000, first, carried(0));
        moments.interrupt();
      },
    ]) {
      const moments = new Moments();
      prepare(moments);
      moments.add(60_000, later, carried(1000));
      const { values, received } = moments.all.at(-1)!;
      assert.deepEqual([values.cpu, received], [undefined, undefined]);
    }
  });

  test('are kept for two minutes, and none twice', () => {
    const moments = new Moments();
    for (let at = 0; at < 100; at += 1) moments.add(at * 2000, first, undefined);
    assert.equal(moments.all.length, 60);
    moments.add(99 * 2000, { memoryBytes: 9 }, undefined);
    assert.equal(moments.all.at(-1)?.values.memory, 5);
  });
});

test('a container is asked for anew when it is another one, and not for each process that comes and goes', async (t) => {
  const host = { ...quietHost(), load: async () => undefined } as unknown as Host;
  const asked: string[] = [];
  const quiet = () => ({ dispose() {} });
  const connection = {
    onNotification: quiet,
    onDidChangeState: quiet,
    state: { kind: 'ready' },
    request: async ({ method }: { method: string }) => {
      asked.push(method);
      return {};
    },
  };
  const layers = { reload: async () => undefined, problem: undefined, ofContainer: () => [] };
  const container = containerAnswer('web', 7, { namespaces: OWN });
  const list = (given: object) =>
    host.model.applyContainers({ revision: 1, containers: [{ ...container, ...given }] }, emptyDelta());
  list({});
  const reading = new OverviewReading(container.key, { connection, host, layers } as never);
  t.after(() => reading.dispose());
  await reading.read();
  assert.ok(asked.includes('processes/inspect') && asked.includes('network/inspect'), asked.join());
  list({ processCount: 5 });
  assert.equal(reading.hasChanged(), false);
  list({ processCount: 5, leader: { pid: 8, startTime: 80 } });
  assert.equal(reading.hasChanged(), true);
});

describe('the page', () => {
  const container = containerAnswer('web', 7, { namespaces: OWN, image: 'nginx:1.27' });
  const model = new ClientModel();
  const delta = emptyDelta();
  model.applyContainers({ revision: 1, containers: [container] }, delta);
  const namespaces = [
    ...Object.entries(HOST).map(([kind, ino]) => namespaceAnswer(kind as never, ino)),
    ...Object.entries(OWN).map(([kind, ino]) =>
      namespaceAnswer(kind as never, ino, { leader: { pid: 7, startTime: 70 } as never }),
    ),
  ];
  model.applyNamespaces(
    {
      revision: 1,
      namespaces,
      unreadable: { count: 0, processes: [] },
      closed: { count: 0, processes: [] },
      unknownSockets: { pending: 0, refused: 0 },
      unsupported: [],
    } as never,
    delta,
  );
  const READING = { state: 'reading' } as const;
  const nothing = { process: READING, cgroups: READING, network: READING, mounts: READING, overlays: READING, moments: [] };
  const page = (reading: object): Page =>
    overviewPage({ container, model, reading: { ...nothing, ...reading } as never, host: undefined, uptimeSeconds: 100 });
  const blocksOf = ({ sections }: Page): Block[] => sections.flatMap(({ blocks }) => blocks);

  test('says of each part that it is being read, and of the namespaces what the list tells', () => {
    const shown = blocksOf(page({}));
    const reading = shown.filter((block) => block.kind === 'text' && block.text === 'Reading…');
    assert.equal(reading.length, 4);
    const chips = shown.find((block) => block.kind === 'chips');
    assert.deepEqual(
      chips?.chips.map(({ text, note, tone }) => `${text}: ${note} (${tone})`),
      [
        'Network: own (plain)',
        'Process ids: own (plain)',
        'Mounts: own (plain)',
        'Users: the host’s (muted)',
        'Host name: own (plain)',
        'IPC: own (plain)',
        'Cgroups: the host’s (muted)',
        'Clocks: the host’s (muted)',
      ],
    );
  });

  test('a part that failed says why, and the others stay', () => {
    const failed = { state: 'failed', error: new Error('The helper stopped.') };
    const shown = blocksOf(page({ network: failed, process: { state: 'known', value: inspected() } }));
    assert.ok(shown.some((block) => block.kind === 'text' && block.tone === 'unknown' && /helper stopped/.test(block.text)));
    const facts = shown.flatMap((block) => (block.kind === 'facts' ? block.facts : []));
    const said = Object.fromEntries(facts.map(({ label, value }) => [label, value.text]));
    assert.equal(said.Root, 'its own mounts, by pivot_root');
    assert.equal(said.Capabilities, 'Docker’s default, 14');
    assert.equal(said.Filter, 'seccomp filters its system calls');
  });

  test('volumes are what somebody wished to be in it: also of a tmpfs of the host, and none is not said of a part of the table', () => {
    let id = 0;
    const mount = (mountPoint: string, type: string, root = '/', parentId = 1) => {
      id += 1;
      const device = `0:${type === 'proc' ? 9 : id}`;
      return { id, parentId, device, root, mountPoint, options: ['rw'], propagation: [], type, source: type, superOptions: [] };
    };
    const made = [
      mount('/', 'overlay', '/', 0),
      mount('/proc', 'proc'),
      mount('/dev', 'tmpfs'),
      mount('/dev/shm', 'tmpfs', '/', 3),
      mount('/etc/hosts', 'ext4', '/var/lib/docker/containers/ab/hosts'),
    ];
    const added = [mount('/run/docker.sock', 'tmpfs', '/docker.sock'), mount('/data', 'ext4', '/srv/data')];
    const labels = (mounts: object[], complete = true) => {
      const shown = blocksOf(page({ mounts: { state: 'known', value: { mounts, omitted: 0, complete, root: '/' } } }));
      const facts = shown.flatMap((block) => (block.kind === 'facts' ? block.facts : []));
      return facts.map(({ label, value }) => `${label}: ${value.text}`);
    };
    assert.deepEqual(labels([...made, ...added]), ['/data: /srv/data', '/run/docker.sock: /docker.sock']);
    assert.deepEqual(labels(made), ['Volumes: none']);
    assert.match(labels(made, false)[0] ?? '', /^Volumes: unknown/);
  });

  test('memory stands against its limit, and kills are counted', () => {
    const shown = blocksOf(page({ cgroups: { state: 'known', value: [memory] } }));
    const live = shown.find((block) => block.kind === 'live');
    const figure = live?.figures.find(({ label }) => label === 'Memory');
    assert.deepEqual([figure?.text, figure?.close, figure?.isLimited], ['60 MiB of 64 MiB', true, true]);
    const kills = shown
      .flatMap((block) => (block.kind === 'facts' ? block.facts : []))
      .find(({ label }) => /Killed/.test(label));
    assert.equal(kills?.value.text, '2 times');
  });
});
