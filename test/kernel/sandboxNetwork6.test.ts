/** Sandboxes with a pair of interfaces that have addresses of IPv6, in a network of the test's own, compared with what ip(8) and nft(8) say. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import {
  type Sandbox,
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import type { English } from '../fixtures/english.ts';
import { has, hasIpv6, isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { NODE_MOUNT } from '../fixtures/sandboxClient.ts';
import { until } from '../fixtures/until.ts';

const SKIP =
  (!isHelperRoot && 'the helper is not root') ||
  (!hasIpv6 && 'this kernel has no IPv6, or it is off') ||
  unlessRootHas('ip', 'nsenter', 'unshare', 'busybox', 'bash');
const NEEDS_NFT = !has('nft') && 'nft is not installed';
const CONF = '/proc/sys/net/ipv6/conf';
const PREPARE = `echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >${CONF}/all/forwarding; ip link set lo up; exec "$@"`;
const OUTSIDE = '2001:db8::2';
/** Tells everybody who connects, or sends a datagram, which address that came from; at an address and a port. */
const TELL = `const [address, port] = process.argv.slice(1);
  require('net').createServer((c) => c.end('seen ' + c.remoteAddress)).listen({ port, host: address, ipv6Only: true }, () => console.log('ready'));
  const s = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(+port, address);
  s.on('message', (m, from) => s.send(m + ' of ' + from.address, from.port, from.address));`;
/** Sends a datagram, and gives up after a while. */
const ASK = `const s = require('dgram').createSocket('udp6');
  s.on('message', (m) => { process.stdout.write(m); process.exit(); }).send('asked', +process.argv[2], process.argv[1]);
  setTimeout(() => process.exit(1), 5000);`;
const IDS = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const MAPPED: SandboxSpec = { idMappings: { uidMappings: IDS, gidMappings: IDS } };

interface AddressOfIp {
  family: string;
  local: string;
  prefixlen: number;
  scope: string;
  nodad?: boolean;
  tentative?: boolean;
}

interface RouteOfIp {
  dst: string;
  gateway?: string;
  dev: string;
}

