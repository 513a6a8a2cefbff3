/**
 * The part of the protocol about overlay file systems: the layers of which a container's files are made, and which layer each file
 * comes from (Documentation/filesystems/overlayfs.rst, OCI image-spec layer.md). Types and constants only.
 *
 * Paths inside a layer or a merged view are relative to its root and begin with `/`. A byte of a name that is not UTF-8 is written
 * as U+DC80 to U+DCFF (its value plus U+DC00), so that every name has a distinct text and can be sent back.
 */
import type { Unknown } from './errors.ts';
import { notification, request } from './message.ts';
import type { NamespaceRef } from './namespaces.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Identity

/** An overlay mount: its mount id within its mount namespace, with the device number of its superblock (`0:52`), which it must still have. */
export interface OverlayRef {
  mountNamespace: NamespaceRef;
  mountId: number;
  device: string;
  /** `key` of the overlay that is meant. Both numbers are given to the next mount at once: with it, that one is never taken for it. */
  key?: string;
}

/** One layer of an overlay, counted from the top; or what the container sees of all of them. */
export interface LayerRef {
  overlay: OverlayRef;
  layer: number | 'merged';
}

export interface LayerPath extends LayerRef {
  path: string;
}

// ---------------------------------------------------------------------------------------------------------------------
// Overlays and their layers

/**
 * What a layer is for. `init`: Docker's, with `/etc/hosts` and `/etc/resolv.conf`. `host`: a directory of the host, under the changes of a
 * sandbox. `data`: a data-only lower layer (`::`).
 */
export type LayerRole = 'readWrite' | 'init' | 'image' | 'host' | 'lower' | 'data';

export interface Layer {
  /** From the top, 0 first: the order in which a name is looked up. */
  index: number;
  role: LayerRole;
  /**
   * Its directory, as the mount gives it, with shortened links (`l/XXXX`) resolved where that is possible. In `/proc` when only the helper that
   * made the mount leads to it.
   */
  directory: string;
  /** The mount namespace in which `directory` means this; absent: the helper's own. */
  mountNamespace?: NamespaceRef;
  /** As the option has it, when that is another text. */
  given?: string;
  /** Identity of the directory itself, the same wherever it is used; absent when it cannot be opened. */
  id?: string;
  /** Image layers: the digest of the layer (`sha256:…`), and the build step that made it (`RUN apt-get …`). */
  digest?: string;
  createdBy?: string;
  /** Why it cannot be looked into: permission, gone (deleted), … */
  unreadable?: Unknown;
  /** `key`s of other overlays that use the same directory, at most 16. */
  sharedWith: string[];
  /** How many others there are beside those in `sharedWith`; absent: none. */
  sharedWithMore?: number;
}

export interface Overlay extends OverlayRef {
  /** Unique and stable while it is mounted. */
  key: string;
  /** Where it is mounted in that namespace; the first place, the others in `alsoAt`. */
  mountPoint: string;
  alsoAt: { mountNamespace: NamespaceRef; mountId: number; mountPoint: string }[];
  /** `overlay`, or `fuse.fuse-overlayfs`. */
  type: string;
  /** `key` of the container whose root it is, or that has it mounted elsewhere. */
  container?: string;
  /** Whether it is the root file system of that container. */
  isRoot: boolean;
  /** The image by name, when the engine's files say. */
  image?: string;
  layers: Layer[];
  /** Why there are none in `layers`: nothing tells of them. An overlay has one at least. */
  unknownLayers?: Unknown;
  workDirectory?: string;
  /** `metacopy=on`, `redirect_dir=on`, `index=on`, `userxattr`, `volatile`, `nfs_export=on`, … as the mount shows them. */
  options: string[];
  readOnly: boolean;
}

export interface LayersListResult {
  overlays: Overlay[];
  /**
   * At least so many mount namespaces could not be read: nobody can tell in how many those processes are that may not be looked at. Not for the sake
   * of those that are closed to everybody, of which namespaces/list tells.
   */
  unreadable: { count: number };
}

/** All overlay mounts, with their layers. */
export const LayersList = request('layers/list')<Record<string, never>, LayersListResult>();

/** One overlay mount, as in the list. */
export const LayersInspect = request('layers/inspect')<{ overlay: OverlayRef }, Overlay>();

// ---------------------------------------------------------------------------------------------------------------------
// Files

export type FileType = 'file' | 'directory' | 'symlink' | 'characterDevice' | 'blockDevice' | 'fifo' | 'socket' | 'whiteout';

/** What a layer does to what lies below it. */
export type LayerMark =
  | 'added'
  | 'modified'
  /** All that can be told without reading much is as in the layer below; its content was not compared whole. */
  | 'perhapsModified'
  | 'deleted'
  /** A directory that hides the one below it whole. */
  | 'opaque'
  /** A directory that was renamed: its lower part is found under another name. */
  | 'redirected'
  /** Only the metadata was changed (metacopy); the content is a lower layer's. */
  | 'metadata';

