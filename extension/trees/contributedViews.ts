/** The views as package.json has them, with what each says in the place of rows. Of its list a view tells by a context key. */
import type { Text, ViewContribution } from '../base/contributions.ts';
import { View } from '../base/ids.ts';
import type { Condition, When } from '../base/when.ts';

const ICON = 'media/isoscope.svg';
const SUPPORTED: Condition = { notContext: 'unsupportedPlatform' };
const READY: readonly Condition[] = [SUPPORTED, { context: 'state', is: 'ready' }];

interface Welcome {
  view: string;
  contents: Text;
  when: When;
}

/** The sections of all views, in the order in which they stand below each other. */
export function contributedViews(views: readonly ViewContribution[]) {
  return {
    viewsContainers: { activitybar: [{ id: 'isoscope', title: 'Isoscope', icon: ICON }] },
    views: { isoscope: views.map(viewEntry) },
    viewsWelcome: views.flatMap(welcomes),
  };
}

function viewEntry({ view, name, isCollapsed }: ViewContribution) {
  const entry = { id: View[view], name: { key: `view.${view}`, english: name }, icon: ICON };
  return isCollapsed ? { ...entry, visibility: 'collapsed' } : entry;
}

function welcomes({ view, none, isWholeWithoutRoot }: ViewContribution): Welcome[] {
  const welcome = (key: string, when: When, lines: readonly string[]): Welcome => ({
    view: View[view],
    contents: { key: `welcome.${key}`, english: lines.join('\n') },
    when,
  });
  const list = `${view}List` as const;
  const whileEmpty: readonly Condition[] = [...READY, { context: list, is: 'none' }];
  const whileUnknown: Condition = { anyOf: [{ notContext: list }, { context: list, is: 'reading' }] };
  // The view whose opening starts the extension is about to start the helper, too.
  const whileStarting: Condition = { anyOf: [{ notContext: 'state' }, { context: 'state', is: 'starting' }] };
  const always = [
    welcome('unsupported', { context: 'unsupportedPlatform' }, [
      'Isoscope shows the isolation of a Linux host, and this one is not Linux.',
      '',
      'Open a folder on a Linux host, for example with Remote - SSH or in WSL, and install Isoscope there.',
    ]),
    welcome('starting', [SUPPORTED, whileStarting], ['Starting the helper that reads the kernel…']),
    welcome(
      'stopped',
      [SUPPORTED, { context: 'state', is: 'stopped' }],
      ['The helper that reads the kernel is not running.', '[Start Helper](command:isoscope.helper.restart)'],
    ),
    welcome(
      'failed',
      [SUPPORTED, { context: 'state', is: 'failed' }],
      [
        'The helper that reads the kernel stopped or could not start.',
        '[Restart Helper](command:isoscope.helper.restart)',
        '[Show Log](command:isoscope.helper.showLog)',
      ],
    ),
    welcome('reading', [...READY, whileUnknown], ['Reading what runs on this host…']),
    welcome(
      'filtered',
      [...READY, { context: list, is: 'filtered' }],
      [
        'Nothing matches the filter.',
        '[Clear Filter](command:isoscope.view.clearFilter)',
        '[Change Filter](command:isoscope.view.filter)',
      ],
    ),
    welcome(`${view}.none`, whileEmpty, none),
  ];
  if (isWholeWithoutRoot) return always;
  const withoutRoot = welcome(
    'unprivileged',
    [...whileEmpty, { context: 'mode', is: 'unprivileged' }],
    [
      'The helper does not run as root, so containers, namespaces and processes of other users may be missing here. ' +
        'Root is had through sudo, which may ask for your password.',
      '[Become Root…](command:isoscope.helper.restartAsRoot)',
    ],
  );
  return [...always, withoutRoot];
}
