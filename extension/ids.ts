/** Everything that package.json and the code both name. A test holds package.json against these. */

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
  inspectProcess: 'isoscope.process.inspect',
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
  sandboxes: 'isoscope.sandboxes',
} as const;
export type ViewId = (typeof View)[keyof typeof View];

export const ContextKey = {
  /** `stopped`, `starting`, `ready` or `failed`. */
  state: 'isoscope.state',
  /** `privileged` or `unprivileged`; unset while no helper is ready. */
  mode: 'isoscope.mode',
  /** True where there is no Linux kernel to look at. */
  unsupportedPlatform: 'isoscope.unsupportedPlatform',
  /** True once the host has been read. */
  loaded: 'isoscope.loaded',
  /** True while a filter is set on the trees. */
  filtered: 'isoscope.filtered',
} as const;
export type ContextKeyId = (typeof ContextKey)[keyof typeof ContextKey];

/** URI schemes: of read-only documents, and `row` of the rows of trees, for their decorations. */
export const Scheme = {
  syscalls: 'isoscope-syscalls',
  output: 'isoscope-output',
  sandbox: 'isoscope-sandbox',
  row: 'isoscope-row',
} as const;
