/**
 * What the scripts need from outside the repository, and how it gets here: Debian packages from apt-get, Node packages
 * from npm. Plain JavaScript for Node 20 without any dependency, because it runs before there is one. Each function
 * looks first, and calls apt-get or npm only for what is missing.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, run, say } from './run.mjs';

export const ROOT = path.resolve(import.meta.dirname, '..');
/** Everything that the scripts fetch or make, besides node_modules and dist. */
export const CACHE = path.join(ROOT, '.cache');

const NODE_VERSION = '24.21.0';
/** What the oldest VS Code brings that may have this extension, and the one in between. */
export const OLD_NODE_VERSIONS = ['20.19.0', '22.23.5'];
const CODE_SERVER_VERSION = '4.139.1';
const NETWORK_HINT =
  'If the network or a proxy is the cause, set it right and run the same command again; what is fetched stays.';

const NODE_PACKAGE = `node-linux-${process.arch}`;
const NODE_FOLDER = path.join(CACHE, 'node/node_modules', NODE_PACKAGE);
const CODE_SERVER_FOLDER = path.join(CACHE, 'code-server');

/** The folder of Node 24's programs: `node` only. */
export const NODE_BIN = path.join(NODE_FOLDER, 'bin');
export const NODE = path.join(NODE_BIN, 'node');
export const CODE_SERVER_ENTRY = path.join(CODE_SERVER_FOLDER, 'node_modules/code-server/out/node/entry.js');

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Debian packages by purpose, each with what proves that it is there: a program's name, or a path. So a machine that has
 * the program from elsewhere needs no package.
 */
const DEBIAN_PACKAGES = {
  build: {
    gcc: 'gcc',
    'linux-libc-dev': `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/asm/unistd.h`,
  },
  codeServer: { python3: 'python3', make: 'make', 'g++': 'g++', 'libkrb5-dev': '/usr/include/gssapi/gssapi.h' },
  package: {
    python3: 'python3',
    'gcc-aarch64-linux-gnu': 'aarch64-linux-gnu-gcc',
    'linux-libc-dev-arm64-cross': '/usr/aarch64-linux-gnu/include/asm/unistd.h',
    'gcc-x86-64-linux-gnu': 'x86_64-linux-gnu-gcc',
    'linux-libc-dev-amd64-cross': '/usr/x86_64-linux-gnu/include/asm/unistd.h',
  },
  engines: {
    'docker.io': 'dockerd',
    'docker-cli': 'docker',
    containerd: 'containerd',
    runc: 'runc',
    lxc: 'lxc-start',
    'systemd-container': 'systemd-nspawn',
    buildah: 'buildah',
    'fuse-overlayfs': 'fuse-overlayfs',
    bubblewrap: 'bwrap',
    'busybox-static': '/bin/busybox',
    iptables: 'iptables',
    tar: 'tar',
  },
  kernelTests: {
    'util-linux': 'nsenter',
    iproute2: 'ip',
    procps: 'ps',
    'libcap2-bin': 'capsh',
    sudo: 'sudo',
    uidmap: 'newuidmap',
    passwd: 'useradd',
    nftables: 'nft',
    python3: 'python3',
  },
  vm: {
    'qemu-system-x86': 'qemu-system-x86_64',
    mmdebstrap: 'mmdebstrap',
    e2fsprogs: 'mke2fs',
    'busybox-static': '/bin/busybox',
  },
  browser: { chromium: 'chromium', 'fonts-dejavu-core': '/usr/share/fonts/truetype/dejavu' },
  bench: { hyperfine: 'hyperfine', 'util-linux': 'lsns' },
};

/** @typedef {keyof typeof DEBIAN_PACKAGES} Purpose */

/** The path of a program, or undefined. Root's folders are searched too: an ordinary user's PATH lacks them. */
export function findProgram(name) {
  const folders = `${process.env.PATH ?? ''}:${SYSTEM_PATH}`.split(':').filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find((candidate) => existsSync(candidate));
}

/** Debian split docker.io after release 12: there the `docker` program is in docker.io itself. */
function isInDebian(name) {
  if (name === 'docker-cli') return debianRelease() >= 13;
  // What builds for the machine's own processor is not a cross compiler.
  if (name === 'gcc-x86-64-linux-gnu' || name === 'linux-libc-dev-amd64-cross') return process.arch !== 'x64';
  if (name === 'gcc-aarch64-linux-gnu' || name === 'linux-libc-dev-arm64-cross') return process.arch !== 'arm64';
  return true;
}

function debianRelease() {
  const release = /^VERSION_ID="?(\d+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  return release === undefined ? Number.POSITIVE_INFINITY : Number(release);
}

/**
 * The Debian packages for these purposes that are not here.
 * @param {Purpose[]} purposes
 */
