/** Every list of a sandbox's specification at its documented maximum: what may be written is shown and runs. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { SYSCALL_TABLE } from '../../helper/kernel/syscallTable.ts';
import { ProgramsExplain, ProgramsRun } from '../../helper/protocol/programs.ts';
import { SandboxesExplain, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import { sandboxSpec } from '../../helper/sandbox/specification/spec.ts';
import { isHelperRoot } from '../fixtures/environment.ts';
import { sandboxClient } from '../fixtures/sandboxClient.ts';

/** The parts of a valibot schema that this looks at. */
interface Schema {
  type: string;
  entries?: Record<string, Schema>;
  options?: (Schema | string)[];
  item?: Schema;
  wrapped?: Schema;
  pipe?: (Schema & { requirement?: unknown })[];
}

/** Of each list that has one, by where it is: the most that it may hold. */
function maximaOf(schema: Schema, where: string, found = new Map<string, number>()): Map<string, number> {
  const inner = schema.wrapped ?? schema;
  for (const [key, entry] of Object.entries(inner.entries ?? {}))
    maximaOf(entry, where === '' ? key : `${where}.${key}`, found);
  for (const option of inner.options ?? []) if (typeof option !== 'string') maximaOf(option, where, found);
  if (inner.type === 'array') {
    const most = actionsOf(inner).find(({ type }) => type === 'max_length')?.requirement;
    assert.equal(typeof most, 'number', `${where} has no maximum`);
    found.set(where, most as number);
    maximaOf(inner.item!, `${where}[]`, found);
  }
  return found;
}

/** A pipe may begin with another one, and begins with the schema itself. */
function actionsOf({ pipe = [] }: Schema): (Schema & { requirement?: unknown })[] {
  const [first, ...rest] = pipe;
  return [...(first?.pipe !== undefined && first.pipe !== pipe ? actionsOf(first) : []), ...rest];
}

const MAXIMA = maximaOf(sandboxSpec as unknown as Schema, '');
/** Of arguments, and of an environment, together: spec.ts. */
const MAX_BYTES = 128 * 1024;
const ARGS = ['true'];
const times = <T>(count: number, of: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => of(index));
const binaries = (count: number): string[] =>
  fs
    .readdirSync('/usr/bin')
    .map((name) => path.join('/usr/bin', name))
    .filter((file) => fs.lstatSync(file).isFile())
    .slice(0, count);
/** Words of three letters, each once. */
const word = (index: number): string => (index + 36 ** 2 * 10).toString(36);
const mapping = (index: number) => ({ containerID: index, hostID: index, size: 1 });
const filtered = (names: string[], rules = 1, args: object[] = []): SandboxSpec =>
  ({
    seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: times(rules, () => ({ names, action: 'SCMP_ACT_LOG', args })) },
  }) as SandboxSpec;
const device = (): string => {
  const { dev } = fs.statSync('/');
  return `${(dev >> 8) & 0xfff}:${dev & 0xff}`;
};

/** A specification with as many as that. What only root may have is left out where the helper is not. */
const SPECS: Record<string, (most: number) => SandboxSpec | undefined> = {
  'root.programs': (most) => ({ root: { type: 'programs', programs: ['/bin/true', ...elfs(most - 1)] } }),
  'idMappings.uidMappings': (most) => root({ idMappings: { uidMappings: times(most, mapping), gidMappings: [mapping(0)] } }),
  'idMappings.gidMappings': (most) => root({ idMappings: { uidMappings: [mapping(0)], gidMappings: times(most, mapping) } }),
  mounts: (most) => ({ mounts: times(most, (index) => ({ destination: `/tmp/${index}`, type: 'tmpfs' })) }),
  'mounts[].options': (most) => ({
    mounts: [{ destination: '/tmp/one', type: 'tmpfs', options: times(most, () => 'nosuid') }],
  }),
  maskedPaths: (most) => ({
    maskedPaths: binaries(most + 1)
      .filter((file) => file !== '/usr/bin/true')
      .slice(0, most),
  }),
  readonlyPaths: (most) => ({ readonlyPaths: binaries(most) }),
  'network.ports': (most) =>
    root({
      network: {
        type: 'veth',
        address: '10.214.7.2/24',
        ports: times(most, (index) => ({ hostAddress: '127.0.214.7', hostPort: 20_000 + index, containerPort: 1 + index })),
      },
    }),
  'network.nameservers': (most) => names({ nameservers: times(most, (index) => `10.0.0.${index + 1}`) }),
  'network.searchDomains': (most) => names({ searchDomains: times(most, (index) => `d${index}.example`) }),
  'network.resolverOptions': (most) => names({ resolverOptions: times(most, () => 'ndots:2') }),
  hosts: (most) => ({ hosts: times(most, (index) => ({ address: '10.0.0.1', names: [`h${index}`] })) }),
  'hosts[].names': (most) => ({
    hosts: times(MAXIMA.get('hosts')!, () => ({
      address: '10.0.0.1',
      names: times(most, (index) => `h${index}`.padEnd(253, 'x')),
    })),
  }),
  'resources.blockIO': (most) => root({ resources: { blockIO: times(most, () => ({ device: device(), readBps: '100M' })) } }),
  'seccomp.architectures': (most) => ({
    seccomp: { defaultAction: 'SCMP_ACT_ALLOW', architectures: times(most, () => ownArchitecture) },
  }),
  'seccomp.flags': (most) => ({
    seccomp: { defaultAction: 'SCMP_ACT_ALLOW', flags: times(most, () => 'SECCOMP_FILTER_FLAG_LOG') },
  }),
  'seccomp.syscalls': (most) => filtered(['getsid'], most),
  'seccomp.syscalls[].names': (most) => filtered(times(most, (index) => Object.keys(SYSCALL_TABLE)[index % 400]!)),
  'seccomp.syscalls[].args': (most) =>
    filtered(
      ['getsid'],
      1,
      times(most, (index) => ({ index, value: 7, op: 'SCMP_CMP_EQ' })),
    ),
  'process.args': (most) => ({ process: { args: ['true', ...times(most - 1, () => 'x'.repeat(31))] } }),
  'process.user.additionalGids': (most) =>
    root({ process: { args: ARGS, user: { uid: 7, additionalGids: times(most, (index) => 70_000 + index) } } }),
  'process.capabilities': (most) => ({ process: { args: ARGS, capabilities: times(most, () => 'CAP_KILL') } }),
  ...Object.fromEntries(
    ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'].map((set) => [
      `process.capabilities.${set}`,
      (most: number): SandboxSpec => ({ process: { args: ARGS, capabilities: allSets(times(most, () => 'CAP_KILL')) } }),
    ]),
  ),
  'process.rlimits': (most) => ({
    process: { args: ARGS, rlimits: times(most, () => ({ type: 'RLIMIT_NOFILE', soft: 256, hard: 256 })) },
  }),
};

