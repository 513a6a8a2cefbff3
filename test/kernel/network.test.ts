/** Network namespaces against iproute2: what `ip -j` says inside of a namespace is what the helper says from outside. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Initialize } from '../../helper/protocol/host.ts';
import { NetworkCounters, NetworkInspect, type NetworkInspectResult, type NetworkRule } from '../../helper/protocol/network.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { refOfProcess, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const AS_USER = process.env.ISOSCOPE_TEST_UID !== undefined;
const skipAsUser = AS_USER && 'only root looks into the network namespaces of others';
const NAMES = [`iso-a-${process.pid}`, `iso-b-${process.pid}`] as const;

interface IpCounters {
  bytes: number;
  packets: number;
  dropped: number;
}

interface IpLink {
  ifname: string;
  ifindex: number;
  operstate: string;
  address?: string;
  mtu: number;
  link_type: string;
  addr_info: { family: string; local: string; prefixlen: number; scope: string }[];
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

function refOf(name: string) {
  const { dev, ino } = statSync(`/run/netns/${name}`);
  return { kind: 'net' as const, dev, ino };
}

/** One socket of each kind of which there may be some, where the kernel has it; and some that nobody can send to. */
const MANY_KINDS = `
const libc = require('koffi').load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int socket, const uint8_t *address, uint32_t length)');
const listen = libc.func('int listen(int socket, int backlog)');
const index = require('node:os').networkInterfaces && Number(require('node:fs').readFileSync('/proc/thread-self/net/dev_mcast', 'utf8').split('\\n').find((line) => / left /.test(line)).trim().split(/ +/)[0]);
const inet = (port) => [2, 0, port >> 8, port & 255, ...Array(12).fill(0)];
const inet6 = (port) => [10, 0, port >> 8, port & 255, ...Array(24).fill(0)];
const unix = (name) => [1, 0, 0, ...Buffer.from(name)];
const open = (domain, type, protocol, address, listens) => {
  const descriptor = socket(domain, type, protocol);
  if (descriptor < 0) return;
  if (address && bind(descriptor, Buffer.from(address), address.length) < 0) throw new Error('bind ' + [domain, type, protocol]);
  if (listens && listen(descriptor, 5) < 0) throw new Error('listen ' + [domain, type, protocol]);
};
open(2, 1, 0, inet(0x1f90), true);
open(10, 1, 0, inet6(0x1f91), true);
open(2, 2, 0, inet(0x1f92));
open(10, 2, 0, inet6(0x1f93));
open(2, 1, 132, inet(0x1f94), true);
open(2, 2, 136, inet(0x1f95));
open(2, 1, 262, inet(0x1f96), true);
open(2, 3, 1);
open(10, 3, 58);
open(17, 3, 0x300, [17, 0, 0, 3, index & 255, index >> 8, 0, 0, ...Array(12).fill(0)]);
open(1, 1, 0, unix('isoscope-stream-' + process.pid), true);
open(1, 2, 0, unix('isoscope-dgram-' + process.pid));
open(1, 5, 0, unix('isoscope-seqpacket-' + process.pid), true);
open(1, 1, 0, unix('isoscope-bound-' + process.pid));
open(1, 2, 0);
open(2, 1, 0);
open(40, 1, 0, [40, 0, 0, 0, 0x97, 0x1f, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0], true);
console.log('there');
setInterval(() => {}, 1e6);
`;

/** Of unix sockets ss puts it in the place of the port, and those without a name are not of interest. */
function inodeOfSs(line: string): number | undefined {
  const fields = line.trim().split(/\s+/);
  if (!fields[0]?.startsWith('u_')) return Number(/ino:(\d+)/.exec(line)?.[1]);
  return fields[4] === '*' ? undefined : Number(fields[5]);
}

interface IpRule extends Record<string, unknown> {
  priority: number;
  src: string;
  srclen?: number;
  dst?: string;
  dstlen?: number;
  table?: string;
}

