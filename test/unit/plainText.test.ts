import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentText, markdownText, oneLine, plainLines, plainTexts, shellWord } from '../../extension/plain/plainText.ts';

test('a name with newlines and control characters stays on one line and shows that they are there', () => {
  assert.equal(oneLine('a\nb\tc\u001b[31m\u007f'), 'a⏎b␉c␛[31m␡');
});

test('characters that reorder or hide text lose their power', () => {
  assert.doesNotMatch(oneLine('web\u202egpj.exe\u200b\u2066\ufeff'), /[\u202e\u200b\u2066\ufeff]/);
});

test('a long name is cut to its limit, never through a character', () => {
  const cut = oneLine('𝒳'.repeat(300), 100);
  assert.equal([...cut].length, 100);
  assert.ok(cut.endsWith('…'));
  assert.equal(oneLine('x'.repeat(100), 100), 'x'.repeat(100));
});

test('of a name of a megabyte only the beginning is looked at', (t) => {
  const replace = String.prototype.replace;
  let longest = 0;
  t.mock.method(String.prototype, 'replace', function (this: string, ...given: Parameters<typeof replace>) {
    longest = Math.max(longest, this.length);
    return replace.apply(this, given);
  });
  for (const shown of [oneLine, markdownText]) shown('\u0001'.repeat(1 << 20));
  assert.ok(longest > 0 && longest <= 2000, `${longest} characters`);
});

test('Markdown, HTML, links, command links and icons in a name are shown as they are written', () => {
  const hostile =
    '**b** [x](command:isoscope.helper.restart) <img src=x onerror=alert(1)> $(trash) `c` &amp; http://x.y ![i](y)';
  const text = markdownText(hostile);
  assert.doesNotMatch(text, /[*[\]<>$`!]|\(|command:|http:|&amp;/);
  // What a renderer makes of it is the name itself.
  assert.equal(
    text.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
    hostile,
  );
});

test('neither a link nor an icon is left in a text, and what is plain already stays as it is', () => {
  const hostile = '[click](command:workbench.action.terminal.new) [x](https://e.x) $(trash) [y](file:///etc) $(sync~spin)';
  for (const text of [oneLine(hostile, 500), plainLines(hostile)]) {
    assert.doesNotMatch(text, /\]\(|\$\(/);
    assert.equal(text.replaceAll('\u2060', ''), hostile, 'the eye sees the name itself');
    assert.equal(oneLine(text, 500), text);
    assert.equal(plainLines(text), text);
  }
});

test('a joiner that a name brings along stands in no other place than between what it keeps apart', () => {
  assert.equal(oneLine('a\u2060b$\u2060(c)'), 'a\ufffdb$\u2060(c)');
});

test('every character that only controls or formats is replaced, whichever it is', () => {
  const hidden = ['\u0085', '\u00ad', '\u061c', '\u180e', '\u200d', '\u2028', '\u206f', '\ufff9', '\u{e0041}', '\u{1d173}'];
  for (const character of hidden) {
    for (const text of [oneLine(`a${character}b`), plainLines(`a${character}b`), documentText(`a${character}b`)])
      assert.ok(!text.includes(character), `U+${character.codePointAt(0)?.toString(16)}`);
  }
});

test('a document keeps its lines and what can be copied from it', () => {
  assert.equal(documentText('a\n\tb $(c) [d](e)\r\u001b[31m'), 'a\n\tb $(c) [d](e)⏎␛[31m');
});

test('every text of a message is made plain, but what the page gives back', () => {
  const message = { title: 'a\u202eb', rows: [{ note: 'c\u0007', key: 'k\u0007' }], count: 1, none: null };
  assert.deepEqual(plainTexts(message, new Set(['key'])), {
    title: 'a\ufffdb',
    rows: [{ note: 'c␇', key: 'k\u0007' }],
    count: 1,
    none: null,
  });
});

test('a word of a command line is quoted when a shell would read anything in it', () => {
  assert.equal(shellWord('/run/netns/blue'), '/run/netns/blue');
  assert.equal(shellWord("/run/it's $(here)"), `'/run/it'\\''s $(here)'`);
});
