/** What a request takes: its parameters as a schema, which is held to their type. */
import type * as v from 'valibot';
import type { Request } from '../message.ts';

/** A request, with the schema of its parameters. */
export interface Taken<M extends string, P, R> {
  readonly request: Request<M, P, R>;
  readonly params: v.GenericSchema<unknown, P>;
}

/** The schema has the fields that the type has, and accepts nothing else in them. */
export function takes<M extends string, P, R, S extends v.GenericSchema<unknown, NoInfer<P>>>(
  request: Request<M, P, R>,
  params: S & (HasFieldsOf<P, v.InferOutput<S>> extends true ? unknown : never),
): Taken<M, P, R> {
  return { request, params };
}

type HasFieldsOf<P, Accepted> = [P, keyof P, keyof Accepted] extends [Accepted, keyof Accepted, keyof P] ? true : false;
