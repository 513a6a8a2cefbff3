import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownText, oneLine, pickText, shellWord } from '../../extension/host/plainText.ts';

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

test('a megabyte of name costs no time', () => {
  const started = performance.now();
  oneLine('\u0001'.repeat(1 << 20));
  assert.ok(performance.now() - started < 50);
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

test('an icon in the name of a pick is shown as it is written', () => {
  assert.equal(pickText('$(trash) a $b'), '\\$(trash) a $b');
});

test('a word of a command line is quoted when a shell would read anything in it', () => {
  assert.equal(shellWord('/run/netns/blue'), '/run/netns/blue');
  assert.equal(shellWord("/run/it's $(here)"), `'/run/it'\\''s $(here)'`);
});
