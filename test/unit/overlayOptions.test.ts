/** The options of overlay mounts: recorded from real mounts on Linux 6.18, and text that a hostile mounter could bring about. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseMountinfo } from '../../helper/proc/mountinfo.ts';
import { type OverlayOptions, parseFuseOverlayArguments, parseOverlayOptions } from '../../helper/proc/overlayOptions.ts';

function optionsOf(line: string): OverlayOptions {
  const [mount] = parseMountinfo(line);
  assert.ok(mount);
  return parseOverlayOptions(mount.superOptions);
}

const plain = (...paths: string[]) => paths.map((path) => ({ path, dataOnly: false }));
const data = (...paths: string[]) => paths.map((path) => ({ path, dataOnly: true }));

describe('the options of an overlay mount', () => {
  test('colons, spaces, newlines and backslashes in paths come through both escapes', () => {
    const options = optionsOf(
      '49 43 0:40 / /tmp/lf/m rw,relatime - overlay overlay rw,lowerdir=a\\134:b:c\\040d:e\\012f:q\\134\\134x,upperdir=u,workdir=w,uuid=on',
    );
    assert.deepEqual(options, { lower: plain('a:b', 'c d', 'e\nf', 'q\\x'), upper: 'u', work: 'w', flags: ['uuid=on'] });
  });

  test('a comma in a path does not end the option', () => {
    const options = optionsOf(
      '47 43 0:40 / /tmp/lf/m rw,relatime - overlay ov2 rw,lowerdir=g\\134\\054h:c\\040d,upperdir=u,workdir=w',
    );
    assert.deepEqual(options.lower, plain('g,h', 'c d'));
  });

  test('layers of the new mount API are taken as they are, data-only ones last', () => {
    const options = optionsOf(
      '48 43 0:40 / /tmp/lf/m rw,relatime - overlay none rw,lowerdir+=/tmp/lf/a:b,lowerdir+=/tmp/lf/b\\134y,datadir+=/tmp/lf/g\\054h,upperdir=/tmp/lf/u\\134\\134x,workdir=/tmp/lf/w,redirect_dir=on,metacopy=on',
    );
    assert.deepEqual(options, {
      lower: [...plain('/tmp/lf/a:b', '/tmp/lf/b\\y'), ...data('/tmp/lf/g,h')],
      upper: '/tmp/lf/u\\x',
      work: '/tmp/lf/w',
      flags: ['redirect_dir=on', 'metacopy=on'],
    });
  });

  test('two colons begin the data-only layers, and there may be several', () => {
    const options = optionsOf(
      '47 43 0:40 / /tmp/lf/m rw,relatime - overlay ov2 ro,lowerdir=a\\134:b::c\\040d::e\\012f,redirect_dir=on,metacopy=on',
    );
    assert.deepEqual(options.lower, [...plain('a:b'), ...data('c d', 'e\nf')]);
    assert.equal(options.upper, undefined);
  });

  test('a path that ends in a backslash does not join the next one', () => {
    assert.deepEqual(parseOverlayOptions(['lowerdir=a\\\\:b']).lower, plain('a\\', 'b'));
  });

  test('an option that imitates another is only a flag', () => {
    assert.deepEqual(parseOverlayOptions(['xlowerdir=/etc', 'volatile']), { lower: [], flags: ['xlowerdir=/etc', 'volatile'] });
  });

  test('any text is read without an error', () => {
    for (const text of ['', '=', 'lowerdir', 'lowerdir=', 'lowerdir=:', 'lowerdir=\\', 'lowerdir=::::', 'upperdir=\\']) {
      assert.doesNotThrow(() => parseOverlayOptions([text]), text);
    }
  });
});

describe('the command line of fuse-overlayfs', () => {
  test('has the layers, and the mount point last', () => {
    const words = [
      'fuse-overlayfs',
      '-o',
      'lowerdir=/s/overlay/l/AAA:/s/overlay/l/BBB,upperdir=/s/overlay/1/diff,workdir=/s/overlay/1/work,,volatile',
      '/s/overlay/1/merged',
    ];
    const told = parseFuseOverlayArguments(words);
    assert.deepEqual(told?.options.lower, plain('/s/overlay/l/AAA', '/s/overlay/l/BBB'));
    assert.equal(told?.options.upper, '/s/overlay/1/diff');
    assert.equal(told?.mountPoint, '/s/overlay/1/merged');
  });

  test('takes a comma that is escaped as part of a path', () => {
    const told = parseFuseOverlayArguments(['fuse-overlayfs', '-olowerdir=a\\,b,upperdir=u,workdir=w', '/m']);
    assert.deepEqual(told?.options.lower, plain('a,b'));
  });

  test('without layers is none', () => {
    assert.equal(parseFuseOverlayArguments(['fuse-overlayfs', '--help']), undefined);
    assert.equal(parseFuseOverlayArguments([]), undefined);
  });
});
