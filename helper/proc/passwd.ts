/** `/etc/passwd`: passwd(5). */

/** User names by uid; the first entry of a uid is its name, as getpwuid(3) has it. */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , uid] = line.split(':');
    const number = Number(uid);
    if (name && uid !== undefined && /^[0-9]+$/.test(uid) && !names.has(number)) names.set(number, name);
  }
  return names;
}

/** Home directories by uid. */
export function parseHomes(text: string): Map<number, string> {
  const homes = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , uid, , , home] = line.split(':');
    if (name && uid !== undefined && /^[0-9]+$/.test(uid) && home?.startsWith('/') && !homes.has(Number(uid)))
      homes.set(Number(uid), home);
  }
  return homes;
}

export interface PasswdEntry {
  name: string;
  home: string;
  shell: string;
}

/** Whole entries by uid; the first of a uid counts. */
export function parsePasswdEntries(text: string): Map<number, PasswdEntry> {
  const entries = new Map<number, PasswdEntry>();
  for (const line of text.split('\n')) {
    const [name, , uid = '', , , home, shell] = line.split(':');
    if (!name || !/^[0-9]+$/.test(uid) || shell === undefined || entries.has(Number(uid))) continue;
    entries.set(Number(uid), { name, home: home?.startsWith('/') ? home : '/', shell: shell === '' ? '/bin/sh' : shell });
  }
  return entries;
}
