/** `processes/list` against ps(1) and /proc, with processes whose names and arguments were chosen to mislead. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Process, ProcessesInspect, ProcessesList } from '../../helper/protocol/processes.ts';
import { has, isHelperRoot, isRoot, testUid } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { untilAnswer } from '../fixtures/until.ts';
import { namespaceOfPid, nested, refOfProcess, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const ownUid = isHelperRoot ? undefined : testUid;

/** `pid ppid uid` of every process, a line each. */
function ps(): Set<string> {
  const lines = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,euid='], { encoding: 'utf8' }).trim().split('\n');
  return new Set(lines.map((line) => line.trim().split(/\s+/).join(' ')));
}

describe('processes/list', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const list = async () => (await helper.request(ProcessesList, {})).processes;

  async function listed(pid: number): Promise<Process> {
    const process = (await list()).find((candidate) => candidate.pid === pid);
    assert.ok(process, `process ${pid} is not listed`);
    return process;
  }

  test('every process that ps shows is listed, with its parent and its user', {
    skip: !has('ps') && 'ps is not installed',
  }, async () => {
    const earlier = ps();
    const shown = new Set((await list()).map(({ pid, parentPid, uid }) => `${pid} ${parentPid} ${uid}`));
    const later = ps();
    assert.deepEqual(
      [...later].filter((line) => earlier.has(line) && !shown.has(line)),
      [],
    );
  });

  describe('the user of a process in a mount namespace of its own', { skip: !isRoot && 'only root can start it' }, () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-users-'));
      chmodSync(folder, 0o755);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    /** Runs as uid 33, and for a helper of an ordinary user as that user, with another /etc/passwd. */
    const uid = ownUid ?? 33;
    const flags = ownUid === undefined ? ['--mount'] : ['--user', '--map-current-user', '--keep-caps', '--mount'];
    async function startWith(script: string) {
      const become = ownUid === undefined ? ['setpriv', '--reuid=33', '--clear-groups', '--'] : [];
      const shell = ['sh', '-c', `${script} && exec "$@"`, folder, ...become];
      return await startSleeper(['unshare', ...flags, ...shell], { uid: ownUid });
    }
    const userOf = async (pid: number) => (await helper.request(ProcessesInspect, { process: refOfProcess(pid) })).user;

    test('is called what its own /etc/passwd says, not what the host calls that number', async (t) => {
      const file = path.join(folder, 'passwd');
      writeFileSync(file, `nobody:x:7:7::/:\nweb:x:${uid}:33::/:\n`);
      const specimen = await startWith(`mount --bind ${file} /etc/passwd`);
      t.after(specimen.stop);
      assert.equal(await userOf(specimen.pid), 'web');
      const inList = () => listed(specimen.pid);
      assert.equal((await untilAnswer('its name in the list', inList, ({ user }) => user === 'web')).uid, uid);
    });

    test('is a number where that has no name for it, or none that could be one', async (t) => {
      const file = path.join(folder, 'other');
      writeFileSync(file, `root:x:${uid}:0::/:\n[click](command:x):x:${uid}:0::/:\n`);
      const specimen = await startWith(`mount --bind ${file} /etc/passwd`);
      t.after(specimen.stop);
      assert.equal(await userOf(specimen.pid), String(uid));
    });

    test('is a number when its /etc/passwd is no file that could be read to an end', {
      skip: ownUid !== undefined && 'needs root to mount it',
    }, async (t) => {
      execFileSync('mkfifo', [path.join(folder, 'fifo')]);
      const specimen = await startWith('true');
      t.after(specimen.stop);
      const bind = ['mount', '--bind', path.join(folder, 'fifo'), '/etc/passwd'];
      execFileSync('nsenter', ['-m', '-t', String(specimen.pid), ...bind], { timeout: 20_000 });
      assert.equal(await userOf(specimen.pid), String(uid));
    });
  });

  test('a process is identified by its start time, and has its arguments and namespaces', async (t) => {
    const specimen = await startSleeper([], { uid: ownUid });
    t.after(specimen.stop);
    const { startTime, arguments: words, namespaces, parentPid, uid, nestedPids } = await listed(specimen.pid);
    assert.equal(startTime, refOfProcess(specimen.pid).startTime);
    assert.deepEqual(words, ['busybox', 'sh', '-c', 'echo there; read end']);
    assert.equal(namespaces.net, namespaceOfPid('net', specimen.pid).ino);
    assert.deepEqual(
      { parentPid, uid, nestedPids },
      { parentPid: process.pid, uid: ownUid ?? process.getuid?.(), nestedPids: [] },
    );
  });

  test('a process in nested pid namespaces has one more pid for each', async (t) => {
    const { specimen, inner } = await nested(ownUid);
    t.after(specimen.stop);
    const line = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${inner}/status`, 'utf8'))?.[1] ?? '';
    const pids = line.split(/\s+/).map(Number);
    assert.equal(pids.length, 3);
    assert.deepEqual((await listed(inner)).nestedPids, pids.slice(1));
  });

  test('a name that imitates the fields after it, with a newline and markup, is shown as it is', async (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'isoscope-name-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const name = 'x) Z 1\n<b>(';
    const program = path.join(folder, name);
    copyFileSync('/bin/sh', program);
    execFileSync('chmod', ['755', folder, program]);
    const specimen = await startSpecimen([program, '-c', 'echo there; read end'], { uid: ownUid });
    t.after(specimen.stop);
    const { name: shown, parentPid, state, startTime } = await listed(specimen.pid);
    assert.deepEqual({ shown, parentPid, state }, { shown: name, parentPid: process.pid, state: 'S' });
    assert.ok(startTime > 0);
  });

  test('arguments with control characters are shown as they are, and bytes that are no UTF-8 as U+FFFD', {
    skip: !has('bash') && 'bash is not installed',
  }, async (t) => {
    const hostile = '\u001b]0;owned\u0007<img src=x onerror=alert(1)>\n';
    const one = await startSpecimen(['sh', '-c', 'echo there; read end', hostile], { argv0: hostile, uid: ownUid });
    t.after(one.stop);
    assert.deepEqual((await listed(one.pid)).arguments, [hostile, '-c', 'echo there; read end', hostile]);
    const other = await startSpecimen(['bash', '-c', `exec -a $'\\377x' sh -c 'echo there; read end'`], { uid: ownUid });
    t.after(other.stop);
    assert.deepEqual((await listed(other.pid)).arguments, ['\ufffdx', '-c', 'echo there; read end']);
  });

  test('of arguments longer than 4,096 bytes the beginning is listed', async (t) => {
    const specimen = await startSpecimen(['sh', '-c', 'echo there; read end', 'x'.repeat(100_000)], { uid: ownUid });
    t.after(specimen.stop);
    const words = (await listed(specimen.pid)).arguments;
    assert.ok(Array.isArray(words));
    assert.equal(words.join('\0').length, 4096);
  });

  test('a zombie is listed as one, in no namespace that it has left', {
    skip: !has('bash') && 'bash is not installed',
  }, async (t) => {
    // The child ends only when its parent is a program that never waits for it.
    const specimen = await startSpecimen(['bash', '-c', 'read go <&0 & echo there; exec sleep 600'], { uid: ownUid });
    t.after(specimen.stop);
    while ((await listed(specimen.pid)).name !== 'sleep');
    specimen.child.stdin?.write('go\n');
    const deadline = Date.now() + 10_000;
    let zombie: Process | undefined;
    while (zombie === undefined) {
      zombie = (await list()).find(({ parentPid, state }) => parentPid === specimen.pid && state === 'Z');
      assert.ok(zombie !== undefined || Date.now() < deadline, 'no zombie is listed');
    }
    assert.deepEqual(zombie.arguments, []);
    assert.equal(zombie.namespaces.net, undefined);
  });

  test("another's namespaces are unknown to an ordinary user, one's own are not", {
    skip: (isHelperRoot || !isRoot) && 'needs root that runs the helper as another user',
  }, async (t) => {
    const foreign = await startSleeper([]);
    t.after(foreign.stop);
    const own = await startSleeper([], { uid: ownUid });
    t.after(own.stop);
    assert.ok(Object.values((await listed(foreign.pid)).namespaces).every((ino) => ino === null));
    assert.ok(Object.values((await listed(own.pid)).namespaces).every((ino) => typeof ino === 'number'));
  });
});
