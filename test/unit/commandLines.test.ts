import '../fixtures/vscodeText.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLines } from '../../extension/documents/commandLines.ts';
import { comment } from '../../extension/documents/comment.ts';

test('each command line is found below its heading and given as a shell takes it', () => {
  const document = [
    comment('Runs true. Nothing of this has been done yet.', 'Root: empty.', '- A note,', '  on two lines.'),
    `${comment('The system calls, in this order:')}\nsetsid() # a session\nexecve("/x") # run\n${comment('  ^ It failed here.', '    Not there.')}`,
    comment('The nearest bwrap(1) command line:', "  bwrap --unshare-all echo 'a", '', "  b'", '- Something is otherwise.'),
    comment(
      'The nearest runc(1) command line:',
      "  cat >config.json <<'EOF'",
      '  {',
      '    "a": 1',
      '  }',
      '  EOF',
      '  runc run x',
    ),
    comment('The specification:', '{', '  "root": 1', '}'),
  ].join('\n\n');
  assert.deepEqual(
    commandLines(document).map(({ text }) => text),
    ["bwrap --unshare-all echo 'a\n\nb'", 'cat >config.json <<\'EOF\'\n{\n  "a": 1\n}\nEOF\nrunc run x'],
  );
  const lines = document.split('\n');
  for (const { line } of commandLines(document)) assert.match(lines[line] ?? '', /^# The nearest/);
});
