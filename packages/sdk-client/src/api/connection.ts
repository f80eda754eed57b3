import type { ImError } from '@innerline/protocol'

/**
 * `idle` before `connect()` and after `disconnect()`; `connecting` until the first connection of this `connect()`; `reconnecting` between
 * connections; `closed` is final for this `connect()`: `error` says why, and only a new `connect()` (or nothing, after `destroy()`) helps.
 */
export type ConnectionStatus = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed'

export interface ConnectionSnapshot {
  readonly status: ConnectionStatus
  /** True once there has been no connection for 5 s though one was wanted: show the banner from this, not from `status`. */
  readonly lost: boolean
  /** Failed attempts in a row; 0 while connected. A connection counts as a success once it has lasted 30 s, before as one more failure. */
  readonly attempt: number
  /** Local epoch ms of the next attempt, while one is scheduled. */
  readonly nextRetryAt?: number
  /** Why the last attempt or connection ended; absent while connected. */
  readonly error?: ImError
  /** The server's id of this connection, for support. */
  readonly connectionId?: string
  /** The storage's epoch, while connected. */
  readonly epoch?: number
}
