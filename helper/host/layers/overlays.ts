/** Every overlay of this host, once each, however many mount namespaces see it; and the directories it is made of. */
import { Failure } from '../../failure.ts';
import type { Mount } from '../../proc/mountinfo.ts';
import { type OverlayOptions, parseOverlayOptions } from '../../proc/overlayOptions.ts';
import type { Container } from '../../protocol/containers.ts';
import type { Layer, LayersListResult, Overlay, OverlayRef } from '../../protocol/layers.ts';
import type { NamespaceRef } from '../../protocol/namespaces.ts';
import { said } from '../../saying.ts';
import type { ContainerTable } from '../containers.ts';
import { daemonsOf } from '../engines/daemons.ts';
import type { HostModel } from '../hostModel.ts';
import { ownNamespaces } from '../hostNamespaces.ts';
import { isPrivileged } from '../identity.ts';
import type { MountPins } from '../mountPins.ts';
import type { MountNamespaces } from '../namespaceRoot.ts';
import { namespaceRef } from '../relations.ts';
import { type FuseOverlay, fuseOverlayOf } from './fuseOverlay.ts';
import { type LayerDirectory, LayerLocator, type MountPlace } from './layerDirectories.ts';
import { LayerRoles, type LayerStorage } from './roles.ts';
import { isRootOf, type RootLayer, type RootLayers } from './rootLayers.ts';
import { shareLayers } from './sharing.ts';

/** What of the host the overlays are found by. */
export interface OverlaySource {
  readonly model: HostModel;
  readonly mounts: MountPins;
  readonly containers: ContainerTable;
  /** Brings processes and mounts up to date. */
  refresh(): Promise<void>;
}

/** With what only whoever made a mount knows. */
export interface LayersSource extends OverlaySource {
  readonly rootLayers: RootLayers;
}

/** An overlay as it was last found. */
export interface FoundOverlay {
  overlay: Overlay;
  options: OverlayOptions;
  directories: LayerDirectory[];
  places: MountPlace[];
}

/** An overlay, and where its layers are. */
interface LocatedOverlay extends Pick<FoundOverlay, 'options' | 'directories' | 'places'> {
  container: { key: string; place: MountPlace } | undefined;
  /** Who serves it, when it is of FUSE. */
  served: FuseOverlay | undefined;
  /** What whoever made it knows of its layers. */
  own: readonly RootLayer[] | undefined;
}

/** Whoever has a user namespace may mount as many as `fs.mount-max`; no engine comes near this. */
const MAX_IN_NAMESPACE = 2000;
/** Places beside the first one that are told of. */
const MAX_ALSO_AT = 200;

const OWN = ownNamespaces().mnt?.ino;

export class OverlayTable {
  readonly namespaces: MountNamespaces;
  private readonly source: LayersSource;
  private readonly isPrivileged = isPrivileged();
  private found: FoundOverlay[] = [];
  private cutOff = 0;
  private reading: Promise<void> | undefined;

  constructor(source: LayersSource) {
    this.source = source;
    this.namespaces = { index: source.model.namespaces, mounts: source.mounts };
  }

  async list(): Promise<LayersListResult> {
    await this.read();
    const { mounts, model } = this.source;
    const hidden = !this.isPrivileged && model.namespaces.unreadable.size > 0 ? 1 : 0;
    return {
      overlays: this.found.map(({ overlay }) => overlay),
      unreadable: { count: mounts.unreadable + this.cutOff + hidden },
    };
  }

  async inspect(ref: OverlayRef): Promise<Overlay> {
    await this.read();
    const found = this.known(ref);
    if (found !== undefined) return found.overlay;
    throw goneOverlay(ref);
  }

  /** As last read. */
  known(ref: OverlayRef): FoundOverlay | undefined {
    const isMeant = ({ key, device }: Overlay) => device === ref.device && (ref.key === undefined || key === ref.key);
    return this.found.find(({ overlay, places }) => isMeant(overlay) && places.some((place) => isAt(place, ref)));
  }

