/** The layers of a container of real Docker: its changes against `docker diff`, its files against its own `find` and `sha256sum`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type LayerChange,
  type LayerEntry,
  LayersChanges,
  LayersExport,
  LayersExportRead,
  LayersList,
  LayersMeasure,
  LayersReadDirectory,
  LayersReadFile,
  type Overlay,
  type OverlayRef,
} from '../../helper/protocol/layers.ts';
import { type Docker, type DockerContainer, docker, startDocker } from '../fixtures/docker.ts';
import { isHelperRoot, unlessRootHas } from '../fixtures/environment.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { mulberry32 } from '../fixtures/random.ts';

const PREFIX = `isoscope-layers-${process.pid}`;
const IMAGE_LAYERS = 5;
const CASES = 250;
const skip = unlessRootHas('docker', 'dockerd') || (!isHelperRoot && 'the layers of Docker are for root alone');

const NAMES = ['a', 'b', 'c', 'd', 'µ', '<i>&amp;', 'two words'];

/** Lines of shell, each a case in a directory of its own; one that makes no sense there does nothing. */
function cases(count: number, random: () => number): string[] {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  let at = 0;
  const placeOf = (depth: number) => `'/w/${at % CASES}/${Array.from({ length: depth }, () => pick(NAMES)).join('/')}'`;
  const place = () => placeOf(1 + Math.floor(random() * 3));
  // Not what holds most of the tree.
  const leaf = () => placeOf(2 + Math.floor(random() * 2));
  const kinds: (() => string)[] = [
    () => `p=${place()}; [ -p "$p" ] || echo ${random()} >"$p"`,
    () => `p=${place()}; [ -p "$p" ] || echo ${random()} >>"$p"`,
    () => `mkdir -p ${placeOf(2)}; p=${placeOf(3)}; [ -p "$p" ] || echo ${random()} >"$p"`,
    () => `mkdir -p ${placeOf(2)}; p=${placeOf(3)}; [ -p "$p" ] || echo ${random()} >"$p"`,
    () => `mkdir -p ${placeOf(3)}`,
    () => `rm -rf ${leaf()}`,
    () => `mv ${leaf()} ${place()}`,
    () => `p=${leaf()}; [ -d "$p" ] && rm -rf "$p" && mkdir "$p" && echo ${random()} >"$p/a"`,
    () => `ln -s ${pick(["'../a'", "'/etc/shadow'", "'/w/b'"])} ${place()}`,
    () => `ln ${place()} ${place()}`,
    () => `chmod ${pick(['700', '755', '600', '4755'])} ${place()}`,
    () => `chown ${pick(['1', '0', '1000:5'])} ${place()}`,
    () => `touch -d '2020-01-02 03:04:05' ${place()}`,
    () => `mkfifo ${place()}`,
    () => `mknod ${place()} c 1 3`,
    () => `p=${leaf()}; rm -rf "$p"; echo ${random()} >"$p"`,
    // Copied up, and back as it was.
    () => `p=${place()}; [ -f "$p" ] && cp -p "$p" /tmp/kept && cp -p /tmp/kept "$p"; rm -f /tmp/kept`,
  ];
  return Array.from({ length: count }, (_, index) => {
    at = index;
    return `{ ${pick(kinds)()}; } 2>/dev/null || true`;
  });
}

function inContainer(container: string, script: string): string {
  return execFileSync('docker', ['exec', '-i', container, 'sh'], { input: script, encoding: 'utf8', maxBuffer: 1 << 28 });
}

