/** `/etc/group`: group(5). */

/** The groups that list the user as a member, by gid. */
export function groupsOfMember(text: string, user: string): number[] {
  const groups: number[] = [];
  for (const line of text.split('\n')) {
    const [name, , gid = '', members = ''] = line.split(':');
    if (name && /^[0-9]{1,10}$/.test(gid) && members.split(',').includes(user)) groups.push(Number(gid));
  }
  return groups;
}
