/** Everything that package.json and the code both name. A test holds package.json against these. */

/** The extension's own name, `publisher.name`. */
export const EXTENSION = 'isoscope.isoscope';

export const Command = {
  restartHelper: 'isoscope.helper.restart',
  restartHelperAsRoot: 'isoscope.helper.restartAsRoot',
  restartHelperAsUser: 'isoscope.helper.restartAsUser',
  showHelperLog: 'isoscope.helper.showLog',
  showHelperActions: 'isoscope.helper.showActions',
  openTerminalInContainer: 'isoscope.terminal.openInContainer',
  enterNamespaces: 'isoscope.terminal.enterNamespaces',
  runInNamespaces: 'isoscope.program.runInNamespaces',
  showSyscalls: 'isoscope.program.showSyscalls',
  refresh: 'isoscope.view.refresh',
  filter: 'isoscope.view.filter',
  clearFilter: 'isoscope.view.clearFilter',
  showMore: 'isoscope.view.showMore',
  groupNamespaces: 'isoscope.namespaces.group',
  revealInContainers: 'isoscope.reveal.inContainers',
  revealInNamespaces: 'isoscope.reveal.inNamespaces',
  copyId: 'isoscope.copy.id',
  copyPid: 'isoscope.copy.pid',
  copyNsenter: 'isoscope.copy.nsenter',
  copyText: 'isoscope.copy.text',
  compareMounts: 'isoscope.process.compareMounts',
  inspectProcess: 'isoscope.process.inspect',
  groupCgroups: 'isoscope.cgroups.group',
  inspectCgroup: 'isoscope.cgroups.inspect',
  monitorCgroups: 'isoscope.cgroups.monitor',
  openCgroupFile: 'isoscope.cgroups.openFile',
  revealInCgroups: 'isoscope.reveal.inCgroups',
  setCpuLimit: 'isoscope.cgroups.setCpuLimit',
  setCpuWeight: 'isoscope.cgroups.setCpuWeight',
  setMemoryLimit: 'isoscope.cgroups.setMemoryLimit',
  setMemoryHigh: 'isoscope.cgroups.setMemoryHigh',
  setSwapLimit: 'isoscope.cgroups.setSwapLimit',
  setTasksLimit: 'isoscope.cgroups.setTasksLimit',
  setIoLimit: 'isoscope.cgroups.setIoLimit',
  freezeCgroup: 'isoscope.cgroups.freeze',
  thawCgroup: 'isoscope.cgroups.thaw',
  killCgroup: 'isoscope.cgroups.kill',
  createCgroup: 'isoscope.cgroups.create',
  removeCgroup: 'isoscope.cgroups.remove',
  moveProcess: 'isoscope.cgroups.moveProcess',
  switchController: 'isoscope.cgroups.switchController',
  undoCgroupChange: 'isoscope.cgroups.undo',
  showAllFiles: 'isoscope.layers.allFiles',
  compareBelow: 'isoscope.layers.compareBelow',
  compareContainers: 'isoscope.layers.compareContainers',
  compareImage: 'isoscope.layers.compareImage',
  exportChanges: 'isoscope.layers.exportChanges',
  exportLayer: 'isoscope.layers.exportLayer',
  measureLayers: 'isoscope.layers.measure',
  showOnlyChanges: 'isoscope.layers.onlyChanges',
  openLayerFile: 'isoscope.layers.openFile',
  openHiddenFile: 'isoscope.layers.openHidden',
  whichLayer: 'isoscope.layers.provenance',
  saveLayerCopy: 'isoscope.layers.saveCopy',
  showOnDisk: 'isoscope.layers.showOnDisk',
  showStack: 'isoscope.layers.showStack',
  sortByName: 'isoscope.layers.sortByName',
  sortBySize: 'isoscope.layers.sortBySize',
  stopMeasuring: 'isoscope.layers.stopMeasuring',
  revealInLayers: 'isoscope.reveal.inLayers',
  revealInSandboxes: 'isoscope.reveal.inSandboxes',
  runInNewNamespace: 'isoscope.sandbox.runInNewNamespace',
  runInSameNamespaces: 'isoscope.sandbox.runInSameNamespaces',
  newSandboxFile: 'isoscope.sandbox.newFile',
  newSandbox: 'isoscope.sandbox.new',
  startSandbox: 'isoscope.sandbox.start',
  explainSandbox: 'isoscope.sandbox.explain',
  openSandboxTerminal: 'isoscope.sandbox.openTerminal',
  stopSandbox: 'isoscope.sandbox.stop',
  restartSandbox: 'isoscope.sandbox.restart',
  removeSandbox: 'isoscope.sandbox.remove',
  duplicateSandbox: 'isoscope.sandbox.duplicate',
  editSandbox: 'isoscope.sandbox.edit',
  editSandboxInForm: 'isoscope.sandbox.editInForm',
} as const;
export type CommandId = (typeof Command)[keyof typeof Command];

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
  process: 'isoscope.process',
  cgroup: 'isoscope.cgroup',
  stack: 'isoscope.stack',
  monitor: 'isoscope.monitor',
  sandbox: 'isoscope.sandbox',
} as const;
export type PageTypeId = (typeof PageType)[keyof typeof PageType];

/** Pages that edit a file. */
export const EditorType = { sandboxForm: 'isoscope.sandboxForm' } as const;

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
 * URI schemes: of read-only documents, `cgroup` of the kernel's files of cgroups, `layer` of the files of layers, and `row` of the rows of
 * trees, for their decorations.
 */
export const Scheme = {
  syscalls: 'isoscope-syscalls',
  output: 'isoscope-output',
  cgroup: 'isoscope-cgroup',
  layer: 'isoscope-layer',
  mounts: 'isoscope-mounts',
  sandbox: 'isoscope-sandbox',
  row: 'isoscope-row',
} as const;
export type SchemeId = (typeof Scheme)[keyof typeof Scheme];
