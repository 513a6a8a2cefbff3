import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPlace, placeOf } from '../../extension/programs/jsonPlace.ts';

const TEXT = `{
  "name": "a \\" { [ b",
  "mounts": [
    { "type": "tmpfs", "destination": "/t" },
    { "typ": "bind" }
  ],
  "process": { "args": ["sh"], "timeout": 1e3 }
}
`;
const lineOf = (text: string, at: number) => text.slice(0, at).split('\n').length;

test('a field is found where its name stands, an item of a list where it begins', () => {
  assert.equal(lineOf(TEXT, placeOf(TEXT, ['mounts', 1, 'typ'])), 5);
  assert.equal(TEXT.slice(placeOf(TEXT, ['mounts', 1, 'typ'])).slice(0, 5), '"typ"');
  assert.equal(lineOf(TEXT, placeOf(TEXT, ['mounts', 0])), 4);
  assert.equal(TEXT.slice(placeOf(TEXT, ['process', 'args', 0])).slice(0, 4), '"sh"');
  assert.equal(TEXT.slice(placeOf(TEXT, ['process', 'timeout'])).slice(0, 9), '"timeout"');
});

test('of a field that is missing the place is that of what it is missing in', () => {
  assert.equal(lineOf(TEXT, placeOf(TEXT, ['mounts', 1, 'destination'])), 5);
  assert.equal(placeOf(TEXT, ['root', 'type']), 0);
});

test('a text is wrong exactly where a parser says so, or is right', () => {
  assert.equal(errorPlace(TEXT), undefined);
  for (const right of ['[]', '{}', ' [ 1 , -2.5e-3, true, null, "\\u00e9" ] '])
    assert.equal(errorPlace(right), undefined, right);
  const wrong: [text: string, at: number][] = [
    ['{ "a": 1, }', 10],
    ['{ "a" 1 }', 6],
    ["{ 'a': 1 }", 2],
    ['[1 2]', 3],
    ['{ "a": }', 7],
    ['{ "a": 1 } x', 11],
    ['{ "a": [1, 2', 12],
    ['// no', 0],
    ['', 0],
    ['01', 1],
    ['['.repeat(100_000), 100_000],
  ];
  for (const [text, at] of wrong) {
    assert.throws(() => JSON.parse(text), SyntaxError);
    if (text.length < 1000) assert.equal(errorPlace(text), at, text);
    else assert.notEqual(errorPlace(text), undefined);
  }
});

test('any beginning of a text is judged as the parser judges it', () => {
  for (let end = 0; end <= TEXT.length; end += 1) {
    const part = TEXT.slice(0, end);
    let isJson = true;
    try {
      JSON.parse(part);
    } catch {
      isJson = false;
    }
    assert.equal(errorPlace(part) === undefined, isJson, JSON.stringify(part));
  }
});