/** What ip says of a rule, in our words. */
function ofIp(rule: IpRule): NetworkRule {
  const text = (key: string) => rule[key] as string | undefined;
  const prefix = (address: string | undefined, length: number | undefined, whole: number) =>
    address === undefined || address === 'all' ? {} : `${address}/${length ?? whole}`;
  const whole = rule.src.includes(':') ? 128 : 32;
  const from = prefix(rule.src, rule.srclen, whole);
  const to = prefix(rule.dst, rule.dstlen, whole);
  const range = (name: string) => {
    const one = rule[name] ?? rule[`${name}_start`];
    return one === undefined ? undefined : [Number(one), Number(rule[`${name}_end`] ?? one)];
  };
  const found = {
    priority: rule.priority,
    inverted: 'not' in rule ? true : undefined,
    from: typeof from === 'string' ? from : undefined,
    to: typeof to === 'string' ? to : undefined,
    tos: text('tos') === undefined ? undefined : Number(text('tos')),
    fromInterface: text('iif'),
    toInterface: text('oif'),
    mark: text('fwmark') === undefined ? undefined : Number(text('fwmark')),
    mask: text('fwmask') === undefined ? undefined : Number(text('fwmask')),
    uids: range('uid'),
    ipProtocol: text('ipproto') === undefined ? undefined : { tcp: 6 }[text('ipproto') ?? ''],
    sourcePorts: range('sport'),
    destinationPorts: range('dport'),
    table: rule.table === undefined ? undefined : ({ local: 255, main: 254, default: 253 }[rule.table] ?? Number(rule.table)),
    goto: rule.goto as number | undefined,
    suppressPrefixLength: rule.suppress_prefixlen,
    action: rule.goto === undefined ? (text('action') ?? 'table') : 'goto',
  };
  return found as unknown as NetworkRule;
}

/** What both say, as text. */
function asIpShows({ family: _, protocol: __, ...rule }: NetworkRule): string {
  const facts = Object.entries(rule).filter(([, value]) => value !== undefined);
  return JSON.stringify(Object.fromEntries(facts.sort(([one], [other]) => one.localeCompare(other))));
}

