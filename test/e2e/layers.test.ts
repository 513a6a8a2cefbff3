/** The Layers view, the files of layers and the stack on real Docker containers of an image of several layers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { type Docker, type DockerContainer, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { helpersOf } from './harness/helperPids.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

const GROUP = `layered-${process.pid}`;
const API = `${GROUP}-api`;
const APP_IMAGE = `${GROUP}-image`;
const HOSTILE = '<img src=x onerror=alert(1)> **bold**';

const STEPS = [
  'mkdir -p /etc/app /srv && echo listen 80 > /etc/app/app.conf && echo welcome > /etc/motd && echo old > /etc/old.conf',
  'head -c 2000000 /dev/zero > /srv/big.bin && echo one > /srv/index.html',
  'echo listen 8080 > /etc/app/app.conf',
  'rm /srv/big.bin && ln -s /etc/app/app.conf /srv/app.conf && head -c 9000000 /dev/zero > /srv/alike && touch -d @1000000000 /srv/alike',
];

/** The busybox image with one more layer for each step: five layers. Returns the ids of the images made on the way. */
function buildImage(): void {
  let from = IMAGE;
  for (const step of STEPS) {
    const name = `${GROUP}-build`;
    docker('run', '--name', name, from, 'sh', '-c', step);
    docker('commit', '--change', 'CMD ["sleep","100000"]', name, APP_IMAGE);
    docker('rm', '--force', name);
    from = APP_IMAGE;
  }
}

