/** What a command on layers acts on: what it was given, the file in the editor, or what the person chooses. */
import * as vscode from 'vscode';
import type { Container } from '../../../helper/protocol/containers.ts';
import type { LayerEntry, LayerPath, Overlay } from '../../../helper/protocol/layers.ts';
import { Scheme } from '../../base/ids.ts';
import { disconnected } from '../../connection/requestError.ts';
import { layerPlace } from '../../documents/layerUri.ts';
import type { CommandTarget, LayerTarget } from '../../model/commandTarget.ts';
import type { Host } from '../../model/liveHost.ts';
import type { Layers } from '../../model/liveLayers.ts';
import { overlayRef } from '../../model/overlayStack.ts';
import { ask } from '../../plain/box.ts';
import { pick } from '../../plain/pick.ts';
import { containerName } from '../../words/hostWords.ts';
import { layerCountText, noOverlayText, overlayContainer, overlayName, pathText } from '../../words/layerWords.ts';

export interface LayerSpot {
  overlay: Overlay;
  place: LayerPath;
  /** What is there, where it came with the place. */
  entry?: LayerEntry | undefined;
}

/** On a row it may also name a container, whose root is meant. */
type Target = LayerTarget & Pick<CommandTarget, 'container'>;
type LayerCommand = (target?: Target) => Promise<void>;

export class LayerPicks {
  private readonly host: Host;
  private readonly layers: Layers;

  constructor(host: Host, layers: Layers) {
    this.host = host;
    this.layers = layers;
  }

  /** A command on an overlay. Where none was given the person chooses one. */
  onOverlay(run: (overlay: Overlay) => unknown): LayerCommand {
    return commandOn((target) => this.overlay(target), run);
  }

  /** A command on a place in a layer. Where none was given the person chooses an overlay and a path. */
  onSpot(run: (spot: LayerSpot) => unknown): LayerCommand {
    return commandOn((target) => this.spot(target), run);
  }

  /** A command on a layer, or a place in one. Where none was given the person chooses an overlay, and all that it shows is meant. */
  onLayer(run: (spot: LayerSpot) => unknown): LayerCommand {
    return commandOn((target) => this.layer(target), run);
  }

  private async overlay(target: Target | undefined): Promise<Overlay | undefined> {
    const given = target?.overlay ?? (target?.place === undefined ? undefined : await this.find(target.place));
    if (given !== undefined) return given;
    return target?.container === undefined ? await this.pick() : await this.rootOf(target.container);
  }

  /** The overlay that a container's root is. Rejects when none is in sight: to ask for another would be wrong. */
  private async rootOf(container: Container): Promise<Overlay> {
    await this.read();
    const [overlay] = this.layers.ofContainer(container.key);
    if (overlay !== undefined) return overlay;
    throw new Error(noOverlayText(containerName(container), this.layers.unreadable));
  }

  private async read(): Promise<void> {
    await Promise.all([this.host.load(), this.layers.reload()]);
    if (this.layers.problem !== undefined) throw this.layers.problem;
    if (!this.layers.loaded) throw disconnected();
  }

  /** A place in a layer; undefined when the person chose none. */
  async spot(target: LayerTarget | undefined): Promise<LayerSpot | undefined> {
    const place = target?.place ?? activePlace();
    const known = target?.overlay ?? (place === undefined ? undefined : await this.find(place));
    if (place !== undefined && known !== undefined) return { overlay: known, place, entry: target?.entry };
    const overlay = known ?? (await this.pick());
    const path = overlay === undefined ? undefined : await this.path(overlay);
    if (overlay === undefined || path === undefined) return undefined;
    return { overlay, place: { overlay: overlayRef(overlay), layer: 'merged', path } };
  }

  /** Another overlay than `overlay`; undefined when the person chose none. */
  async other(overlay: Overlay): Promise<Overlay | undefined> {
    return await this.pick(overlay);
  }

  private async layer(target: Target | undefined): Promise<LayerSpot | undefined> {
    const overlay = await this.overlay(target);
    if (overlay === undefined) return undefined;
    return {
      overlay,
      place: target?.place ?? { overlay: overlayRef(overlay), layer: 'merged', path: '/' },
      entry: target?.entry,
    };
  }

  private async find(place: LayerPath): Promise<Overlay> {
    await this.layers.load();
    const found = this.layers.find(place.overlay) ?? (await this.reloaded(place));
    if (found === undefined) throw new Error(vscode.l10n.t('This overlay is no longer mounted.'));
    return found;
  }

  /** Nothing keeps the list current while no view shows it. */
  private async reloaded(place: LayerPath): Promise<Overlay | undefined> {
    await this.layers.reload();
    return this.layers.find(place.overlay);
  }

  private async pick(except?: Overlay): Promise<Overlay | undefined> {
    await this.read();
    const overlays = this.layers.overlays.filter(({ key }) => key !== except?.key);
    if (overlays.length === 0) throw new Error(nothingToChoose(this.layers.unreadable));
    const items = overlays.map((overlay) => ({
      overlay,
      label: overlayName(this.host.model, overlay),
      description: overlay.image === undefined ? '' : pathText(overlay.image),
      detail: vscode.l10n.t('{0}, mounted at {1}', layerCountText(overlay), pathText(overlay.mountPoint)),
      ofContainer: overlayContainer(this.host.model, overlay) !== undefined && overlay.isRoot,
    }));
    items.sort((a, b) => Number(b.ofContainer) - Number(a.ofContainer) || a.label.localeCompare(b.label));
    const of = except === undefined ? undefined : overlayName(this.host.model, except);
    const placeHolder = vscode.l10n.t('Container, or overlay mount');
    return (await pick(items, { of, placeHolder, matchOnDescription: true, matchOnDetail: true }))?.overlay;
  }

  private async path(overlay: Overlay): Promise<string | undefined> {
    const of = overlayName(this.host.model, overlay);
    const prompt = vscode.l10n.t('A path in {0}, as the container names it', of);
    return await ask({ of, prompt, value: '/', valueSelection: [1, 1] }, (text) =>
      text.startsWith('/') ? undefined : vscode.l10n.t('It begins with /.'),
    );
  }
}

/** A command on what was given or the person chooses. When they choose none it does nothing. */
function commandOn<T>(choose: (target?: Target) => Promise<T | undefined>, run: (chosen: T) => unknown): LayerCommand {
  return async (target) => {
    const chosen = await choose(target);
    if (chosen !== undefined) await run(chosen);
  };
}

function activePlace(): LayerPath | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri;
  return uri?.scheme === Scheme.layer && uri.query.startsWith('{') ? layerPlace(uri) : undefined;
}

function nothingToChoose(unreadable: number): string {
  if (unreadable === 0) return vscode.l10n.t('There is no overlay mount to choose from.');
  return vscode.l10n.t(
    'No overlay mount is in sight to choose from: the mounts of {0} mount namespaces could not be read.',
    unreadable,
  );
}

/** For what is told by the list of layers: throws when that is unknown, for then nothing follows from what it does not have. */
export function mustKnowLayers({ unknownLayers }: Overlay): void {
  if (unknownLayers !== undefined)
    throw new Error(vscode.l10n.t('The layers of this overlay are unknown: nothing tells of them.'));
}
