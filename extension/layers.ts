/** Everything about layers: constructs the view, the file system, the panels and the commands, and wires them. */
import * as vscode from 'vscode';
import { Command } from './commandIds.ts';
import { registerCommand, registerRowCommand } from './commandRegistration.ts';
import { compareBelow } from './commands/compareBelow.ts';
import { compareContainers } from './commands/compareContainers.ts';
import { compareImage } from './commands/compareImage.ts';
import { exportChanges, exportLayer } from './commands/exportLayer.ts';
import { measureLayers } from './commands/measureLayers.ts';
import { openHiddenFile } from './commands/openHiddenFile.ts';
import { openLayerFile } from './commands/openLayerFile.ts';
import { revealInLayers } from './commands/revealInLayers.ts';
import { saveLayerCopy } from './commands/saveLayerCopy.ts';
import { showOnDisk } from './commands/showOnDisk.ts';
import { showStack } from './commands/showStack.ts';
import { whichLayer } from './commands/whichLayer.ts';
import type { HelperConnection } from './connection/connection.ts';
import { LayerFiles } from './documents/layerFiles.ts';
import type { Host } from './host/host.ts';
import { filterOverlays } from './host/layerFilter.ts';
import { LayerSizes } from './host/layerSizes.ts';
import { Layers } from './host/layers.ts';
import { LayerWatch } from './host/layerWatch.ts';
import { ContextKey, View } from './ids.ts';
import { LayerPicks } from './layerPicks.ts';
import { StackPanels } from './panels/stackPanels.ts';
import type { CommandTarget, LayerTarget } from './target.ts';
import type { ContainersTree } from './trees/containers.ts';
import { DirectoryWatches } from './trees/directoryWatches.ts';
import { LayerDecorations } from './trees/layerDecorations.ts';
import type { LayerParts } from './trees/layerFileNodes.ts';
import { LayerOptions } from './trees/layerOptions.ts';
import { LayersTree } from './trees/layers.ts';
import { LayersSections } from './trees/layersSection.ts';
import { overlayName } from './trees/layerWords.ts';
import type { TreeFilter } from './trees/treeFilter.ts';
import type { Log } from './words/log.ts';
import { duringInView } from './words/notify.ts';

export interface LayersWiring {
  context: vscode.ExtensionContext;
  log: Log;
  connection: HelperConnection;
  host: Host;
  filter: TreeFilter;
  containers: ContainersTree;
}

export function registerLayers({ context, log, connection, host, filter, containers }: LayersWiring): vscode.Disposable {
  const { extensionUri } = context;
  const layers = new Layers(connection);
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
  watches.follow(tree);
  watches.follow(containers);
  containers.addSection(sections.section);

  return vscode.Disposable.from(
    ...[
      registerRowCommand(Command.openLayerFile, (target?: LayerTarget) => openLayerFile(connection, host, picks, tree, target)),
      registerRowCommand(Command.openHiddenFile, (target?: LayerTarget) =>
        openHiddenFile(connection, host, picks, tree, target),
      ),
      registerRowCommand(Command.compareBelow, (target?: LayerTarget) => compareBelow(connection, host, picks, target)),
      registerRowCommand(Command.compareImage, (target?: LayerTarget) => compareImage(connection, host, picks, target)),
      registerCommand(Command.compareContainers, (target?: LayerTarget) => compareContainers(connection, host, picks, target)),
      registerRowCommand(Command.exportLayer, (target?: LayerTarget) => exportLayer(connection, host, picks, target)),
      registerRowCommand(Command.exportChanges, (target?: LayerTarget) => exportChanges(connection, host, picks, target)),
      registerRowCommand(Command.saveLayerCopy, (target?: LayerTarget) => saveLayerCopy(connection, files, picks, target)),
      registerRowCommand(Command.showOnDisk, (target?: LayerTarget) => showOnDisk(connection, host, picks, target)),
      registerCommand(Command.measureLayers, (target?: LayerTarget) => measureLayers(host, layers, sizes, tree, target)),
      registerCommand(Command.whichLayer, (target?: LayerTarget) => whichLayer(picks, panels, target)),
      registerRowCommand(Command.showStack, (target?: LayerTarget) => showStack(picks, panels, target)),
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
      layers,
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