export function missingDebianPackages(purposes) {
  const wanted = purposes.flatMap((purpose) => Object.entries(DEBIAN_PACKAGES[purpose]));
  const missing = wanted.filter(
    ([name, proof]) => isInDebian(name) && !(proof.startsWith('/') ? existsSync(proof) : findProgram(proof)),
  );
  return [...new Set(missing.map(([name]) => name))];
}

/**
 * Installs what is missing for these purposes, as root or with sudo.
 * @param {Purpose[]} purposes
 */
export async function ensureDebianPackages(purposes) {
  const missing = missingDebianPackages(purposes);
  if (missing.length === 0) return;
  const byHand = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (findProgram('apt-get') === undefined) {
    throw new Failure(
      `this machine has no apt-get; install by its own means what these Debian packages hold: ${missing.join(' ')}`,
    );
  }
  const elevation = elevationPrefix(`these Debian packages are missing: ${missing.join(' ')}. As root, run: ${byHand}`);
  const aptGet = async (args) => {
    const [program, ...rest] = [...elevation, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    await run(program, rest, { hint: `${NETWORK_HINT} By hand, as root: ${byHand}` });
  };
  say(`installing Debian packages: ${missing.join(' ')}`);
  await aptGet(['update']);
  await aptGet(['install', '--yes', '--no-install-recommends', ...missing]);
  const still = missingDebianPackages(purposes);
  if (still.length > 0) throw new Failure(`apt-get succeeded, but these are still missing: ${still.join(' ')}`);
}

/** What goes before a command that must be root: nothing, or sudo. */
function elevationPrefix(otherwise) {
  if (process.getuid() === 0) return [];
  if (findProgram('sudo') === undefined) throw new Failure(otherwise);
  return process.stdin.isTTY ? ['sudo'] : ['sudo', '-n'];
}

/** `npm ci`, when node_modules is missing or older than the lockfile. */
export async function ensureNodePackages() {
  const installed = modifiedMillis(path.join(ROOT, 'node_modules/.package-lock.json'));
  if (installed >= modifiedMillis(path.join(ROOT, 'package-lock.json'))) return;
  say('installing Node packages: npm ci');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, hint: NETWORK_HINT });
}

function modifiedMillis(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Node 24 with its headers: vsce and the tests' TypeScript need it, and code-server's native parts are built for it. */
export async function ensureNode() {
  const folder = path.join(CACHE, 'node');
  if (existsSync(NODE) && installedVersion(folder, NODE_PACKAGE) === NODE_VERSION) return;
  say(`fetching Node ${NODE_VERSION}`);
  await npmInstallInto(folder, NODE_PACKAGE, NODE_VERSION, process.env);
}

/** The programs of older Nodes, for tests of what differs there: each fetched when it is first asked for, about 100 MB. */
export async function ensureOldNodes(versions = OLD_NODE_VERSIONS) {
  const programs = [];
  for (const version of versions) {
    const folder = path.join(CACHE, `node-${version}`);
    const program = path.join(folder, 'node_modules', NODE_PACKAGE, 'bin/node');
    if (!existsSync(program) || installedVersion(folder, NODE_PACKAGE) !== version) {
      say(`fetching Node ${version}`);
      await npmInstallInto(folder, NODE_PACKAGE, version, process.env);
    }
    programs.push({ version, program });
  }
  return programs;
}

/** VS Code as a web server. The first time takes minutes: its native parts are compiled here. */
export async function ensureCodeServer() {
  if (existsSync(CODE_SERVER_ENTRY) && installedVersion(CODE_SERVER_FOLDER, 'code-server') === CODE_SERVER_VERSION) return;
  await ensureDebianPackages(['build', 'codeServer']);
  await ensureNode();
  say(`installing code-server ${CODE_SERVER_VERSION} (about 620 MB; takes some minutes the first time)`);
  await npmInstallInto(CODE_SERVER_FOLDER, 'code-server', CODE_SERVER_VERSION, {
    ...nodeEnvironment(),
    npm_config_nodedir: NODE_FOLDER,
  });
}

/** A folder counts as installed only once npm has ended well: npm writes this hidden lockfile last. */
function installedVersion(folder, name) {
  const lockfile = path.join(folder, 'node_modules/.package-lock.json');
  if (!existsSync(lockfile)) return undefined;
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages?.[`node_modules/${name}`]?.version;
}

async function npmInstallInto(folder, name, version, environment) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"private":true}\n');
  const args = [
    'install',
    '--save-exact',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--foreground-scripts',
    `${name}@${version}`,
  ];
  await run('npm', args, { cwd: folder, env: environment, hint: NETWORK_HINT });
}

/** This process's environment with Node 24 first, and without what the npm that started it says of its own Node. */
export function nodeEnvironment() {
  const environment = { ...process.env, PATH: `${NODE_BIN}:${process.env.PATH ?? SYSTEM_PATH}` };
  // code-server's installer reads the version of Node from the user agent.
  for (const name of ['npm_config_user_agent', 'npm_node_execpath', 'npm_execpath']) delete environment[name];
  return environment;
}