describe('Layers', { timeout: 420_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let view: TreeView;
  /** Of each test its own, so that what one changes in it is not what another finds. */
  let web: DockerContainer;
  let WEB = '';
  let made = 0;
  let api: DockerContainer;
  let folder: string;

  const inside = (command: string) => docker('exec', WEB, 'sh', '-c', command);
  const editorShows = (pattern: RegExp) =>
    eventually(
      `the editor to show ${pattern}`,
      async () => pattern.test(await workbench.editorText()),
      undefined,
      () => workbench.editorText(),
    );
  const tabs = () => workbench.page.locator('.tab.active .label-name').allInnerTexts();
  const slabs = (): Locator => workbench.webview().locator('button.slab');
  const slabTexts = () => slabs().allInnerTexts();

  before(async () => {
    engine = await startDocker();
    folder = mkdtempSync(path.join(tmpdir(), 'isoscope-layers-'));
    buildImage();
    api = engine.run(API, [], [], APP_IMAGE);
    workbench = await openWorkbench({ width: 1500, height: 1100, folder });
    await workbench.openSidebar('Isoscope');
    view = workbench.view('Layers');
    await view.open();
    await view.row(API, [], 60_000);
    // Other containers of this machine are not of this test.
    workbench.restingFilter = GROUP;
  });

  beforeEach(async () => {
    made += 1;
    WEB = `${GROUP}-web${made}`;
    web = engine.run(WEB, [], [], APP_IMAGE);
    inside(`echo listen 9090 > /etc/app/app.conf; echo new > /srv/new.txt; mkdir /odd; echo x > '/odd/${HOSTILE}'`);
    // The other views leave the room to this one.
    for (const other of ['Containers', 'Namespaces']) await workbench.view(other).close();
    await view.open();
    if ((await view.besideTitle()).includes('only changes')) await view.titleAction('Show All Files');
    await view.row(WEB);
  });

  afterEach(() => web?.[Symbol.dispose]());

  /** Unfolds the container, and rows below it on the way. */
  async function unfold(...way: string[]): Promise<void> {
    for (const row of [WEB, ...way]) await view.expand(row);
  }

  /** The stack of the container's layers, once they are measured. */
  async function openStack(): Promise<void> {
    await view.action(WEB, 'Show Layer Stack');
    await eventually('the layers to be measured', async () => {
      // The page of the test before may be there still.
      if (!(await workbench.webview().locator('h1').allInnerTexts()).includes(WEB)) return false;
      const texts = await slabTexts();
      return texts.length === 7 && texts.every((text) => !/measuring|not measured/.test(text));
    });
  }

  after(async () => {
    await workbench?.close();
    api?.[Symbol.dispose]();
    docker('image', 'rm', '--force', APP_IMAGE);
    rmSync(folder, { recursive: true, force: true });
    await engine?.[Symbol.asyncDispose]();
  });

  test('a container unfolds to what it sees and its layers from the top, with their build steps and who shares them', async () => {
    await view.expand(WEB);
    await view.row('Read-write layer');
    const rows = (await view.rows()).filter(({ level }) => level === 2);
    const ids = JSON.parse(docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', APP_IMAGE)) as string[];
    assert.equal(ids.length, 5);
    assert.deepEqual(
      rows.map(({ label }) => label.replace(/:.*/, '')),
      [
        'Merged',
        'Read-write layer',
        'Init layer',
        'Image layer 5',
        'Image layer 4',
        'Image layer 3',
        'Image layer 2',
        'Image layer 1',
      ],
    );
    const steps = [...STEPS].reverse();
    for (const [position, id] of [...ids].reverse().entries()) {
      const row = rows[position + 3];
      const step = steps[position];
      if (step !== undefined) assert.ok(row?.label.includes(step.slice(0, 60)), row?.label);
      assert.match(row?.description ?? '', new RegExp(id.slice(0, 19)));
      assert.match(row?.description ?? '', /^shared with \d+ others?/);
    }
  });

  test('a file that is deleted in the container appears as deleted, and the hidden file opens', async (t) => {
    await unfold('Read-write layer', 'etc');
    await view.row('app');
    inside('rm /etc/motd');
    const began = performance.now();
    await view.row(/^motd deleted/);
    t.diagnostic(`shown after ${Math.round(performance.now() - began)} ms`);
    const row = (await view.rows()).find(({ label }) => label === 'motd');
    assert.match(row?.accessibleName ?? '', /Deleted: a whiteout hides the one of a layer below/);
    await eventually('a tooltip that explains it', async () => /a whiteout hides/.test(await view.tooltip('motd')));
    await workbench.screenshot('layers-deleted-dark');
    await view.click('motd');
    await editorShows(/^welcome$/m);
    assert.deepEqual(await tabs(), ['motd']);
  });

  test('what is typed into a file of a layer is refused with the reason', async () => {
    inside('rm /etc/motd');
    await unfold('Read-write layer', 'etc');
    await view.click('motd');
    await editorShows(/^welcome$/m);
    await workbench.page.locator('.editor-instance .view-lines').first().click();
    await workbench.page.keyboard.type('x');
    await eventually('the reason', async () => (await workbench.page.getByText('Layers are not written').count()) > 0);
    await editorShows(/^welcome$/m);
    await workbench.escape();
  });

  test('a file that was modified is compared with the layer below, the deleted one with nothing', async () => {
    inside('rm /etc/motd');
    await unfold('Read-write layer', 'etc', 'app');
    await view.action('app.conf', 'Compare Layer File with the Layer Below');
    await editorShows(/listen 8080[\s\S]*listen 9090/);
    assert.deepEqual(await tabs(), ['app.conf (Image layer 4 ↔ Read-write layer)']);
    await workbench.screenshots('layers-diff');
    await view.contextMenu('motd', 'Compare Layer File with the Image');
    await eventually('the comparison', async () => (await tabs())[0] === 'motd (Image layer 2 ↔ deleted)');
    await editorShows(/^welcome$/m);
  });

  test('the merged view says which layer provides each file', async () => {
    await unfold('Merged', 'srv');
    await view.row(/^index\.html 4 B · Image layer 3/);
    await view.row(/^new\.txt 4 B · Read-write layer/);
    await view.row(/^app\.conf → \/etc\/app\/app\.conf · Image layer 5/);
    assert.ok(!(await view.rows()).some(({ label }) => label === 'big.bin'));
    await view.click('app.conf');
    await editorShows(/^listen 9090$/m);
  });

  test('a new file appears in an unfolded directory, and names that look like markup stay text', async () => {
    await unfold('Merged', 'srv');
    await view.row('index.html');
    inside('echo later > /srv/later.txt');
    await view.row(/^later\.txt 6 B · Read-write layer/);
    await view.expand('odd');
    await view.row(HOSTILE);
    assert.equal(await workbench.page.locator('.monaco-list-row img').count(), 0);
  });

  test('only what changed can be listed, and files can be searched for by name', async () => {
    await unfold('Merged', 'srv');
    await view.row('index.html');
    await view.titleAction('Show Only Changes');
    await view.gone('index.html');
    await view.gone('bin');
    await view.row('new.txt');
    await workbench.screenshot('layers-only-changes');
    await view.titleAction('Show All Files');
    await view.row('index.html');
    await workbench.filterBy(`${GROUP} new.t`);
    await view.gone('index.html');
    await view.row('new.txt');
    await workbench.filterBy(GROUP);
    await view.row('index.html');
  });

  test('sizes are measured when asked for, and files are sorted by them', async () => {
    inside('mkdir /srv/deep && head -c 5000 /dev/zero > /srv/deep/large');
    await unfold('Read-write layer', 'srv');
    await view.row('deep');
    await view.contextMenu(WEB, 'Measure Layer Sizes');
    await view.row(/^Read-write layer 4\.9 KiB$/);
    await workbench.runCommand('Isoscope: Sort Files by Size');
    await view.row(/^deep 4\.9 KiB/);
    const names = async () => (await view.rows()).filter(({ level }) => level === 4).map(({ label }) => label);
    await eventually('the largest to come first', async () => (await names()).join(' ') === 'deep new.txt');
    await workbench.screenshot('layers-sizes');
    await workbench.runCommand('Isoscope: Sort Files by Name');
    // What is said of sizes is of before.
    inside('rm -r /srv/deep');
    await view.gone('deep');
    await view.row(/^Read-write layer 4\.9 KiB, changed since/);
    await view.contextMenu('Read-write layer', 'Measure Layer Sizes');
    await view.row(/^Read-write layer \d+ B$/);
    await view.row(/^srv \d+ B$/);
  });

  test('a file of a layer is found on disk, and a copy of it is saved', async () => {
    await unfold('Read-write layer', 'srv');
    await view.contextMenu('new.txt', 'Show Layer on Disk');
    await workbench.pick('Copy Path');
    const upper = docker('inspect', '--format', '{{.GraphDriver.Data.UpperDir}}', WEB);
    await eventually(
      'the path',
      async () => (await workbench.clipboard()) === `${upper}/srv/new.txt`,
      undefined,
      () => workbench.clipboard(),
    );
    await view.contextMenu('new.txt', 'Save Copy of Layer File As');
    const file = path.join(folder, 'copy.txt');
    await workbench.saveAs(file);
    assert.equal(readFileSync(file, 'utf8'), 'new\n');
  });

  test('a directory of very many files is shown a part at a time', async () => {
    inside('mkdir /many && cd /many && seq 1200 | xargs touch');
    await unfold('Read-write layer', 'many');
    const last = async () => {
      await view.press('End');
      const rows = await view.rows();
      const inMany = rows.filter(({ level }) => level === 4);
      return rows.some(({ label }) => label.startsWith('Image layer 1')) ? inMany.at(-1)?.label : undefined;
    };
    for (const _ of ['501 to 1000', 'the rest']) {
      await eventually('the end of what is shown', async () => (await last()) === 'Show 500 more');
      const before = (await view.rows()).filter(({ level }) => level === 4).at(-2)?.label;
      await view.clickUntil('Show 500 more', 'more than before', async () => {
        await last();
        return (await view.rows()).filter(({ level }) => level === 4).at(-2)?.label !== before;
      });
    }
    await eventually(
      'the last of all',
      async () => (await last()) === '1200',
      undefined,
      async () => String(await last()),
    );
    inside('rm -r /many');
    await view.gone('1200');
  });

  test('names that are not UTF-8, or have lines, are shown as what they are and opened', async () => {
    inside(`cd /odd; printf raw >"$(printf 'raw\\377')"; printf two >"$(printf 'two\\nlines')"`);
    await unfold('Read-write layer', 'odd');
    await view.row(HOSTILE);
    const labels = (await view.rows()).map(({ label }) => label);
    const [raw, lines] = [labels.find((label) => label.startsWith('raw')), labels.find((label) => label.startsWith('two'))];
    assert.ok(raw !== undefined && lines !== undefined && !/\n/.test(lines), labels.join(' | '));
    await workbench.screenshot('layers-odd-names');
    for (const [label, content] of [
      [raw, /^raw$/m],
      [lines, /^two$/m],
      [HOSTILE, /^x$/m],
    ] as const) {
      await view.clickUntil(label, `the editor to show ${content}`, async () => content.test(await workbench.editorText()));
    }
  });

  test('measuring is given up when that is asked for', async () => {
    inside('mkdir /heap && cd /heap && seq 20000 | xargs touch');
    await unfold();
    // So that it cannot be done before.
    const [helper] = helpersOf(workbench);
    process.kill(helper!, 'SIGSTOP');
    try {
      await view.contextMenu(WEB, 'Measure Layer Sizes');
      await view.row(/^Read-write layer measuring/);
      await view.titleAction('Stop Measuring');
    } finally {
      process.kill(helper!, 'SIGCONT');
    }
    await view.gone(/^Read-write layer measuring/);
    await view.row(/^Read-write layer $/);
    await eventually('nothing to be measured', async () =>
      (await view.rows()).every(({ description }) => !/measuring/.test(description)),
    );
  });

  test('a file too large for an editor is not read, and a copy of it is offered', async () => {
    inside('truncate -s 100G /srv/huge');
    await unfold('Read-write layer', 'srv');
    await view.click('huge');
    await workbench.notificationShows(/huge has 100 GiB: too much for an editor/);
  });

  test('the changes are exported as a tar with whiteouts that the image can take as a layer', async () => {
    inside('rm /etc/motd');
    await view.contextMenu(WEB, 'Export Changes of Container as Tar');
    const file = path.join(folder, 'changes.tar');
    await workbench.saveAs(file);
    const names = execFileSync('tar', ['--list', '--file', file], { encoding: 'utf8' }).split('\n');
    assert.ok(
      names.some((name) => /(^|\/)etc\/\.wh\.motd$/.test(name)),
      names.join(' '),
    );
    assert.ok(
      names.some((name) => /(^|\/)srv\/new\.txt$/.test(name)),
      names.join(' '),
    );
    await workbench.clearNotifications();
  });

  test('two containers are compared: the list of what differs, and each file side by side', async () => {
    inside('rm /etc/motd');
    await view.contextMenu(WEB, 'Compare Two Containers');
    await workbench.pick(API);
    await eventually('the list', async () => (await workbench.quickInput()).placeholder.includes('paths differ'));
    const items = await workbench.quickPickItems();
    assert.ok(
      items.some((item) => item.startsWith(`/etc/motd, only in ${API}`)),
      items.join('\n'),
    );
    assert.ok(
      items.some((item) => item.startsWith('/etc/app/app.conf, of another size or time')),
      items.join('\n'),
    );
    await workbench.pick('/etc/app/app.conf');
    await editorShows(/listen 9090[\s\S]*listen 8080/);
    assert.deepEqual(await tabs(), [`app.conf (${WEB} ↔ ${API})`]);
    await workbench.escape();
  });

  test('the stack draws each layer with its size and what it changes', async () => {
    inside('rm /etc/motd');
    await openStack();
    const texts = await slabTexts();
    assert.match(texts[0] ?? '', /^Read-write layer/);
    assert.match(texts[0] ?? '', /1 deleted/);
    assert.match(texts[2] ?? '', /^Image layer 5[\s\S]*rm \/srv\/big\.bin[\s\S]*1 deleted[\s\S]*shared by 2 containers/);
    // Two million bytes that no container sees any more.
    assert.match(texts[4] ?? '', /^Image layer 3[\s\S]*1\.9 MiB[\s\S]*1\.9 MiB wasted/);
    await workbench.screenshot('layers-stack-dark');
  });

  test('a path that is typed lights up who provides it, who hides it and who deletes it', async () => {
    inside('rm /etc/motd');
    await openStack();
    const field = workbench.webview().locator('vscode-text-field input');
    const lights = () =>
      slabs().evaluateAll((all) => all.map(({ classList }) => /(provides|hides|hidden|dark)/.exec(String(classList))?.[0]));
    const lit = (wanted: string) =>
      eventually(
        `the stack to show ${wanted}`,
        async () => (await lights()).join(' ') === wanted,
        undefined,
        async () => (await lights()).join(' '),
      );
    await field.fill('/etc/app/app.conf');
    await lit('provides dark dark hidden dark hidden dark');
    const answer = () => workbench.webview().locator('.answer').innerText();
    assert.equal(await answer(), '/etc/app/app.conf comes from: Read-write layer. It hides 2 copies below.');
    await workbench.screenshots('layers-stack-lit', ['dark', 'light', 'highContrast']);
    await workbench.webview().locator('vscode-text-field input').fill('/etc/motd');
    await lit('hides dark dark dark dark hidden dark');
    assert.equal(await answer(), '/etc/motd was deleted by: Read-write layer.');
    await field.fill('/etc/old.conf');
    await lit('dark dark dark dark dark provides dark');
    // What happens in the container meanwhile is seen without typing anything.
    inside('rm /etc/old.conf');
    await lit('hides dark dark dark dark hidden dark');
    await field.fill('/srv/app.conf');
    await eventually('the link to be named', async () =>
      /\/srv\/app\.conf is a link to \/etc\/app\/app\.conf/.test(await answer()),
    );
    await field.fill('/etc/hosts');
    await eventually('the mount to be named', async () =>
      /Covered by the mount at \/etc\/hosts/.test(await workbench.webview().locator('.cover').innerText()),
    );
    await workbench.screenshot('layers-stack-covered');
  });

  test('the stack is walked with the arrow keys, and Enter shows the layer in the tree', async () => {
    inside('rm /etc/motd');
    await openStack();
    const field = workbench.webview().locator('vscode-text-field input');
    await field.fill('/etc/motd');
    await eventually('the answer', async () => /deleted/.test(await workbench.webview().locator('.answer').innerText()));
    await slabs().first().focus();
    for (const _ of [1, 2, 3, 4, 5]) await workbench.page.keyboard.press('ArrowDown');
    assert.match(await workbench.webview().locator('button.slab:focus').innerText(), /^Image layer 2/);
    await workbench.page.keyboard.press('Enter');
    await eventually('motd of that layer to be selected', async () => {
      const rows = await view.rows();
      const at = rows.findIndex(({ selected }) => selected);
      const layer = rows.slice(0, at).findLast(({ level }) => level === 2);
      return rows[at]?.label === 'motd' && layer?.label.startsWith('Image layer 2');
    });
  });

  test('a large file of the same size and time is perhaps modified, a hole takes nothing, and an export says what it cannot hold', async () => {
    inside(
      `cd /srv && cp alike other && printf b | dd of=other bs=1 seek=4500000 conv=notrunc 2>/dev/null
       touch -d @1000000000 other && mv other alike && truncate -s 10G hole && touch .wh.index.html`,
    );
    await unfold('Read-write layer', 'srv');
    await view.row(/^alike 8\.6 MiB$/);
    await view.row(/^hole 10 GiB \(0 B used\)$/);
    const row = (await view.rows()).find(({ label }) => label === 'alike');
    assert.match(row?.accessibleName ?? '', /Perhaps modified/);
    await openStack();
    assert.match((await slabTexts())[0] ?? '', /1 perhaps replaced/);
    assert.match((await slabTexts())[0] ?? '', /10 GiB \(8\.\d MiB used\)/);
    await workbench.screenshots('layers-perhaps', ['dark', 'light']);
    // A tar of an image has no holes.
    inside('rm /srv/hole');
    await view.contextMenu(WEB, 'Export Changes of Container as Tar');
    const file = path.join(folder, 'noted.tar');
    await workbench.saveAs(file);
    await workbench.notificationShows(/Not in the archive: \/srv\/\.wh\.index\.html/);
    await workbench.screenshot('layers-export-note');
    await workbench.clearNotifications();
    const names = execFileSync('tar', ['--list', '--file', file], { encoding: 'utf8' });
    assert.ok(!/index/.test(names), names);
  });

  test('a container shows its layers in the Containers view, and leads to the Layers view', async () => {
    await view.close();
    const containers = workbench.view('Containers');
    await containers.expand(WEB);
    await containers.row(/^Layers \d+ layers/);
    await containers.expand('Layers');
    await containers.expand('Init layer');
    await containers.row('.dockerenv');
    await workbench.screenshot('layers-in-containers');
    await containers.contextMenu(WEB, 'Reveal in Layers');
    await eventually('the row in Layers', async () =>
      (await view.rows()).some(({ label, selected }) => label === WEB && selected),
    );
  });

  test('a container that ends takes its layers along', async () => {
    web[Symbol.dispose]();
    await view.gone(WEB);
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(web.id));
  });
});
