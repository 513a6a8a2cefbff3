/** What package.json and the code both name, but for the ids of commands, which are in commandIds.ts. */

/** The extension's own name, `publisher.name`. */
export const EXTENSION = 'isoscope.isoscope';

export const Setting = {
  /** `auto`: become root through sudo; `never`: run as the user. */
  elevation: 'isoscope.elevation',
} as const;
export type SettingId = (typeof Setting)[keyof typeof Setting];

export const View = {
  containers: 'isoscope.containers',
  namespaces: 'isoscope.namespaces',
  cgroups: 'isoscope.cgroups',
  layers: 'isoscope.layers',
  sandboxes: 'isoscope.sandboxes',
} as const;
export type ViewId = (typeof View)[keyof typeof View];

/** Kinds of pages. Each comes back after a reload of the window: it has an activation event and a serializer. */
export const PageType = {
  host: 'isoscope.hostOverview',
  overview: 'isoscope.overview',
  process: 'isoscope.process',
  compare: 'isoscope.compare',
  cgroup: 'isoscope.cgroup',
  stack: 'isoscope.stack',
  monitor: 'isoscope.monitor',
  sandbox: 'isoscope.sandbox',
} as const;
export type PageTypeId = (typeof PageType)[keyof typeof PageType];

/** The page that edits a file. */
export const SANDBOX_FORM_EDITOR = 'isoscope.sandboxForm';

export const ContextKey = {
  /** `stopped`, `starting`, `ready` or `failed`. */
  state: 'isoscope.state',
  /** `privileged` or `unprivileged`; unset while no helper is ready. */
  mode: 'isoscope.mode',
  /** True where there is no Linux kernel to look at. */
  unsupportedPlatform: 'isoscope.unsupportedPlatform',
  /**
   * Of each view, what it shows: `rows`; `none` or `filtered` when its list was read and leaves none; `reading` before; `unknown` when it could not
   * be read. Unset before it was first asked for.
   */
  containersList: 'isoscope.list.containers',
  namespacesList: 'isoscope.list.namespaces',
  cgroupsList: 'isoscope.list.cgroups',
  layersList: 'isoscope.list.layers',
  sandboxesList: 'isoscope.list.sandboxes',
  /** True while a filter is set on the trees. */
  filtered: 'isoscope.filtered',
  /** True while there is a change of a cgroup that can be undone. */
  cgroupUndo: 'isoscope.cgroupUndo',
  /** True while the files of layers are sorted by size. */
  layersBySize: 'isoscope.layersBySize',
  /** True while sizes are being measured. */
  layersMeasuring: 'isoscope.layersMeasuring',
  /** True while only the files that a layer changes are listed. */
  layersOnlyChanges: 'isoscope.layersOnlyChanges',
} as const;
export type ContextKeyId = (typeof ContextKey)[keyof typeof ContextKey];

/**
 * URI schemes of what can be opened: of read-only documents, `cgroup` of the kernel's files of cgroups, and `layer` of the
 * files of layers. Each has an activation event, so that what was open comes back after a reload of the window.
 */
export const Scheme = {
  syscalls: 'isoscope-syscalls',
  output: 'isoscope-output',
  cgroup: 'isoscope-cgroup',
  layer: 'isoscope-layer',
  mounts: 'isoscope-mounts',
  sandbox: 'isoscope-sandbox',
} as const;
export type SchemeId = (typeof Scheme)[keyof typeof Scheme];

/** The URI scheme of the rows of trees, for their decorations. Nothing opens them. */
export const ROW_SCHEME = 'isoscope-row';