/** A mount over files of an overlay: the container sees what is mounted instead. */
export interface LayerCover {
  mountId: number;
  mountPoint: string;
  type: string;
  source: string;
  /** The directory or file of that file system that is mounted. */
  root: string;
  /** The same by a path of the host, where that has it mounted, too: of a volume or a bind mount. */
  from?: string;
}

export interface LayerEntry {
  name: string;
  type: FileType;
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  /** What it takes of the disk (`st_blocks`): less than its size when it has holes. 0 of one of which only the metadata was copied up. */
  allocatedBytes: number;
  /** Milliseconds since the Unix epoch. */
  modifiedMillis: number;
  /** Hard links. */
  links: number;
  symlinkTarget?: string;
  deviceNumber?: string;
  marks: LayerMark[];
  /** Redirected: where its lower part is. */
  redirect?: string;
  /** In the merged view: index of the layer that provides it (for a directory, the topmost that has it). */
  providedBy?: number;
  /** In the merged view: it is what this mount shows, and not of any layer. */
  coveredBy?: LayerCover;
  /** In the merged view: the layers have it, but the mount over its directory hides it. */
  covered?: true;
  /** Why its attributes, its marks or `providedBy` may be missing or wrong: an attribute or a layer that cannot be read. */
  unknown?: Unknown;
}

export interface LayersReadDirectoryResult {
  entries: LayerEntry[];
  /** Send it back as `after` for the next page; absent at the end. */
  next?: string;
  /** Some of it could not be read. */
  incomplete?: Unknown;
  /** In the merged view: the mount whose directory it is. Entries that only the layers have are `covered`. */
  coveredBy?: LayerCover;
}

/**
 * A page of a directory of a layer, or of the merged view, by name; at most `limit` (default 1,000) entries. `changedOnly`: only
 * entries with a mark, and directories that hold one.
 */
export const LayersReadDirectory = request('layers/readDirectory')<
  LayerPath & { after?: string; limit?: number; changedOnly?: boolean },
  LayersReadDirectoryResult
>();

/** One entry of a layer, or of the merged view. */
export const LayersStat = request('layers/stat')<LayerPath, LayerEntry>();

/** Bytes of a regular file, base64, from `offset`, at most `length` (default 1 MiB). Nothing but a regular file is ever opened. */
export const LayersReadFile = request('layers/readFile')<
  LayerPath & { offset?: number; length?: number },
  { base64: string; sizeBytes: number; modifiedMillis: number }
>();

// ---------------------------------------------------------------------------------------------------------------------
// Changes

export interface LayerChange {
  path: string;
  /** `perhapsModified`: as the mark; of a directory, when the first that was found in it is such. */
  change: 'added' | 'modified' | 'perhapsModified' | 'deleted';
  type: FileType;
  marks: LayerMark[];
  /** When `sizes` were asked for. */
  sizeBytes?: number;
}

export interface LayersChangesResult {
  changes: LayerChange[];
  next?: string;
  /** Some directory, layer or mark could not be read, on this page or before: changes may be missing, or be of another kind. */
  incomplete?: Unknown;
}

/**
 * What a layer changes of those below it (default the topmost, layer 0, the container's changes), depth first by name, a page at a time:
 * `docker diff` gives the same set, but for files
 * that were replaced by one of the same size and time, which it does not see. `limit` is 1,000 by default. `sizes` asks each new file for its size, which takes half as long
 * again; only then is a mark told that the mount does not follow (`metadata` of a file that was made under `metacopy=on`, without that option).
 */
export const LayersChanges = request('layers/changes')<
  { overlay: OverlayRef; layer?: number; after?: string; limit?: number; sizes?: boolean },
  LayersChangesResult
>();

// ---------------------------------------------------------------------------------------------------------------------
// Provenance

