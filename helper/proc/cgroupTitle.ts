/** What people call a cgroup that systemd named: systemd.unit(5), systemd.slice(5), logind's slices. */

/**
 * Undefined when the name says it all (`ssh.service`). `userName` gives the name of a uid; `\x2d` and the like are undone, but `-` is not made a
 * slash, since most names with one are no paths.
 */
export function titleOfCgroup(name: string, userName: (uid: number) => string): string | undefined {
  const uid = /^user-([0-9]{1,10})\.slice$/.exec(name)?.[1] ?? /^user@([0-9]{1,10})\.service$/.exec(name)?.[1];
  if (uid !== undefined) return userName(Number(uid));
  if (!/\\x[0-9a-f]{2}/.test(name)) return undefined;
  return name.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
