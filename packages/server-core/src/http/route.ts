import type { LoginAnswer, LoginRequest, ServerErrorCode } from '@innerline/protocol'
import type { IncomingMessage } from 'node:http'
import type * as z from 'zod'
import type { Acknowledge } from '../app/acknowledge.js'
import type { ListConversations } from '../app/list-conversations.js'
import type { ReadMessages } from '../app/read-messages.js'
import type { SendMessage } from '../app/send-message.js'
import type { Principal, UserDirectory } from '../ports/index.js'
import type { Params, PathValues, QueryValues } from './param.js'

/** The use cases behind the routes. */
export interface UseCases {
  readonly send: Pick<SendMessage, 'execute'>
  readonly acknowledge: Pick<Acknowledge, 'now'>
  readonly read: Pick<ReadMessages, 'history' | 'offline' | 'byOffset' | 'message'>
  readonly conversations: Pick<ListConversations, 'summary' | 'page'>
}

/** Signing in with a user name and a password; the built-in accounts. */
export interface SignIn {
  /** `ip` is the client's address as far as it is known. Rejects `UNAUTHORIZED`, `RATE_LIMITED`, `BUSY`. */
  login(request: LoginRequest, ip: string | undefined): Promise<LoginAnswer>
}

/** What handlers work with. */
export interface RouteContext {
  readonly app: UseCases
  readonly directory: UserDirectory | undefined
  readonly accounts: SignIn | undefined
}

/** A request after its parts were read; types as the route declares them. */
export interface Call<P, Q, B> {
  readonly context: RouteContext
  readonly path: P
  readonly query: Q
  readonly body: B
  readonly req: IncomingMessage
}

export type Method = 'GET' | 'POST'

interface RouteFacts {
  readonly method: Method
  /** Segments that begin with ':' are parameters. */
  readonly pattern: string
  /** Unique, for generated clients. */
  readonly operationId: string
  readonly summary: string
  /** What the answer is, with status 200. */
  readonly answer: z.ZodType
  /** Codes beyond those that every route of its kind may answer. */
  readonly refusals: readonly ServerErrorCode[]
}

/** One row of the route table. */
export interface Route extends RouteFacts {
  /** Whether somebody must be authenticated; `anyone` only where a token is what one comes for. */
  readonly access: 'principal' | 'anyone'
  readonly path: Params
  readonly query: Params
  /** Absent for reads. */
  readonly body: z.ZodType | undefined
  /** Whether the route exists in this server at all. */
  offered(context: RouteContext): boolean
  /** Resolves with the answer as JSON text, so that stored bodies are spliced in and never parsed again. */
  handle(principal: Principal | undefined, call: Call<unknown, unknown, unknown>): Promise<string>
}

interface RouteParts<P extends Params, Q extends Params, B> extends RouteFacts {
  readonly path?: P
  readonly query?: Q
  readonly body?: z.ZodType<B>
  readonly offered?: (context: RouteContext) => boolean
}

type CallOf<P extends Params, Q extends Params, B> = Call<PathValues<P>, QueryValues<Q>, B>

/** A route for an authenticated caller. */
// biome-ignore lint/complexity/noBannedTypes: a route without parameters has exactly no keys, which Record<string, never> would not say.
export function route<P extends Params = {}, Q extends Params = {}, B = undefined>(
  parts: RouteParts<P, Q, B> & { handle(principal: Principal, call: CallOf<P, Q, B>): Promise<string> },
): Route {
  // The router reads path, query and body with these very parsers, so the types hold where they are handed over.
  return erased(parts, 'principal', (principal, call) => parts.handle(principal as Principal, call as CallOf<P, Q, B>))
}

/** A route that needs no authentication. */
// biome-ignore lint/complexity/noBannedTypes: as above.
export function openRoute<P extends Params = {}, Q extends Params = {}, B = undefined>(
  parts: RouteParts<P, Q, B> & { handle(call: CallOf<P, Q, B>): Promise<string> },
): Route {
  return erased(parts, 'anyone', (_principal, call) => parts.handle(call as CallOf<P, Q, B>))
}

function erased<P extends Params, Q extends Params, B>(
  parts: RouteParts<P, Q, B>,
  access: Route['access'],
  handle: Route['handle'],
): Route {
  const { method, pattern, operationId, summary, answer, refusals } = parts
  return {
    method,
    pattern,
    operationId,
    summary,
    answer,
    refusals,
    access,
    path: parts.path ?? {},
    query: parts.query ?? {},
    body: parts.body,
    offered: parts.offered ?? (() => true),
    handle,
  }
}
