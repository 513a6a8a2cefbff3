/** `terminals/open` with the program that a VS Code terminal runs, on a real pty. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  type ProgramParams,
  ProgramsRun,
  TerminalsOpen,
  type TerminalsOpenParams,
  type TerminalsOpenResult,
} from '../../helper/protocol/programs.ts';
import { encodeFrame, type Frame, FrameDecoder } from '../../helper/stream/frame.ts';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { clientUid, has, inGuest, isRoot, unlessHelperIsRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { attachScreen, type Screen } from '../fixtures/screen.ts';
import { until } from '../fixtures/until.ts';
import { refOfProcess, startSleeper, startSpecimen } from '../fixtures/zoo.ts';

const NEEDS_DOCKER = unlessRootHas('docker', 'dockerd') || unlessHelperIsRoot;
const WAIT_MILLIS = 20_000;

describe('terminals', () => {
  let helper: RunningHelper;
  before(async () => {
    helper = await startHelper();
  });
  after(() => helper?.stop());

  const here = (): ProgramParams => ({ process: refOfProcess(helper.process.pid!), kinds: [] });
  const open = (params: TerminalsOpenParams) => helper.request(TerminalsOpen, params);

  async function screen(params: TerminalsOpenParams): Promise<Screen & { opened: TerminalsOpenResult }> {
    const { columns = 80, rows = 24 } = params;
    const opened = await open(params);
    return Object.assign(attachScreen(opened, { columns, rows, uid: clientUid }), { opened });
  }

  const sh = (script: string) => ({ ...here(), command: ['sh', '-c', script] });

  test('a program has a real terminal of the size of the window, and hears when that changes', async () => {
    const script =
      'tty; test -t 0 && test -t 1 && test -t 2 && stty size; trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done';
    await using shown = await screen({ ...sh(script), columns: 91, rows: 31 });
    await shown.shows(/\/dev\/pts\/\d+\r\n31 91\r\nready/);
    shown.resize(123, 45);
    await shown.shows(/45 123/);
  });

  test('the exit status of the program is that of the terminal', async () => {
    await using status = await screen(sh('exit 42'));
    assert.equal(await status.exited, 42);
    await using killed = await screen(sh('kill -9 $$'));
    assert.equal(await killed.exited, 128 + 9);
  });

  test('everything that was written before the end is shown, also when nobody was attached then', async () => {
    const opened = await open(sh('seq 1 500; echo the end'));
    await until(() => processesOf(helper).length === 0, 'the program has ended');
    await using shown = attachScreen(opened, { uid: clientUid });
    assert.equal(await shown.exited, 0);
    assert.match(shown.text(), /^1\r\n2\r\n[\s\S]*\r\n500\r\nthe end\r\n$/);
  });

  test('Ctrl-C interrupts the program, Ctrl-D ends its input, Ctrl-Z stops it for the shell to resume', async () => {
    await using shown = await screen({
      ...here(),
      command: ['bash', '--norc', '--noprofile', '-i'],
      environment: { PS1: 'P\\#> ', HISTFILE: '' },
    });
    const prompt = (number: number) => shown.shows(new RegExp(`P${number}> $`));
    await prompt(1);
    // What is typed is echoed too; the quotes make what is printed differ from it. It also tells that the shell is done with the keys.
    shown.type('sh -c \'trap "echo caught" INT; echo rea""dy; while :; do sleep 0.02; done\'\r');
    await shown.shows(/[\r\n]ready\r\n/);
    shown.type('\x03');
    await shown.shows(/\^Ccaught\r\n/);
    shown.type('\x1c');
    await prompt(2);
    shown.type('echo sta""rt; cat; echo "cat $?"\r');
    await shown.shows(/[\r\n]start\r\n/);
    shown.type('hello\r');
    await shown.shows(/hello\r\nhello\r\n/);
    shown.type('\x1a');
    await prompt(3);
    assert.match(shown.text(), /Stopped/);
    shown.type('fg\r');
    await shown.shows(/fg\r\n[^>]*cat\r\n/);
    shown.type('again\r');
    await shown.shows(/again\r\nagain\r\n/);
    shown.type('\x04');
    await shown.shows(/[\r\n]cat \d+\r\n/);
    await prompt(4);
    shown.type('exit 5\r');
    assert.equal(await shown.exited, 5);
    assert.doesNotMatch(shown.text(), /no job control/);
  });

  test('bytes pass unchanged both ways: colours, UTF-8, and newlines that the program leaves alone', async () => {
    const script = 'stty raw -echo; printf "\\033[31mrot\\033[0m\\n\\001ü\\377|"; head -c 6 | od -An -tx1; stty sane';
    await using shown = await screen(sh(script));
    await shown.shows(/\|/);
    shown.type('\x00\x03\x04\r\n\x1b');
    assert.equal(await shown.exited, 0);
    assert.equal(shown.text(), `\x1b[31mrot\x1b[0m\n\x01${Buffer.from('ü').toString('latin1')}\xff| 00 03 04 0d 0a 1b\n`);
  });

  test('a full-screen program draws its screen and takes keys', {
    skip: !has('busybox') && 'busybox is not installed',
  }, async () => {
    const file = `/tmp/isoscope-${process.pid}-vi`;
    try {
      await using shown = await screen({ ...here(), command: ['busybox', 'vi', file], columns: 60, rows: 10 });
      await shown.shows(/~[\s\S]*~/);
      shown.type('ihello from vi\x1b');
      await shown.shows(/hello from vi/);
      shown.type(':wq\r');
      assert.equal(await shown.exited, 0);
      assert.equal(fs.readFileSync(file, 'utf8'), 'hello from vi\n');
    } finally {
      fs.rmSync(file, { force: true });
    }
  });

  // Growth is the helper's own, whatever the kernel; an emulated processor is spared most of the bytes.
  const output = inGuest ? 20_000_000 : 100_000_000;
  test(`${output / 1e6} MB of output pass through without growth of the helper`, async () => {
    await using warm = await screen(sh(`head -c ${output / 5} /dev/zero | tr "\\0" x`));
    assert.equal(await warm.exited, 0);
    const before = residentBytes(helper.process.pid!);
    await using shown = await screen(sh(`stty -opost; head -c ${output} /dev/zero | tr "\\0" x`));
    assert.equal(await shown.exited, 0);
    assert.equal(shown.bytes(), output);
    assert.ok(peakBytes(helper.process.pid!) - before < 40 * 1024 * 1024, `${peakBytes(helper.process.pid!)} after ${before}`);
  });

  test('a program that writes to a client that does not read is held up, not buffered', async () => {
    const marker = `/tmp/isoscope-${process.pid}-progress`;
    try {
      const opened = await open(sh(`head -c 50000000 /dev/zero | tr "\\0" x; echo done > ${marker}`));
      const connection = await connected(opened);
      connection.pause();
      // It gets as far as the buffers on the way reach, and no further.
      await stable(() => ioWritten(helper.process.pid!));
      assert.ok(!fs.existsSync(marker), 'the program has written everything to nobody');
      assert.ok(residentBytes(helper.process.pid!) < 200 * 1024 * 1024);
      connection.destroy();
      await until(() => processesOf(helper).length === 0, 'the program has ended');
    } finally {
      fs.rmSync(marker, { force: true });
    }
  });

  test('a client that types to a program that does not read is held up, not buffered', async () => {
    const opened = await open(sh('stty raw -echo; sleep 1000'));
    const connection = await connected(opened);
    const chunk = encodeFrame({ type: 'data', data: Buffer.alloc(64 * 1024, 'x') });
    let taken = 0;
    const send = (): void => {
      while (connection.write(chunk)) taken += chunk.length;
      connection.once('drain', () => {
        taken += chunk.length;
        send();
      });
    };
    send();
    await stable(() => taken);
    assert.ok(taken < 16 * 1024 * 1024, `${taken} bytes were taken for a program that reads none`);
    connection.destroy();
    await until(() => processesOf(helper).length === 0, 'the program has ended');
  });

  test('when the window is closed the program is hung up, and nothing of it is left', async () => {
    const shown = await screen({ ...here(), command: ['sh', '-c', 'sleep 1000 & echo ready; wait'] });
    await shown.shows(/ready/);
    assert.ok(processesOf(helper).length > 0);
    await shown[Symbol.asyncDispose]();
    await until(() => processesOf(helper).length === 0, 'the program has ended');
  });

  test('a shell is found when none is named, and it is the user’s', async () => {
    await using shown = await screen(here());
    assert.match(shown.opened.command[0]!, /^\/.*sh$/);
    shown.type('echo "user=$(id -un)" "term=$TERM"; exit 3\r');
    assert.equal(await shown.exited, 3);
    assert.match(shown.text(), new RegExp(`user=${shown.opened.user} term=xterm-256color`));
  });

  describe('the stream socket', () => {
    test('is in a folder that only the client’s user may enter', () => {
      const { streamSocket } = helper.host;
      const folder = fs.statSync(streamSocket.slice(0, streamSocket.lastIndexOf('/')));
      assert.equal(folder.mode & 0o777, 0o700);
      assert.equal(folder.uid, helper.host.uid);
    });

    test('takes a token once, and no other token ever', async () => {
      const opened = await open(sh('sleep 1000'));
      const first = await connected(opened);
      assert.match(await refusal({ ...opened }), /not waiting/);
      assert.match(await refusal({ ...opened, token: '0'.repeat(64) }), /not waiting/);
      assert.ok(!first.destroyed);
      first.destroy();
      await until(() => processesOf(helper).length === 0, 'the program has ended');
    });

    test('drops who sends what is no frame, and serves the next', async () => {
      for (const noise of [
        Buffer.alloc(100, 0xff),
        encodeFrame({ type: 'data', data: Buffer.from('x') }),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      ]) {
        const connection = net.connect(helper.host.streamSocket);
        connection.on('error', () => undefined);
        connection.write(noise);
        connection.resume();
        await closed(connection);
      }
      await using shown = await screen(sh('echo served'));
      assert.equal(await shown.exited, 0);
    });

    test('drops an attached client that sends what is no frame, and its program with it', async () => {
      const noise = Buffer.alloc(100, 0xff);
      const later = await connected(await open(sh('sleep 1000')));
      later.write(noise);
      await closed(later);
      const { streamSocket, token } = await open(sh('sleep 1000'));
      const atOnce = net.connect(streamSocket);
      atOnce.on('error', () => undefined);
      const attach = encodeFrame({ type: 'attach', token: Buffer.from(token, 'hex'), columns: 80, rows: 24 });
      atOnce.end(Buffer.concat([attach, noise]));
      await closed(atOnce);
      await until(() => processesOf(helper).length === 0, 'the programs have ended');
    });

    test('refuses another user, even one who has the token', { skip: !isRoot && 'only root can be another user' }, async () => {
      const opened = await open(sh('sleep 1000'));
      const folder = opened.streamSocket.slice(0, opened.streamSocket.lastIndexOf('/'));
      // As if the folder did not protect it.
      fs.chmodSync(folder, 0o755);
      fs.chmodSync(opened.streamSocket, 0o777);
      try {
        await using shown = attachScreen(opened, { uid: 65534 });
        assert.equal(await shown.exited, 1);
        await until(() => helper.log().includes('refused a connection of uid 65534'), 'the log says so');
      } finally {
        fs.chmodSync(folder, 0o700);
      }
      const connection = await connected(opened);
      connection.destroy();
      await until(() => processesOf(helper).length === 0, 'the program has ended');
    });
  });

  describe('in a rootless container', () => {
    test('the terminal is the container’s root’s', async () => {
      const flags = ['--user', '--map-root-user', '--mount', '--pid', '--net', '--uts'];
      const sleeper = await startSleeper(['unshare', ...flags, '--fork', '--kill-child', '--mount-proc'], {
        uid: clientUid ?? (isRoot ? 54321 : undefined),
      });
      try {
        const leader = Number(fs.readFileSync(`/proc/${sleeper.pid}/task/${sleeper.pid}/children`, 'utf8').split(' ')[0]);
        await using shown = await screen({
          process: refOfProcess(leader),
          command: ['sh', '-c', 'id -u; tty; ps -o pid= -p 1; exit 6'],
        });
        assert.equal(await shown.exited, 6);
        assert.match(shown.text(), /^0\r\n\/dev\/pts\/\d+\r\n\s+1\r\n$/);
      } finally {
        await sleeper.stop();
      }
    });
  });

  test('a file system that never answers holds up neither the helper nor its end', {
    skip: unlessRootHas('unshare') || unlessHelperIsRoot || (!fs.existsSync('/dev/fuse') && 'there is no /dev/fuse'),
  }, async () => {
    // It is mounted, and nobody ever reads what is asked of it.
    const script =
      'exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none /etc; echo there; read end';
    const specimen = await startSpecimen(['unshare', '--mount', 'sh', '-c', script]);
    const own = await startHelper();
    try {
      const process = refOfProcess(specimen.pid);
      const began = Date.now();
      for (let round = 0; round < 4; round += 1) {
        await own.request(TerminalsOpen, { process, cgroup: false, command: ['sleep', '1000'] });
      }
      assert.ok(Date.now() - began < WAIT_MILLIS);
      const { exit } = await own.request(ProgramsRun, {
        ...here(),
        process: refOfProcess(own.process.pid!),
        command: ['true'],
      });
      assert.deepEqual(exit, { code: 0 });
    } finally {
      own.process.stdin!.end();
      await until(() => own.process.exitCode !== null || own.process.signalCode !== null, 'the helper has ended').finally(
        own.stop,
      );
      await specimen.stop();
    }
  });

  describe('in a Docker container', { skip: NEEDS_DOCKER }, () => {
    let engine: Docker;
    const containers: DockerContainer[] = [];
    before(async () => {
      engine = await startDocker();
    });
    after(async () => {
      for (const container of containers) container[Symbol.dispose]();
      await engine?.[Symbol.asyncDispose]();
    });

    function start(name: string, command: string[] = ['sleep', '1000'], options: string[] = []) {
      const container = engine.run(`isoscope-terminals-${name}`, command, options);
      containers.push(container);
      return { ...container, process: refOfProcess(container.pid) };
    }

    /** Waits until a container's own preparations are done. */
    const prepared = (container: DockerContainer) =>
      until(() => docker('logs', container.name).includes('prepared'), 'the container is prepared');

    test('the shell is what docker exec -it gives: a terminal with a name, known to ps, for its user', async () => {
      const container = start('tty', undefined, ['--user', '1000:1000', '--hostname', 'inside']);
      await using shown = await screen({ process: container.process });
      assert.deepEqual([shown.opened.command, shown.opened.user], [['/bin/sh'], '1000']);
      shown.type('tty; ls -ln $(tty); ps -o pid,tty,comm; hostname; echo opened > $(tty); exit 4\r');
      assert.equal(await shown.exited, 4);
      assert.match(shown.text(), /\n\/dev\/pts\/0\r\n/);
      assert.match(shown.text(), /crw--w----\s+1 1000\s/);
      assert.match(shown.text(), /136,0\s+sh\r\n/);
      assert.match(shown.text(), /\ninside\r\nopened\r\n/);
    });

    test('TERM is what docker exec -t sets, or what the container was given', async () => {
      for (const options of [[], ['--env', 'TERM=vt100']]) {
        const container = start('term', undefined, options);
        const theirs = docker('exec', '-t', container.name, 'sh', '-c', 'echo term=$TERM');
        await using shown = await screen({ process: container.process });
        shown.type('echo "term=$TERM"; exit 3\r');
        assert.equal(await shown.exited, 3);
        assert.ok(shown.text().includes(`\n${theirs}\r\n`), `${theirs}: ${shown.text()}`);
      }
    });

    test('the shell is the one that /etc/passwd names', async () => {
      const container = start('passwd', [
        'sh',
        '-c',
        'cp /bin/busybox /bin/mysh; echo "me:x:0:0::/tmp:/bin/mysh" > /etc/passwd; echo prepared; exec sleep 1000',
      ]);
      await prepared(container);
      const { command, user } = await open({ process: container.process });
      assert.deepEqual([command, user], [['/bin/mysh'], 'me']);
    });

    test('a /etc/passwd that leads out of the container is not followed', async () => {
      const script = (link: string) => [
        'sh',
        '-c',
        `rm -f /etc/passwd; ln -s ${link} /etc/passwd; echo prepared; exec sleep 1000`,
      ];
      // The host's root has a name and a shell of its own there; inside, the user is a number.
      for (const [index, link] of [
        '/../../../../etc/passwd',
        '/proc/1/root/etc/passwd',
        '/proc/self/root/etc/passwd',
      ].entries()) {
        const container = start(`escape-${index}`, script(link), ['--pid', 'host']);
        await prepared(container);
        const { command, user } = await open({ process: container.process, identity: 'root' });
        assert.deepEqual([command, user], [['/bin/sh'], 'root'], link);
      }
    });

    test('a /etc/passwd that is a pipe, a device or very large does not hold up anything', async () => {
      const preparations = [
        'mkfifo /etc/passwd',
        'mknod /etc/passwd c 1 5',
        'truncate -s 10G /etc/passwd',
        'mkdir /etc/passwd',
      ];
      for (const [index, preparation] of preparations.entries()) {
        const container = start(`passwd-${index}`, [
          'sh',
          '-c',
          `rm -rf /etc/passwd; ${preparation}; echo prepared; exec sleep 1000`,
        ]);
        await prepared(container);
        const { command } = await open({ process: container.process });
        assert.deepEqual(command, ['/bin/sh'], preparation);
      }
    });

    test('a shell that is a file of 10 GB, a folder or a pipe is passed over', async () => {
      const script =
        'cd /bin; truncate -s 10G bash; chmod 755 bash; mkdir /sbin; mkfifo -m 755 /sbin/bash; mkdir -p /usr/bin/bash; echo "root:x:0:0::/:/bin/bash" > /etc/passwd; echo prepared; exec sleep 1000';
      const container = start('shell', ['sh', '-c', script]);
      await prepared(container);
      const { command } = await open({ process: container.process });
      assert.deepEqual(command, ['/bin/sh']);
    });

    test('without a shell it is refused, and the host’s tools are offered', async () => {
      const container = start('shell-less', [
        '/bin/busybox',
        'sh',
        '-c',
        'rm /bin/sh /bin/ash; echo prepared; exec /bin/busybox sleep 1000',
      ]);
      await prepared(container);
      await assert.rejects(
        open({ process: container.process }),
        (error: Error & { data?: { reason?: string; hint?: string } }) => {
          assert.equal(error.data?.reason, 'notFound');
          assert.match(error.data?.hint ?? '', /without mnt/);
          return true;
        },
      );
      await using shown = await screen({
        process: container.process,
        kinds: ['net', 'pid', 'uts', 'ipc'],
        command: ['sh', '-c', 'hostname; exit 2'],
      });
      assert.equal(await shown.exited, 2);
      assert.match(shown.text(), new RegExp(container.id.slice(0, 12)));
    });

    test('a /dev/pts that pretends to be one is not used', async () => {
      const script =
        'umount /dev/pts; rm -rf /dev/pts; mkdir /dev/pts; mknod -m 666 /dev/pts/ptmx c 1 5; echo prepared; exec sleep 1000';
      const container = start('pts', ['sh', '-c', script], ['--cap-add', 'SYS_ADMIN', '--security-opt', 'apparmor=unconfined']);
      await prepared(container);
      await using shown = await screen({ process: container.process, command: ['sh', '-c', 'test -t 0 && stty size; exit 8'] });
      assert.equal(await shown.exited, 8);
      assert.match(shown.text(), /24 80/);
    });
  });

  // -------------------------------------------------------------------------------------------------------------------

  /** A client of our own, attached. */
  async function connected({ streamSocket, token }: TerminalsOpenResult): Promise<net.Socket> {
    const connection = net.connect(streamSocket);
    connection.on('error', () => undefined);
    connection.write(encodeFrame({ type: 'attach', token: Buffer.from(token, 'hex'), columns: 80, rows: 24 }));
    await new Promise((resolve) => connection.once('connect', resolve));
    return connection;
  }

  async function refusal(opened: TerminalsOpenResult): Promise<string> {
    const connection = await connected(opened);
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    connection.on('data', (chunk: Buffer) => frames.push(...decoder.push(chunk)));
    await closed(connection);
    const [first] = frames;
    assert.equal(first?.type, 'error');
    return first.message;
  }
});

function closed(connection: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the connection was not closed')), WAIT_MILLIS);
    connection.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Resolves when the value has not changed for a while. */
async function stable(value: () => number): Promise<void> {
  let last = -1;
  let same = 0;
  await until(() => {
    const now = value();
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 25;
  }, 'the value is stable');
}

/** The launcher's processes of terminals and programs; the guard of the socket's folder is always there. */
function processesOf(helper: RunningHelper): string[] {
  const children = fs
    .readFileSync(`/proc/${helper.process.pid}/task/${helper.process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean);
  return children.filter((pid) => childrenOf(pid).length > 0);
}

function childrenOf(pid: string): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  } catch {
    return [];
  }
}

function statusBytes(pid: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const residentBytes = (pid: number) => statusBytes(pid, 'VmRSS');
const peakBytes = (pid: number) => statusBytes(pid, 'VmHWM');

function ioWritten(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}
