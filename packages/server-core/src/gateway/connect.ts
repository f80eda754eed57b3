import { CLOSE, type Frame, HEADERS, ImError, isImError, negotiateHeartBeat, parseHeartBeat, STOMP_VERSION } from '@innerline/protocol'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { assertPrincipal } from '../app/assert-principal.js'
import { withDeadline } from '../app/hooks.js'
import type { AuthContext, Principal } from '../ports/index.js'
import { closeCodeOf } from './close-reason.js'
import type { Connection } from './connection.js'
import { TIMING } from './context.js'
import type { Handshake } from './handshake.js'
import { connectedFrame } from './server-frames.js'

/** CONNECT: version, heart-beats, then who it is. The socket is paused until that is known. */
export function handleConnect(connection: Connection, frame: Frame): void {
  const { handshake } = connection
  if (connection.state !== 'connecting' || handshake === undefined) {
    connection.fail(new ImError('INVALID_REQUEST', { detail: 'CONNECT comes once, as the first frame.' }), CLOSE.protocolError)
    return
  }
  const versions = (frame.headers.get('accept-version') ?? '1.0').split(',').map((version) => version.trim())
  if (!versions.includes(STOMP_VERSION)) {
    const error = new ImError('UNSUPPORTED', { detail: `This server speaks STOMP ${STOMP_VERSION}; send accept-version:${STOMP_VERSION}.` })
    connection.fail(error, CLOSE.unsupportedVersion, { headers: [['version', STOMP_VERSION]] })
    return
  }
  const offer = parseHeartBeat(frame.headers.get('heart-beat'))
  if (offer === undefined) {
    connection.fail(new ImError('INVALID_REQUEST', { detail: 'heart-beat must be two numbers, such as 10000,10000.' }), CLOSE.protocolError)
    return
  }
  connection.state = 'authenticating'
  connection.pause()
  void authenticate(connection, frame, handshake).then((outcome) => {
    if (connection.state !== 'authenticating') return
    // Asked and counted in one step: many authenticated at once must not all find room for one.
    const refusal = isImError(outcome) ? outcome : connection.host.admit(connection, outcome)
    if (refusal !== undefined) connection.fail(refusal, closeCodeOf(refusal))
    else if (!isImError(outcome))
      open(connection, frame, outcome, negotiateHeartBeat({ canSendMs: TIMING.heartBeat, wantMs: TIMING.heartBeat }, offer).sendMs)
    connection.resume()
  })
}

/** `/app/auth.refresh`: a new token for the same user on a live connection. Rejects with ImError. */
export async function refreshToken(connection: Connection, token: string): Promise<void> {
  // The upgrade's request is long gone; a cookie of then would prove nothing now.
  const req = new IncomingMessage(new Socket())
  const outcome = await ask(connection, { transport: 'ws', phase: 'refresh', token, req })
  if (isImError(outcome)) throw outcome
  if (outcome.userId !== connection.userId) throw new ImError('FORBIDDEN', { detail: 'A refresh may not change the user.' })
  const refusal = mayUse(connection, outcome)
  if (refusal !== undefined) throw refusal
  connection.principal = { ...outcome, deviceId: outcome.deviceId ?? connection.principal?.deviceId }
  connection.expiryTold = false
}

async function authenticate(connection: Connection, frame: Frame, handshake: Handshake): Promise<Principal | ImError> {
  const token = tokenOf(frame, handshake)
  // Without an Origin there is no browser to vouch for a cookie's page (CSWSH), so only a token counts.
  if (token === undefined && !handshake.hasOrigin) {
    return new ImError('UNAUTHORIZED', { detail: 'Send a token in CONNECT: Authorization: Bearer … or passcode.' })
  }
  const outcome = await ask(connection, { transport: 'ws', phase: 'connect', token, req: handshake.req })
  if (isImError(outcome)) return outcome
  return mayUse(connection, outcome) ?? outcome
}

function mayUse({ endpoint }: Connection, { userType }: Principal): ImError | undefined {
  return endpoint === 'agent' && userType !== 'agent' ? new ImError('FORBIDDEN', { detail: 'This endpoint is for agents.' }) : undefined
}

/** Asks the host's authenticate, within the time a CONNECT has. Never rejects. */
async function ask(connection: Connection, context: Omit<AuthContext, 'signal'>): Promise<Principal | ImError> {
  const { authenticate: check, clock, logger } = connection.host.context
  const abort = new AbortController()
  try {
    const principal = await withDeadline(clock, TIMING.connect, Promise.resolve(check({ ...context, signal: abort.signal })))
    // A host without TypeScript may fall off the end of its function.
    if (principal === null || principal === undefined) return new ImError('UNAUTHORIZED')
    assertPrincipal(principal)
    if (principal.expiresAt !== undefined && principal.expiresAt <= clock.now()) return new ImError('TOKEN_EXPIRED')
    return principal
  } catch (error) {
    if (isImError(error)) return error
    logger.error({ err: error, connectionId: connection.id }, 'authenticate failed')
    return new ImError('UNAVAILABLE', { detail: 'The token cannot be checked at the moment.', retryAfterMs: 2_000 })
  } finally {
    abort.abort()
  }
}

function tokenOf(frame: Frame, handshake: Handshake): string | undefined {
  const authorization = frame.headers.get(HEADERS.authorization) ?? frame.headers.get('authorization')
  // An empty token is none: a host would take it for a request that goes by its cookie.
  const token = authorization === undefined ? frame.headers.get('passcode') : /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
  return (authorization === undefined ? (token ?? handshake.queryToken) : token) || undefined
}

function open(connection: Connection, frame: Frame, principal: Principal, sendHeartBeatMs: number): void {
  const { context } = connection.host
  const deviceId = principal.deviceId ?? frame.headers.get(HEADERS.deviceId)
  connection.principal = deviceId === undefined ? principal : { ...principal, deviceId }
  connection.userId = principal.userId
  connection.toleratesLag = frame.headers.get(HEADERS.lag) === '1'
  connection.sendHeartBeatMs = sendHeartBeatMs
  connection.state = 'open'
  // The upgrade's request is of no more use, and 20 000 of them would be a burden.
  connection.handshake = undefined
  connection.owe(
    connectedFrame({
      userId: principal.userId,
      sessionId: connection.id,
      epoch: context.epoch(),
      heartBeat: `${TIMING.heartBeat},${TIMING.heartBeat}`,
      reconnectWindowMs: context.reconnectWindowMs(),
    }),
  )
  connection.host.onOpened(connection)
  const { userType } = principal
  const present = { connectionId: connection.id, userId: principal.userId, userType, deviceId, connectedAt: context.clock.now() }
  connection.presenceTold = context.presence
    .add(present)
    .catch((error: unknown) => context.logger.warn({ err: error }, 'presence could not be told of a connection'))
}
