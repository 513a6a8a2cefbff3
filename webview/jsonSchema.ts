/** As much of JSON Schema as media/sandbox.schema.json uses: which part of it is about a value, and whether that accepts the value. Pure. */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: false | JsonSchema;
  required?: string[];
  anyOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  items?: JsonSchema;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  /** VS Code's own: what its editor says instead of the pattern. */
  patternErrorMessage?: string;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function accepts(schema: JsonSchema, value: Json): boolean {
  if (schema.anyOf !== undefined) return schema.anyOf.some((one) => accepts(one, value));
  if (schema.const !== undefined) return value === schema.const;
  if (schema.enum !== undefined) return schema.enum.includes(value);
  switch (schema.type) {
    case 'string':
      return typeof value === 'string' && acceptsText(schema, value);
    case 'integer':
    case 'number':
      return typeof value === 'number' && acceptsNumber(schema, value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value) && acceptsList(schema, value);
    case 'object':
      return isObject(value) && acceptsObject(schema, value);
    default:
      return true;
  }
}

function acceptsText({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: JsonSchema, text: string): boolean {
  return text.length >= minLength && text.length <= maxLength && (pattern === undefined || new RegExp(pattern).test(text));
}

function acceptsNumber({ type, minimum = -Infinity, maximum = Infinity }: JsonSchema, value: number): boolean {
  return value >= minimum && value <= maximum && (type === 'number' || Number.isSafeInteger(value));
}

function acceptsList({ items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: JsonSchema, list: Json[]): boolean {
  return list.length >= minItems && list.length <= maxItems && list.every((one) => accepts(items, one));
}

function acceptsObject({ properties = {}, additionalProperties, required = [] }: JsonSchema, value: JsonObject): boolean {
  return (
    required.every((key) => Object.hasOwn(value, key)) &&
    Object.entries(value).every(([key, one]) => {
      if (Object.hasOwn(properties, key)) return accepts(properties[key]!, one);
      return additionalProperties !== false && accepts(additionalProperties ?? {}, one);
    })
  );
}

/** A part of the schema, and whether what stands there may be left out. */
export interface Place {
  schema: JsonSchema;
  required: boolean;
}

/** What the schema says about the place at the end of `path` in `value`. Undefined when it knows no such place. */
export function placeAt(schema: JsonSchema, value: Json | undefined, path: readonly (string | number)[]): Place | undefined {
  let place: Place | undefined = { schema, required: false };
  let at: Json | undefined = value;
  for (const key of path) {
    place = placeBelow(place.schema, at, key);
    if (place === undefined) return undefined;
    at = isObject(at) || Array.isArray(at) ? (at as JsonObject)[key] : undefined;
  }
  return place;
}

function placeBelow(schema: JsonSchema, value: Json | undefined, key: string | number): Place | undefined {
  const choices = schema.anyOf ?? [schema];
  const knowing = choices.filter((one) => (typeof key === 'number' ? one.items : one.properties?.[key]) !== undefined);
  const chosen = knowing.find((one) => isMeant(one, value)) ?? knowing[0];
  if (chosen === undefined) return undefined;
  if (typeof key === 'number') return { schema: chosen.items!, required: true };
  return { schema: chosen.properties![key]!, required: chosen.required?.includes(key) === true };
}

/** Whether the object that `value` is has the place at the end of `path`: another kind of it may not. */
export function hasPlace(schema: JsonSchema, value: Json | undefined, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const below = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  const kinds = schema.anyOf === undefined ? [schema] : schema.anyOf.filter((one) => isMeant(one, value));
  return kinds.some(({ properties }) => properties?.[key] !== undefined && hasPlace(properties[key], below, rest));
}

/** Of several kinds of objects, the one whose constants a value has is the one that it is meant to be. */
function isMeant({ properties = {} }: JsonSchema, value: Json | undefined): boolean {
  if (!isObject(value)) return false;
  const constants = Object.entries(properties).filter(([, one]) => one.const !== undefined || one.enum !== undefined);
  return constants.every(([key, one]) => !Object.hasOwn(value, key) || accepts(one, value[key]!));
}
