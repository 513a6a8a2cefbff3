import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processAnswer } from '../fixtures/hostAnswers.ts';

const { argumentsText, processTitle } = await import('../../extension/words/hostWords.ts');

test('a process is called by its name, and what it was started with stands beside it, cut', () => {
  const process = processAnswer(7, 1, { name: 'sh', arguments: ['/bin/sh', '-c', 'while :; do :; done'] });
  assert.equal(processTitle(process), 'sh');
  assert.equal(argumentsText(process), '-c while :; do :; done');
  const long = argumentsText({ ...process, arguments: ['sh', 'x'.repeat(500)] }) ?? '';
  assert.ok(long.length <= 48 && long.endsWith('…'), long);
});

test('of the arguments those words stand that tell: a script without the way to it, an id as people know it, what a program says of itself', () => {
  const words = (name: string, ...given: string[]) => argumentsText(processAnswer(7, 1, { name, arguments: given }));
  assert.equal(
    words('python3', '/usr/bin/python3', '-u', '/srv/app/server.py', '/srv/app/site.py'),
    '-u server.py /srv/app/site.py',
  );
  assert.equal(words('cat', 'cat', '/etc/passwd'), '/etc/passwd');
  assert.equal(words('sh', 'sh', '-c', '/a b/c.sh; true'), '-c /a b/c.sh; true');
  assert.equal(words('runner', 'runner', '-id', '0123456789abcdef'.repeat(4)), '-id 0123456789ab…');
  assert.equal(words('postgres', 'postgres: checkpointer '), 'checkpointer');
  assert.equal(words('nginx', 'nginx: master process nginx -g daemon off;'), 'master process nginx -g daemon off;');
  assert.equal(words('other', 'nginx: master process'), undefined);
});

test('a name that the kernel cut is whole again, where the program says how it goes on', () => {
  const process = processAnswer(7, 1, { name: 'systemd-resolve', arguments: ['/lib/systemd/systemd-resolved', '--x'] });
  assert.equal(processTitle(process), 'systemd-resolved');
  assert.equal(processTitle({ ...process, arguments: ['other'] }), 'systemd-resolve');
  assert.equal(processTitle({ ...process, arguments: { unknown: 'permission' } }), 'systemd-resolve');
});

test('a title that a process gave itself in its arguments is not what it is called', () => {
  const process = processAnswer(7, 1, { name: 'worker', arguments: ['isoscope-sandbox bank', '0123456789abcdef'] });
  assert.equal(processTitle(process), 'worker');
});

test('kernel threads and zombies are written as ps does, without arguments', () => {
  const thread = processAnswer(2, 0, { name: 'kthreadd', arguments: [], kernelThread: true });
  assert.equal(processTitle(thread), '[kthreadd]');
  assert.equal(argumentsText(thread), undefined);
  assert.equal(processTitle(processAnswer(9, 1, { name: 'sh', arguments: [], state: 'Z' })), '[sh]');
});
