/** What a minimal root is made of, compared with what the loader itself says (ldd(1)). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { programFiles } from '../../helper/sandbox/hostFiles/programFiles.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isoscope-programs-'));
after(() => fs.rmSync(folder, { recursive: true }));

/** The libraries and the loader that ldd names, each as the file that it is. */
function byLdd(program: string): string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, file]) => fs.realpathSync(file as string)).sort();
}

function sources(programs: string[]): string[] {
  return programFiles(programs)
    .files.map(({ source }) => source)
    .sort();
}

for (const program of ['/bin/bash', '/bin/ls', '/bin/ps', '/usr/bin/git', '/usr/bin/python3', '/bin/systemctl']) {
  test(`${program} needs what ldd says, and nothing else`, { skip: !fs.existsSync(program) && 'not installed' }, () => {
    assert.deepEqual(sources([program]), [...new Set([...byLdd(program), fs.realpathSync(program)])].sort());
  });
}

test('files are where the program looks for them, and links stay links', () => {
  const { files, links, programs } = programFiles(['ls']);
  assert.deepEqual(programs, ['/bin/ls']);
  assert.deepEqual([...new Set(files.map(({ path: place }) => place.split('/')[1]))].sort(), ['bin', 'lib']);
  for (const { path: place, target } of links) assert.equal(fs.readlinkSync(place), target);
});

test('a link to a program brings what it stands for', { skip: !fs.existsSync('/bin/sh') && 'no /bin/sh' }, () => {
  const { files, links } = programFiles(['sh']);
  if (fs.lstatSync('/bin/sh').isSymbolicLink()) assert.ok(links.some(({ path: place }) => place === '/bin/sh'));
  assert.ok(files.some(({ source }) => source === fs.realpathSync('/bin/sh')));
});

test('what is not there, or no program, is named', () => {
  assert.throws(() => programFiles(['no-such-program']), /There is no program no-such-program in \/bin/);
  assert.throws(() => programFiles(['/no/such']), /There is no program \/no\/such on this host/);
  assert.throws(() => programFiles(['/etc/passwd']), /\/etc\/passwd is neither an ELF program nor a script/);
});

describe('programs made for the purpose', { skip: hasCompiler() ? false : 'no C compiler' }, () => {
  function compile(output: string, source: string, ...options: string[]): string {
    const file = path.join(folder, output);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    execFileSync('gcc', ['-x', 'c', '-', '-o', file, ...options], { input: source });
    return file;
  }

  for (const [tag, option] of [
    ['RUNPATH', '-Wl,--enable-new-dtags'],
    ['RPATH', '-Wl,--disable-new-dtags'],
  ] as const) {
    test(`$ORIGIN in ${tag} is the folder of the program`, () => {
      const library = compile(`${tag}/lib/libours.so`, 'int ours(void) { return 7; }', '-shared', '-fPIC');
      const program = compile(
        `${tag}/bin/program`,
        'int ours(void); int main(void) { return ours(); }',
        `-L${path.dirname(library)}`,
        '-lours',
        option,
        '-Wl,-rpath,$ORIGIN/../lib',
      );
      assert.deepEqual(sources([program]), [...byLdd(program), program].sort());
      assert.ok(programFiles([program]).files.some(({ path: place }) => place === library));
    });
  }

  test('a library that is missing is named, with what needs it', () => {
    const library = compile('gone/libgone.so', 'int gone(void) { return 7; }', '-shared', '-fPIC');
    const program = compile(
      'gone/program',
      'int gone(void); int main(void) { return gone(); }',
      `-L${path.dirname(library)}`,
      '-lgone',
    );
    fs.rmSync(library);
    assert.throws(() => programFiles([program]), /gone\/program needs libgone\.so, which is not found on this host/);
  });

  test('a static program needs nothing', () => {
    const program = compile('static', 'int main(void) { return 0; }', '-static');
    assert.deepEqual(programFiles([program]), {
      files: [{ path: program, source: program }],
      links: [],
      programs: [program],
    });
  });
});

describe('scripts', () => {
  function script(name: string, text: string): string {
    const file = path.join(folder, name);
    fs.writeFileSync(file, text, { mode: 0o755 });
    return file;
  }

  test('bring their interpreter, also the one that env looks for', () => {
    assert.ok(sources([script('plain', '#!/bin/bash -e\ntrue\n')]).includes(fs.realpathSync('/bin/bash')));
    const byEnv = sources([script('env', '#!/usr/bin/env -S bash -e\ntrue\n')]);
    for (const needed of ['/usr/bin/env', '/bin/bash']) assert.ok(byEnv.includes(fs.realpathSync(needed)), needed);
  });

  test('that interpret one another without end are refused', () => {
    const file = path.join(folder, 'loop');
    assert.throws(() => programFiles([script('loop', `#!${file}\n`)]), /interpreters are scripts/);
  });
});

function hasCompiler(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
