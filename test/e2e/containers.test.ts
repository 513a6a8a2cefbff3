/** The Containers view on real Docker containers: what a person sees, when, and what they can do from there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { type Docker, type DockerContainer, docker, IMAGE, startDocker } from '../fixtures/docker.ts';
import { helpersOf } from './harness/helperPids.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

/** Own names, so that two runs of this file on one machine leave each other's containers alone. */
const named = (what: string) => `${what}-${process.pid}`;
const NAME = named('shop');

/** The host's name for the other end of a container's `eth0`, as ip(8) tells it. */
function hostVeth(pid: number): string {
  const inside = execFileSync('nsenter', ['--target', String(pid), '--net', 'ip', '-j', 'link', 'show', 'eth0'], {
    encoding: 'utf8',
  });
  const [{ link_index: index }] = JSON.parse(inside) as [{ link_index: number }];
  const links = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })) as { ifindex: number; ifname: string }[];
  const name = links.find(({ ifindex }) => ifindex === index)?.ifname;
  assert.ok(name);
  return name;
}

describe('Containers', { timeout: 300_000 }, () => {
  let engine: Docker;
  let workbench: Workbench;
  let view: TreeView;
  let shop: DockerContainer;

  before(async () => {
    engine = await startDocker();
    shop = engine.run(NAME, ['sleep', '100000'], ['--cpu-quota=2000']);
    workbench = await openWorkbench({ width: 1400, height: 1400 });
    await workbench.openSidebar('Isoscope');
    view = workbench.view('Containers');
    await view.row(NAME, [], 60_000);
  });

  after(async () => {
    await workbench?.close();
    shop?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  test('a container appears by name without a refresh, with what it uses; the tooltip tells what it is', async () => {
    using fresh = engine.run(named('fresh'));
    await view.row(new RegExp(`^${fresh.name} 0 CPU · [\\d.]+ [KM]iB$`));
    const tooltip = await view.tooltip(fresh.name, fresh.name);
    for (const fact of [IMAGE, 'Docker', 'running', fresh.id]) assert.ok(tooltip.includes(fact), `${fact} in ${tooltip}`);
  });

  test('what a container uses is live, of its limit, and marked while the limit bites; a menu stays open meanwhile', async () => {
    const burn = ['sh', '-c', 'sleep 1; while :; do :; done'];
    using busy = engine.run(named('busy'), burn, ['--cpu-quota=20000', '--memory=64m']);
    await view.row(new RegExp(`^${busy.name} 0\\.[12] CPU · [\\d.]+ [KM]iB of 64 MiB · throttled$`));
    await workbench.screenshots('containers-use', ['dark', 'light']);
    await view.click(NAME);
    const entries = await view.contextMenuAfter(busy.name, async () => {
      docker('update', '--cpu-quota=5000', busy.name);
      await view.row(new RegExp(`^${busy.name} 0\\.0\\d CPU · [\\d.]+ [KM]iB of 64 MiB · throttled$`));
    });
    assert.ok(entries.includes('Copy Id'), entries.join());
    const row = await view.row(busy.name);
    assert.match((await row.getAttribute('aria-label')) ?? '', /Docker, running, \S+ CPUs used, .* of 64 MiB of memory used/);
  });

  test('its network shows eth0 with its address, also when folded, and names the host’s interface at the other end', async () => {
    await view.expand(NAME);
    await view.expand('Network');
    await view.row('eth0');
    const eth0 = (await view.rows()).find(({ label }) => label === 'eth0');
    const address = docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}', NAME);
    assert.match(address, /^172\.17\.0\./);
    assert.equal(eth0?.description, `${address} ⇄ ${hostVeth(shop.pid)} in the host`);
    await view.collapse('Network');
    await view.row(new RegExp(`^Network ${address.split('/')[0]} · eth0$`));
  });

  test('its namespaces say which are its own and which it shares with the host', async () => {
    await view.expand(NAME);
    await view.expand('Namespaces');
    const ino = (kind: string) => execFileSync('readlink', [`/proc/${shop.pid}/ns/${kind}`], { encoding: 'utf8' }).trim();
    await view.row(ino('net'));
    const rows = await view.rows();
    const described = (kind: string) => rows.find(({ label }) => label === ino(kind))?.description;
    for (const kind of ['net', 'pid', 'mnt', 'uts', 'ipc'])
      assert.doesNotMatch(described(kind) ?? 'missing', /shared|missing/, kind);
    for (const kind of ['user', 'time']) assert.match(described(kind) ?? 'missing', /^shared with the host/, kind);
    await workbench.screenshots('containers', ['dark', 'light', 'highContrast']);
  });

  test('selection and unfolded rows stay when other containers come and go, and a stopped one is gone without a refresh', async () => {
    await view.expand(NAME);
    await view.expand('Namespaces');
    await view.expand('Processes');
    await view.expand(/^net:/);
    await view.row('Owner');
    await view.click(/^sleep /);
    const before = (await view.rows()).filter(({ level }) => level > 1).map(({ label, expanded }) => [label, expanded]);
    using other = engine.run(named('passing'));
    await view.row(other.name);
    docker('kill', other.name);
    await view.gone(other.name);
    const rows = await view.rows();
    assert.deepEqual(
      rows.filter(({ level }) => level > 1).map(({ label, expanded }) => [label, expanded]),
      before,
    );
    assert.equal(rows.find(({ selected }) => selected)?.label, 'sleep');
  });

  test('a process that is started inside appears below the one that started it', async () => {
    using nested = engine.run(named('nested'), ['sh', '-c', 'sleep 4321 & wait']);
    await view.expand(nested.name);
    await view.row(/^sleep 4321 ·/, [/^sh -c sleep/]);
    const rows = await view.rows();
    const level = (text: RegExp) => rows.find((row) => text.test(`${row.label} ${row.description}`))?.level ?? 0;
    assert.equal(level(/^sleep 4321 ·/), level(/^sh -c sleep/) + 1);
    docker('exec', '--detach', nested.name, 'sleep', '8765');
    await view.row(/^sleep 8765 ·/);
  });

  test('what is confined in a container is below it, and what was started into it from outside says so', async () => {
    const command = ['sh', '-c', 'unshare -m -p -f sleep 4711; exit'];
    using outer = engine.run(named('outer'), command, ['--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined']);
    docker('exec', '--detach', outer.name, 'sleep', '8766');
    await view.expand(outer.name);
    await view.expand('Containers');
    await view.row('sleep', [outer.name, 'Containers']);
    await view.row(/^sleep 8766 ·/);
    const rows = await view.rows();
    const entered = rows.find(({ label, description }) => label === 'sleep' && description.startsWith('8766 ·'));
    assert.match(entered?.description ?? '', /entered from outside/);
    assert.equal(rows.filter(({ label, level }) => label === 'sleep' && level === 1).length, 0, 'it is nowhere else');
    await workbench.screenshot('containers-nested');
  });

  test('the menu of a container is in the order of use, and leads to its limits, its layers and its pages', async () => {
    await view.row(new RegExp(`^${NAME} 0 CPU`));
    const entries = await view.contextMenuEntries(NAME);
    assert.deepEqual(entries, [
      'Open Container…',
      'Open Terminal in Container',
      'Enter Namespaces…',
      'Run Command in Namespaces…',
      'Run in the Same Namespaces, but…',
      'Show the Syscalls',
      'Set Limit',
      'Monitor Cgroups',
      'Show Layer Stack',
      'Inspect Process',
      'Inspect Cgroup',
      'Compare Mounts with the Host',
      'Compare With…',
      'Reveal in Namespaces',
      'Reveal in Cgroups',
      'Reveal in Layers',
      'Copy Id',
      'Copy Pid',
      'Copy nsenter Command Line',
    ]);
    await view.contextMenu(NAME, 'Show Layer Stack');
    const body = workbench.webview().locator('body');
    await eventually('its stack', async () => (await body.innerText()).includes(NAME));
    await view.contextSubmenu(NAME, 'Set Limit', 'Set Memory Limit');
    await workbench.answer('48m');
    await workbench.dialogButton('Write');
    await view.row(new RegExp(`^${NAME} 0 CPU · .* of 48 MiB`));
    await workbench.runCommand('Isoscope: Undo Last Cgroup Change');
    await view.row(new RegExp(`^${NAME} 0 CPU · [\\d.]+ [KM]iB$`));
  });

  test('a paused container says so', async () => {
    docker('pause', NAME);
    try {
      await view.row(new RegExp(`^${NAME} paused ·`));
      await workbench.screenshot('containers-paused');
    } finally {
      docker('unpause', NAME);
    }
    await view.row(new RegExp(`^${NAME} 0 CPU`));
  });

  test('command lines with control characters, markup and much text are one short line each, and harmless in the tooltip', async () => {
    const hostile = `sleep 1000 # \u001b[31m\n<img src=x onerror=alert(1)> **bold** [go](command:workbench.action.quit) ${'long '.repeat(60)}`;
    using container = engine.run(named('hostile'), ['sh', '-c', hostile]);
    await view.expand(container.name);
    await view.row(/^sh -c sleep 1000/);
    const row = (await view.rows()).find(({ description }) => description.includes('-c sleep 1000'));
    assert.equal(row?.label, 'sh');
    assert.ok((row?.description.length ?? 0) <= 160, row?.description);
    assert.doesNotMatch(row?.description ?? '', /[\n\u001b]/);
    const tooltip = await eventually('the tooltip of that row', async () => {
      const text = await view.tooltip(/^sh -c sleep 1000/);
      return text.includes('1000 #') && text;
    });
    assert.match(tooltip, /<img src=x onerror=alert\(1\)> \*\*bold\*\* \[go\]\(command:workbench.action.quit\)/);
    await workbench.screenshot('containers-hostile-names');
    assert.equal(await workbench.page.locator('.monaco-hover a[data-href^="command:"], .monaco-hover img').count(), 0);
  });

  test('the filter leaves what matches, says so, and can be cleared', async () => {
    using other = engine.run(named('other'));
    await view.row(other.name);
    await view.titleAction('Filter');
    await workbench.answer(NAME.toUpperCase());
    await view.gone(other.name);
    await view.row(NAME);
    await workbench.screenshot('containers-filtered');
    await view.titleAction('Clear Filter');
    await view.row(other.name);
  });

  test('a filter that matches nothing says that, with a way out', async () => {
    await workbench.runCommand('Isoscope: Filter…');
    await workbench.answer('there is no such thing');
    await eventually('the welcome text', async () => /Nothing matches/.test(await view.message()));
    await workbench.screenshot('containers-nothing-matches');
    await workbench.runCommand('Isoscope: Clear Filter');
    await view.row(NAME);
  });

  test('id, pid and nsenter line can be copied', async () => {
    const copied = async (entry: string, expected: string) => {
      await view.contextMenu(NAME, entry);
      await eventually(
        `"${expected}" on the clipboard`,
        async () => (await workbench.clipboard()) === expected,
        5000,
        () => workbench.clipboard(),
      );
    };
    await copied('Copy Id', shop.id);
    await copied('Copy Pid', String(shop.pid));
    await view.contextMenu(NAME, 'Copy nsenter');
    const line = await eventually('an nsenter line', async () => /^nsenter .*/.exec(await workbench.clipboard())?.[0]);
    const inside = execFileSync('sh', ['-c', `${line.replace('--wd', '')} /bin/hostname`], { encoding: 'utf8' });
    assert.equal(inside.trim(), shop.id.slice(0, 12));
  });

  test('the page on a process says what isolates it', async () => {
    await view.contextMenu(NAME, 'Inspect Process');
    const body = workbench.webview().locator('body');
    await eventually('the page', async () => /Restrictions/.test(await body.innerText()));
    const text = await body.innerText();
    const net = execFileSync('readlink', [`/proc/${shop.pid}/ns/net`], { encoding: 'utf8' }).trim();
    assert.ok(text.includes(`in container ${NAME}`), text);
    assert.ok(text.includes(`${shop.pid} → 1`), text);
    assert.ok(text.includes(net), text);
    assert.match(text, /shared with the host/);
    assert.match(text, /as pivot_root leaves it/);
    assert.match(text, /CAP_NET_BIND_SERVICE/);
    await workbench.screenshots('process', ['dark', 'light', 'highContrast']);
  });

  test('a helper that is killed leaves the rows, says so, and comes back with a click', async () => {
    for (const pid of helpersOf(workbench)) process.kill(pid, 'SIGKILL');
    await view.row('The helper stopped');
    await view.row(NAME);
    await workbench.screenshot('containers-helper-stopped');
    await view.click('The helper stopped');
    await view.gone('The helper stopped');
    using other = engine.run(named('later'));
    await view.row(other.name);
  });
});
