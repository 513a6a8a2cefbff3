import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { CgroupChanges } from '../../changes/cgroupChanges.ts';
import { pickCgroup } from '../../changes/cgroupPicks.ts';
import { cgroupFileUri } from '../../documents/cgroupFileSystem.ts';
import { refOfCgroup } from '../../model/cgroupModel.ts';
import type { CommandTarget } from '../../model/commandTarget.ts';
import { pick } from '../../plain/pick.ts';
import { oneLine } from '../../plain/plainText.ts';
import { cgroupTitle } from '../../words/cgroupWords.ts';

export const openCgroupFileCommand: CommandContribution = {
  id: 'isoscope.cgroups.openFile',
  title: 'Open Cgroup File…',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [{ group: '2_look@3', when: [IN_ANY_VIEW, { row: 'cgroupRow' }, ONE_ROW] }],
  },
};

/** Permission bits of the owner, the group and others. */
const ANY_READ = 0o444;

/** Opens one of a cgroup's files in an editor, where saving writes it. */
export async function openCgroupFile(changes: CgroupChanges, target: CommandTarget = {}): Promise<void> {
  const cgroup = await pickCgroup(changes.host, target, 'any');
  if (cgroup === undefined) return;
  const inspected = await changes.inspect(cgroup);
  // What can only be written, such as cgroup.kill, is an order: there is nothing to open.
  const readable = inspected.files.filter(({ mode }) => (mode & ANY_READ) !== 0);
  const items = readable.map(({ name, writable }) => ({
    label: oneLine(name),
    description: writable ? vscode.l10n.t('writable') : vscode.l10n.t('read-only'),
    iconPath: new vscode.ThemeIcon(writable ? 'edit' : 'file'),
    name,
  }));
  const picked = await pick(items, {
    of: cgroupTitle(inspected),
    placeHolder: inspected.directory,
  });
  if (picked === undefined) return;
  const uri = cgroupFileUri({ cgroup: refOfCgroup(inspected), file: picked.name }, cgroupTitle(inspected));
  await vscode.window.showTextDocument(uri, { preview: true });
}
