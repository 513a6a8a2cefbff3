/**
 * A specification while it is being filled in: the specification itself, in which a text that says nothing yet stands as it was typed. What
 * no control has touched stays as it was. Pure.
 */
import { isObject, type Json, type JsonObject } from './jsonSchema.ts';

export type Path = readonly (string | number)[];

export function valueAt(draft: Json | undefined, path: Path): Json | undefined {
  let at = draft;
  for (const key of path) {
    if (!isObject(at) && !Array.isArray(at)) return undefined;
    if (!Object.hasOwn(at, key)) return undefined;
    at = (at as JsonObject)[key];
  }
  return at;
}

/** The same with `value` at the end of `path`; undefined takes out what is there, and every object that is left empty by it but items of a list. */
export function withValue(draft: JsonObject, path: Path, value: Json | undefined): JsonObject {
  return (changed(draft, path, value) ?? {}) as JsonObject;
}

function changed(at: Json | undefined, path: Path, value: Json | undefined): Json | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof key === 'number') return changedItem(Array.isArray(at) ? at : [], key, rest, value);
  const object = isObject(at) ? at : {};
  const below = changed(Object.hasOwn(object, key) ? object[key] : undefined, rest, value);
  if (below !== undefined) return { ...object, [key]: below };
  const { [key]: _gone, ...others } = object;
  return Object.keys(others).length === 0 ? undefined : others;
}

function changedItem(list: readonly Json[], index: number, rest: Path, value: Json | undefined): Json | undefined {
  const item = changed(list[index], rest, value);
  if (rest.length > 0 || item !== undefined) return list.with(index, item ?? {});
  const others = list.toSpliced(index, 1);
  return others.length === 0 ? undefined : others;
}

/** The list at `path` with one more at its end. */
export function withItem(draft: JsonObject, path: Path, item: Json): JsonObject {
  const list = valueAt(draft, path);
  return withValue(draft, path, [...(Array.isArray(list) ? list : []), item]);
}

/** The list at `path` with two neighbours in each other's place. */
export function withSwapped(draft: JsonObject, path: Path, index: number): JsonObject {
  const list = valueAt(draft, path) as Json[];
  return withValue(draft, path, list.with(index, list[index + 1]!).with(index + 1, list[index]!));
}

/** As JSON has it: the order of an object's keys says nothing. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSame(item, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]))
  );
}
