import { ImError, isImError } from '@innerline/protocol'
import type { IncomingMessage } from 'node:http'
import { assertPrincipal } from '../app/assert-principal.js'
import { withDeadline } from '../app/hooks.js'
import type { Authenticate, Clock, Logger, Principal } from '../ports/index.js'

/** As long as a socket may take from its upgrade to CONNECTED. */
const DEADLINE_MS = 10_000

export interface RequestAuthenticationOptions {
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Asks the host who a request speaks for.
 * Rejects `UNAUTHORIZED` for null, `TOKEN_EXPIRED` for a principal whose time is over, the host's own ImError,
 * `UNAVAILABLE` (logged) when it throws anything else or is late.
 */
export async function authenticateRequest(
  options: RequestAuthenticationOptions,
  req: IncomingMessage,
  signal: AbortSignal,
  requestId: string,
): Promise<Principal> {
  const { authenticate, clock, logger } = options
  const ask = async (): Promise<Principal | null> =>
    authenticate({ transport: 'http', phase: 'request', token: bearerToken(req.headers.authorization), req, signal })
  let principal: Principal | null | undefined
  try {
    principal = await withDeadline(clock, DEADLINE_MS, ask())
  } catch (error) {
    if (isImError(error)) throw error
    logger.error({ err: error, requestId }, 'authenticate failed')
    throw new ImError('UNAVAILABLE', { detail: 'The check of the token does not answer.', retryAfterMs: 1_000, cause: error })
  }
  // A host without TypeScript may fall off the end of its function.
  if (principal === null || principal === undefined) throw new ImError('UNAUTHORIZED')
  assertPrincipal(principal)
  if (principal.expiresAt !== undefined && principal.expiresAt <= clock.now()) throw new ImError('TOKEN_EXPIRED')
  return principal
}

/** The token of an `Authorization: Bearer …` header; undefined when there is none (the host may go by a cookie). */
export const bearerToken = (header: string | undefined): string | undefined => /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
