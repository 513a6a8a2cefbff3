/** Releases of the kernel, as uname(2) and `os.release()` tell them. Pure. */

/** Whether `6.8.0-31-generic` is that version or a later one. What a distribution took over from later ones is not known by it. */
export function isAtLeast(release: string, major: number, minor: number): boolean {
  const [ofMajor = 0, ofMinor = 0] = release.split('.', 2).map((part) => Number.parseInt(part, 10));
  return ofMajor > major || (ofMajor === major && ofMinor >= minor);
}
