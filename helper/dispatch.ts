/** Answers the requests of a connection: parameters are validated against a schema before a handler sees them. */
import * as v from 'valibot';
import { type CancellationToken, type MessageConnection, ResponseError } from 'vscode-jsonrpc';
import { Failure, isSystemError, reasonOf } from './failure.ts';
import { logError } from './log.ts';
import { ERROR_CODES, type ErrorData } from './protocol/errors.ts';
import { METHODS, type Method, type Params, REQUESTS, type Result } from './protocol/requests.ts';
import type { Said, SaidArgument } from './protocol/sentences.ts';
import { english, said } from './saying.ts';

/**
 * Answers a request. It is called only with parameters that the request's schema accepted, and throws a `Failure`, or any system error, to refuse.
 */
export type Handler<M extends Method> = (params: Params<M>, token: CancellationToken) => Result<M> | Promise<Result<M>>;

export type Handlers = { readonly [M in Method]: Handler<M> };

/** Those of the methods that begin with an area: `layers` for all `layers/…`. */
export type HandlersOf<Area extends string> = Pick<Handlers, Extract<Method, Area | `${Area}/${string}`>>;

/** Answers every request of the protocol on a connection. */
export function answerRequests(connection: MessageConnection, handlers: Handlers): void {
  for (const method of METHODS) answerRequest(connection, method, handlers[method] as Handler<Method>);
}

function answerRequest<M extends Method>(connection: MessageConnection, method: M, handler: Handler<M>): void {
  const { params: schema } = REQUESTS[method];
  // The connection spreads parameters that are an array, and passes none that are absent: the token is always the last.
  connection.onRequest<unknown, ErrorData>(method, async (...given: unknown[]) => {
    try {
      const token = given.pop() as CancellationToken;
      const params = given.length > 1 ? given : given[0];
      return await handler(validated(method, schema, params), token);
    } catch (error) {
      const response = responseErrorFrom(error);
      if (!(error instanceof Failure)) logError(`${method} failed`, error);
      return response;
    }
  });
}

function validated<P>(method: string, schema: v.GenericSchema<unknown, P>, params: unknown): P {
  // A request without parameters is one with none of them set.
  const result = v.safeParse(schema, params ?? {});
  if (result.success) return result.output;
  const { issue, field } = decisive(result.issues[0]);
  throw new Failure('invalid', issueWords(method, issue, field), { field });
}

interface Located {
  issue: v.BaseIssue<unknown>;
  field: (string | number)[];
}

/** Of what fits none of several shapes the reason why it does not fit the one that it is most like. */
function decisive(issue: v.BaseIssue<unknown>): Located {
  const own = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
  const [likest] = (issue.issues ?? []).map(decisive).sort((one, other) => likeness(other) - likeness(one));
  if (likest === undefined || likest.field.length === 0) return { issue, field: own };
  return { issue: likest.issue, field: [...own, ...likest.field] };
}

/** Who has the fields of a shape, and one of them wrong, means that shape. */
function likeness({ issue, field }: Located): number {
  const isOfFields = issue.expected === 'never' || issue.received === 'undefined';
  return field.length * 2 + (isOfFields ? 0 : 1);
}

/** A sentence for who wrote the field. What is wanted is said as the schema says it: `("a" | "b")`, `number`, `<=3`. */
function issueWords(method: string, issue: v.BaseIssue<unknown>, field: readonly (string | number)[]): Said {
  // A specification is what a person writes; the rest of a request is made by programs.
  const named = field[0] === 'spec' && field.length > 1 ? field.slice(1) : field;
  const name = named
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
  if (name === '') return said('parametersCannotBeAccepted', method, issue.message);
  if (issue.expected === 'never') return said('noSuchField', name);
  if (issue.received === 'undefined') return said('fieldIsMissing', name);
  // What the schema says in its own words says most; valibot's begin so.
  if (!issue.message.startsWith('Invalid ')) return said('fieldCannotBeAccepted', name, issue.message);
  const received = issue.received.length > MAX_RECEIVED ? `${issue.received.slice(0, MAX_RECEIVED)}…` : issue.received;
  if (issue.expected === null) return said('fieldCannotBe', name, received);
  return said('fieldMustBe', name, wanted(issue.expected), received);
}

/** More than a person reads of what they have written wrong. */
const MAX_RECEIVED = 80;

/** `("a" | "b")`, `<=3` */
function wanted(expected: string): SaidArgument {
  if (expected.startsWith('<=')) return said('atMost', expected.slice(2));
  if (expected.startsWith('>=')) return said('atLeast', expected.slice(2));
  const choices: SaidArgument[] = expected.replace(/^\((.*)\)$/, '$1').split(' | ');
  return choices.reduce((before, choice) => said('eitherOr', before, choice));
}

/** The response for whatever a handler threw. An error that nobody foresaw becomes `kernel` and keeps its words. */
function responseErrorFrom(error: unknown): ResponseError<ErrorData> {
  if (error instanceof Failure) return new ResponseError(ERROR_CODES[error.reason], error.message, error.data);
  if (isSystemError(error)) {
    const reason = reasonOf(error.code);
    const data: ErrorData = { reason, errno: error.code };
    if (error.syscall !== undefined) data.syscall = error.syscall;
    if (error.path !== undefined) data.path = error.path;
    return new ResponseError(ERROR_CODES[reason], error.message, data);
  }
  const message = error instanceof Error ? error.message : String(error);
  const text = said('failedUnexpectedly', message);
  return new ResponseError(ERROR_CODES.kernel, english(text), { reason: 'kernel', text });
}
