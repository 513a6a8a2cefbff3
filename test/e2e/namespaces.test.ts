/** The Namespaces view on real namespaces: of containers, of processes, and of nobody. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Docker, type DockerContainer, startDocker } from '../fixtures/docker.ts';
import { makeSudoUser, type SudoUser } from '../fixtures/sudoUser.ts';
import { heldBySocket } from '../fixtures/zoo.ts';
import { openWorkbench } from './harness/open.ts';
import type { TreeView } from './harness/tree.ts';
import { eventually } from './harness/wait.ts';
import type { Workbench } from './harness/workbench.ts';

/** Own names, so that two runs of this file on one machine leave each other's containers alone. */
const named = (what: string) => `${what}-${process.pid}`;
const NAME = named('nets');
/** A net namespace that only its bind mount keeps alive, as `ip netns add` makes them. */
const BOUND = `/run/isoscope-netns-${process.pid}`;

/** What the view says of its grouping, beside its title. */
const BESIDE_TITLE = { 'By kind': '', 'By owner': 'by owner', 'Pid tree': 'pid tree' };

function namespaceOf(pid: number, kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

/** Unfolds a row until something below it is seen: a click on a row that is just being drawn again goes nowhere. */
async function unfold(view: TreeView, row: string | RegExp, below: RegExp): Promise<void> {
  await eventually(
    `${String(below)} below ${String(row)}`,
    async () => {
      await view.expand(row);
      return (await view.rows()).some(({ label, description }) => below.test(`${label} ${description}`));
    },
    30_000,
    () => view.text(),
  );
}

describe('Namespaces', { timeout: 400_000 }, () => {
  let engine: Docker;
  let container: DockerContainer;
  /** A net namespace that only a socket of a process elsewhere keeps alive. */
  let kept: Awaited<ReturnType<typeof heldBySocket>>;
  /** A process in user and net namespaces of its own. */
  let rootless: ChildProcess;
  let workbench: Workbench;
  let view: TreeView;

  before(async () => {
    engine = await startDocker();
    container = engine.run(NAME, ['httpd', '-f', '-p', '8099']);
    writeFileSync(BOUND, '');
    kept = await heldBySocket('tcp');
    execFileSync('unshare', [`--net=${BOUND}`, 'true']);
    rootless = spawn('unshare', ['--user', '--map-root-user', '--net', 'sleep', '4242'], { stdio: 'ignore' });
    // Sticky rows would lie over the row that is to be clicked in a long list.
    const settings = { 'workbench.tree.enableStickyScroll': false };
    workbench = await openWorkbench({ width: 1400, height: 1600, settings });
    await workbench.openSidebar('Isoscope');
    view = workbench.view('Namespaces');
    await view.row('Network', [], 60_000);
  });

  beforeEach(async () => {
    // The other view gives its place to this one.
    await workbench.view('Containers').close();
    await group('By kind');
  });

  /** Groups the view so, unless it is. */
  async function group(grouping: keyof typeof BESIDE_TITLE): Promise<void> {
    if ((await view.besideTitle()) === BESIDE_TITLE[grouping]) return;
    await view.titleAction('Group Namespaces');
    await workbench.pick(grouping);
    await eventually(`the view to be grouped ${grouping}`, async () => (await view.besideTitle()) === BESIDE_TITLE[grouping]);
  }

  after(async () => {
    await workbench?.close();
    rootless?.kill();
    execFileSync('umount', [BOUND]);
    rmSync(BOUND);
    await kept?.keeper.stop();
    container?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  test('by kind, the host’s comes first and a container’s is called by its name', async () => {
    const net = namespaceOf(container.pid, 'net');
    await view.expand('Network');
    // "At least one" as long as some process of the host, just started, could not be looked into.
    await view.row(new RegExp(`^${net.replace(/[[\]]/g, '\\$&')} ${NAME} · 1 process$`));
    const rows = (await view.rows()).filter(({ level }) => level === 2);
    assert.equal(rows[0]?.label, namespaceOf(process.pid, 'net'));
    assert.match(rows[0]?.description ?? '', /^host$/);
  });

  test('below a net namespace are its interfaces, its listening sockets with their processes, its members and what keeps it alive', async () => {
    await view.expand('Network');
    await view.expand(namespaceOf(container.pid, 'net'));
    await view.row(/^eth0 172\.17\.0\.\d+\/16 ⇄ veth\w+ in the host$/);
    await unfold(view, 'Listening sockets', new RegExp(`:8099 tcp6? · httpd \\(${container.pid}\\)$`));
    await unfold(view, 'Members', new RegExp(`^httpd ${NAME} · .*8099 · ${container.pid} · root`));
    await unfold(view, 'Kept alive by', /^Its members/);
    await view.row(/^Bind mount \/(var\/)?run\/docker\/netns\/\w+ in mnt:\[\d+\] \(host\)$/);
    await workbench.screenshots('namespaces');
  });

  test('a namespace that no process is in says what keeps it alive', async () => {
    await view.expand('Network');
    await view.row(new RegExp(`^net:\\[\\d+\\] no process · kept alive by: Bind mount ${BOUND}$`));
  });

  test('one that only a socket keeps alive says whose, has that socket among its listening ones, and a terminal opens in it', async () => {
    const name = `net:[${kept.namespace.ino}]`;
    await view.expand('Network');
    const pin = `Socket of \\S+ \\(${kept.keeper.pid}\\)`;
    await view.row(new RegExp(`^net:\\[${kept.namespace.ino}\\] no process · kept alive by: ${pin}$`));
    await view.expand(name);
    await unfold(view, 'Policy rules', /^32766: all packets table main$/);
    await unfold(view, 'Listening sockets', new RegExp(`:8080 tcp · \\S+ \\(${kept.keeper.pid}\\)$`));
    await unfold(view, 'Kept alive by', new RegExp(`^${pin} descriptor ${kept.descriptor} · made in it$`));
    await workbench.screenshots('namespaces-by-socket');
    await view.contextMenu(name, 'Enter Namespaces…');
    await workbench.terminalShows(/[#$]$/m);
    await workbench.terminalType('readlink /proc/self/ns/net\n');
    await workbench.terminalShows(new RegExp(`^net:\\[${kept.namespace.ino}\\]`, 'm'));
    await workbench.terminalType('exit 0\n');
  });

  test('Unix sockets stand below those that can be reached from outside', async () => {
    const host = namespaceOf(process.pid, 'net');
    await view.expand('Network');
    await view.expand(host);
    await unfold(view, 'Listening sockets', /^Unix sockets \d+$/);
    const rows = await view.rows();
    const at = rows.findIndex(({ label }) => label === 'Unix sockets');
    assert.ok(
      rows
        .slice(
          rows.findIndex(({ label }) => label === 'Listening sockets'),
          at,
        )
        .every(({ description }) => !/unix/.test(description)),
    );
    await workbench.screenshot('namespaces-sockets');
  });

  test('the host’s interfaces name the containers at their other ends', async () => {
    await view.expand('Network');
    await unfold(view, namespaceOf(process.pid, 'net'), /^Interfaces/);
    await unfold(view, 'Interfaces', new RegExp(`^veth\\w+ ⇄ eth0 in ${NAME}$`));
  });

  test('by owner, what a user namespace owns is below it, with its id maps', async () => {
    await group('By owner');
    const pid = await eventually('the process in namespaces of its own', async () => {
      const of = rootless.pid ?? 0;
      return (
        namespaceOf(of, 'net') !== namespaceOf(process.pid, 'net') && readFileSync(`/proc/${of}/uid_map`, 'utf8') !== '' && of
      );
    });
    await view.expand(namespaceOf(pid, 'user'));
    await view.row(namespaceOf(pid, 'net'));
    const rows = await view.rows();
    const level = (label: string) => rows.find((row) => row.label === label)?.level ?? 0;
    assert.equal(level(namespaceOf(pid, 'user')), level(namespaceOf(process.pid, 'user')) + 1);
    assert.equal(level(namespaceOf(pid, 'net')), level(namespaceOf(pid, 'user')) + 1);
    await unfold(view, 'Id maps', /^uid 0 → 0 1 id$/);
    await workbench.screenshot('namespaces-by-owner');
  });

  test('the pid tree has a container’s pid namespace below the host’s, and is remembered over a reload', async () => {
    await group('Pid tree');
    const level = async (label: string) => (await view.rows()).find((row) => row.label === label)?.level ?? 0;
    // The rows of the grouping before stay until the new ones are drawn.
    await eventually(
      'the pid namespaces as a tree',
      async () =>
        (await level(namespaceOf(process.pid, 'pid'))) === 1 && (await level(namespaceOf(container.pid, 'pid'))) === 2,
      15_000,
      () => view.text(),
    );
    await workbench.screenshot('namespaces-pid-tree');
    await workbench.reload();
    await workbench.openSidebar('Isoscope');
    await view.row(namespaceOf(container.pid, 'pid'), [], 60_000);
  });

  test('a namespace and a process can be revealed from one view in the other', async () => {
    const containers = workbench.view('Containers');
    await containers.expand(NAME);
    await containers.expand('Namespaces');
    await containers.contextMenu(namespaceOf(container.pid, 'net'), 'Reveal in Namespaces');
    const selected = async () => (await view.rows()).find((row) => row.selected)?.label;
    await eventually(
      'the row to be selected',
      async () => (await selected()) === namespaceOf(container.pid, 'net'),
      15_000,
      () => view.text(),
    );
    await containers.collapse(NAME);
    await unfold(view, 'Members', /^httpd/);
    await view.contextMenu(/^httpd/, 'Reveal in Containers');
    await eventually(
      'the process to be selected in Containers',
      async () => (await containers.rows()).some((row) => row.selected && row.label.startsWith('httpd')),
      15_000,
      () => containers.text(),
    );
    await containers.contextMenu(/^httpd/, 'Reveal in Namespaces');
    await workbench.pick('Network');
    await eventually(
      'the process to be selected among the members of its net namespace',
      async () => (await view.rows()).some((row) => row.selected && row.label.startsWith('httpd')),
      15_000,
      () => view.text(),
    );
    await workbench.screenshot('namespaces-revealed');
  });

  test('a list of many shows 500 and then more', async () => {
    using crowd = engine.run(named('crowd'), ['sh', '-c', 'for i in $(seq 620); do sleep 5000 & done; wait']);
    const started = () => readFileSync(`/proc/${crowd.pid}/task/${crowd.pid}/children`, 'utf8').trim().split(' ').length;
    // VS Code can lose what is below a row that is unfolded in the moment in which the list is drawn again.
    await eventually('all of them to run', async () => started() === 620);
    const containers = workbench.view('Containers');
    await containers.expand(crowd.name);
    await containers.row(/^Processes 621$/);
    await containers.expand(/^sh -c for/);
    await containers.click(/^sleep 5000 · \d+ · root$/);
    await scrollTo(workbench, containers, 'Show 120 more');
    await workbench.screenshot('containers-many');
    await containers.click('Show 120 more');
    await containers.gone('Show 120 more');
  });
});

/** Goes down a long tree with the keyboard until a row is on screen. */
async function scrollTo(workbench: Workbench, view: TreeView, label: string): Promise<void> {
  await eventually(`the row ${label}`, async () => {
    if ((await view.rows()).some((row) => row.label === label)) return true;
    await workbench.page.keyboard.press('PageDown');
    return false;
  });
}

describe('without root', { timeout: 200_000 }, () => {
  let engine: Docker;
  let container: DockerContainer;
  let user: SudoUser;
  let workbench: Workbench;

  before(async () => {
    engine = await startDocker();
    container = engine.run(named('hidden'));
    user = makeSudoUser(named('isoscope'));
    workbench = await openWorkbench({ height: 1400, user, settings: { 'isoscope.elevation': 'never' } });
  });

  after(async () => {
    await workbench?.close();
    user?.[Symbol.dispose]();
    container?.[Symbol.dispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  test('what may not be read is shown as unknown, and how to see it is one click away', async () => {
    await workbench.openSidebar('Isoscope');
    const view = workbench.view('Namespaces');
    await view.row('Not running as root', [], 60_000);
    await view.row(/^\d+ processes not readable unknown: permission denied; become root…$/);
    // Its cgroup tells that it is a container, though its name and its namespaces may not be read.
    const id = container.id.slice(0, 12);
    assert.match(await workbench.view('Containers').tooltip(id, 'Docker'), /Docker/);
    await workbench.view('Containers').expand(id);
    await workbench.view('Containers').expand('Namespaces');
    await workbench.view('Containers').row(/^Network unknown: permission denied/);
    await workbench.view('Containers').row(/^Namespaces unknown$/);
    await workbench.screenshot('namespaces-without-root');
    await view.click('Not running as root');
    await eventually('the password box', async () => (await workbench.quickInput()).password);
    await workbench.escape();
  });
});
