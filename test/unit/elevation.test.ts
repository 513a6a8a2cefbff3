import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLineFor, helperEnvironment, waysFor } from '../../extension/connection/elevation.ts';

const program = { node: '/opt/node', script: '/ext/dist/helper.js', electron: false };

test('root needs no sudo, and a person who wants no root is never asked', () => {
  assert.deepEqual(waysFor('root', 0), ['direct']);
  assert.deepEqual(waysFor('user', 0), ['direct']);
  assert.deepEqual(waysFor('user', 1000), ['direct']);
});

test('nobody is asked for a password who has not chosen to become root', () => {
  assert.deepEqual(waysFor('quiet', 1000), ['sudoQuiet', 'direct']);
  assert.deepEqual(waysFor('quiet', 0), ['direct']);
});

test('root that was chosen is first sought without a question, then with one, and is not forced', () => {
  assert.deepEqual(waysFor('root', 1000), ['sudoQuiet', 'sudoAsking', 'direct']);
});

test('sudo gets the helper as arguments, and is never asked to preserve what a rule might forbid', () => {
  assert.deepEqual(commandLineFor('sudoQuiet', program), {
    command: 'sudo',
    arguments: ['-n', '--', '/opt/node', '/ext/dist/helper.js'],
  });
  assert.deepEqual(commandLineFor('sudoAsking', program).arguments[0], '-A');
  assert.deepEqual(commandLineFor('direct', program), { command: '/opt/node', arguments: ['/ext/dist/helper.js'] });
});

test('Electron stays a Node behind sudo', () => {
  const electron = { ...program, electron: true };
  assert.ok(commandLineFor('sudoQuiet', electron).arguments.includes('--preserve-env=ELECTRON_RUN_AS_NODE'));
  assert.equal(helperEnvironment({}, electron).ELECTRON_RUN_AS_NODE, '1');
});

test('of the environment only what a program on the host needs reaches the helper', () => {
  const environment = {
    PATH: '/bin',
    LC_ALL: 'C.UTF-8',
    NODE_OPTIONS: '--inspect',
    GITHUB_TOKEN: 'x',
    VSCODE_PID: '1',
    LD_PRELOAD: '/x.so',
  };
  assert.deepEqual(helperEnvironment(environment, program), { PATH: '/bin', LC_ALL: 'C.UTF-8' });
});
