import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt, copyOf } from '../../documents/layerCopies.ts';
import type { Host } from '../../model/liveHost.ts';
import { childPath } from '../../model/overlayStack.ts';
import { pick } from '../../plain/pick.ts';
import { shellWord } from '../../plain/plainText.ts';
import { createTerminal } from '../../plain/titled.ts';
import { namespacePlace } from '../../words/hostWords.ts';
import { overlayContainer, pathText } from '../../words/layerWords.ts';
import { copyText } from '../copyText.ts';
import type { LayerSpot } from './layerPicks.ts';

export const showOnDiskCommand: CommandContribution = {
  id: 'isoscope.layers.showOnDisk',
  title: 'Show Layer on Disk…',
  menus: {
    'view/item/context': [{ group: '6_save@3', when: [IN_ANY_VIEW, { row: ['overlay', 'merged', 'layer', 'layerEntry'] }] }],
  },
};

interface Choice extends vscode.QuickPickItem {
  run: () => unknown;
}

/** Where a layer, or a file in one, lies on the host's disk, and what can be done there. */
export async function showOnDisk(connection: HelperConnection, host: Host, spot: LayerSpot): Promise<void> {
  const onDisk = await diskPath(connection, host, spot);
  const directory = spot.entry === undefined || spot.entry.type === 'directory' ? onDisk.path : dirname(onDisk.path);
  const choices: Choice[] = [copyChoice(onDisk.path)];
  if (onDisk.elsewhere === undefined) choices.push(...(await choicesFor(directory)));
  const picked = await pick(choices, {
    of: pathText(onDisk.path),
    placeHolder:
      onDisk.elsewhere === undefined
        ? vscode.l10n.t('On the disk of this host')
        : vscode.l10n.t('This path is valid only in the mount namespace of {0}', onDisk.elsewhere),
  });
  await picked?.run();
}

interface DiskPath {
  path: string;
  /** Whose mount namespace it is valid in, when it is not the host's. */
  elsewhere?: string;
}

async function diskPath(connection: HelperConnection, host: Host, { overlay, place }: LayerSpot): Promise<DiskPath> {
  // What the container sees is on disk as one of its layers has it.
  const index = place.layer === 'merged' ? await providerOf(connection, { overlay, place }) : place.layer;
  const layer = overlay.layers[index ?? -1];
  if (layer === undefined) {
    const leader = overlayContainer(host.model, overlay)?.leader;
    const path = joined(overlay.mountPoint, place.path);
    return leader === undefined ? { path } : { path: joined(`/proc/${leader.pid}/root`, path) };
  }
  // Below a renamed directory the layer has it under another name.
  const own = place.layer === 'merged' ? await copyOf(connection, place.overlay, place.path, layer.index) : undefined;
  const path = joined(layer.directory, own?.place.path ?? place.path);
  return layer.mountNamespace === undefined ? { path } : { path, elsewhere: namespacePlace(host.model, layer.mountNamespace) };
}

async function providerOf(connection: HelperConnection, { place }: LayerSpot): Promise<number | undefined> {
  if (place.path === '/') return undefined;
  return (await copyAt(connection, place))?.entry.providedBy;
}

function joined(directory: string, path: string): string {
  return path === '/' ? directory : childPath(directory === '/' ? '' : directory, path.slice(1));
}

function copyChoice(path: string): Choice {
  return {
    label: vscode.l10n.t('Copy Path'),
    iconPath: new vscode.ThemeIcon('copy'),
    run: () => copyText(path),
  };
}

/** Layers usually lie where only root may look: then there is nothing that the user's own VS Code could open. */
async function choicesFor(directory: string): Promise<Choice[]> {
  const command = `sudo ls -la ${shellWord(directory)}`;
  try {
    await access(directory, constants.R_OK | constants.X_OK);
  } catch {
    return [
      {
        label: vscode.l10n.t('Copy a Command That Lists It as Root'),
        description: pathText(command),
        iconPath: new vscode.ThemeIcon('shield'),
        run: () => copyText(command),
      },
    ];
  }
  const uri = vscode.Uri.file(directory);
  return [
    {
      label: vscode.l10n.t('Open Terminal There'),
      iconPath: new vscode.ThemeIcon('terminal'),
      run: () => createTerminal({ cwd: uri, name: pathText(directory) }).show(),
    },
    {
      label: vscode.l10n.t('Open Folder in New Window'),
      description: vscode.l10n.t('look, do not write: the layer is mounted'),
      iconPath: new vscode.ThemeIcon('folder-opened'),
      run: () => vscode.commands.executeCommand('vscode.openFolder', uri, { forceNewWindow: true }),
    },
  ];
}
