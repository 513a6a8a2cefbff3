/** Addresses of IPv6 that a sandbox can be given. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseResolver } from '../../helper/sandbox/plan/nameFiles.ts';
import {
  bytesOf6,
  isOfHost,
  lowestOther,
  parseAddress6,
  parsePrefixed6,
  privatePrefix6,
  textOf6,
} from '../../helper/sandbox/specification/ipv6.ts';

const canonical = (text: string) => {
  const address = parseAddress6(text);
  return address === undefined ? undefined : textOf6(address);
};

test('an address is read in every way that it is written, and written in the shortest', () => {
  const same: [written: string, shortest: string][] = [
    ['fd00::1', 'fd00::1'],
    ['FD00:0:0:0:0:0:0:A', 'fd00::a'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::', '2001:db8::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::1:2:3:4:5:6:7', '0:1:2:3:4:5:6:7'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['fd00:1:2:3:4:5:10.0.0.1', 'fd00:1:2:3:4:5:a00:1'],
  ];
  for (const [written, shortest] of same) assert.equal(canonical(written), shortest, written);
  assert.deepEqual(bytesOf6(parseAddress6('fd00::102')!), Buffer.from('fd000000000000000000000000000102', 'hex'));
});

test('what no interface can be given is no address', () => {
  const wrong = [
    ['', ' ', ':', ':::', '1', '10.77.1.2', 'fd00', 'localhost', 'fd00::1 ', ' fd00::1', 'fd00::1\n', 'fd00::1\0', '[fd00::1]'],
    [
      'fd00::1::2',
      'fd00::12345',
      'fd00::g',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      'fd00::256.0.0.1',
      'fd00::1.2.3',
      'fd00::1.2.3.4:5',
    ],
    ['fd00::1%eth0', 'fe80::1%1', 'fd00::1%', 'fd00::1/64'],
    ['::', '0:0:0:0:0:0:0:0', '::1', '::10.0.0.1', '::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fe80::1', 'febf:ffff::1', 'ff02::1', 'FF0E::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ];
  for (const text of wrong.flat()) assert.equal(parseAddress6(text), undefined, JSON.stringify(text));
  // Beside what is refused.
  for (const text of ['fec0::1', 'fdff::1', '::1:0:0:1', '::fffe:0:1:1']) assert.notEqual(parseAddress6(text), undefined, text);
});

test('a prefix has a length, and an address that a host can have', () => {
  for (const length of [1, 9, 10, 64, 99, 100, 126, 127]) {
    assert.deepEqual(parsePrefixed6(`fd00::3/${length}`), { address: parseAddress6('fd00::3'), prefixLength: length });
  }
  const wrong = ['fd00::2', 'fd00::2/', 'fd00::2/0', 'fd00::2/128', 'fd00::2/064', 'fd00::2/6a', 'fd00::2/-1', 'fd00::2/64/64'];
  const routers = ['fd00::/64', 'fd00::4/126', 'fd00:0:0:1::/64', 'ff02::1/64', '::1/64'];
  for (const text of [...wrong, ...routers, '/64', 'fd00::2 /64', 'fd00::2/ 64'])
    assert.equal(parsePrefixed6(text), undefined, text);
  assert.notEqual(parsePrefixed6('fd00::/127'), undefined, 'each of a pair is a host');
});

test('the other end has the lowest address that is free', () => {
  const other = (text: string) => textOf6(lowestOther(parsePrefixed6(text)!));
  assert.deepEqual(['fd00::2/64', 'fd00::1/64', 'fd00::9/126', 'fd00::a/126'].map(other), [
    'fd00::1',
    'fd00::2',
    'fd00::a',
    'fd00::9',
  ]);
  assert.deepEqual(['fd00::4/127', 'fd00::5/127'].map(other), ['fd00::5', 'fd00::4']);
  const prefix = parsePrefixed6('fd00::2/64')!;
  const can = (text: string) => isOfHost(parseAddress6(text)!, prefix);
  assert.deepEqual(['fd00::ffff', 'fd00::', 'fd00:0:0:1::1', 'fcff::1'].map(can), [true, false, false, false]);
});

test('a private prefix is one of its own, by the id', () => {
  const [one, other] = ['0123456789abcdef', '0123456789abcd00'].map(privatePrefix6);
  assert.equal(`${textOf6(one!.address)}/${one!.prefixLength}`, 'fd01:2345:6789:abcd::2/64');
  assert.deepEqual(one, other, 'only so many digits count');
  assert.notDeepEqual(privatePrefix6('0123456789abce00'), one);
  assert.equal(textOf6(privatePrefix6('00000000000000ff').address), 'fd00::2');
});

test('name servers of IPv6 are asked where there is IPv6, unless they are on a link of the host', () => {
  const text =
    'nameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.53\nnameserver 127.0.0.53\n';
  assert.deepEqual(parseResolver(text, true).nameservers, ['2001:db8::53', '192.0.2.53']);
  assert.deepEqual(parseResolver(text, false).nameservers, ['192.0.2.53']);
});