  /** Requests that come while it reads wait for one more reading: what was done before asking is to be seen. */
  private read(): Promise<void> {
    this.reading ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.reading = undefined;
        this.readNow().then(resolve, reject);
      });
    });
    return this.reading;
  }

  private async readNow(): Promise<void> {
    await this.source.refresh();
    const containers = new Map((await this.source.containers.list()).map((container) => [container.key, container]));
    const roles = await LayerRoles.of(daemonsOf(this.source.model));
    using locator = new LayerLocator(this.namespaces);
    const { groups, cutOff } = groupedPlaces(this.source.mounts);
    // All of them end before the locator does, whose descriptors they use.
    const settled = await Promise.allSettled([...groups.values()].map((places) => this.locate(places, locator, roles)));
    const located = settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    const storages = await roles.storagesOf(
      located.map(({ directories, options: { upper } }) => ({ directories, hasUpper: upper !== undefined })),
    );
    const found = located.map((one, index) => this.describe(one, storages[index]!, containers));
    shareLayers(found.map(({ overlay }) => overlay));
    this.found = found;
    this.cutOff = cutOff;
  }

  private async locate(given: MountPlace[], locator: LayerLocator, roles: LayerRoles): Promise<LocatedOverlay> {
    const container = this.containerOf(given);
    const places = arranged(given, container?.place);
    const { mountNamespace, mount } = places[0]!;
    const fuse = mount.type !== 'overlay';
    const served = fuse ? fuseOverlayOf(places, this.source.model) : undefined;
    const options = served?.options ?? parseOverlayOptions(mount.superOptions);
    const own = fuse ? undefined : await this.rootLayersAt(places, options);
    const directories =
      own === undefined ? await locator.locate(options, places, roles.bases) : await locator.locateRoot(own, mountNamespace);
    return { container, places, served, options, own, directories };
  }

  private describe(
    { container, places, served, options, own, directories }: LocatedOverlay,
    told: LayerStorage,
    containers: ReadonlyMap<string, Container>,
  ): FoundOverlay {
    const { mountNamespace, mount } = places[0]!;
    const fuse = mount.type !== 'overlay';
    const storage: LayerStorage = own === undefined ? told : { layers: own };
    const image = containers.get(container?.key ?? '')?.image ?? storage.image;
    const overlay: Overlay = {
      key: keyOf(places),
      mountNamespace: namespaceRef('mnt', mountNamespace),
      mountId: mount.id,
      device: mount.device,
      mountPoint: mount.mountPoint,
      alsoAt: places.slice(1, MAX_ALSO_AT + 1).map((place) => ({
        mountNamespace: namespaceRef('mnt', place.mountNamespace),
        mountId: place.mount.id,
        mountPoint: place.mount.mountPoint,
      })),
      type: mount.type,
      ...(container === undefined ? {} : { container: container.key }),
      isRoot: container?.place.mount.mountPoint === '/',
      ...(image === undefined ? {} : { image }),
      layers: directories.map((directory, index) => layerOf(directory, index, storage, options)),
      ...(options.work === undefined ? {} : { workDirectory: workDirectory(options.work, directories[0]) }),
      options: fuse ? [...options.flags, ...fuseOptions(mount, served?.uid)] : options.flags,
      // An overlay has a layer: where none is told, somebody has to tell who may not be looked at, or has ended.
      ...(directories.length === 0 ? { unknownLayers: { unknown: 'unsupported' } as const } : {}),
      readOnly: options.upper === undefined || mount.options.includes('ro') || mount.superOptions.includes('ro'),
    };
    return { overlay, options, directories, places };
  }

  private async rootLayersAt(
    places: readonly MountPlace[],
    options: OverlayOptions,
  ): Promise<readonly RootLayer[] | undefined> {
    for (const { mountNamespace } of places) {
      const made = mountNamespace === OWN ? [] : await this.source.rootLayers(mountNamespace);
      const layers = made.find((one) => isRootOf(one, options));
      if (layers !== undefined) return layers;
    }
    return undefined;
  }

  /** The container whose root it is; else the only one that has it, when the host has not. */
  private containerOf(places: readonly MountPlace[]): { key: string; place: MountPlace } | undefined {
    const found: { key: string; place: MountPlace }[] = [];
    for (const place of places) {
      const key = this.containerIn(place.mountNamespace);
      if (key !== undefined) found.push({ key, place });
    }
    const root = found.find(({ place }) => place.mount.mountPoint === '/');
    if (root !== undefined || places.some(({ mountNamespace }) => mountNamespace === OWN)) return root;
    return new Set(found.map(({ key }) => key)).size === 1 ? found[0] : undefined;
  }

  private containerIn(mountNamespace: number): string | undefined {
    return mountNamespace === OWN ? undefined : this.source.containers.makerOf(mountNamespace);
  }
}

