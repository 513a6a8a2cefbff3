/**
 * Random stacks of layers, made by the kernel itself through real overlay mounts, and read by the helper from the layers alone. What
 * the mount shows is the oracle for the merged view; two mounts, with and without the top layer, are it for the changes.
 *
 * Each variant runs in a process of its own, so that one can do so inside a user namespace.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { describe } from 'node:test';
import { ChangeWalk } from '../../helper/host/layers/changes.ts';
import { readFile } from '../../helper/host/layers/content.ts';
import { exportTar } from '../../helper/host/layers/export.ts';
import { namesOf } from '../../helper/host/layers/layerPath.ts';
import { readDirectory, statPath } from '../../helper/host/layers/listing.ts';
import { measure } from '../../helper/host/layers/measure.ts';
import type { Stack } from '../../helper/host/layers/merged.ts';
import { Pace } from '../../helper/host/layers/pace.ts';
import { PageCache } from '../../helper/host/layers/pageCache.ts';
import { provenanceOf } from '../../helper/host/layers/provenance.ts';
import { bytesOfText } from '../../helper/proc/fileName.ts';
import type { LayerChange, LayerEntry } from '../../helper/protocol/layers.ts';
import { has, inGuest, isHelperRoot, isRoot, testUid } from '../fixtures/environment.ts';
import { closeStack, makeOverlay, type Overlay } from '../fixtures/overlay.ts';
import { mulberry32, type Random } from '../fixtures/random.ts';

interface Variant {
  name: string;
  options: string[];
  userNamespace?: boolean;
}

const VARIANTS: Variant[] = [
  { name: 'as they are mounted by default', options: [] },
  { name: 'with redirect_dir=on', options: ['redirect_dir=on'] },
  { name: 'with redirect_dir=on and metacopy=on', options: ['redirect_dir=on', 'metacopy=on'] },
  { name: 'with userxattr, in a user namespace', options: ['userxattr'], userNamespace: true },
];
/** The guest is emulated, and slow. */
const STACKS = inGuest ? 1 : 20;
const OPERATIONS = 40;
const WORKER = 'ISOSCOPE_LAYER_VARIANT';

function defineTests(): void {
  describe('layers of random stacks', () => {
    for (const variant of VARIANTS) {
      test(`read from the layers alone, are what the kernel makes of them ${variant.name}`, {
        skip: unlessPossible(variant),
      }, (t) => {
        const { status, stdout, stderr } = runVariant(variant);
        t.diagnostic(stdout.trim());
        assert.equal(status, 0, `${stdout}\n${stderr}`);
      });
    }
  });
}

function unlessPossible({ userNamespace }: Variant): string | false {
  if (userNamespace !== true && isRoot && !isHelperRoot) return 'the run as root has it';
  if (userNamespace !== true) return !isRoot && 'only root can mount it';
  return !has('unshare') && 'unshare is not installed';
}

function runVariant(variant: Variant) {
  const node = [process.execPath, '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', import.meta.filename];
  const inside = variant.userNamespace ? ['unshare', '--user', '--map-root-user', '--mount', ...node] : node;
  const [program = '', ...args] = inside;
  const asUser = variant.userNamespace === true && isRoot && testUid !== undefined ? { uid: testUid, gid: testUid } : {};
  const env = { ...process.env, [WORKER]: JSON.stringify(variant) };
  return spawnSync(program, args, { encoding: 'utf8', env, ...asUser });
}

// ---------------------------------------------------------------------------------------------------------------------
// In the process of a variant

async function carryOut({ options, userNamespace }: Variant): Promise<void> {
  const first = Number(process.env.ISOSCOPE_SEED ?? Math.floor(Math.random() * 1e9));
  const count = process.env.ISOSCOPE_SEED === undefined ? STACKS : 1;
  const counts = { files: 0, changes: 0 };
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      await checkStack(seed, options, userNamespace === true, counts);
    } catch (error) {
      process.stderr.write(`ISOSCOPE_SEED=${seed} repeats this:\n`);
      throw error;
    }
  }
  process.stdout.write(`${count} stacks from seed ${first}: ${counts.files} files and ${counts.changes} changes compared\n`);
}

