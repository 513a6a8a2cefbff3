/** Everything about layers: constructs the view, the file system, the panels and the commands, and wires them. */
import * as vscode from 'vscode';
import type { Overlay } from '../helper/protocol/layers.ts';
import { Command, type CommandId } from './base/commandIds.ts';
import { ContextKey, View } from './base/ids.ts';
import { registerCommand, registerRowCommand } from './commands/commandRegistration.ts';
import { compareBelow } from './commands/layers/compareBelow.ts';
import { compareContainers } from './commands/layers/compareContainers.ts';
import { compareImage } from './commands/layers/compareImage.ts';
import { exportChanges, exportLayer } from './commands/layers/exportLayer.ts';
import { LayerPicks, type LayerSpot } from './commands/layers/layerPicks.ts';
import { measureLayers } from './commands/layers/measureLayers.ts';
import { openHiddenFile } from './commands/layers/openHiddenFile.ts';
import { openLayerFile } from './commands/layers/openLayerFile.ts';
import { revealInLayers } from './commands/layers/revealInLayers.ts';
import { saveLayerCopy } from './commands/layers/saveLayerCopy.ts';
import { showOnDisk } from './commands/layers/showOnDisk.ts';
import { showStack } from './commands/layers/showStack.ts';
import { whichLayer } from './commands/layers/whichLayer.ts';
import type { HelperConnection } from './connection/connection.ts';
import { LayerFiles } from './documents/layerFileSystem.ts';
import type { CommandTarget, LayerTarget } from './model/commandTarget.ts';
import { filterOverlays } from './model/layerFilter.ts';
import { LayerSizes } from './model/layerSizes.ts';
import { LayerWatch } from './model/layerWatch.ts';
import type { Host } from './model/liveHost.ts';
import type { Layers } from './model/liveLayers.ts';
import { StackPanels } from './panels/stackPanels.ts';
import type { Log } from './plain/logChannel.ts';
import { duringInView } from './plain/notify.ts';
import type { ContainersTree } from './trees/containersTree.ts';
import { DirectoryWatches } from './trees/directoryWatches.ts';
import { LayerDecorations } from './trees/layerDecorations.ts';
import type { LayerParts } from './trees/layerFileNodes.ts';
import { LayerOptions } from './trees/layerOptions.ts';
import { LayersSections } from './trees/layersSection.ts';
import { LayersTree } from './trees/layersTree.ts';
import type { TreeFilter } from './trees/treeFilter.ts';
import { overlayName } from './words/layerWords.ts';

export interface LayersWiring {
  context: vscode.ExtensionContext;
  log: Log;
  connection: HelperConnection;
  host: Host;
  layers: Layers;
  filter: TreeFilter;
  containers: ContainersTree;
}

export function registerLayers({
  context,
  log,
  connection,
  host,
  layers,
  filter,
  containers,
}: LayersWiring): vscode.Disposable {
  const { extensionUri } = context;
  const watch = new LayerWatch(connection, log);
  const sizes = new LayerSizes(connection, watch);
  const watches = new DirectoryWatches(watch, sizes);
  const options = new LayerOptions(context.workspaceState);
  const nameWords: LayerParts['nameWords'] = (overlay) =>
    filterOverlays(layers.overlays, filter.text, (one) => overlayName(host.model, one)).find((one) => one.overlay === overlay)
      ?.words ?? [];
  const parts: LayerParts = { connection, layers, sizes, watch, options, watches, nameWords };
  const tree = new LayersTree(host, filter, extensionUri, parts);
  const sections = new LayersSections(containers, parts);
  const files = new LayerFiles(connection, watch);
  const panels = new StackPanels({ connection, host, layers, sizes, watch, extensionUri });
  const picks = new LayerPicks(host, layers);
  const onSpot = (id: CommandId, run: (spot: LayerSpot) => unknown) => registerRowCommand(id, picks.onSpot(run));
  const onLayer = (id: CommandId, run: (spot: LayerSpot) => unknown) => registerRowCommand(id, picks.onLayer(run));
  const onOverlay = (id: CommandId, run: (overlay: Overlay) => unknown) => registerRowCommand(id, picks.onOverlay(run));
  watches.follow(tree);
  watches.follow(containers);
  containers.addSection(sections.section);

  return vscode.Disposable.from(
    ...[
      onSpot(Command.openLayerFile, (spot) => openLayerFile(connection, host, tree, spot)),
      onSpot(Command.openHiddenFile, (spot) => openHiddenFile(connection, host, tree, spot)),
      onSpot(Command.compareBelow, (spot) => compareBelow(connection, host, spot)),
      onSpot(Command.compareImage, (spot) => compareImage(connection, host, spot)),
      registerCommand(
        Command.compareContainers,
        picks.onLayer((spot) => compareContainers(connection, host, picks, spot)),
      ),
      onLayer(Command.exportLayer, (spot) => exportLayer(connection, host, spot)),
      onOverlay(Command.exportChanges, (overlay) => exportChanges(connection, host, overlay)),
      registerRowCommand(Command.saveLayerCopy, (target?: LayerTarget) => saveLayerCopy(connection, files, picks, target)),
      onLayer(Command.showOnDisk, (spot) => showOnDisk(connection, host, spot)),
      registerCommand(Command.measureLayers, (target?: LayerTarget) => measureLayers(host, layers, sizes, tree, target)),
      registerCommand(
        Command.whichLayer,
        picks.onSpot((spot) => whichLayer(panels, spot)),
      ),
      onOverlay(Command.showStack, (overlay) => showStack(panels, overlay)),
      registerRowCommand(Command.revealInLayers, (target?: CommandTarget & LayerTarget) =>
        revealInLayers(connection, host, layers, tree, target),
      ),
      registerCommand(Command.sortBySize, () => options.sortBySize(true)),
      registerCommand(Command.sortByName, () => options.sortBySize(false)),
      registerCommand(Command.showOnlyChanges, () => options.showOnlyChanges(true)),
      registerCommand(Command.showAllFiles, () => options.showOnlyChanges(false)),
      registerCommand(Command.stopMeasuring, () => sizes.stop()),
      showWhileMeasuring(sizes),
      new LayerDecorations(),
      panels,
      files,
      sections,
      tree,
      watches,
      options,
      watch,
      sizes,
    ],
  );
}

/** A bar at the top of the view, and in its title what stops it. */
function showWhileMeasuring(sizes: LayerSizes): vscode.Disposable {
  return sizes.onDidChangeBusy((busy) => {
    void vscode.commands.executeCommand('setContext', ContextKey.layersMeasuring, busy);
    if (!busy) return;
    duringInView(View.layers, async () => {
      await new Promise<void>((resolve) => {
        const ended = sizes.onDidChangeBusy(() => {
          ended.dispose();
          resolve();
        });
      });
    });
  });
}