export function goneOverlay({ device, mountId }: OverlayRef): Failure {
  return new Failure('gone', said('overlayIsNoLongerMounted', device, mountId), {
    hint: said('refreshViewAndChooseAnotherOverlay'),
  });
}

export function isAt({ mountNamespace, mount }: MountPlace, ref: { mountNamespace: NamespaceRef; mountId: number }): boolean {
  return mountNamespace === ref.mountNamespace.ino && mount.id === ref.mountId;
}

/** One entry a superblock. Two readings may see a number that went from one to another in between: the options tell them apart. */
function groupedPlaces(mounts: MountPins): { groups: Map<string, MountPlace[]>; cutOff: number } {
  const groups = new Map<string, MountPlace[]>();
  let cutOff = 0;
  for (const { mountNamespace, mounts: found } of mounts.overlays()) {
    if (found.length > MAX_IN_NAMESPACE) cutOff += 1;
    for (const mount of found.slice(0, MAX_IN_NAMESPACE)) {
      const place = { mountNamespace, mount };
      const text = `${mount.device} ${lastingText(mount)}`;
      const same = groups.get(text);
      if (same === undefined) groups.set(text, [place]);
      else same.push(place);
    }
  }
  return { groups, cutOff };
}

/** A device number alone is soon given to another overlay. */
function keyOf([first]: readonly MountPlace[]): string {
  return `${first!.mount.device}-${fnv1a(lastingText(first!.mount)).toString(16)}`;
}

/** What remounting does not change. */
function lastingText({ type, superOptions }: Mount): string {
  return [type, ...superOptions.filter((option) => option !== 'rw' && option !== 'ro')].join('\0');
}

/** FNV-1a, 32 bits: it only has to tell an overlay from the one that had its number before. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}

/**
 * First where a container sees it, whose mounts are the ones that matter; else in the helper's own mount namespace. There as the table has
 * them, in the order of mounting: ids say nothing of that, for each is the least that is free.
 */
function arranged(places: readonly MountPlace[], first: MountPlace | undefined): MountPlace[] {
  const rank = (place: MountPlace) => (place === first ? 0 : place.mountNamespace === OWN ? 1 : 2);
  return [...places].sort((one, other) => rank(one) - rank(other) || one.mountNamespace - other.mountNamespace);
}

/** A relative one begins where the upper directory's path does. */
function workDirectory(work: string, upper: LayerDirectory | undefined): string {
  if (work.startsWith('/') || upper?.path.endsWith(`/${upper.given}`) !== true) return work;
  return `${upper.path.slice(0, -upper.given.length)}${work}`;
}

/** `user_id` as the initial user namespace counts, where that is known. */
function fuseOptions({ superOptions }: Mount, uid: number | undefined): string[] {
  const telling = superOptions.filter(isTelling);
  return uid === undefined ? telling : telling.map((option) => (option.startsWith('user_id=') ? `user_id=${uid}` : option));
}

/** Of the options that FUSE adds, those that say something of an overlay. */
function isTelling(option: string): boolean {
  return option === 'allow_other' || option === 'default_permissions' || option.startsWith('user_id=');
}

function layerOf(directory: LayerDirectory, index: number, storage: LayerStorage, options: OverlayOptions): Layer {
  const { given, resolved, mountNamespace, id, unreadable, dataOnly } = directory;
  const known = storage.layers[index] ?? {};
  return {
    index,
    role: index === 0 && options.upper !== undefined ? 'readWrite' : dataOnly ? 'data' : (known.role ?? 'lower'),
    directory: resolved,
    ...(mountNamespace === OWN ? {} : { mountNamespace: namespaceRef('mnt', mountNamespace) }),
    ...(given === resolved ? {} : { given }),
    ...(id === undefined ? {} : { id }),
    ...(known.digest === undefined ? {} : { digest: known.digest }),
    ...(known.createdBy === undefined ? {} : { createdBy: known.createdBy }),
    ...(unreadable === undefined ? {} : { unreadable }),
    sharedWith: [],
  };
}
