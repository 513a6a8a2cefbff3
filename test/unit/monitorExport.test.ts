import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportText } from '../../extension/panels/monitorExport.ts';
import type { MonitorSubject } from '../../extension/panels/monitorSubjects.ts';
import type { MonitorPoint } from '../../webview/monitorMessages.ts';

const TIME = Date.UTC(2026, 0, 1);

function subject(title: string, path = '/docker/web'): MonitorSubject {
  return {
    key: title,
    title,
    place: path,
    cgroups: [
      { hierarchy: 'cpu', path, ino: 1 },
      { hierarchy: 'memory', path, ino: 2 },
    ],
  };
}

function points(key: string): MonitorPoint[] {
  const reading = { values: { cpu: 0.02, memory: 4096 }, limits: { cpu: 0.02 } };
  return [
    { timeMillis: TIME, readings: { [key]: { values: { memory: 4096 }, limits: {} } } },
    { timeMillis: TIME + 1000, readings: { [key]: reading } },
    { timeMillis: TIME + 1001, readings: {} },
  ];
}

/** Rows by column; enough for cells without commas. */
function rows(csv: string): Record<string, string>[] {
  const [head = '', ...lines] = csv.trimEnd().split('\r\n');
  const names = head.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, position) => [names[position] ?? '', cell])));
}

test('CSV holds a row for every cgroup at every moment, with units in the names of the columns', () => {
  const [first, second, ...others] = rows(exportText('csv', [subject('web')], points('web')));
  assert.deepEqual(others, [], 'a break of the line is no row');
  assert.equal(first?.cpu_cores, '', 'what there was not is empty, not 0');
  assert.equal(second?.time, '2026-01-01T00:00:01.000Z');
  assert.equal(second?.cgroup, 'web');
  assert.equal(second?.hierarchies, 'cpu memory');
  assert.equal(second?.cpu_cores, '0.02');
  assert.equal(second?.cpu_limit_cores, '0.02');
  assert.equal(second?.memory_bytes, '4096');
  assert.equal(second?.memory_limit_bytes, '');
});

test('JSON holds the same rows, with null for what there was not', () => {
  const read = JSON.parse(exportText('json', [subject('web')], points('web'))) as Record<string, unknown>[];
  assert.deepEqual(
    read.map(({ cpu_cores, memory_bytes }) => [cpu_cores, memory_bytes]),
    [
      [null, 4096],
      [0.02, 4096],
    ],
  );
});

test('names with quotes, commas and line ends stay in their cell', () => {
  const title = 'a "b", c';
  const text = exportText('csv', [subject(title, '/x\r\ny')], points(title));
  assert.ok(text.includes(',"a ""b"", c",cpu memory,"/x\r\ny",'), text);
});

test('a name that a spreadsheet would take for a formula is made text', () => {
  for (const title of ['=HYPERLINK(1)', '+1', '-1', '@x']) {
    assert.ok(exportText('csv', [subject(title)], points(title)).includes(`,'${title},`), title);
  }
});

test('every block device has columns of its own, empty where a cgroup has nothing of it', () => {
  const read = { values: { readOperations: 3 }, limits: {}, devices: { sda: { readOperations: 3 } } };
  const twoDevices: MonitorPoint[] = [
    { timeMillis: TIME, readings: { web: read } },
    { timeMillis: TIME + 1000, readings: { web: { values: {}, limits: {}, devices: { 'odd,name': { written: 7 } } } } },
  ];
  const [first, second] = JSON.parse(exportText('json', [subject('web')], twoDevices)) as Record<string, unknown>[];
  assert.equal(first?.io_read_operations_per_second, 3);
  assert.equal(first?.['io_read_operations_per_second sda'], 3);
  assert.equal(first?.['io_written_bytes_per_second odd,name'], null);
  assert.equal(second?.['io_written_bytes_per_second odd,name'], 7);
  const [head = ''] = exportText('csv', [subject('web')], twoDevices).split('\r\n');
  assert.ok(
    head.includes('"io_written_bytes_per_second odd,name"') && head.endsWith('io_write_operations_per_second sda'),
    head,
  );
});
