/** Lists of installed packages as package managers keep them in files, read and compared. Pure. */

/** Where the lists are, most usual first; apk's moved with /usr. */
export const PACKAGE_LISTS = [
  { path: '/var/lib/dpkg/status', read: readDpkgStatus },
  { path: '/lib/apk/db/installed', read: readApkInstalled },
  { path: '/usr/lib/apk/db/installed', read: readApkInstalled },
] as const;

/** Versions by package. */
export type Packages = ReadonlyMap<string, string>;

export interface PackageDifference {
  name: string;
  /** Undefined: it has none. */
  mine: string | undefined;
  other: string | undefined;
}

/** deb822(5): a package is only there when dpkg says that it is installed. */
export function readDpkgStatus(text: string): Packages {
  const packages = new Map<string, string>();
  for (const paragraph of paragraphs(text)) {
    const field = (name: string) => paragraph.match(new RegExp(`^${name}: *(.*)$`, 'mi'))?.[1]?.trim();
    const [name, version] = [field('Package'), field('Version')];
    if (name === undefined || version === undefined || !/ installed$/.test(field('Status') ?? '')) continue;
    // Of two architectures a package may be installed twice.
    packages.set(packages.has(name) ? `${name}:${field('Architecture') ?? ''}` : name, version);
  }
  return packages;
}

/** apk-package(5): fields are a letter each. */
export function readApkInstalled(text: string): Packages {
  const packages = new Map<string, string>();
  for (const paragraph of paragraphs(text)) {
    const [name, version] = [paragraph.match(/^P:(.*)$/m)?.[1], paragraph.match(/^V:(.*)$/m)?.[1]];
    if (name !== undefined && version !== undefined) packages.set(name.trim(), version.trim());
  }
  return packages;
}

function paragraphs(text: string): string[] {
  return text.replaceAll('\r', '').split(/\n\s*\n/);
}

/** By name. */
export function packageDifferences(mine: Packages, other: Packages): PackageDifference[] {
  const names = [...new Set([...mine.keys(), ...other.keys()])].sort();
  return names.map((name) => ({ name, mine: mine.get(name), other: other.get(name) })).filter((one) => one.mine !== one.other);
}