describe('network/inspect', { skip: process.getuid?.() !== 0 ? 'namespaces are made as root' : false }, () => {
  let helper: RunningHelper;
  const [one, other] = NAMES;

  before(async () => {
    for (const name of NAMES) ip('netns', 'add', name);
    ip('-n', one, 'link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right', 'netns', other);
    ip('-n', one, 'addr', 'add', '192.0.2.1/24', 'dev', 'left');
    ip('-n', one, 'link', 'set', 'left', 'up');
    ip('-n', one, 'link', 'set', 'lo', 'up');
    ip('-n', other, 'link', 'set', 'right', 'up');
    ip('-n', one, 'route', 'add', '198.51.100.0/24', 'via', '192.0.2.254');
    helper = await startHelper();
  });

  after(async () => {
    await helper.stop();
    for (const name of NAMES) ip('netns', 'del', name);
  });

  const inspect = (name: string): Promise<NetworkInspectResult> => helper.request(NetworkInspect, { namespace: refOf(name) });

  test('interfaces, states, hardware addresses and addresses are those that ip shows inside', {
    skip: skipAsUser,
  }, async () => {
    const { interfaces } = await inspect(one);
    const expected = JSON.parse(ip('-n', one, '-j', 'addr')) as IpLink[];
    const simple = (family: string, address: string, prefix: number, scope: string) =>
      `${family} ${address}/${prefix} ${scope}`;
    assert.deepEqual(
      interfaces.map((link) => ({
        name: link.name,
        index: link.index,
        state: link.state,
        mac: link.mac,
        mtu: link.mtu,
        addresses: link.addresses.map((found) => simple(found.family, found.address, found.prefixLength, found.scope)),
      })),
      expected.map((link) => ({
        name: link.ifname,
        index: link.ifindex,
        state: link.operstate.toLowerCase(),
        mac: link.link_type === 'loopback' ? undefined : link.address,
        mtu: link.mtu,
        addresses: link.addr_info.map((found) => simple(found.family, found.local, found.prefixlen, found.scope)),
      })),
    );
  });

  test('counters are those that ip shows inside', { skip: skipAsUser }, async () => {
    ip('netns', 'exec', one, 'bash', '-c', 'echo something > /dev/udp/127.0.0.1/9');
    const expected = JSON.parse(ip('-n', one, '-s', '-j', 'link')) as (IpLink & { stats64: Record<'rx' | 'tx', IpCounters> })[];
    const { interfaces } = await helper.request(NetworkCounters, { namespace: refOf(one) });
    assert.deepEqual(
      interfaces,
      expected.map(({ ifindex, ifname, stats64: { rx, tx } }) => ({
        index: ifindex,
        name: ifname,
        receivedBytes: rx.bytes,
        sentBytes: tx.bytes,
        receivedPackets: rx.packets,
        sentPackets: tx.packets,
        receivedDropped: rx.dropped,
        sentDropped: tx.dropped,
      })),
    );
    const loopback = interfaces.find(({ name }) => name === 'lo');
    assert.ok(loopback !== undefined && loopback.receivedBytes > 0);
  });

  test('an ordinary user sees the network of their own rootless container, as who is inside does', {
    skip: AS_USER ? false : 'the helper is root, who may enter every one',
  }, async (t) => {
    const uid = Number(process.env.ISOSCOPE_TEST_UID);
    const script = 'ip link set lo up; ip link add far type veth peer name near; ip addr add 192.0.2.7/24 dev near; exec "$@"';
    const shell = ['sh', '-c', script, 'sh'];
    const container = await startSleeper(['unshare', '--user', '--map-root-user', '--net', ...shell], { uid });
    t.after(container.stop);
    const target = refOfProcess(container.pid);
    const { interfaces, sockets } = await helper.request(NetworkInspect, { process: target });
    const inside = ['nsenter', '-t', String(container.pid), '-n', 'ip', '-j', 'addr'];
    const expected = JSON.parse(execFileSync(inside[0]!, inside.slice(1), { encoding: 'utf8' })) as IpLink[];
    const said = interfaces.map(({ index, name, addresses }) => [index, name, addresses.map(({ address }) => address)]);
    assert.deepEqual(
      said,
      expected.map(({ ifindex, ifname, addr_info }) => [ifindex, ifname, addr_info.map(({ local }) => local)]),
    );
    assert.deepEqual(sockets, []);
  });

  test('an ordinary user is told why a network of root cannot be seen, and what to do', {
    skip: AS_USER ? false : 'the helper is root, who may see every one',
  }, async () => {
    const refusal = await refusalOf(inspect(one), 'permission');
    assert.match(refusal.message, /no power over|may not be looked at|may not be read/);
    assert.match(refusal.data?.hint ?? '', /as root/);
  });

  test('both ends of a veth pair name each other and the namespace that each is in', { skip: skipAsUser }, async () => {
    const left = (await inspect(one)).interfaces.find(({ name }) => name === 'left');
    const right = (await inspect(other)).interfaces.find(({ name }) => name === 'right');
    assert.deepEqual(left?.peer, { index: right?.index, name: 'right', namespace: refOf(other) });
    assert.deepEqual(right?.peer, { index: left?.index, name: 'left', namespace: refOf(one) });
  });

  test('routes are those of the main table', { skip: skipAsUser }, async () => {
    const { routes } = await inspect(one);
    const expected = JSON.parse(ip('-n', one, '-4', '-j', 'route')) as { dst: string; dev: string; gateway?: string }[];
    assert.deepEqual(
      routes
        .filter(({ family }) => family === 'inet')
        .map(({ destination, gateway, interface: device }) => [destination, gateway, device])
        .sort(),
      expected.map(({ dst, gateway, dev }) => [dst, gateway, dev]).sort(),
    );
  });

  test('a multipath route has a row for each way, and IPv4 by an IPv6 neighbour its gateway, as ip has them', {
    skip: skipAsUser,
  }, async () => {
    ip('-n', one, 'route', 'add', '203.0.113.0/24', 'nexthop', 'via', '192.0.2.253', 'nexthop', 'via', '192.0.2.252');
    ip('-n', one, 'route', 'add', '198.18.0.0/24', 'via', 'inet6', 'fe80::7', 'dev', 'left');
    const { routes } = await inspect(one);
    const ways = (destination: string) => routes.filter((route) => route.destination === destination);
    const [several] = JSON.parse(ip('-n', one, '-j', 'route', 'show', '203.0.113.0/24')) as [
      { nexthops: { gateway: string; dev: string }[] },
    ];
    assert.deepEqual(
      ways('203.0.113.0/24').map(({ gateway, interface: dev }) => ({ gateway, dev })),
      several.nexthops.map(({ gateway, dev }) => ({ gateway, dev })),
    );
    assert.deepEqual(
      ways('198.18.0.0/24').map(({ gateway, interface: dev }) => [gateway, dev]),
      [['fe80::7', 'left']],
    );
  });

  test('flags are those that ip shows', { skip: skipAsUser }, async () => {
    ip('-n', one, 'link', 'add', 'flagged', 'type', 'bridge');
    const { interfaces } = await inspect(one);
    const shown = JSON.parse(ip('-n', one, '-j', 'link')) as { ifname: string; flags: string[] }[];
    for (const { ifname, flags } of shown) {
      const found = interfaces.find(({ name }) => name === ifname)?.flags ?? [];
      // Of these two ip makes one of its own.
      const real = (list: readonly string[]) => list.filter((flag) => !['RUNNING', 'NO-CARRIER'].includes(flag)).sort();
      assert.deepEqual(real(found), real(flags), ifname);
    }
  });

  test('multipath routes of IPv6 have a row for each way, too', {
    skip: skipAsUser,
  }, async () => {
    const hops = ['nexthop', 'via', 'fe80::8', 'dev', 'left', 'nexthop', 'via', 'fe80::9', 'dev', 'left'];
    ip('-n', one, '-6', 'route', 'add', '2001:db8:7::/48', ...hops);
    const { routes } = await inspect(one);
    assert.deepEqual(
      routes
        .filter(({ destination }) => destination === '2001:db8:7::/48')
        .map(({ gateway, interface: dev }) => [gateway, dev]),
      [
        ['fe80::8', 'left'],
        ['fe80::9', 'left'],
      ],
    );
  });

  test('policy rules are those that ip shows, with all that narrows them', { skip: skipAsUser }, async () => {
    const add = (...rule: string[]) => ip('-n', one, ...rule);
    add('rule', 'add', 'from', '192.0.2.0/24', 'lookup', '100', 'priority', '1000');
    add('rule', 'add', 'not', 'to', '198.51.100.7', 'fwmark', '0x10/0xff', 'iif', 'left', 'lookup', '101', 'priority', '1001');
    add(
      'rule',
      'add',
      'oif',
      'left',
      'uidrange',
      '1000-1999',
      'ipproto',
      'tcp',
      'sport',
      '1-9',
      'dport',
      '443',
      'lookup',
      '102',
      'priority',
      '1002',
    );
    add('rule', 'add', 'lookup', 'main', 'suppress_prefixlength', '0', 'priority', '1003');
    add('rule', 'add', 'from', '203.0.113.0/24', 'prohibit', 'priority', '1004');
    add('rule', 'add', 'tos', '0x10', 'goto', '32766', 'priority', '1005');
    add('-6', 'rule', 'add', 'from', '2001:db8::/32', 'blackhole', 'priority', '1006');
    const { rules } = await inspect(one);
    for (const family of ['inet', 'inet6'] as const) {
      const shown = JSON.parse(ip('-n', one, '-j', family === 'inet' ? '-4' : '-6', 'rule')) as IpRule[];
      assert.deepEqual(
        rules.filter((rule) => rule.family === family).map(asIpShows),
        shown.map((rule) => asIpShows(ofIp(rule))),
      );
    }
    assert.deepEqual(
      rules.filter(({ hasMore }) => hasMore),
      [],
    );
  });

  test('all sockets that somebody can send to are those that ss shows, of every family, and no others', {
    skip: skipAsUser,
  }, async (t) => {
    const opened = await startSpecimen(['nsenter', `--net=/run/netns/${one}`, process.execPath, '-e', MANY_KINDS]);
    t.after(opened.stop);
    const { sockets, untold } = await inspect(one);
    assert.ok(Array.isArray(sockets));
    const kinds = ['--tcp', '--udp', '--unix', '--packet', '--sctp', '--mptcp'];
    const lines = ip('netns', 'exec', one, 'ss', '-Hnlea', ...kinds)
      .trim()
      .split('\n')
      // What of one socket does not fit into its line.
      .filter((line) => !line.startsWith('\t'));
    const ofSs = sockets.filter(({ protocol }) => !/^(udplite|vsock|raw)/.test(protocol));
    const shown = lines.map(inodeOfSs).filter((inode) => inode !== undefined);
    const sorted = (inodes: readonly number[]) => [...new Set(inodes)].sort((a, b) => a - b);
    assert.deepEqual(sorted(ofSs.map(({ inode }) => inode)), sorted(shown), lines.join('\n'));
    assert.deepEqual(
      ofSs.filter(({ processes }) => !processes.some(({ pid }) => pid === opened.pid)),
      [],
    );
    // ss tells of raw sockets only where sock_diag does.
    for (const protocol of ['raw', 'raw6']) {
      const rows = readFileSync(`/proc/${opened.pid}/net/${protocol}`, 'utf8').trim().split('\n').slice(1);
      const inodes = rows.map((row) => Number(row.trim().split(/\s+/)[9]));
      assert.deepEqual(
        sorted(sockets.filter((socket) => socket.protocol === protocol).map(({ inode }) => inode)),
        sorted(inodes),
      );
    }
    const protocols = new Set(sockets.map(({ protocol }) => protocol));
    const made = ['tcp', 'udp', 'raw', 'raw6', 'unix', 'unix-dgram', 'unix-seqpacket', 'packet'] as const;
    assert.deepEqual(
      made.filter((protocol) => !protocols.has(protocol)),
      [],
    );
    const first = (protocol: string) => sockets.find((socket) => socket.protocol === protocol);
    assert.deepEqual([first('raw')?.ipProtocol, first('packet')?.etherType, first('packet')?.interface], [1, 3, 'left']);
    assert.match(first('unix-dgram')?.address ?? '', /^@isoscope-dgram/);
    // Where the kernel has a protocol and does not tell of its sockets, that is said.
    for (const [protocol, text] of [['vsock', 'AF_VSOCK']] as const) {
      const isThere = readFileSync('/proc/net/protocols', 'utf8').includes(`${text} `);
      assert.equal(protocols.has(protocol) || untold.includes(protocol), isThere, protocol);
    }
    assert.equal(protocols.has('udplite'), readFileSync(`/proc/${opened.pid}/net/udplite`, 'utf8').includes(':1F95 '));
  });

  test('a listening socket is shown with the process that holds it', { skip: skipAsUser }, async (t) => {
    const listen = `require('net').createServer().listen(0,'127.0.0.1',function(){console.log(this.address().port)})`;
    const server = spawn('nsenter', [`--net=/run/netns/${one}`, process.execPath, '-e', listen], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => server.kill('SIGKILL'));
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const { sockets } = await inspect(one);
    assert.ok(Array.isArray(sockets));
    const found = sockets.find(({ protocol, port }) => protocol === 'tcp' && port === Number(line));
    assert.equal(found?.address, '127.0.0.1');
    assert.deepEqual(
      found?.processes.map(({ pid }) => pid),
      [server.pid],
    );
  });

  test('a namespace that does not exist is refused as gone, and the helper stays in its own', async () => {
    const missing = { ...refOf(one), ino: 7 };
    await assert.rejects(helper.request(NetworkInspect, { namespace: missing }), (error: { data?: { reason?: string } }) => {
      assert.equal(error.data?.reason, 'gone');
      return true;
    });
    const again = await helper.request(Initialize, {});
    assert.deepEqual(again.namespaces.net, helper.host.namespaces.net);
  });

  test('an ordinary user is refused another namespace, and not told that it is empty', {
    skip: !AS_USER && 'the helper is root',
  }, async () => {
    await assert.rejects(inspect(one), (error: { data?: { reason?: string } }) => {
      assert.match(error.data?.reason ?? '', /^(permission|gone)$/);
      return true;
    });
  });
});