describe('layers of a Docker container', { skip }, () => {
  let daemon: Docker;
  let container: DockerContainer;
  let helper: RunningHelper;
  let overlay: OverlayRef;
  let layers: Overlay['layers'];
  const images: string[] = [];
  const seed = Number(process.env.ISOSCOPE_SEED ?? Math.floor(Math.random() * 1e9));

  before(async () => {
    const random = mulberry32(seed);
    daemon = await startDocker();
    for (let at = 1; at < IMAGE_LAYERS; at += 1) {
      using made = daemon.run(`${PREFIX}-make`, ['sleep', '1000'], [], images.at(-1));
      inContainer(
        made.name,
        ['mkdir -p /w /tmp', 'cd /w; mkdir -p $(seq 0 249); touch gone', ...cases(2 * CASES, random)].join('\n'),
      );
      docker('commit', made.name, `${PREFIX}-${at}`);
      images.push(`${PREFIX}-${at}`);
    }
    container = daemon.run(`${PREFIX}-run`, ['sleep', '10000'], [], images.at(-1));
    inContainer(container.name, ['rm /w/gone', ...cases(3 * CASES, random)].join('\n'));
    helper = await startHelper();
    const { overlays } = await helper.request(LayersList, {});
    const found = overlays.find((one) => one.isRoot && one.container?.includes(container.id.slice(0, 12)));
    assert.ok(found !== undefined, 'the overlay of the container is found');
    ({ layers } = found);
    overlay = { mountNamespace: found.mountNamespace, mountId: found.mountId, device: found.device };
  });

  after(async () => {
    await helper?.stop();
    container?.[Symbol.dispose]();
    for (const image of images.reverse()) docker('rmi', '--force', image);
    await daemon?.[Symbol.asyncDispose]();
  });

  test(`changes are what docker diff prints, after ${3 * CASES} random operations in ${CASES} directories, over an image of ${IMAGE_LAYERS} layers`, async (t) => {
    assert.ok(layers.length >= IMAGE_LAYERS + 2, 'read-write, init, and those of the image');
    const letters = { added: 'A', modified: 'C', perhapsModified: '?', deleted: 'D' };
    const ours = (await changes(7)).map(({ path, change }) => `${letters[change]} ${path}`);
    const theirs = docker('diff', container.name).split('\n');
    t.diagnostic(`seed ${seed}: ${theirs.length} changes`);
    assert.deepEqual(ours.toSorted(), theirs.toSorted());
    const kinds = new Set(theirs.map((line) => line[0]));
    assert.deepEqual([...kinds].sort(), ['A', 'C', 'D'], 'all kinds came about');
  });

  test('the merged view has the names, attributes and bytes that the container itself sees', async (t) => {
    const covered = mountPoints();
    const seen = seenInContainer(container.name, covered);
    const ours = await merged(covered);
    t.diagnostic(`${seen.size} files`);
    assert.deepEqual(ours, seen);
  });

  test('an exported container imports again as the same tree', async () => {
    const archive = path.join(fs.mkdtempSync(path.join(tmpdir(), 'isoscope-export-')), 'all.tar');
    const covered = mountPoints();
    await exportTo(archive);
    const image = `${PREFIX}-imported`;
    try {
      docker('import', archive, image);
      using again = daemon.run(`${PREFIX}-again`, ['/bin/busybox', 'sleep', '1000'], [], image);
      const withoutTimes = (seen: Map<string, string>) =>
        new Map(
          [...seen]
            .filter(([name]) => !MADE_BY_DOCKER.includes(name))
            .map(([name, facts]) => [name, facts.startsWith('4') ? facts.replace(/ \d+ \d+ -$/, '') : facts]),
        );
      assert.deepEqual(
        withoutTimes(seenInContainer(again.name, covered)),
        withoutTimes(seenInContainer(container.name, covered)),
      );
    } finally {
      docker('rmi', '--force', image);
      fs.rmSync(path.dirname(archive), { recursive: true });
    }
  });

  test('measuring a layer counts its changes, and its bytes as du does', async () => {
    const upper = await helper.request(LayersMeasure, { overlay, layer: 0, path: '/' });
    const all = await changes(1000);
    assert.equal(upper.added, all.filter(({ change }) => change === 'added').length);
    assert.equal(upper.deleted, all.filter(({ change }) => change === 'deleted').length);
    const directory = layers[0]!.directory;
    const files = execFileSync('find', [directory, '-type', 'f', '-printf', '%i %s\\n'], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const bytes = [...new Set(files)].reduce((sum, line) => sum + Number(line.split(' ')[1] ?? 0), 0);
    assert.equal(upper.sizeBytes, bytes);
  });

  async function changes(limit: number): Promise<LayerChange[]> {
    const all: LayerChange[] = [];
    let after: string | undefined;
    do {
      const page = await helper.request(LayersChanges, { overlay, limit, ...(after === undefined ? {} : { after }) });
      assert.ok(page.changes.length <= limit);
      assert.equal(page.incomplete, undefined);
      all.push(...page.changes);
      after = page.next;
    } while (after !== undefined);
    return all;
  }

  /** What the container mounts over its own files. */
  function mountPoints(): string[] {
    const table = inContainer(container.name, 'cat /proc/self/mountinfo').trim().split('\n');
    return table.map((line) => line.split(' ')[4]!).filter((point) => point !== '/');
  }

  async function merged(covered: readonly string[]): Promise<Map<string, string>> {
    const seen = new Map<string, string>();
    const visit = async (directory: string): Promise<void> => {
      for (const entry of await entriesOf(directory)) {
        const place = path.join(directory, entry.name);
        if (covered.includes(place)) continue;
        seen.set(place, factsOf(entry, await digestOf(place, entry)));
        if (entry.type === 'directory') await visit(place);
      }
    };
    await visit('/');
    return sorted(seen);
  }

  /** Of the merged view. */
  async function entriesOf(directory: string): Promise<LayerEntry[]> {
    const whole = { overlay, layer: 'merged' as const, path: directory, limit: 50 };
    const all: LayerEntry[] = [];
    let after: string | undefined;
    do {
      const page = await helper.request(LayersReadDirectory, { ...whole, ...(after === undefined ? {} : { after }) });
      all.push(...page.entries);
      after = page.next;
    } while (after !== undefined);
    return all;
  }

  async function digestOf(place: string, { type, sizeBytes, symlinkTarget }: LayerEntry): Promise<string> {
    if (type === 'symlink') return symlinkTarget ?? '';
    if (type !== 'file') return '-';
    const hash = createHash('sha256');
    for (let offset = 0; offset < sizeBytes; ) {
      const { base64 } = await helper.request(LayersReadFile, { overlay, layer: 'merged', path: place, offset });
      const bytes = Buffer.from(base64, 'base64');
      hash.update(bytes);
      offset += bytes.length;
    }
    return hash.digest('hex');
  }

  async function exportTo(archive: string): Promise<void> {
    const { id } = await helper.request(LayersExport, { overlay, layer: 'merged' });
    for (;;) {
      const { base64, done } = await helper.request(LayersExportRead, { id });
      fs.appendFileSync(archive, Buffer.from(base64, 'base64'));
      if (done) return;
    }
  }
});

/** Made anew for each container. */
const MADE_BY_DOCKER = ['/.dockerenv', '/etc/mtab'];

const TYPE_BITS: Record<string, number> = {
  fifo: 1,
  characterDevice: 2,
  directory: 4,
  blockDevice: 6,
  file: 8,
  symlink: 10,
  socket: 12,
};

/** As `seenInContainer` has them. */
function factsOf(entry: LayerEntry, digest: string): string {
  const mode = ((TYPE_BITS[entry.type] ?? 0) * 0o10000 + entry.mode).toString(16);
  const size = entry.type === 'directory' ? 0 : entry.sizeBytes;
  return `${mode} ${entry.uid} ${entry.gid} ${size} ${Math.floor(entry.modifiedMillis / 1000)} ${digest}`;
}

/** By path: mode in hexadecimal, owner, group, size, seconds, and the digest of the content or the target of the link. */
function seenInContainer(name: string, covered: readonly string[]): Map<string, string> {
  const digests = new Map<string, string>();
  for (const line of inContainer(name, 'find / -xdev -type f -exec sha256sum {} +').trim().split('\n')) {
    digests.set(line.slice(66), line.slice(0, 64));
  }
  const targets = new Map<string, string>();
  for (const line of inContainer(name, 'find / -xdev -type l | while read -r l; do echo "$(readlink "$l")|$l"; done')
    .trim()
    .split('\n')) {
    const [target = '', link = ''] = line.split('|');
    targets.set(link, target);
  }
  const seen = new Map<string, string>();
  for (const line of inContainer(name, "find / -xdev -exec stat -c '%f %u %g %s %Y %n' {} +").trim().split('\n')) {
    const [mode = '', uid, gid, size, seconds, ...words] = line.split(' ');
    const place = words.join(' ');
    if (place === '/' || covered.includes(place)) continue;
    const isDirectory = mode.startsWith('4') && mode.length === 4;
    seen.set(
      place,
      `${mode} ${uid} ${gid} ${isDirectory ? 0 : size} ${seconds} ${digests.get(place) ?? targets.get(place) ?? '-'}`,
    );
  }
  return sorted(seen);
}

function sorted(seen: Map<string, string>): Map<string, string> {
  return new Map([...seen].sort(([one], [other]) => (one < other ? -1 : 1)));
}
