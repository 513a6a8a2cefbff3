/** The list of requests: who answers, checks, asks, tests or describes them takes them from here. */
import type { Request } from './message.ts';
import { CGROUPS } from './schemas/cgroups.ts';
import { HOST } from './schemas/host.ts';
import { LAYERS } from './schemas/layers.ts';
import { PROGRAMS } from './schemas/programs.ts';
import { SANDBOXES } from './schemas/sandboxes.ts';
import type { Taken } from './schemas/taken.ts';

const LIST = [...HOST, ...PROGRAMS, ...CGROUPS, ...LAYERS, ...SANDBOXES];

type Listed = (typeof LIST)[number]['request'];
export type Method = Listed['method'];
type RequestOf<M extends Method> = Extract<Listed, { readonly method: M }>;
export type Params<M extends Method> = RequestOf<M> extends Request<M, infer P, infer _R> ? P : never;
export type Result<M extends Method> = RequestOf<M> extends Request<M, infer _P, infer R> ? R : never;

/** What a client names the request by: the constant of it. */
export type Asked<M extends Method> = { readonly method: M };

/** Every request with the schema of its parameters, by its method. */
export const REQUESTS = Object.fromEntries(LIST.map((taken) => [taken.request.method, taken])) as {
  readonly [M in Method]: Taken<M, Params<M>, Result<M>>;
};

export const METHODS = Object.keys(REQUESTS) as Method[];