async function checkStack(seed: number, options: string[], userNamespace: boolean, counts: { files: number; changes: number }) {
  const random = mulberry32(seed);
  const layerCount = 2 + Math.floor(random() * 4);
  // Before Linux 6.6 a tmpfs has no `user.*` attributes.
  using overlay = makeOverlay(layerCount, options, userNamespace ? tmpdir() : undefined);
  fillLowest(overlay.layers.at(-1)!, random);
  for (let top = layerCount - 2; top >= 0; top -= 1) {
    overlay.mount(top);
    for (let at = 0; at < OPERATIONS; at += 1) operate(overlay.merged, random);
    const after = snapshot(overlay.merged);
    overlay.unmount();
    overlay.mountBelow(top);
    const before = snapshot(overlay.merged);
    overlay.unmount();
    const stack = overlay.open(top);
    const descriptors = openDescriptors();
    try {
      counts.changes += await checkChanges(stack, before, after);
      counts.files += await checkMerged(stack, after);
      checkProvenance(stack, overlay.layers.slice(top), before, after);
      if (top === 0) await checkExports(overlay, stack, after);
      if (top === 0) await checkWasted(overlay, stack);
    } finally {
      assert.equal(openDescriptors(), descriptors, 'every descriptor is closed again');
      closeStack(stack);
    }
  }
}

function openDescriptors(): number {
  return fs.readdirSync('/proc/self/fd').length;
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)]!;
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'µ', '<b>&', 'new\nline', '.wh.x', ' '];
/** Not UTF-8: `latin1` for the whole of the test, as in the helper. */
const RAW = Buffer.from('raw\xff', 'latin1');

function nameIn(directory: Buffer, random: Random): Buffer {
  const name = random() < 0.08 ? RAW : Buffer.from(pick(NAMES, random));
  return Buffer.concat([directory, Buffer.from('/'), name]);
}

let written = 0;

/** No two contents are alike, so a content says which layer it is from. */
function content(random: Random): string {
  written += 1;
  return `${written}${'.'.repeat(Math.floor(random() * 50))}`;
}

/** Never through a symbolic link: they lead where the host has files of its own. */
function write(place: Buffer, random: Random): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = fs.constants;
  const descriptor = fs.openSync(place, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  fs.writeSync(descriptor, content(random));
  fs.closeSync(descriptor);
}

function fillLowest(root: string, random: Random): void {
  for (let at = 0; at < 60; at += 1) {
    const directory = pick(directoriesOf(Buffer.from(root)), random);
    const place = nameIn(directory, random);
    if (fs.lstatSync(place, { throwIfNoEntry: false }) !== undefined) continue;
    if (random() < 0.4) fs.mkdirSync(place);
    else if (random() < 0.2)
      fs.symlinkSync(pick(['a', '../b', '/c/d', '/../../../isoscope-nowhere', 'nowhere'], random), place);
    else {
      write(place, random);
      if (random() < 0.5) wholeSecond(place, random);
    }
  }
}

/** As in images that are made reproducibly. */
function wholeSecond(place: Buffer, random: Random): void {
  const time = 1e9 + Math.floor(random() * 1e6);
  fs.lutimesSync(place, time, time);
}

function directoriesOf(root: Buffer): Buffer[] {
  return [root, ...everythingOf(root).filter((place) => fs.lstatSync(place).isDirectory())];
}

function everythingOf(root: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (const name of fs.readdirSync(root, { encoding: 'buffer' })) {
    const place = Buffer.concat([root, Buffer.from('/'), name]);
    found.push(place);
    if (fs.lstatSync(place).isDirectory()) found.push(...everythingOf(place));
  }
  return found;
}

