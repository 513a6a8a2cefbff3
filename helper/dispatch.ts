/** Registers request handlers on a connection: parameters are validated against a schema before the handler sees them. */

import * as v from 'valibot';
import type { CancellationToken, MessageConnection, RequestType } from 'vscode-jsonrpc';
import { Failure, responseErrorFrom } from './failure.ts';
import { logError } from './log.ts';
import type { ErrorData } from './protocol.ts';

export interface Dispatcher {
  /**
   * Answers `type` with `handler`. The handler is called only with parameters that `schema` accepted, and throws a
   * `Failure`, or any system error, to refuse.
   */
  on<P, R>(
    type: RequestType<P, R, ErrorData>,
    schema: v.GenericSchema<unknown, P>,
    handler: (params: P, token: CancellationToken) => R | Promise<R>,
  ): void;
}

export function dispatcher(connection: MessageConnection): Dispatcher {
  return {
    on(type, schema, handler) {
      // The connection spreads parameters that are an array, and passes none that are absent: the token is always the last.
      connection.onRequest<unknown, ErrorData>(type.method, async (...given: unknown[]) => {
        try {
          const token = given.pop() as CancellationToken;
          const params = given.length > 1 ? given : given[0];
          return await handler(validated(type.method, schema, params), token);
        } catch (error) {
          const response = responseErrorFrom(error);
          if (!(error instanceof Failure)) logError(`${type.method} failed`, error);
          return response;
        }
      });
    },
  };
}

function validated<P>(method: string, schema: v.GenericSchema<unknown, P>, params: unknown): P {
  // A request without parameters is one with none of them set.
  const result = v.safeParse(schema, params ?? {});
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = issue === undefined ? '' : (v.getDotPath(issue) ?? '');
  throw new Failure(
    'invalid',
    `${method}: ${where === '' ? 'the parameters' : `"${where}"`} cannot be accepted: ${issue?.message ?? ''}.`,
    {
      hint: 'Send parameters of the shape that helper/protocol.ts gives for this method.',
    },
  );
}
