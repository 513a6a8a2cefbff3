/** The options of an overlay mount that say which directories it is made of: Documentation/filesystems/overlayfs.rst. */

export interface OverlayOptions {
  /** In the order in which a name is looked up; data-only ones (`::`, `datadir+`) come last. */
  lower: LowerDirectory[];
  upper?: string;
  work?: string;
  /** Everything else but `rw` and `ro`: `metacopy=on`, `userxattr`, `volatile`, … */
  flags: string[];
}

export interface LowerDirectory {
  path: string;
  /** Only the content of files is taken from it, by way of a `metacopy` file above. */
  dataOnly: boolean;
}

/**
 * `options` are those of the superblock in mountinfo, their octal escapes already undone. A directory is told in one of two ways:
 * `lowerdir=a:b::c` has a backslash before each colon, comma and backslash of a path; `lowerdir+` and `datadir+` (Linux 6.8, by
 * fsconfig(2)) name one directory each, as it is.
 */
export function parseOverlayOptions(options: readonly string[]): OverlayOptions {
  const parsed: OverlayOptions = { lower: [], flags: [] };
  // The kernel takes escapes out of upperdir and workdir too, however they were told.
  for (const option of options) {
    const [name, value] = splitOption(option);
    if (name === 'lowerdir') for (const directory of splitLowerDirectories(value)) parsed.lower.push(directory);
    else if (name === 'lowerdir+') parsed.lower.push({ path: value, dataOnly: false });
    else if (name === 'datadir+') parsed.lower.push({ path: value, dataOnly: true });
    else if (name === 'upperdir') parsed.upper = unescapeBackslashes(value);
    else if (name === 'workdir') parsed.work = unescapeBackslashes(value);
    else if (option !== 'rw' && option !== 'ro' && option !== '') parsed.flags.push(option);
  }
  return parsed;
}

/**
 * The options on the command line of fuse-overlayfs(1), which its mount does not show: `fuse-overlayfs -o lowerdir=a:b,upperdir=c
 * /merged`. Undefined when there are none. `mountPoint` is the last word.
 */
export function parseFuseOverlayArguments(
  words: readonly string[],
): { options: OverlayOptions; mountPoint: string } | undefined {
  const told: string[] = [];
  for (const [index, word] of words.entries()) {
    if (!word.startsWith('-o')) continue;
    const options = splitFuseOptions(word === '-o' ? (words[index + 1] ?? '') : word.slice(2));
    for (const option of options) told.push(option);
  }
  const mountPoint = words.at(-1);
  const options = parseOverlayOptions(told);
  if (mountPoint === undefined || options.lower.length === 0) return undefined;
  return { options, mountPoint };
}

function splitOption(option: string): [name: string, value: string] {
  const equals = option.indexOf('=');
  return equals === -1 ? [option, ''] : [option.slice(0, equals), option.slice(equals + 1)];
}

/** Colons separate, two of them before a data-only directory; a backslash takes the meaning from what follows it. */
function splitLowerDirectories(text: string): LowerDirectory[] {
  const found: LowerDirectory[] = [];
  let dataOnly = false;
  for (const part of splitUnescaped(text, ':')) {
    // Between two colons. From there on every directory is data-only.
    if (part === '') dataOnly = true;
    else found.push({ path: unescapeBackslashes(part), dataOnly });
  }
  return found;
}

/** fuse_opt_parse(3) separates options at commas without a backslash, and takes that backslash away. */
function splitFuseOptions(text: string): string[] {
  return splitUnescaped(text, ',').map((option) => option.replaceAll('\\,', ','));
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === separator) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  parts.push(text.slice(begin));
  return parts;
}

function unescapeBackslashes(text: string): string {
  return text.replaceAll(/\\(.)/gsu, '$1');
}