const OPERATE: ((directory: Buffer, place: Buffer, any: Buffer, random: Random) => void)[] = [
  (directory, _place, _any, random) => write(nameIn(directory, random), random),
  (directory, _place, _any, random) => fs.mkdirSync(nameIn(directory, random)),
  (_directory, place) => fs.rmSync(place, { recursive: true, force: true }),
  (_directory, place) => fs.rmSync(place, { recursive: true, force: true }),
  (_directory, place, _any, random) =>
    fs.renameSync(place, nameIn(Buffer.from(path.dirname(place.toString('latin1')), 'latin1'), random)),
  (directory, place, _any, random) => fs.renameSync(place, nameIn(directory, random)),
  (_directory, place, any) => fs.renameSync(place, any),
  (directory, _place, any, random) => fs.linkSync(any, nameIn(directory, random)),
  (directory, _place, _any, random) =>
    fs.symlinkSync(pick(['a/b', '../c', '/d', '..', '/a/../b'], random), nameIn(directory, random)),
  (_directory, place, _any, random) =>
    fs.lstatSync(place).isSymbolicLink() || fs.chmodSync(place, pick([0o755, 0o700, 0o644, 0o600], random)),
  (_directory, place, _any, random) =>
    fs.lutimesSync(place, 1e9 + Math.floor(random() * 1e6), 1e9 + Math.floor(random() * 1e6)),
  (_directory, place) => {
    // Again at once: an opaque directory, where there was one.
    fs.rmSync(place, { recursive: true, force: true });
    fs.mkdirSync(place);
  },
  (_directory, place, _any, random) => {
    fs.rmSync(place, { recursive: true, force: true });
    write(place, random);
  },
  (_directory, place) => fs.lstatSync(place).isFile() && fs.appendFileSync(place, '+'),
  (_directory, place) => replaceAlike(place),
  // Copied up, and nothing changed.
  (_directory, place) => fs.lstatSync(place).isFile() && fs.closeSync(fs.openSync(place, 'r+')),
];

/** By another file, or link, of the same size and time. */
function replaceAlike(place: Buffer): void {
  const { size, mtimeNs, mode, uid, gid } = fs.lstatSync(place, { bigint: true });
  const seconds = Number(mtimeNs / 1_000_000_000n);
  if (mtimeNs % 1_000_000_000n !== 0n) return;
  written += 1;
  const other = String(written).padEnd(Number(size), '.');
  if (other.length !== Number(size)) return;
  const isLink = fs.lstatSync(place).isSymbolicLink();
  if (!isLink && !fs.lstatSync(place).isFile()) return;
  fs.rmSync(place);
  if (isLink) fs.symlinkSync(other, place);
  else fs.writeFileSync(place, other, { mode: Number(mode) & 0o7777 });
  fs.lchownSync(place, Number(uid), Number(gid));
  if (!isLink) fs.chmodSync(place, Number(mode) & 0o7777);
  fs.lutimesSync(place, seconds, seconds);
}

function operate(root: string, random: Random): void {
  const all = everythingOf(Buffer.from(root));
  const directory = pick(directoriesOf(Buffer.from(root)), random);
  try {
    if (all.length === 0) fs.mkdirSync(path.join(root, 'a'));
    else pick(OPERATE, random)(directory, pick(all, random), pick(all, random), random);
  } catch (error) {
    // The random choice made no sense: a directory into itself, a name that is taken, a rename that this overlay refuses.
    const expected = ['EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EINVAL', 'EXDEV', 'ENOENT', 'EPERM', 'EBUSY', 'ELOOP'];
    const { code = '', errno } = error as NodeJS.ErrnoException;
    // ESTALE, for which Node has no name: a rename over what this overlay cannot tell the origin of.
    if (!expected.includes(code) && errno !== -116) throw error;
  }
}

interface Seen {
  status: fs.BigIntStats;
  content?: string;
}

/** Everything below a directory, by path, a character a byte. */
type Snapshot = Map<string, Seen>;

function snapshot(root: string): Snapshot {
  const seen: Snapshot = new Map();
  for (const place of everythingOf(Buffer.from(root))) {
    const status = fs.lstatSync(place, { bigint: true });
    const key = place.toString('latin1').slice(root.length);
    if (status.isSymbolicLink()) seen.set(key, { status, content: fs.readlinkSync(place, 'latin1') });
    else if (status.isFile()) seen.set(key, { status, content: fs.readFileSync(place, 'latin1') });
    else seen.set(key, { status });
  }
  return seen;
}

