/** Sandboxes with a pair of interfaces: in a network of the test's own, where no firewall and no route help along. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesRemove,
  SandboxesRun,
  type SandboxSpec,
} from '../../helper/protocol/sandboxes.ts';
import { has, isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { NODE_MOUNT } from '../fixtures/sandboxClient.ts';

const SKIP = (!isHelperRoot && 'the helper is not root') || unlessRootHas('ip', 'nsenter', 'unshare', 'busybox');
const NEEDS_NFT = !has('nft') && 'nft is not installed';
const PREPARE = 'ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; exec "$@"';
const OUTSIDE = '192.0.2.2';
/** Answers every datagram with what it was and the port that it came from; and the question to that, which gives up after a while. */
const ECHO = `const s = require('dgram').createSocket('udp4').bind(+process.argv[1]);
  s.on('message', (m, from) => s.send(m + ' for ' + from.port, from.port, from.address));`;
const ASK = `const s = require('dgram').createSocket('udp4');
  s.on('message', (m) => { process.stdout.write(m); s.close(); process.exit(); }).send(process.argv[2], +process.argv[1], '127.0.0.1');
  setTimeout(() => process.exit(1), 500);`;

describe('a sandbox with interfaces', { skip: SKIP }, () => {
  let helper: RunningHelper;
  let outside: ChildProcess;
  let folder: string;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-network-'));
    fs.writeFileSync(path.join(folder, 'page'), 'from outside');
    fs.chmodSync(folder, 0o755);
    helper = await startHelper({ through: ['unshare', '--net', 'sh', '-c', PREPARE, 'sh'] });
    // What stands for the rest of the world has no route to a sandbox.
    const serve = `echo ready; exec busybox httpd -f -p 8080 -h ${folder}`;
    outside = spawn('unshare', ['--net', 'sh', '-c', serve], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(outside.stdout!, 'data');
    onHost('ip', 'link', 'add', 'out', 'type', 'veth', 'peer', 'in', 'netns', String(outside.pid));
    onHost('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'out');
    onHost('ip', 'link', 'set', 'out', 'up');
    inside(outside.pid!, 'ip', 'addr', 'add', `${OUTSIDE}/24`, 'dev', 'in');
    inside(outside.pid!, 'ip', 'link', 'set', 'in', 'up');
  });
  after(async () => {
    await helper?.stop();
    outside?.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const inside = (pid: number, ...command: string[]) =>
    execFileSync('nsenter', ['--net', '--target', String(pid), ...command], { encoding: 'utf8' });
  const onHost = (...command: string[]) => inside(helper.process.pid!, ...command);

  async function output(spec: SandboxSpec, script: string): Promise<string> {
    const result = await helper.request(SandboxesRun, {
      spec: { ...spec, process: { args: ['sh', '-c', script], timeout: 30 } },
    });
    return result.stdout + result.stderr;
  }

  const fetchOutside = `timeout 2 bash -c 'exec 3<>/dev/tcp/${OUTSIDE}/8080; printf "GET /page HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'`;

  test('has an address, a route, and the host as its neighbour', async () => {
    const text = await output({ network: { type: 'veth' } }, 'ip -4 -br addr show eth0; ip route');
    assert.match(text, /^eth0@\S+\s+UP\s+10\.77\.\d+\.\d+\/30/);
    assert.match(text, /default via 10\.77\.\d+\.\d+ dev eth0/);
  });

  test('has the addresses and the name that were asked for', async () => {
    const network = { type: 'veth', address: '10.99.1.7/24', gateway: '10.99.1.200', name: 'net0' } as const;
    const text = await output({ network }, 'ip -4 -br addr show net0; ip route');
    assert.match(text, /^net0@\S+\s+UP\s+10\.99\.1\.7\/24/);
    assert.match(text, /default via 10\.99\.1\.200 dev net0/);
  });

  test('has them in a user namespace of its own, too', async () => {
    const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const spec: SandboxSpec = {
      network: { type: 'veth', address: '10.99.3.7/24' },
      idMappings: { uidMappings: ids, gidMappings: ids },
      process: { args: ['sleep', '1000'], terminal: false },
    };
    const { sandbox } = await helper.request(SandboxesCreate, { spec });
    const name = `iso${sandbox.id.slice(0, 12)}`;
    assert.match(onHost('ip', '-4', '-br', 'addr', 'show', name), /UP\s+10\.99\.3\.1\/24/);
    assert.match(inside(sandbox.process!.pid, 'ip', '-4', '-br', 'addr', 'show', 'eth0'), /UP\s+10\.99\.3\.7\/24/);
    assert.match(inside(sandbox.process!.pid, 'ip', 'route'), /default via 10\.99\.3\.1 dev eth0/);
    assert.match(onHost('busybox', 'ping', '-c', '1', '-W', '5', '10.99.3.7'), / 0% packet loss/);
    await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    await until(() => !onHost('ip', '-br', 'link').includes(name));
  });

  test('reaches the outside from a user namespace of its own, too, and leaves no rules', { skip: NEEDS_NFT }, async () => {
    const spec: SandboxSpec = { network: { type: 'veth', nat: true }, namespaces: { user: 'new' } };
    assert.match(await output(spec, fetchOutside), /from outside/);
    assert.equal(onHost('nft', 'list', 'tables'), '');
    assert.equal(onHost('ip', '-br', 'link').includes('iso'), false);
  });

  test('reaches the outside with address translation, and only then', { skip: NEEDS_NFT }, async () => {
    assert.match(await output({ network: { type: 'veth', nat: true } }, fetchOutside), /from outside/);
    assert.doesNotMatch(await output({ network: { type: 'veth' } }, `${fetchOutside} 2>/dev/null`), /from outside/);
    assert.equal(onHost('nft', 'list', 'tables'), '');
  });

  for (const user of ['host', 'new'] as const)
    test(`is reached through a port of the host, as long as it lives, with the user namespace ${user}`, async () => {
      const spec: SandboxSpec = {
        namespaces: { user },
        root: { type: 'programs', programs: ['busybox'] },
        mounts: [{ destination: '/www', type: 'bind', source: folder }],
        network: { type: 'veth', ports: [{ hostPort: 18_080, containerPort: 8080 }] },
        process: { args: ['busybox', 'httpd', '-f', '-p', '8080', '-h', '/www'], terminal: false },
      };
      const { sandbox } = await helper.request(SandboxesCreate, { spec });
      const fetched = await until(() => onHost('busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:18080/page'));
      assert.equal(fetched, 'from outside');
      await assert.rejects(helper.request(SandboxesCreate, { spec }), /18080/);
      await helper.request(SandboxesRemove, { sandbox: sandbox.id });
      await until(() => !onHost('ip', '-br', 'link').includes('iso'));
      assert.throws(() =>
        inside(helper.process.pid!, 'busybox', 'wget', '-q', '-T', '1', '-O', '-', 'http://127.0.0.1:18080/page'),
      );
    });

  test('is reached through a UDP port, each of its peers by an answer of its own', async () => {
    const ports = [{ protocol: 'udp', hostPort: 18_081, containerPort: 8081 }] as const;
    const { sandbox } = await helper.request(SandboxesCreate, {
      spec: {
        network: { type: 'veth', ports: [...ports] },
        mounts: [NODE_MOUNT],
        process: { args: [NODE_MOUNT.destination, '-e', ECHO, '8081'], terminal: false },
      },
    });
    const ask = (question: string) => until(() => onHost(process.execPath, '-e', ASK, '18081', question));
    const answers = [await ask('first'), await ask('second')].map((answer) => answer.split(' for '));
    assert.deepEqual(
      answers.map(([question]) => question),
      ['first', 'second'],
    );
    assert.notEqual(answers[0]![1], answers[1]![1], 'inside, they are two');
    const taken = helper.request(SandboxesRun, { spec: { network: { type: 'veth', ports: [...ports] } } });
    await assert.rejects(taken, /UDP port 18081/);
    // Of another protocol it is another port.
    const other = { type: 'veth', ports: [{ hostPort: 18_081, containerPort: 8081 }] } as const;
    await helper.request(SandboxesRun, {
      spec: { network: { ...other, ports: [...other.ports] }, process: { args: ['true'] } },
    });
    await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    await until(() => !onHost('ss', '-Hlnu').includes('18081'));
  });

  test('reaches another sandbox only when both ask for it, though the host forwards', { skip: NEEDS_NFT }, async () => {
    const serve = { args: ['busybox', 'httpd', '-f', '-p', '8080', '-h', '/'], terminal: false };
    for (const namespaces of [{}, { user: 'new' }] as const) {
      for (const peers of [false, true]) {
        const { sandbox } = await helper.request(SandboxesCreate, {
          spec: { namespaces, network: { type: 'veth', address: '10.99.4.2/30', peers }, process: serve },
        });
        const asked = (also: boolean) =>
          output(
            { namespaces, network: { type: 'veth', peers: also } },
            'timeout 2 bash -c "</dev/tcp/10.99.4.2/8080" && echo in',
          );
        // It listens, for whoever may reach it.
        await until(() => onHost('bash', '-c', '</dev/tcp/10.99.4.2/8080; echo in'));
        assert.deepEqual(
          [await asked(false), await asked(true)].map((text) => /^in$/m.test(text)),
          [false, peers],
        );
        await helper.request(SandboxesRemove, { sandbox: sandbox.id });
      }
    }
  });

  test('is refused with addresses that are not for it, explained or run, with the field and the reason', async () => {
    onHost('ip', 'route', 'add', '10.120.0.0/16', 'via', OUTSIDE);
    const { sandbox } = await helper.request(SandboxesCreate, {
      spec: { network: { type: 'veth', address: '10.99.5.2/24' }, process: { args: ['sleep', '1000'], terminal: false } },
    });
    const refused: [address: string, gateway: string | undefined, words: RegExp][] = [
      ['10.0.0.5/8', undefined, /"network.address": 10.0.0.5\/8 overlaps 10\.\d+\.\d+\.\d+/],
      ['10.120.7.2/24', undefined, /"network.address": .* overlaps 10.120.0.0\/16, to which the host has a route \(out\)/],
      ['127.0.0.2/8', undefined, /"network.address": .* overlaps 127.0.0.0\/8, which is loopback/],
      ['126.0.0.2/8', '126.0.0.1', /^$/],
      ['192.0.2.1/24', undefined, /"network.address": the host has 192.0.2.1 itself/],
      ['192.0.2.77/30', undefined, /"network.address": .* overlaps 192.0.2.0\/24, to which the host has a route \(out\)/],
      ['10.99.9.255/24', undefined, /"network.address": 10.99.9.255 is the broadcast address/],
      ['10.99.9.0/24', undefined, /"network.address": 10.99.9.0 is the network address/],
      ['10.99.9.2/24', '10.99.9.255', /"network.gateway": 10.99.9.255 is the broadcast address/],
      ['10.99.9.2/24', '10.99.9.0', /"network.gateway": 10.99.9.0 is the network address/],
      ['192.0.2.2/24', '192.0.2.1', /"network.gateway": the host has 192.0.2.1 itself/],
      ['224.0.0.5/24', undefined, /overlaps 224.0.0.0\/4, which is multicast/],
      ['255.255.255.254/24', undefined, /overlaps 240.0.0.0\/4/],
      ['0.0.0.5/24', undefined, /overlaps 0.0.0.0\/8/],
      ['169.254.169.254/16', undefined, /overlaps 169.254.0.0\/16, which is link-local/],
      ['10.99.5.130/25', undefined, /"network.address": .* overlaps (10.99.5.0\/24)/],
    ];
    for (const [given, gateway, words] of refused) {
      const network = { type: 'veth', address: given, ...(gateway === undefined ? {} : { gateway }) } as const;
      const told = async (ask: Promise<unknown>) =>
        ask.then(
          () => '',
          (error: Error) => error.message,
        );
      const run = { network, process: { args: ['true'] } };
      assert.match(await told(helper.request(SandboxesRun, { spec: run })), words, given);
      assert.match(await told(helper.request(SandboxesExplain, { spec: run })), words, `${given}, explained`);
    }
    await helper.request(SandboxesRemove, { sandbox: sandbox.id });
    // As soon as one has ended what it had is free.
    for (let round = 0; round < 3; round += 1) await output({ network: { type: 'veth', address: '10.99.5.2/24' } }, 'true');
  });

  test('finds addresses of its own where a VPN has all of 10.0.0.0/8, and the way to the rest in two halves', async () => {
    const routes = ['10.0.0.0/8', '0.0.0.0/1', '128.0.0.0/1'];
    for (const route of routes) onHost('ip', 'route', 'add', route, 'via', OUTSIDE);
    try {
      assert.match(await output({ network: { type: 'veth' } }, 'ip -4 -br addr show eth0'), /198\.18\.\d+\.\d+\/30/);
    } finally {
      for (const route of routes) onHost('ip', 'route', 'del', route);
    }
  });

  test('leaves neither interface nor table, whichever of its processes is killed', { skip: NEEDS_NFT }, async () => {
    for (const namespaces of [{}, { user: 'new' }] as const) {
      for (const persistent of [false, true]) {
        for (const which of [0, 1, 2]) {
          const { sandbox } = await helper.request(SandboxesCreate, {
            spec: {
              namespaces,
              persistent,
              network: { type: 'veth', nat: true },
              process: { args: ['sleep', '1000'], terminal: false },
            },
          });
          const chain = [sandbox.process!.pid];
          for (const pid of [...chain]) chain.unshift(parentOf(pid));
          chain.push(...childrenOf(sandbox.process!.pid));
          assert.match(onHost('nft', 'list', 'tables'), new RegExp(`isoscope_${sandbox.id}`));
          process.kill(chain[which]!, 'SIGKILL');
          await until(() => onHost('nft', 'list', 'tables') === '' && !/iso/.test(onHost('ip', '-br', 'link')));
          if (persistent) await helper.request(SandboxesRemove, { sandbox: sandbox.id });
        }
      }
    }
  });

  test('asks the name servers that were given', async () => {
    const network: SandboxSpec['network'] = {
      type: 'veth',
      nameservers: ['192.0.2.53', '192.0.2.54'],
      searchDomains: ['example', 'sub.example'],
      resolverOptions: ['ndots:2'],
    };
    const whole = 'nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch example sub.example\noptions ndots:2\n';
    for (const dev of ['minimal', 'none'] as const) assert.equal(await output({ network, dev }, 'cat /etc/resolv.conf'), whole);
  });

  test('with address translation asks those of the host that are reached from inside', { skip: NEEDS_NFT }, async () => {
    const isReached = (line: string) => /^nameserver (?!127\.)[\d.]+$/.test(line);
    const ofHost = fs.readFileSync('/etc/resolv.conf', 'utf8').split('\n').filter(isReached);
    const text = await output({ network: { type: 'veth', nat: true } }, 'cat /etc/resolv.conf');
    if (ofHost.length > 0) assert.deepEqual(text.split('\n').filter(isReached), ofHost.slice(0, 3));
  });

  test('knows its own name and those that were given, by their addresses', async () => {
    const hosts = [{ address: '192.0.2.2', names: ['outside', 'outside.example'] }];
    const spec: SandboxSpec = { name: 'known', network: { type: 'veth', address: '10.99.2.7/24' }, hosts };
    const text = await output(spec, 'cat /etc/hosts; getent ahostsv4 known outside.example | cut -d" " -f1 | uniq');
    assert.match(text, /^127\.0\.0\.1\tlocalhost$/m);
    assert.match(text, /^10\.99\.2\.7\tknown$/m);
    assert.match(text, /^192\.0\.2\.2\toutside outside\.example$/m);
    assert.match(text, /\n10\.99\.2\.7\n192\.0\.2\.2\n$/);
  });

  test('leaves neither interface nor table when the helper is killed', { skip: NEEDS_NFT }, async () => {
    const pid = helper.process.pid!;
    // Keeps the network namespace.
    const keeper = spawn('nsenter', ['--net', '--target', String(pid), 'sleep', '1000'], { stdio: 'ignore' });
    try {
      const process: SandboxSpec['process'] = { args: ['sleep', '1000'], terminal: false };
      await helper.request(SandboxesCreate, { spec: { network: { type: 'veth', nat: true }, process } });
      await helper.request(SandboxesCreate, { spec: { network: { type: 'veth' }, namespaces: { user: 'new' }, process } });
      assert.match(onHost('nft', 'list', 'tables'), /isoscope_/);
      helper.process.kill('SIGKILL');
      await until(
        () => !/iso/.test(inside(keeper.pid!, 'ip', '-br', 'link') + inside(keeper.pid!, 'nft', 'list', 'tables')) && 'gone',
      );
    } finally {
      keeper.kill('SIGKILL');
    }
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

function childrenOf(pid: number): number[] {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

/** What `ask` answers once it neither throws nor says that it is not so. */
async function until<T>(ask: () => T): Promise<T> {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      const answer = ask();
      if (answer) return answer;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    assert.ok(Date.now() < end, 'within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
