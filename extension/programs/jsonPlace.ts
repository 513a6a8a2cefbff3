/** Where something stands in a JSON text, which the parsers of others do not tell. Pure. */

/** A field from the outermost: `['mounts', 0, 'type']`. */
export type JsonPath = readonly (string | number)[];

/** The offset of a field's name, or of an item of a list; of the nearest that there is above it when there is none such. */
export function placeOf(text: string, path: JsonPath): number {
  const scanner = new Scanner(text, path);
  scanner.run();
  return scanner.best.at;
}

/** The offset at which a text is no JSON any more; undefined when it is. */
export function errorPlace(text: string): number | undefined {
  return new Scanner(text, []).run();
}

const TOKEN =
  /[ \t\r\n]*("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:])/y;

class NoJson extends Error {}

class Scanner {
  private readonly text: string;
  private readonly wanted: JsonPath;
  private at = 0;
  best = { depth: -1, at: 0 };

  constructor(text: string, wanted: JsonPath) {
    this.text = text;
    this.wanted = wanted;
  }

  /** Goes through the whole text; gives where it is wrong. */
  run(): number | undefined {
    try {
      this.value([]);
      if (this.text.slice(this.at).trim() !== '') return this.here();
      return undefined;
    } catch (error) {
      // A RangeError: nested deeper than anybody writes.
      if (error instanceof NoJson || error instanceof RangeError) return this.here();
      throw error;
    }
  }

  /** The next character that is no blank. */
  private here(): number {
    const rest = this.text.slice(this.at).search(/[^ \t\r\n]/);
    return rest < 0 ? this.text.length : this.at + rest;
  }

  private next(): string {
    TOKEN.lastIndex = this.at;
    const token = TOKEN.exec(this.text)?.[1];
    if (token === undefined) throw new NoJson();
    this.at = TOKEN.lastIndex;
    return token;
  }

  private expect(tokens: string): string {
    const before = this.at;
    const token = this.next();
    if (tokens.includes(token)) return token;
    this.at = before;
    throw new NoJson();
  }

  private note(path: JsonPath, at: number): void {
    const fits = path.length <= this.wanted.length && path.every((part, index) => part === this.wanted[index]);
    if (fits && path.length > this.best.depth) this.best = { depth: path.length, at };
  }

  private value(path: JsonPath): void {
    const start = this.here();
    if (typeof path.at(-1) !== 'string') this.note(path, start);
    const token = this.next();
    if (token === '{') this.members(path);
    else if (token === '[') this.items(path);
    else if (/^[\]},:]$/.test(token)) {
      this.at = start;
      throw new NoJson();
    }
  }

  private members(path: JsonPath): void {
    if (this.text[this.here()] === '}') return void this.next();
    do {
      const start = this.here();
      const name = this.next();
      if (!name.startsWith('"')) {
        this.at = start;
        throw new NoJson();
      }
      const below = [...path, JSON.parse(name) as string];
      this.note(below, start);
      this.expect(':');
      this.value(below);
    } while (this.expect(',}') === ',');
  }

  private items(path: JsonPath): void {
    if (this.text[this.here()] === ']') return void this.next();
    let index = 0;
    do this.value([...path, index++]);
    while (this.expect(',]') === ',');
  }
}
