import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientModel } from '../../extension/model/clientModel.ts';
import { Findings } from '../../extension/model/filter.ts';
import { containerAnswer, hostNamespaces, namespaceAnswer, processAnswer } from '../fixtures/hostAnswers.ts';

function model(): ClientModel {
  const made = new ClientModel();
  const web = { container: 'docker web', namespaces: { net: 99 } };
  made.applyProcesses({
    revision: 1,
    complete: true,
    gone: [],
    processes: [
      processAnswer(1, 0, { name: 'systemd' }),
      processAnswer(70, 1, { ...web, name: 'nginx', arguments: ['nginx', '-g', 'daemon off;'] }),
      processAnswer(71, 70, { ...web, name: 'worker', user: 'www-data' }),
      processAnswer(80, 1, { name: 'cron' }),
    ],
  });
  made.applyContainers({
    revision: 1,
    containers: [containerAnswer('web', 70, { image: 'shop/Frontend:2', namespaces: { net: 99 } }), containerAnswer('db', 80)],
  });
  const leader = { pid: 70, startTime: 700, name: 'nginx' };
  made.applyNamespaces({
    revision: 1,
    namespaces: [...hostNamespaces(), namespaceAnswer('net', 99, { leader })],
    unreadable: { count: 0, processes: [] },
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  });
  return made;
}

test('a container is found by its name, its image and its id, whatever their case', () => {
  for (const text of ['WEB', 'frontend', 'web0000', '  web ']) {
    const findings = new Findings(model(), text);
    assert.ok(findings.containerItself('docker web'), text);
    assert.ok(!findings.container('docker db'), text);
  }
});

test('a container that only holds a finding is shown with the way to it', () => {
  const host = model();
  const findings = new Findings(host, 'www-data');
  assert.ok(findings.container('docker web'));
  assert.ok(!findings.containerItself('docker web'));
  assert.ok(findings.processOrBelow(host.processes.get(70)!));
  assert.ok(!findings.process(host.processes.get(70)!));
  assert.ok(!findings.processOrBelow(host.processes.get(80)!));
});

test('all words are to be found', () => {
  const host = model();
  assert.ok(new Findings(host, 'daemon nginx').process(host.processes.get(70)!));
  assert.ok(!new Findings(host, 'nginx cron').process(host.processes.get(70)!));
});

test('a namespace is found by its number, by its container and by its members', () => {
  assert.ok(new Findings(model(), 'net:[99]').namespaceItself('net:99'));
  assert.ok(new Findings(model(), 'frontend').namespaceItself('net:99'));
  const byMember = new Findings(model(), 'www-data');
  assert.ok(byMember.namespace('net:99') && !byMember.namespaceItself('net:99'));
  assert.ok(!new Findings(model(), 'cron').namespace('net:99'));
});

test('processes that claim to be each other’s parent do not keep the filter from ending', () => {
  const host = new ClientModel();
  host.applyProcesses({ revision: 1, complete: true, gone: [], processes: [processAnswer(5, 6), processAnswer(6, 5)] });
  assert.ok(new Findings(host, 'process5').processOrBelow(host.processes.get(6)!));
});
