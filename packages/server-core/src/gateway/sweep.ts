import { CLOSE, ImError, QUEUES } from '@innerline/protocol'
import type { Connection } from './connection.js'
import { TIMING } from './context.js'

/**
 * What a connection needs done by time, all in one visit a second, so that an idle connection costs no timers.
 * Returns the bytes it keeps buffered.
 */
export function visit(connection: Connection, now: number, epochNow: number): number {
  const { socket } = connection
  if (connection.state === 'connecting' || connection.state === 'authenticating') {
    if (now - connection.openedAt >= TIMING.connect) refuseLate(connection)
    return socket.bufferedBytes
  }
  const buffered = socket.bufferedBytes
  if (connection.state === 'closing') {
    // The library's own time-out does not start for a peer that has closed its side and takes nothing: it would stay for ever.
    if (now - connection.closingAt >= TIMING.closing) socket.terminate()
    return buffered
  }
  if (connection.state !== 'open') return buffered
  if (isStuck(connection, buffered, now)) {
    connection.close(CLOSE.slowReader, 'no progress')
    return buffered
  }
  const silence = connection.isPaused ? 0 : now - connection.lastReadAt
  if (silence >= TIMING.silence) {
    connection.close(CLOSE.heartbeatLost, 'silence')
    return buffered
  }
  connection.endLag()
  // A ping a visit is enough while the silence lasts; the answer ends it.
  if (silence >= TIMING.pingAfter) socket.ping()
  if (silence >= TIMING.rest) connection.rest()
  visitToken(connection, epochNow)
  const { sendHeartBeatMs } = connection
  // A visit early rather than late: the client's tolerance is its own affair.
  if (sendHeartBeatMs > 0 && now - connection.lastWriteAt >= sendHeartBeatMs - 2 * TIMING.sweep) connection.heartBeat()
  return buffered
}

/** No CONNECT, or no answer of the check. Either may be the network's doing, so both say "later": a client stops for good at a final word. */
function refuseLate(connection: Connection): void {
  if (connection.state === 'connecting') {
    connection.fail(new ImError('UNAVAILABLE', { detail: 'CONNECT did not come in time.' }), CLOSE.connectTimeout)
  } else {
    connection.fail(
      new ImError('UNAVAILABLE', { detail: 'The token could not be checked in time.', retryAfterMs: 2_000 }),
      CLOSE.overloaded,
    )
  }
}

function isStuck(connection: Connection, buffered: number, now: number): boolean {
  const taken = connection.queue.written - buffered
  // Pings and pongs are buffered too and not counted as written: they may lower it, which is no progress.
  if (buffered === 0 || taken > connection.taken) {
    connection.taken = taken
    connection.progressAt = now
    return false
  }
  return now - connection.progressAt >= TIMING.noProgress
}

function visitToken(connection: Connection, epochNow: number): void {
  const expiresAt = connection.principal?.expiresAt
  if (expiresAt === undefined) return
  if (epochNow >= expiresAt) {
    connection.fail(new ImError('TOKEN_EXPIRED'), CLOSE.tokenExpired)
  } else if (!connection.expiryTold && epochNow >= expiresAt - TIMING.expiryNotice) {
    // Told by the first sweep that finds somebody listening: CONNECT may be a moment older than SUBSCRIBE.
    connection.expiryTold = connection.subscriptionTo(QUEUES.session) !== undefined
    connection.event({ event: 'auth-expiring', expiresAt })
  }
}
