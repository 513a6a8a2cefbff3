/** What is said in several areas. */
export const SHARED_TEXTS = {
  refreshView: 'Refresh the view.',
  restartHelperAsRoot: 'Restart the helper as root.',
  processHasEnded: 'Process {0} has ended.',
  refreshViewAndChooseAnotherProcess: 'Refresh the view and choose another process.',
  userNamespace: 'the user namespace',
  theRootDirectory: 'the root directory',
  isNoProgramOfMachine: '{0} is not a program of this machine, nor a script.',
  theNamespace: 'the {0} namespace',
  eitherOr: '{0} or {1}',
  sentences: '{0} {1}',
  lines: '{0}\n{1}',
  becauseOf: '{0}: {1}.',
  user: 'user',
  group: 'group',
  hideFromDebuggers: 'be hidden from debuggers again',
  bothOf: '{0} and {1}',
} as const;
