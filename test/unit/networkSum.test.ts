/** What the folded network of a container says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import type { NetworkInspectResult, NetworkInterface } from '../../helper/protocol/network.ts';

const { networkSum } = await import('../../extension/trees/networkNodes.ts');

function link(name: string, kind: string, ...addresses: [address: string, scope: string][]): NetworkInterface {
  const given = addresses.map(([address, scope]) => ({
    family: address.includes(':') ? ('inet6' as const) : ('inet' as const),
    address: address.split('/')[0]!,
    prefixLength: Number(address.split('/')[1]),
    scope,
  }));
  return { index: 1, name, kind, state: 'up', flags: [], mtu: 1500, addresses: given } as never;
}

function sumOf(...interfaces: NetworkInterface[]): string {
  return networkSum({ interfaces } as NetworkInspectResult);
}

const lo = link('lo', 'loopback', ['127.0.0.1/8', 'host']);

test('it is the first address by which it is reached, without its prefix, and how many more interfaces have one', () => {
  const eth0 = link('eth0', 'veth', ['172.17.0.2/16', 'global'], ['fe80::1/64', 'link']);
  assert.equal(sumOf(lo, eth0), '172.17.0.2 · eth0');
  assert.equal(sumOf(lo, eth0, link('eth1', 'veth', ['10.0.0.2/24', 'global'])), '172.17.0.2 · eth0 · 1 more');
});

test('loopback and addresses of one link are none by which it is reached', () => {
  assert.equal(sumOf(lo), 'no address');
  assert.equal(sumOf(lo, link('eth0', 'veth', ['fe80::1/64', 'link'])), 'no address');
});