export interface LayersProvenanceResult {
  /** The path that was looked up in the end, every symlink on the way followed inside the container's root only. */
  resolved: string;
  /** The symlinks that were followed. */
  followed: { path: string; target: string }[];
  /** Unknown: a layer was not read, or a directory on the way, whose marks only root is shown, may hide what was found, or have it elsewhere. */
  exists: boolean | Unknown;
  /** What is seen; when it is not known whether it exists, what was found. */
  entry?: LayerEntry;
  /** From the top, what each layer has to say of this path. */
  layers: {
    layer: number;
    /**
     * `provides`: it, or the topmost part of the directory; `merges`: a further part; `opaque`: a further part, that hides those below it;
     * `hidden`: a copy that is not seen; `hiddenByParent`: one below a directory that is not seen; `whiteout`: it deletes it; `unknown`: it could not be
     * read, or, with `because`, the directory that is named there may hide or move what it has.
     */
    has: 'provides' | 'merges' | 'hidden' | 'whiteout' | 'opaque' | 'hiddenByParent' | 'nothing' | 'unknown';
    /** Of a hidden copy, and of one of which it is unknown. */
    entry?: LayerEntry;
    /** Where the layer itself has it, when that is another path: below a directory that a layer above renamed. */
    path?: string;
    /** The directory on the way that decides: an opaque directory, a whiteout of a parent, a redirect. */
    because?: string;
    /** Why it is unknown. */
    unknown?: Unknown;
  }[];
  /** The mount that the path is on in that mount namespace: `exists`, `entry` and `layers` are then of what it covers. */
  coveredBy?: LayerCover;
  /** With `coveredBy`: what the container sees there. Absent when there is nothing. */
  seen?: LayerEntry | Unknown;
}

/**
 * What each layer has to say of a path, and which one provides what is seen. `path` may have `.` and `..`. With `noFollow` the last name is asked for
 * itself when it is a symbolic link.
 */
export const LayersProvenance = request('layers/provenance')<
  { overlay: OverlayRef; path: string; noFollow?: boolean },
  LayersProvenanceResult
>();

// ---------------------------------------------------------------------------------------------------------------------
// Sizes

/**
 * Of a layer, or a directory in it. Hard links are counted once; `wasted` bytes are those of files that a layer above replaces or deletes, `allocated` ones
 * what they, and directories, take of the disk.
 */
export interface LayerSize {
  sizeBytes: number;
  allocatedBytes: number;
  entries: number;
  added: number;
  modified: number;
  perhapsModified: number;
  deleted: number;
  wastedBytes: number;
  wastedAllocatedBytes: number;
  /** Some of it could not be read. */
  incomplete?: Unknown;
}

/**
 * Measures in the background; `layers/measuring` tells how far it is, and cancelling the request ends it. `children` asks for what each
 * entry of the directory takes with all that is in it.
 */
export const LayersMeasure = request('layers/measure')<
  LayerPath & { progress?: string; children?: boolean },
  LayerSize & { children?: { name: string; sizeBytes: number; allocatedBytes: number; entries: number }[] }
>();

/** How far `layers/measure` is: at most five a second for each request that named a `progress`. */
export const LayersMeasuring = notification('layers/measuring')<{
  progress: string;
  entries: number;
  sizeBytes: number;
  allocatedBytes: number;
  path: string;
}>();

// ---------------------------------------------------------------------------------------------------------------------
// Live

export interface LayersWatchParams {
  /** Names the watch; chosen by the client. Each call replaces the one before with the same name. */
  subscription: string;
  /** Empty ends it. One that a layer does not have yet is reported when it comes. `recursive`: with all below it. */
  directories: (LayerPath & { recursive?: boolean })[];
}

/** Has `layers/changed` tell of directories. `complete` is false when there were more of them than the helper watches. */
export const LayersWatch = request('layers/watch')<LayersWatchParams, { complete: boolean }>();

/** Something changed in these of the watched directories. Coalesced to at most five a second. */
export const LayersChanged = notification('layers/changed')<{ subscription: string; directories: LayerPath[] }>();

// ---------------------------------------------------------------------------------------------------------------------
// Export

/**
 * Begins a tar with OCI whiteouts (`.wh.name`, `.wh..wh..opq`): of a layer, or of the merged view (which has none), from `path` (default
 * `/`) down. `id` stands for it until its end; one that nobody reads for 60 s is given up.
 */
export const LayersExport = request('layers/export')<LayerRef & { path?: string }, { id: string }>();

/** What a person should know of an archive: what is not in it, or may be taken for something else. */
export interface LayerExportNote {
  /**
   * `deletionName`: left out, for in a layer of an image a name that begins with `.wh.` means a deletion. `keptName`: such a name in the archive of a
   * merged view, which tar(1) unpacks as it is, and an engine's import takes for a deletion. `socket`: left out, for tar has none.
   */
  what: 'deletionName' | 'keptName' | 'socket';
  count: number;
  /** The first of them, at most 16. */
  paths: string[];
}

export interface LayersExportReadResult {
  base64: string;
  done: boolean;
  entries: number;
  path: string;
  /** When it is done. */
  notes?: LayerExportNote[];
}

/** The next bytes of an export, at most 1 MiB. After `done`, and after an error, the id is no longer known. */
export const LayersExportRead = request('layers/exportRead')<{ id: string }, LayersExportReadResult>();

/** Gives an export up before its end. */
export const LayersExportEnd = request('layers/exportEnd')<{ id: string }, Record<string, never>>();