describe('a sandbox with interfaces of IPv6', { skip: SKIP }, () => {
  let helper: RunningHelper;
  let outside: ChildProcess;
  before(async () => {
    helper = await startHelper({ through: ['unshare', '--net', 'sh', '-c', PREPARE, 'sh'] });
    // What stands for the rest of the world has no route to a sandbox.
    outside = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(outside.stdout!, 'data');
    onHost('ip', 'link', 'add', 'out', 'type', 'veth', 'peer', 'in', 'netns', String(outside.pid));
    onHost('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'out', 'nodad');
    onHost('ip', 'link', 'set', 'out', 'up');
    inside(outside.pid!, 'ip', 'addr', 'add', `${OUTSIDE}/64`, 'dev', 'in', 'nodad');
    inside(outside.pid!, 'ip', 'link', 'set', 'in', 'up');
  });
  after(async () => {
    await helper?.stop();
    outside?.kill('SIGKILL');
  });

  const inside = (pid: number, ...command: string[]) =>
    execFileSync('nsenter', ['--net', '--target', String(pid), ...command], { encoding: 'utf8', stdio: 'pipe' });
  const onHost = (...command: string[]) => inside(helper.process.pid!, ...command);
  const interfaces = (): readonly string[] => onHost('ip', '-br', 'link').match(/^iso\w+/gm) ?? [];

  function addresses(pid: number, name: string): AddressOfIp[] {
    const [link] = JSON.parse(inside(pid, 'ip', '-j', '-6', 'addr', 'show', 'dev', name)) as [{ addr_info: AddressOfIp[] }?];
    return (link?.addr_info ?? []).filter(({ scope }) => scope === 'global');
  }

  async function create(spec: SandboxSpec): Promise<English<Sandbox> & { pid: number; outside: string }> {
    const process = { args: ['sleep', '1000'], terminal: false, ...spec.process };
    const { sandbox } = await helper.request(SandboxesCreate, { spec: { ...spec, process } });
    return { ...sandbox, pid: sandbox.process!.pid, outside: `iso${sandbox.id.slice(0, 12)}` };
  }

  async function remove({ id, outside: name }: { id: string; outside: string }): Promise<void> {
    await helper.request(SandboxesRemove, { sandbox: id });
    await until(() => !interfaces().includes(name), `${name} is gone`);
  }

  async function outputOf(spec: SandboxSpec, script: string): Promise<string> {
    const process = { args: ['bash', '-c', script], timeout: 30 };
    const { stdout, stderr } = await helper.request(SandboxesRun, { spec: { ...spec, process } });
    return stdout + stderr;
  }

  async function output(spec: SandboxSpec, script: string): Promise<string> {
    const text = await outputOf(spec, script);
    await until(() => interfaces().length === 0, 'no interface is left');
    return text;
  }

  /** Runs what tells addresses, in the net namespace of a process, until the test ends. */
  async function tellAt(pid: number, address: string, port: number): Promise<Disposable> {
    const args = ['--net', '--target', String(pid), process.execPath, '-e', TELL, address, String(port)];
    const server = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
    return { [Symbol.dispose]: () => void server.kill('SIGKILL') };
  }

  const connect = (address: string, port: number) => `timeout 3 bash -c 'cat </dev/tcp/${address}/${port}' 2>&1`;

  for (const [title, spec] of [
    ['', {}],
    [' in a user namespace', { namespaces: { user: 'new' } }],
    [' with other ids', MAPPED],
  ] as [string, SandboxSpec][]) {
    test(`has the addresses that were asked for, at both ends and at once${title}`, async () => {
      const network = { type: 'veth', address6: 'fd00:77::7/96', gateway6: 'FD00:77:0::c8', name: 'net0' } as const;
      const sandbox = await create({ ...spec, network });
      const given = ({ family, local, prefixlen, nodad, tentative }: AddressOfIp) => ({
        family,
        local,
        prefixlen,
        nodad,
        tentative,
      });
      const expected = { family: 'inet6', prefixlen: 96, nodad: true, tentative: undefined };
      assert.deepEqual(addresses(sandbox.pid, 'net0').map(given), [{ ...expected, local: 'fd00:77::7' }]);
      assert.deepEqual(addresses(helper.process.pid!, sandbox.outside).map(given), [{ ...expected, local: 'fd00:77::c8' }]);
      const routes = JSON.parse(inside(sandbox.pid, 'ip', '-j', '-6', 'route')) as RouteOfIp[];
      const [route, ...others] = routes.filter(({ dst }) => dst === 'default');
      assert.deepEqual([route?.gateway, route?.dev, others], ['fd00:77::c8', 'net0', []]);
      assert.match(onHost('busybox', 'ping', '-6', '-c', '1', '-W', '5', 'fd00:77::7'), / 0% packet loss/);
      assert.match(inside(sandbox.pid, 'busybox', 'ping', '-6', '-c', '1', '-W', '5', 'fd00:77::c8'), / 0% packet loss/);
      assert.match(inside(sandbox.pid, 'ip', '-4', '-br', 'addr', 'show', 'net0'), /10\.77\.\d+\.\d+\/30/, 'IPv4, too');
      assert.deepEqual(sandbox.spec.network, {
        ...sandbox.spec.network,
        ipv6: true,
        address6: 'fd00:77::7/96',
        gateway6: 'fd00:77::c8',
      });
      await remove(sandbox);
    });
  }

  test('can be reached, and reach the host, from its first moment', async () => {
    using _server = await tellAt(helper.process.pid!, '::', 7001);
    for (const namespaces of [{}, { user: 'new' }] as const) {
      const spec: SandboxSpec = { namespaces, network: { type: 'veth', address6: 'fd00:78::2/64' } };
      assert.equal(await output(spec, connect('fd00:78::1', 7001)), 'seen fd00:78::2');
    }
  });

  test('cannot tell the host of another router, whatever addresses it has', async () => {
    for (const ipv6 of [true, false]) {
      for (const namespaces of [{}, { user: 'new' }] as const) {
        const sandbox = await create({ namespaces, network: { type: 'veth', ipv6 } });
        assert.equal(onHost('cat', `${CONF}/${sandbox.outside}/accept_ra`), '0\n');
        assert.equal(onHost('cat', `${CONF}/out/accept_ra`), '1\n');
        await remove(sandbox);
      }
    }
  });

  test('has an address of a private prefix of its own when only IPv6 is asked for, and none else', async () => {
    const [one, other, without] = [
      await create({ network: { type: 'veth', ipv6: true } }),
      await create({ network: { type: 'veth', ipv6: true }, namespaces: { user: 'new' } }),
      await create({ network: { type: 'veth' } }),
    ];
    const prefixes = [one, other].map(({ pid, outside: name }) => {
      const [address] = addresses(pid, 'eth0');
      assert.match(address!.local, /^fd[0-9a-f]{2}:.*::2$/);
      assert.equal(address!.prefixlen, 64);
      const [gateway] = addresses(helper.process.pid!, name);
      assert.equal(gateway!.local, address!.local.replace(/2$/, '1'));
      assert.match(onHost('busybox', 'ping', '-6', '-c', '1', '-W', '5', address!.local), / 0% packet loss/);
      return address!.local;
    });
    assert.notEqual(prefixes[0], prefixes[1]);
    assert.deepEqual(addresses(without.pid, 'eth0'), []);
    assert.deepEqual(JSON.parse(inside(without.pid, 'ip', '-j', '-6', 'route', 'show', 'default')), []);
    for (const sandbox of [one, other, without]) await remove(sandbox);
  });

  test('reaches the outside as the host does with address translation, only then, and leaves no rules', {
    skip: NEEDS_NFT,
  }, async () => {
    using _server = await tellAt(outside.pid!, OUTSIDE, 7002);
    for (const namespaces of [{}, { user: 'new' }] as const) {
      const asked = (nat: boolean) =>
        output({ namespaces, network: { type: 'veth', ipv6: true, nat } }, connect(OUTSIDE, 7002));
      assert.equal(await asked(true), 'seen 2001:db8::1');
      assert.doesNotMatch(await asked(false), /seen/);
      await until(() => onHost('nft', 'list', 'tables') === '', 'no table is left');
    }
  });

  test('has one table for both, by its addresses', { skip: NEEDS_NFT }, async () => {
    const network = { type: 'veth', address: '10.99.6.2/30', address6: 'fd00:79::2/64', nat: true } as const;
    const sandbox = await create({ network });
    const table = onHost('nft', 'list', 'ruleset');
    assert.match(table, new RegExp(`^table inet isoscope_${sandbox.id} {`));
    assert.match(table, new RegExp(`ip saddr 10\\.99\\.6\\.2 oifname != "${sandbox.outside}" masquerade`));
    assert.match(table, new RegExp(`ip6 saddr fd00:79::2 oifname != "${sandbox.outside}" masquerade`));
    await remove(sandbox);
    await until(() => onHost('nft', 'list', 'tables') === '', 'no table is left');
  });

  test('is reached through a port at an address of IPv6: by that, where it has it', async () => {
    const ports = [
      { hostAddress: '::1', hostPort: 17_003, containerPort: 7003 },
      { hostAddress: '::1', hostPort: 17_003, containerPort: 7003, protocol: 'udp' as const },
      // Of IPv4 it is another port, also when the other one is at every address of IPv6.
      { hostAddress: '::', hostPort: 17_004, containerPort: 7003 },
      { hostAddress: '0.0.0.0', hostPort: 17_004, containerPort: 7004 },
    ];
    const tell = (address: string, port: number) => ({
      mounts: [NODE_MOUNT],
      process: { args: [NODE_MOUNT.destination, '-e', TELL, address, String(port)] },
    });
    const over = (address: string, port: number) => onHost('bash', '-c', `cat </dev/tcp/${address}/${port} || true`);
    const sandbox = await create({
      network: { type: 'veth', address6: 'fd00:80::2/64', ports },
      ...tell('fd00:80::2', 7003),
    });
    await until(() => over('::1', 17_003) === 'seen fd00:80::1', 'a connection is relayed');
    assert.equal(over('::1', 17_004), 'seen fd00:80::1');
    assert.equal(over('127.0.0.1', 17_004), '', 'nobody listens there inside');
    assert.equal(onHost(process.execPath, '-e', ASK, '::1', '17003'), 'asked of fd00:80::1');
    await remove(sandbox);
    const old = await create({ network: { type: 'veth', address: '10.99.7.2/30', ports }, ...tell('10.99.7.2', 7003) });
    await until(() => over('::1', 17_003) === 'seen 10.99.7.1', 'a connection is relayed by IPv4');
    assert.equal(onHost(process.execPath, '-e', ASK, '::1', '17003'), 'asked of 10.99.7.1');
    await assert.rejects(create({ network: { type: 'veth', ports: [ports[0]!] } }), /TCP port 17003 of ::1/);
    await remove(old);
  });

  test('reaches another one by IPv6, too, only when both ask for it', { skip: NEEDS_NFT }, async () => {
    for (const peers of [false, true]) {
      const server = await create({ network: { type: 'veth', address6: 'fd00:86::2/64', peers } });
      const asked = async (also: boolean) =>
        /seen fd00:87::2/.test(
          await outputOf({ network: { type: 'veth', address6: 'fd00:87::2/64', peers: also } }, connect('fd00:86::2', 7005)),
        );
      {
        // In the net namespace, which is there for as long.
        using _telling = await tellAt(server.pid, '::', 7005);
        assert.deepEqual([await asked(false), await asked(true)], [false, peers]);
      }
      await remove(server);
    }
  });

  test('knows its own name by both addresses', async () => {
    const network = { type: 'veth', address: '10.99.8.2/30', address6: 'fd00:0:81::2/64' } as const;
    const text = await output({ name: 'known', network }, 'cat /etc/hosts; getent ahostsv6 known | cut -d" " -f1 | uniq');
    assert.match(text, /^10\.99\.8\.2\tknown\nfd00:0:81::2\tknown$/m);
    assert.match(text, /\nfd00:0:81::2\n$/);
  });

  test('is explained with what gives it the addresses', async () => {
    const network = { type: 'veth', address6: 'fd00:82::2/64', nat: true } as const;
    const { syscalls, spec } = await helper.request(SandboxesExplain, { spec: { network } });
    assert.match(syscalls, /writev\(.*{RTM_NEWADDR, {iso\w+, fd00:82::1\/64, IFA_F_NODAD}}, 3\)/);
    assert.match(syscalls, /writev\(.*{RTM_NEWADDR, {eth0, fd00:82::2\/64, IFA_F_NODAD}}, 3\)/);
    assert.match(syscalls, /SIOCADDRT, {default via fd00:82::1}/);
    assert.match(syscalls, /table inet isoscope_\w+ {.*ip6 saddr fd00:82::2 oifname != "iso\w+" masquerade/);
    assert.equal(spec.network?.type === 'veth' && spec.network.gateway6, 'fd00:82::1');
  });

  test('is refused with what cannot be, and then nothing is made', async () => {
    const refused: [network: Partial<Extract<SandboxSpec['network'], { type: 'veth' }>>, words: RegExp][] = [
      [{ address6: 'fd00:83::2' }, /address6/],
      [{ address6: 'fd00:83::2/128' }, /address6/],
      [{ address6: 'fd00:83::/64' }, /address6/],
      [{ address6: 'fe80::2/64' }, /address6/],
      [{ address6: '::1/64' }, /address6/],
      [{ address6: 'fd00:83::2%eth0/64' }, /address6/],
      [{ address6: '10.77.1.2/24' }, /address6/],
      [{ address6: 'fd00:83::2/64', gateway6: 'ff02::1' }, /gateway6/],
      [{ address6: 'fd00:83::2/64', gateway6: 'fd00:84::1' }, /gateway6": fd00:84::1 is not another address of fd00:83::2\/64/],
      [{ address6: 'fd00:83::2/64', gateway6: 'fd00:83:0::2' }, /gateway6": fd00:83::2 is not another address/],
      [{ address6: 'fd00:83::2/64', gateway6: 'fd00:83::' }, /gateway6": fd00:83:: is not another address/],
      [{ gateway6: 'fd00:83::1' }, /gateway6": fd00:83::1 is not another address of fd/],
      [{ address6: '2001:db8:0::1/64' }, /address6": the host has 2001:db8::1 itself/],
      [{ address6: 'fd00:83::2/64', ipv6: false }, /"network.ipv6" is false/],
      [{ address6: '2001:db8::7/64' }, /address6": 2001:db8::7\/64 overlaps 2001:db8::1, an address of the host \(out\)/],
      [{ address6: '2001:db8::7/32' }, /address6": .* overlaps 2001:db8::1, an address of the host/],
      [{ address6: 'fd00:99::7/64' }, /address6": .* overlaps fd00:99::\/48, to which the host has a route \(out\)/],
      [{ address6: 'fc00::2/6' }, /address6": .* overlaps fe80::\/10, which is link-local/],
      [{ address6: '4000::2/1' }, /address6": .* overlaps (::\/96|2001:db8::1)/],
      [{ address6: 'fd00:83::2/64', gateway6: 'fd00:83::' }, /gateway6/],
    ];
    onHost('ip', '-6', 'route', 'add', 'fd00:99::/48', 'dev', 'out');
    for (const [network, words] of refused) {
      const spec: SandboxSpec = { network: { type: 'veth', ...network } };
      await assert.rejects(create(spec), words);
      await assert.rejects(helper.request(SandboxesExplain, { spec }), words);
    }
    assert.deepEqual(interfaces(), []);
  });

  /** As the helper's host has it for so long. */
  async function withSetting(name: string, value: string, body: () => Promise<void>): Promise<void> {
    const write = (text: string) => onHost('sh', '-c', `echo ${text} >${CONF}/${name}`);
    const before = onHost('cat', `${CONF}/${name}`).trim();
    write(value);
    try {
      await body();
    } finally {
      write(before);
    }
  }

  test('is refused where IPv6 is off, and without it there is one', async () => {
    await withSetting('default/disable_ipv6', '1', async () => {
      for (const namespaces of [{}, { user: 'new' }] as const) {
        const off = /IPv6 is off on the host/;
        await assert.rejects(create({ namespaces, network: { type: 'veth', ipv6: true } }), off);
        await assert.rejects(create({ namespaces, network: { type: 'veth', address6: 'fd00:85::2/64' } }), off);
      }
      assert.deepEqual(interfaces(), []);
      const text = await output({ network: { type: 'veth' } }, 'ip -4 -br addr show eth0');
      assert.match(text, /10\.77\.\d+\.\d+\/30/);
    });
  });

  test('is refused where the kernel has no IPv6, and without it there is one', async () => {
    const hide = 'mount -t tmpfs none /proc/sys/net/ipv6; exec "$@"';
    await using blind = await startHelper({ through: ['unshare', '--net', '--mount', 'sh', '-c', hide, 'sh'] });
    for (const namespaces of [{}, { user: 'new' }] as const) {
      // A proc of its own a user namespace may not mount where parts of that of the host are hidden.
      const run = (ipv6: boolean) => {
        const process = { args: ['ip', '-4', '-br', 'addr', 'show', 'eth0'], timeout: 30 };
        return blind.request(SandboxesRun, { spec: { namespaces, proc: 'none', network: { type: 'veth', ipv6 }, process } });
      };
      await assert.rejects(run(true), /IPv6 is off on the host/);
      assert.match((await run(false)).stdout, /10\.77\.\d+\.\d+\/30/);
    }
  });

  test('is refused with address translation where packets are not forwarded', { skip: NEEDS_NFT }, async () => {
    await withSetting('all/forwarding', '0', async () => {
      const words = /does not forward packets of IPv6/;
      await assert.rejects(create({ network: { type: 'veth', ipv6: true, nat: true } }), words);
      assert.deepEqual(interfaces(), []);
      await output({ network: { type: 'veth', nat: true } }, 'true');
    });
  });

  test('leaves neither interface nor table when the helper is killed', { skip: NEEDS_NFT }, async () => {
    // Keeps the network namespace.
    const keeper = spawn('nsenter', ['--net', '--target', String(helper.process.pid!), 'sleep', '1000'], { stdio: 'ignore' });
    try {
      const network = { type: 'veth', ipv6: true, nat: true } as const;
      await create({ network });
      await create({ network, namespaces: { user: 'new' } });
      assert.equal(onHost('nft', 'list', 'tables').match(/^table inet isoscope_/gm)?.length, 2);
      helper.process.kill('SIGKILL');
      const left = () => inside(keeper.pid!, 'ip', '-br', 'link') + inside(keeper.pid!, 'nft', 'list', 'tables');
      await until(() => !/iso/.test(left()), 'both are gone');
    } finally {
      keeper.kill('SIGKILL');
    }
  });
});
