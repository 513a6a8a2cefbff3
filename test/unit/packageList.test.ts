import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageDifferences, readApkInstalled, readDpkgStatus } from '../../extension/model/packageList.ts';

const STATUS = `Package: bash
Status: install ok installed
Priority: required
Architecture: amd64
Version: 5.2.15-2+b7
Description: GNU Bourne Again SHell
 Version: of a description is no version.
 .
 Package: neither

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-8

Package: nano
Status: deinstall ok config-files
Version: 7.2-1
`;

test('dpkg’s list has what is installed, with its version, of each architecture', () => {
  assert.deepEqual(
    [...readDpkgStatus(STATUS)],
    [
      ['bash', '5.2.15-2+b7'],
      ['libc6', '2.36-9'],
      ['libc6:i386', '2.36-8'],
    ],
  );
});

test('apk’s list has each package with its version', () => {
  const installed = 'C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nC:Q1def=\nP:busybox\nV:1.36.1-r29\nF:bin\nR:busybox\n\n';
  assert.deepEqual(
    [...readApkInstalled(installed)],
    [
      ['musl', '1.2.5-r0'],
      ['busybox', '1.36.1-r29'],
    ],
  );
});

test('what is no list of packages has none', () => {
  for (const text of ['', '\n\n\n', 'x'.repeat(100_000), 'Package: a', 'P:a\n\nV:1'])
    assert.deepEqual([[...readDpkgStatus(text)], [...readApkInstalled(text)]], [[], []], text.slice(0, 20));
});

test('two lists differ by what only one has, and by versions', () => {
  const mine = new Map([
    ['bash', '5.2'],
    ['curl', '8.1'],
    ['musl', '1.2'],
  ]);
  const other = new Map([
    ['bash', '5.1'],
    ['musl', '1.2'],
    ['zlib', '1.3'],
  ]);
  assert.deepEqual(packageDifferences(mine, other), [
    { name: 'bash', mine: '5.2', other: '5.1' },
    { name: 'curl', mine: '8.1', other: undefined },
    { name: 'zlib', mine: undefined, other: '1.3' },
  ]);
});
