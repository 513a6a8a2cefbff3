/** What the protocol is made of: a request or a notification is its method, with the types of what is sent. */
import { NotificationType, RequestType } from 'vscode-jsonrpc';
import type { ErrorData } from './errors.ts';

/** The method is part of the type: by it a request is found in the list (requests.ts). */
export interface Request<M extends string, P, R> extends RequestType<P, R, ErrorData> {
  readonly method: M;
}

export interface Notification<M extends string, P> extends NotificationType<P> {
  readonly method: M;
}

/** `request('layers/stat')<LayerPath, LayerEntry>()`: the method, then the types of its parameters and of its result. */
// @__NO_SIDE_EFFECTS__
export function request<const M extends string>(method: M): <P, R>() => Request<M, P, R> {
  return <P, R>() => new RequestType<P, R, ErrorData>(method) as Request<M, P, R>;
}

/** Likewise, with the type of its parameters. */
// @__NO_SIDE_EFFECTS__
export function notification<const M extends string>(method: M): <P>() => Notification<M, P> {
  return <P>() => new NotificationType<P>(method) as Notification<M, P>;
}