const ownArchitecture = process.arch === 'x64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64';
const root = (spec: SandboxSpec): SandboxSpec | undefined => (isHelperRoot ? spec : undefined);
const names = (of: object): SandboxSpec | undefined => root({ network: { type: 'veth', address: '10.214.8.2/24', ...of } });
const allSets = (list: string[]) => ({ bounding: list, effective: list, inheritable: list, permitted: list, ambient: list });

/** Programs that are no scripts, with another name each. */
function elfs(count: number): string[] {
  const found: string[] = [];
  for (const file of binaries(100_000)) {
    if (found.length === count) break;
    const descriptor = fs.openSync(file, 'r');
    const head = Buffer.alloc(4);
    fs.readSync(descriptor, head);
    fs.closeSync(descriptor);
    if (head.toString('latin1') === '\x7fELF') found.push(file);
  }
  return found;
}

describe('a specification at the maximum of', () => {
  const { request, run } = sandboxClient('/var/tmp/isoscope-sizes-');

  const shownAndRun = async (spec: SandboxSpec): Promise<void> => {
    const whole = { ...spec, process: { args: ARGS, ...spec.process } };
    const { steps } = await request(SandboxesExplain, { spec: whole });
    assert.ok(steps.length > 10);
    const { exit, stderr } = await run(whole);
    assert.deepEqual([exit.reason, exit.code], ['exit', 0], stderr);
  };

  test('each list is known here', () => {
    assert.deepEqual([...MAXIMA.keys()].sort(), Object.keys(SPECS).sort());
  });

  for (const [field, specOf] of Object.entries(SPECS)) {
    const spec = specOf(MAXIMA.get(field) ?? 0);
    test(`${field}: ${MAXIMA.get(field)}`, { skip: spec === undefined && 'the helper is not root' }, async () => {
      await shownAndRun(spec!);
    });
  }

  test('mounts, masked and read-only paths together', async () => {
    const parts = ['mounts', 'maskedPaths', 'readonlyPaths'].map((field) => SPECS[field]!(MAXIMA.get(field)!));
    await shownAndRun(Object.assign({}, ...parts) as SandboxSpec);
  });

  test('mounts of which each is held open, to map its owners', {
    skip: !isHelperRoot && 'the helper is not root',
  }, async () => {
    const source = '/usr/share';
    const mounts = times(MAXIMA.get('mounts')!, (index) => ({
      destination: `/tmp/${index}`,
      type: 'bind',
      source,
      options: ['idmap', 'ro'],
    }));
    await shownAndRun({ namespaces: { user: 'new' }, idMappings: 'root', mounts } as SandboxSpec);
  });

  test('the environment, of many variables and of a long one', async () => {
    const many = Object.fromEntries(times(Math.floor(MAX_BYTES / 5), (index) => [word(index), '']));
    await shownAndRun({ process: { env: many } });
    await shownAndRun({ process: { env: { A: 'x'.repeat(MAX_BYTES - 3) } } });
    const target = {
      pid: process.pid,
      startTime: Number(fs.readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ')[19]),
    };
    const program = { process: target, kinds: [], environment: many, command: ['true', ...times(4095, () => 'x'.repeat(31))] };
    await request(ProgramsExplain, program);
    const { exit } = await request(ProgramsRun, program);
    assert.equal(exit.code, 0);
  });
});
