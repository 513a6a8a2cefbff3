import * as vscode from 'vscode';
import type { HelperConnection } from '../connection/connection.ts';
import { disconnected } from '../connection/requestError.ts';
import type { CommandContribution } from '../contributions.ts';
import type { Host } from '../host/host.ts';
import type { Layers } from '../host/layers.ts';
import { pickContainer } from '../programs/picks.ts';
import type { CommandTarget, LayerTarget } from '../target.ts';
import type { LayersTree } from '../trees/layers.ts';
import { containerName } from '../trees/words.ts';
import { IN_ANY_VIEW } from '../when.ts';
import { say } from '../words/notify.ts';

export const revealInLayersCommand: CommandContribution = {
  id: 'isoscope.reveal.inLayers',
  title: 'Reveal in Layers',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      {
        group: '2_look@4',
        when: [{ notView: 'layers' }, IN_ANY_VIEW, { row: ['container', 'overlay', 'merged', 'layer', 'layerEntry'] }],
      },
      { group: '2_look@5', when: [{ view: 'sandboxes' }, { row: 'sandbox running' }, { row: 'overlaid' }] },
    ],
  },
};

/** Shows where a container's layers, or a file in one of them, stand in the Layers view. */
export async function revealInLayers(
  connection: HelperConnection,
  host: Host,
  layers: Layers,
  tree: LayersTree,
  target: CommandTarget & LayerTarget = {},
): Promise<void> {
  const { overlay, place } = target;
  if (overlay !== undefined && place !== undefined) return tree.revealPlace(overlay, place);
  const container = target.container ?? (overlay === undefined ? await pickContainer(connection) : undefined);
  if (overlay === undefined && container === undefined) return;
  await Promise.all([host.load(), layers.reload()]);
  if (layers.problem !== undefined || !layers.loaded) throw layers.problem ?? disconnected();
  const found = overlay ?? (container === undefined ? undefined : tree.overlayOf(container));
  if (found !== undefined) return tree.revealOverlay(found);
  const name = container === undefined ? '' : containerName(container);
  const { unreadable } = layers;
  if (unreadable > 0)
    void say(
      vscode.l10n.t(
        'No overlay mount of {0} is in sight: the mounts of {1} mount namespaces could not be read.',
        name,
        unreadable,
      ),
    );
  else void say(vscode.l10n.t('The root of {0} is no overlay mount: its files are in no layers.', name));
}
