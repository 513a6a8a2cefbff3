/** What people call a cgroup that systemd named: systemd.unit(5), systemd.slice(5), logind's slices. */
import { unescapeUnit } from './unitName.ts';

/** Undefined when the name says it all (`ssh.service`). `userName` gives the name of a uid. */
export function titleOfCgroup(name: string, userName: (uid: number) => string): string | undefined {
  const uid = /^user-([0-9]{1,10})\.slice$/.exec(name)?.[1] ?? /^user@([0-9]{1,10})\.service$/.exec(name)?.[1];
  if (uid !== undefined) return userName(Number(uid));
  const title = unescapeUnit(name);
  return title === name ? undefined : title;
}
