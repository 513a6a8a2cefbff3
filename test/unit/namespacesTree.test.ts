/** The Namespaces view by kind: what browsers make for themselves stands apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../fixtures/withStandIn.ts';
import { containerAnswer, HOST, hostNamespaces, namespaceAnswer, processAnswer } from '../fixtures/hostAnswers.ts';
import { quietHost, rowsOf } from '../fixtures/quietHost.ts';
import { Uri } from '../fixtures/vscodeStandIn.ts';

const { NamespacesTree } = await import('../../extension/trees/namespacesTree.ts');
const { TreeFilter } = await import('../../extension/trees/treeFilter.ts');

/** A host on which a process leads a net namespace of its own. */
function treeWith(args: string[], container = containerAnswer('11', 11, { key: 'unnamed 11', engine: 'unnamed' })) {
  const host = quietHost();
  const led = processAnswer(11, 1, { name: 'chrome', arguments: args, container: container.key, namespaces: { net: 99 } });
  host.model.applyContainers({ revision: 1, containers: [container] });
  host.model.applyProcesses({ revision: 1, complete: true, processes: [processAnswer(1, 0), led], gone: [] });
  const leader = { pid: 11, startTime: 110, name: 'chrome' };
  host.model.applyNamespaces({
    revision: 1,
    namespaces: [...hostNamespaces(), namespaceAnswer('net', 99, { leader })],
    unreadable: { count: 0, processes: [] },
    closed: { count: 0, processes: [] },
    unknownSockets: { pending: 0, refused: 0 },
    unsupported: [],
  } as never);
  const memory = { get: () => undefined, update: async () => undefined, keys: () => [] };
  return new NamespacesTree(host, new TreeFilter(host), Uri.file('/') as never, memory as never);
}

async function networks(...given: Parameters<typeof treeWith>): Promise<string[]> {
  const tree = treeWith(...given);
  const [network] = await tree.getChildren();
  return (await rowsOf(tree, 1, network)).map((row) => row.split(' · ')[0]!);
}

test('the namespaces in which a browser confines its parts are one row, also when it wrote its arguments as one', async () => {
  const apart = [`net:[${HOST.net}] host`, 'Of browsers and editors 1'];
  assert.deepEqual(await networks(['/opt/chrome', '--type=zygote', '--x']), apart);
  assert.deepEqual(await networks(['/opt/chrome --type=renderer --x']), apart);
  assert.deepEqual(await networks(['firefox', '-contentproc', '{1}']), apart);
});

test('any other namespace stands among the others, and so does that of a browser that runs in a container', async () => {
  const among = (rows: string[]) => rows.some((row) => row.startsWith('net:[99]')) && rows.length === 2;
  assert.ok(among(await networks(['sleep', '1000'])));
  assert.ok(among(await networks(['chrome', '--type=zygote'], containerAnswer('kiosk', 11))));
});

test('one that stands apart is found', () => {
  const tree = treeWith(['/opt/chrome', '--type=zygote']);
  const row = tree.rowOf({ kind: 'net', dev: 4, ino: 99 });
  assert.match(row?.parent?.id ?? '', /browsers$/);
});