/**
 * What docker diff would print, by its own way of comparing (pkg/archive of moby): kinds by path. But for what it takes for the same, being of one size and
 * time: here the content decides.
 */
function dockerDiff(before: Snapshot, after: Snapshot): Map<string, LayerChange['change']> {
  const changes = new Map<string, LayerChange['change']>();
  const parentsOf = (key: string) => {
    const names = key.split('/').slice(1, -1);
    return names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`);
  };
  for (const [key, seen] of after) {
    const old = before.get(key);
    if (old === undefined || parentsOf(key).some((parent) => before.get(parent)?.status.isDirectory() === false))
      changes.set(key, 'added');
    else if (differs(old, seen)) changes.set(key, 'modified');
  }
  for (const key of before.keys()) {
    const isInDirectory = parentsOf(key).every((parent) => after.get(parent)?.status.isDirectory() === true);
    if (!after.has(key) && isInDirectory) changes.set(key, 'deleted');
  }
  for (const key of [...changes.keys()]) {
    for (const parent of parentsOf(key)) if (!changes.has(parent)) changes.set(parent, 'modified');
  }
  return changes;
}

function differs({ status: old, content: before }: Seen, { status: now, content: after }: Seen): boolean {
  if (before !== after) return true;
  if (old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid || old.rdev !== now.rdev) return true;
  return !now.isDirectory() && (old.size !== now.size || old.mtimeNs !== now.mtimeNs);
}

async function checkChanges(stack: Stack, before: Snapshot, after: Snapshot): Promise<number> {
  const expected = dockerDiff(before, after);
  const found = await allChanges(stack);
  const inOrder = found.map(({ path }) => namesOf(path).join('\0'));
  assert.deepEqual(inOrder, [...inOrder].sort(), 'depth first, by name');
  assert.deepEqual(
    new Map(found.map(({ path, change }) => [`/${namesOf(path).join('/')}`, change] as const).sort()),
    new Map([...expected].sort()),
  );
  return found.length;
}

/** A few at a time, each page by a walk that knows nothing but where the last one ended. */
async function allChanges(stack: Stack): Promise<LayerChange[]> {
  const all: LayerChange[] = [];
  let walk = ChangeWalk.start(stack, 0);
  for (;;) {
    const page = await walk.next(stack, 3, new Pace());
    walk.pause();
    all.push(...page);
    const last = page.at(-1);
    if (last === undefined || walk.isDone) return all;
    if (all.length % 2 === 0) walk = ChangeWalk.after(stack, 0, namesOf(last.path));
  }
}

async function checkMerged(stack: Stack, after: Snapshot): Promise<number> {
  const found: string[] = [];
  await visit(stack, '/', async (place, entry) => {
    const key = `/${namesOf(place).join('/')}`;
    found.push(key);
    const seen = after.get(key);
    assert.ok(seen !== undefined, `${place} is in the merged view`);
    await checkEntry(stack, place, entry, seen);
  });
  assert.deepEqual(found.sort(), [...after.keys()].sort());
  return found.length;
}

async function visit(stack: Stack, directory: string, see: (place: string, entry: LayerEntry) => Promise<void>): Promise<void> {
  const cache = new PageCache<never>();
  let after: string | undefined;
  do {
    const request = { layer: 'merged' as const, path: directory, limit: 4, ...(after === undefined ? {} : { after }) };
    const { entries, next } = await readDirectory(stack, request, cache as never, '', new Pace());
    for (const entry of entries) {
      const place = `${directory === '/' ? '' : directory}/${entry.name}`;
      await see(place, entry);
      if (entry.type === 'directory') await visit(stack, place, see);
    }
    after = next;
  } while (after !== undefined);
}

async function checkEntry(stack: Stack, place: string, entry: LayerEntry, { status, content }: Seen): Promise<void> {
  assert.equal(entry.mode, Number(status.mode) & 0o7777, place);
  assert.deepEqual([entry.uid, entry.gid], [Number(status.uid), Number(status.gid)], place);
  assert.deepEqual(statPath(stack, 'merged', place), entry, place);
  if (entry.type === 'directory') return assert.ok(status.isDirectory(), place);
  assert.equal(entry.modifiedMillis, Number(status.mtimeMs), place);
  if (entry.type === 'symlink') return assert.equal(bytesOfText(entry.symlinkTarget ?? ''), content, place);
  assert.equal(entry.type, 'file', place);
  assert.equal(BigInt(entry.sizeBytes), status.size, place);
  const { base64 } = readFile(stack, 'merged', place, 0, 1024);
  assert.equal(Buffer.from(base64, 'base64').toString('latin1'), content, place);
}

/** The layers say of each path whether it is there, and who provides it. */
function checkProvenance(stack: Stack, layers: readonly string[], before: Snapshot, after: Snapshot): void {
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const place = textOf(key);
    const parents = key
      .split('/')
      .slice(0, -1)
      .map((_, at, names) => names.slice(0, at + 1).join('/'));
    if (parents.some((parent) => isSymlink(before.get(parent)) || isSymlink(after.get(parent)))) continue;
    const { exists, entry, layers: words, resolved } = provenanceOf(stack, { path: place, noFollow: true });
    assert.equal(resolved, place);
    assert.equal(exists, after.has(key), `${place} exists`);
    if (!exists) {
      assert.ok(
        words.every(({ has: word }) => word !== 'provides' && word !== 'merges'),
        `nobody provides ${place}`,
      );
      continue;
    }
    const provider = words.find(({ has: word }) => word === 'provides');
    assert.equal(provider?.layer, entry?.providedBy, place);
    // Below a renamed directory the layer has it under another name.
    const inLayer = provider!.path === undefined ? key : `/${namesOf(provider!.path).join('/')}`;
    const own = fs.lstatSync(Buffer.concat([Buffer.from(layers[provider!.layer]!), Buffer.from(inLayer, 'latin1')]), {
      bigint: true,
    });
    const isMetacopy = entry?.marks.includes('metadata');
    if (!own.isDirectory() && !isMetacopy) assert.equal(own.size, after.get(key)!.status.size, place);
    assert.equal(own.mode, after.get(key)!.status.mode, place);
    for (const above of words.slice(0, words.indexOf(provider!))) assert.notEqual(above.has, 'hidden', place);
  }
}

function isSymlink(seen: Seen | undefined): boolean {
  return seen?.status.isSymbolicLink() === true;
}

function textOf(key: string): string {
  // Node decodes what is no UTF-8 to U+FFFD; only the one raw name is such.
  return Buffer.from(key, 'latin1').toString('utf8').replaceAll('\ufffd', '\udcff');
}

/** The merged view's archive gives the tree again; so do the layers' archives, put one upon the other as OCI wants it. */
async function checkExports(overlay: Overlay, stack: Stack, after: Snapshot): Promise<void> {
  const whole = path.join(overlay.folder, 'whole');
  await extract(stack, 'merged', whole);
  assert.deepEqual(comparable(snapshot(whole)), comparable(after));
  const piled = path.join(overlay.folder, 'piled');
  for (let layer = stack.roots.length - 1; layer >= 0; layer -= 1) {
    const one = path.join(overlay.folder, `extracted${layer}`);
    await extract(stack, layer, one);
    pile(Buffer.from(one), Buffer.from(piled));
  }
  assert.deepEqual(comparable(snapshot(piled)), comparable(withoutLookalikes(after)));
}

/** What an OCI layer cannot hold: a file whose own name begins as a whiteout's. */
function withoutLookalikes(seen: Snapshot): Snapshot {
  return new Map([...seen].filter(([key]) => !key.includes('/.wh.')));
}

async function extract(stack: Stack, layer: number | 'merged', folder: string): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const { bytes } of exportTar(stack, layer, '/', new Pace())) pieces.push(bytes);
  fs.mkdirSync(folder);
  const { status, stderr } = spawnSync('tar', ['-C', folder, '--same-owner', '-xpf', '-'], { input: Buffer.concat(pieces) });
  assert.equal(status, 0, stderr.toString());
}

const TAGGED_BYTES = 64;

/** Every file of every layer says which it is; what none of those says that the mount shows, is wasted. */
async function checkWasted(overlay: Overlay, stack: Stack): Promise<void> {
  const files = overlay.layers.map((layer, at) => tagFiles(layer, at));
  overlay.mount(0);
  const seen = new Set([...snapshot(overlay.merged).values()].map(({ content }) => content));
  overlay.unmount();
  for (const [layer, tags] of files.entries()) {
    const { wastedBytes, wastedAllocatedBytes, incomplete } = await measure(
      stack,
      { layer, path: '/' },
      new Pace(),
      () => undefined,
    );
    assert.equal(incomplete, undefined);
    const wasted = [...tags].filter(([tag]) => !seen.has(tag));
    assert.equal(wastedBytes, wasted.length * TAGGED_BYTES, `of layer ${layer}: ${wasted.map(([, place]) => place).join(' ')}`);
    const allocated = wasted.map(([, place]) => fs.lstatSync(Buffer.from(place, 'latin1')).blocks * 512);
    assert.equal(
      wastedAllocatedBytes,
      allocated.reduce((sum, bytes) => sum + bytes, 0),
    );
  }
}

/** Where each is, once for all its names. */
function tagFiles(layer: string, at: number): Map<string, string> {
  const tags = new Map<string, string>();
  for (const place of everythingOf(Buffer.from(layer))) {
    const status = fs.lstatSync(place);
    const { size, blocks, ino } = status;
    if (!status.isFile()) continue;
    // Only metadata: it is to have the size of its content.
    if (blocks === 0 && size > 0) {
      fs.truncateSync(place, TAGGED_BYTES);
      continue;
    }
    const tag = `${at} ${ino}`.padEnd(TAGGED_BYTES, '.');
    if (!tags.has(tag)) fs.writeFileSync(place, tag);
    tags.set(tag, place.toString('latin1'));
  }
  return tags;
}

/** Applies one extracted layer to what the layers below gave: OCI image-spec layer.md. */
function pile(layer: Buffer, target: Buffer): void {
  fs.mkdirSync(target, { recursive: true });
  const names = fs.readdirSync(layer, { encoding: 'buffer' });
  const at = (root: Buffer, name: Buffer) => Buffer.concat([root, Buffer.from('/'), name]);
  const isMark = (name: Buffer) => name.toString('latin1').startsWith('.wh.');
  if (names.some((name) => name.toString() === '.wh..wh..opq')) {
    for (const name of fs.readdirSync(target, { encoding: 'buffer' })) fs.rmSync(at(target, name), { recursive: true });
  }
  for (const name of names.filter(isMark)) {
    fs.rmSync(at(target, name.subarray('.wh.'.length)), { recursive: true, force: true });
  }
  for (const name of names.filter((one) => !isMark(one))) {
    const from = at(layer, name);
    const to = at(target, name);
    const status = fs.lstatSync(from);
    const isMerged = status.isDirectory() && fs.lstatSync(to, { throwIfNoEntry: false })?.isDirectory();
    if (!isMerged) fs.rmSync(to, { recursive: true, force: true });
    if (!status.isDirectory()) {
      fs.renameSync(from, to);
      continue;
    }
    pile(from, to);
    fs.chmodSync(to, status.mode & 0o7777);
  }
}

/** What an archive keeps: whole seconds, and no times of directories once something was put into them. */
function comparable(seen: Snapshot): Map<string, unknown> {
  const rows = [...seen].map(([key, { status, content }]): [string, unknown] => {
    const { mode, uid, gid, mtimeNs } = status;
    const time = status.isDirectory() || status.isSymbolicLink() ? 0n : mtimeNs / 1_000_000_000n;
    return [key, { mode, uid, gid, time, content }];
  });
  return new Map(rows.sort(([one], [other]) => (one < other ? -1 : 1)));
}

// At the end, when everything above is there.
const given = process.env[WORKER];
if (given !== undefined) await carryOut(JSON.parse(given) as Variant);
else defineTests();
