/** The packages as they would be published: packed here for every target, then unpacked and looked at. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageTarget } from '../../scripts/package.mjs';

/** `e_machine` of the ELF header (elf(5)). */
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const PT_INTERP = 3;
const MAX_BYTES = 1_000_000;

const PROGRAMS = [
  'askpass.js',
  'attach.js',
  'extension.js',
  'helper.js',
  'jsonrpc.js',
  'koffi.js',
  'koffi.node',
  'launcher',
  'reader.js',
  'sentences.js',
];
/** vsce writes some names its own way. */
const BESIDE_PROGRAMS = ['LICENSE.txt', 'changelog.md', 'package.json', 'package.nls.json', 'readme.md'];

interface Elf {
  machine: number;
  /** Whether it asks for a dynamic loader. */
  interpreter: boolean;
}

function readElf(file: string): Elf {
  const bytes = readFileSync(file);
  assert.equal(bytes.toString('latin1', 0, 4), '\u007fELF', `${file} is no ELF file`);
  const headers = Number(bytes.readBigUInt64LE(32));
  const [size, count] = [bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const types = Array.from({ length: count }, (_, index) => bytes.readUInt32LE(headers + index * size));
  return { machine: bytes.readUInt16LE(18), interpreter: types.includes(PT_INTERP) };
}

for (const [target, machine] of [
  ['linux-x64', EM_X86_64],
  ['linux-arm64', EM_AARCH64],
] as const) {
  describe(`the package for ${target}`, { timeout: 180_000 }, () => {
    let folder: string;
    let vsix: string;
    let unpacked: string;

    before(async () => {
      folder = mkdtempSync(path.join(tmpdir(), 'isoscope-package-'));
      vsix = await packageTarget(target, folder);
      unpacked = path.join(folder, 'unpacked/extension');
      execFileSync('python3', ['-m', 'zipfile', '-e', vsix, path.join(folder, 'unpacked')]);
    });

    after(() => rmSync(folder, { recursive: true, force: true }));

    test('is named for its target and is smaller than 1 MB', () => {
      assert.match(path.basename(vsix), new RegExp(`^isoscope-${target}-\\d+\\.\\d+\\.\\d+\\.vsix$`));
      assert.ok(statSync(vsix).size < MAX_BYTES, `it has ${statSync(vsix).size} bytes`);
      assert.match(
        readFileSync(path.join(unpacked, '../extension.vsixmanifest'), 'utf8'),
        new RegExp(`TargetPlatform="${target}"`),
      );
    });

    test('holds the programs, the pages of the webviews, the pictures, the schema, and nothing else', () => {
      const names = readdirSync(unpacked, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(unpacked, path.join(entry.parentPath, entry.name)));
      const beside = names.filter((name) => !name.startsWith('dist/webview/') && !name.startsWith('media/'));
      assert.deepEqual(beside.sort(), [...BESIDE_PROGRAMS, ...PROGRAMS.map((name) => `dist/${name}`)].sort());
      assert.ok(names.some((name) => /^dist\/webview\/.*\.js$/.test(name)));
      const strangers = names.filter(
        (name) => name.startsWith('media/') && !/\.(svg|png|schema\.json|language\.json|tmLanguage\.json)$/.test(name),
      );
      assert.deepEqual(strangers, []);
    });

    test('has a program for reading files that carries nothing of the connection', () => {
      const carries = (name: string) => readFileSync(path.join(unpacked, 'dist', name), 'utf8').includes('jsonrpc');
      assert.deepEqual(['helper.js', 'reader.js'].map(carries), [true, false]);
    });

    test('has each sentence once', () => {
      const has = (name: string) => readFileSync(path.join(unpacked, 'dist', name), 'utf8').includes('Refresh the view.');
      assert.deepEqual(['extension.js', 'helper.js', 'reader.js', 'sentences.js'].map(has), [false, false, false, true]);
    });

    test('has its launcher and its binding for its own processor', () => {
      // Static: it must start in a container that has no loader and no C library.
      assert.deepEqual(readElf(path.join(unpacked, 'dist/launcher')), { machine, interpreter: false });
      assert.equal(readElf(path.join(unpacked, 'dist/koffi.node')).machine, machine);
    });

    test('has the icon that the marketplace wants, of 128 by 128 pixels', () => {
      const manifest = JSON.parse(readFileSync(path.join(unpacked, 'package.json'), 'utf8')) as { icon: string; main: string };
      const icon = readFileSync(path.join(unpacked, manifest.icon));
      assert.equal(icon.toString('latin1', 1, 4), 'PNG');
      assert.deepEqual([icon.readUInt32BE(16), icon.readUInt32BE(20)], [128, 128]);
      assert.ok(statSync(path.join(unpacked, manifest.main)).isFile());
    });
  });
}
