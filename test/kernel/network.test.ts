/** Network namespaces against iproute2: what `ip -j` says inside of a namespace is what the helper says from outside. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Initialize, NetworkInspect, type NetworkInspectResult } from '../../helper/protocol.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { refusalOf } from '../fixtures/rejection.ts';
import { refOfProcess, startSleeper } from '../fixtures/zoo.ts';

const AS_USER = process.env.ISOSCOPE_TEST_UID !== undefined;
const skipAsUser = AS_USER && 'only root looks into the network namespaces of others';
const NAMES = [`iso-a-${process.pid}`, `iso-b-${process.pid}`] as const;

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
