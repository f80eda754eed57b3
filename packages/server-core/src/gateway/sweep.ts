import { CLOSE, ImError } from '@innerline/protocol'
import type { Connection } from './connection.js'
import { TIMING } from './context.js'

/**
 * What a connection needs done by time, all in one visit a second, so that an idle connection costs no timers.
 * Returns the bytes it keeps buffered.
 */
export function visit(connection: Connection, now: number, epochNow: number): number {
  if (connection.state === 'connecting' || connection.state === 'authenticating') {
    if (now - connection.openedAt >= TIMING.connect) {
      connection.fail(new ImError('UNAUTHORIZED', { detail: 'CONNECT did not come in time.' }), CLOSE.connectTimeout)
    }
    return 0
  }
  if (connection.state !== 'open') return 0
  const { socket } = connection
  const buffered = socket.bufferedBytes
  if (isStuck(connection, buffered, now)) {
    connection.cut(CLOSE.slowReader, 'no progress')
    return 0
  }
  const silence = connection.isPaused ? 0 : now - connection.lastReadAt
  if (silence >= TIMING.silence) {
    connection.cut(CLOSE.heartbeatLost, 'silence')
    return 0
  }
  // A ping a visit is enough while the silence lasts; the answer ends it.
  if (silence >= TIMING.pingAfter) socket.ping()
  visitToken(connection, epochNow)
  const { sendHeartBeatMs } = connection
  // A visit early rather than late: the client's tolerance is its own affair.
  if (sendHeartBeatMs > 0 && now - connection.lastWriteAt >= sendHeartBeatMs - 2 * TIMING.sweep) connection.heartBeat()
  return buffered
}

function isStuck(connection: Connection, buffered: number, now: number): boolean {
  const taken = connection.queue.written - buffered
  if (buffered === 0 || taken !== connection.taken) {
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
    connection.expiryTold = true
    connection.event({ event: 'auth-expiring', expiresAt })
  }
}
