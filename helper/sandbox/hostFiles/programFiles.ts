/**
 * The files that programs need to run, found as ld.so(8) would find them, without running anything: for a minimal root. Files keep the paths
 * by which they are asked for; a link that is the last part of a path stays a link, and a directory that is one becomes a directory.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Failure, inField } from '../../failure.ts';
import { type Elf, parseElf, type ReadAt } from '../../proc/elf.ts';
import { parseLdCache } from '../../proc/ldCache.ts';
import { said } from '../../saying.ts';

export interface ProgramFiles {
  /** `path` in the new root; `source` on the host, free of links. */
  files: { path: string; source: string }[];
  links: { path: string; target: string }[];
  /** Where each of the asked programs is in the new root, in their order. */
  programs: string[];
}

const SEARCH_PATH = ['/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];
const LD_CACHE = '/etc/ld.so.cache';
/** The C library's own directories, after the cache (ld.so(8)); of Debian's multiarch, of others, and musl's. */
const TRUSTED: Readonly<Record<string, readonly string[]>> = {
  '64-62': ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'],
  '64-183': ['/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'],
  '32-3': ['/lib/i386-linux-gnu', '/usr/lib/i386-linux-gnu', '/lib32', '/usr/lib32', '/lib', '/usr/lib'],
};
const MUSL_DIRECTORIES = ['/lib', '/usr/local/lib', '/usr/lib'];

const MOST_LINKS = 40;
const MOST_FILES = 4096;
/** As execve(2) allows: scripts whose interpreters are scripts. */
const MOST_SCRIPTS = 4;
const FIRST_LINE_BYTES = 256;
const BLOCK_BYTES = 8192;
const MOST_CACHE_BYTES = 16 << 20;

/**
 * @throws Failure `notFound` for a program, interpreter or library that is not there, `invalid` for what is not a program; its field is the program's index. `searchPath` is where
 * names without a slash are looked for.
 */
export function programFiles(programs: readonly string[], searchPath: readonly string[] = SEARCH_PATH): ProgramFiles {
  const collector = new Collector(searchPath);
  return collector.collect(programs);
}

/** An object of the loader: a program, or a library, with what asked for it. */
interface Loaded {
  path: string;
  elf: Elf;
  by?: Loaded;
}

class Collector {
  private readonly searchPath: readonly string[];
  private readonly files = new Map<string, string>();
  private readonly links = new Map<string, string>();
  private readonly inspected = new Map<string, Inspected>();
  private cache: Map<string, string[]> | undefined;

  constructor(searchPath: readonly string[]) {
    this.searchPath = searchPath;
  }

  collect(programs: readonly string[]): ProgramFiles {
    const places = programs.map((program, index) => inField([index], () => this.addProgram(program, MOST_SCRIPTS)));
    return {
      files: [...this.files].map(([place, source]) => ({ path: place, source })),
      links: [...this.links].map(([place, target]) => ({ path: place, target })),
      programs: places,
    };
  }

  private addProgram(name: string, scriptsLeft: number): string {
    const place = this.findProgram(name);
    const source = this.addFile(place);
    const { elf, firstLine } = this.inspect(source);
    if (elf !== undefined) {
      this.addLoader(place, elf);
      this.addLibraries({ path: place, elf });
      return place;
    }
    const script = /^#![ \t]*(\S+)(?:[ \t]+(.*\S))?/.exec(firstLine);
    if (script?.[1] === undefined) {
      throw new Failure('invalid', said('isNeitherElfNorScript', place), {
        hint: said('nameProgramOrScript'),
      });
    }
    if (scriptsLeft === 0) throw new Failure('invalid', said('interpretersAreScripts', place));
    const interpreter = this.addProgram(script[1], scriptsLeft - 1);
    // "env python3" and "env -S python3 -u" stand for what they name.
    const named =
      path.basename(interpreter) === 'env' ? script[2]?.split(/[ \t]+/).find((word) => /^[^-=]+$/.test(word)) : undefined;
    if (named !== undefined) this.addProgram(named, scriptsLeft - 1);
    return place;
  }

  private findProgram(name: string): string {
    if (name.startsWith('/')) {
      if (isRegular(name)) return path.normalize(name);
      throw new Failure('notFound', said('noProgramOnHost', name), { path: name });
    }
    const found = this.searchPath.map((directory) => path.join(directory, name)).find(isExecutable);
    if (found !== undefined) return found;
    throw new Failure('notFound', said('noProgramInPath', name, this.searchPath), {
      hint: said('installOnHost'),
    });
  }

  /** Adds the file at a path, and the links that the path's last part goes through. @returns the file itself on the host. */
  private addFile(place: string): string {
    if (this.files.size > MOST_FILES) throw new Failure('invalid', said('tooManyFiles'));
    let at = place;
    for (let left = MOST_LINKS; ; left -= 1) {
      if (left === 0) throw new Failure('invalid', said('tooManyLinksInPath', place));
      const target = linkTarget(at);
      if (target === undefined) break;
      this.links.set(at, target);
      at = path.resolve(path.dirname(at), target);
    }
    const source = fs.realpathSync(at);
    this.files.set(at, source);
    return source;
  }

  private addLoader(place: string, { interpreter }: Elf): void {
    if (interpreter === undefined) return;
    if (!interpreter.startsWith('/') || !isRegular(interpreter)) {
      throw new Failure('notFound', said('loaderIsLacking', place, interpreter));
    }
    this.addFile(path.normalize(interpreter));
  }

  private addLibraries(program: Loaded): void {
    const musl = /\/ld-musl-/.test(program.elf.interpreter ?? '');
    const seen = new Set<string>();
    const waiting: Loaded[] = [program];
    for (let object = waiting.shift(); object !== undefined; object = waiting.shift()) {
      for (const name of object.elf.needed) {
        // The loader keeps one library of a name in a process.
        if (seen.has(name)) continue;
        seen.add(name);
        if (musl && /^(libc|ld)[.-]musl/.test(name)) continue;
        const place = this.findLibrary(name, object, program.elf.machine, musl);
        const library = this.inspect(this.addFile(place)).elf;
        if (library !== undefined) waiting.push({ path: place, elf: library, by: object });
      }
    }
  }

  private findLibrary(name: string, object: Loaded, machine: string, musl: boolean): string {
    const fits = (place: string) => isRegular(place) && this.inspect(fs.realpathSync(place)).elf?.machine === machine;
    if (name.includes('/')) {
      if (name.startsWith('/') && fits(name)) return path.normalize(name);
      throw new Failure('notFound', said('libraryIsNotThere', object.path, name));
    }
    const directories = [...searchedFirst(object)];
    const own = directories.flatMap((directory) => variants(directory, name)).find(fits);
    if (own !== undefined) return own;
    const trusted = musl ? MUSL_DIRECTORIES : (TRUSTED[machine] ?? []);
    const cached = musl ? undefined : this.cached(name).find(fits);
    if (cached !== undefined) {
      const best = variants(path.dirname(cached), name).find(fits) ?? cached;
      // Elsewhere the loader looks only by its cache.
      if (!trusted.includes(path.dirname(cached))) this.addFile(LD_CACHE);
      return best;
    }
    const found = trusted.flatMap((directory) => variants(directory, name)).find(fits);
    if (found !== undefined) return found;
    throw new Failure('notFound', said('libraryIsNotFound', object.path, name), {
      hint: said('installLibrary'),
    });
  }

  private inspect(file: string): Inspected {
    let known = this.inspected.get(file);
    if (known === undefined) {
      known = inspect(file);
      this.inspected.set(file, known);
    }
    return known;
  }

  private cached(name: string): string[] {
    this.cache ??= parseLdCache(readStart(LD_CACHE, MOST_CACHE_BYTES));
    return this.cache.get(name) ?? [];
  }
}

/** RUNPATH of the object; without one, RPATH of it and of what asked for it, up to the program. */
function* searchedFirst(object: Loaded): Generator<string> {
  if (object.elf.runpath !== undefined) {
    yield* expanded(object.elf.runpath, object.path);
    return;
  }
  for (let at: Loaded | undefined = object; at !== undefined; at = at.by) {
    if (at.elf.runpath === undefined && at.elf.rpath !== undefined) yield* expanded(at.elf.rpath, at.path);
  }
}

/** `$ORIGIN` is the directory of the object; `$LIB` and `$PLATFORM` as on this architecture. Relative directories are not searched. */
function expanded(list: string, place: string): string[] {
  const origin = path.dirname(place);
  const values: Record<string, string> = {
    ORIGIN: origin,
    LIB: process.arch === 'arm64' ? 'lib/aarch64-linux-gnu' : 'lib/x86_64-linux-gnu',
    PLATFORM: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
  };
  return list
    .split(':')
    .map((directory) =>
      directory.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, bare) => values[braced ?? bare] ?? whole),
    )
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => path.normalize(directory));
}

