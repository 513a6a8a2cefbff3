import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW, ONE_ROW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { disconnected } from '../../connection/requestError.ts';
import type { CommandTarget, LayerTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { Layers } from '../../model/liveLayers.ts';
import { say } from '../../plain/notify.ts';
import { pickContainer } from '../../programs/targetPicks.ts';
import type { LayersTree } from '../../trees/layersTree.ts';
import { containerName } from '../../words/hostWords.ts';
import { noOverlayText } from '../../words/layerWords.ts';

export const revealInLayersCommand: CommandContribution = {
  id: 'isoscope.reveal.inLayers',
  title: 'Reveal in Layers',
  icon: 'go-to-file',
  menus: {
    'view/item/context': [
      {
        group: '2_reveal@4',
        when: [
          { notView: 'layers' },
          IN_ANY_VIEW,
          { row: ['container', 'overlay', 'merged', 'layer', 'layerEntry', 'cgroupRow( \\S+)* isolated'] },
          ONE_ROW,
        ],
      },
      { group: '2_reveal@4', when: [{ view: 'sandboxes' }, { row: 'sandbox running' }, { row: 'overlaid' }] },
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
  void say(noOverlayText(name, layers.unreadable));
}