/** The same library as built for this processor's level, best first (glibc-hwcaps, ld.so(8)), and the plain one. */
function variants(directory: string, name: string): string[] {
  return [...levels().map((level) => path.join(directory, 'glibc-hwcaps', level, name)), path.join(directory, name)];
}

let knownLevels: string[] | undefined;

/** x86-64 psABI, "Micro-Architecture Levels", by the flags of /proc/cpuinfo. */
function levels(): string[] {
  if (process.arch !== 'x64') return [];
  if (knownLevels !== undefined) return knownLevels;
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readStart('/proc/cpuinfo', 8192).toString())?.[1]?.split(' ') ?? []);
  const has = (...names: string[]) => names.every((name) => flags.has(name));
  const v2 = has('cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3');
  const v3 = v2 && has('avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave');
  const v4 = v3 && has('avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl');
  knownLevels = [...(v4 ? ['x86-64-v4'] : []), ...(v3 ? ['x86-64-v3'] : []), ...(v2 ? ['x86-64-v2'] : [])];
  return knownLevels;
}

interface Inspected {
  elf?: Elf;
  /** Of what is no ELF file. */
  firstLine: string;
}

/** What a file is: ELF, or text with a first line. Only a regular file is read, and of it only what is asked for. */
function inspect(file: string): Inspected {
  const descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    if (!fs.fstatSync(descriptor).isFile()) return { firstLine: '' };
    const read = inBlocks(descriptor);
    const elf = parseElf(read);
    if (elf !== undefined) return { elf, firstLine: '' };
    return { firstLine: read(0, FIRST_LINE_BYTES).toString('utf8').split('\n', 1)[0] ?? '' };
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Reads at least a block at a time: names of libraries stand close together. */
function inBlocks(descriptor: number): ReadAt {
  let start = 0;
  let block = Buffer.alloc(0);
  return (offset, length) => {
    if (offset < start || offset + length > start + block.length) {
      const buffer = Buffer.alloc(Math.max(length, BLOCK_BYTES));
      start = offset;
      block = buffer.subarray(0, fs.readSync(descriptor, buffer, 0, buffer.length, offset));
    }
    return block.subarray(offset - start, offset - start + length);
  };
}

function readStart(file: string, most: number): Buffer {
  try {
    const descriptor = fs.openSync(file, 'r');
    try {
      const buffer = Buffer.alloc(Math.min(most, Math.max(fs.fstatSync(descriptor).size, 8192)));
      return buffer.subarray(0, fs.readSync(descriptor, buffer, 0, buffer.length, 0));
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    return Buffer.alloc(0);
  }
}

function isRegular(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isExecutable(file: string): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
}

function linkTarget(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;
  }
}
