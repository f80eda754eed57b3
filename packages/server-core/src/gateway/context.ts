import type { Limits } from '@innerline/protocol'
import type { Acknowledge } from '../app/acknowledge.js'
import type { Hooks } from '../app/hooks.js'
import type { SendMessage } from '../app/send-message.js'
import type { Hints, MemberIndex } from '../delivery/index.js'
import type { Authenticate, Clock, EventLog, Ids, Logger, Metrics, Presence } from '../ports/index.js'

/** What every connection of a gateway shares. */
export interface GatewayContext {
  readonly send: SendMessage
  readonly acknowledge: Acknowledge
  readonly index: MemberIndex
  readonly hints: Hints
  readonly presence: Presence
  readonly events: EventLog
  readonly authenticate: Authenticate
  readonly hooks: Hooks
  readonly clock: Clock
  readonly ids: Ids
  readonly logger: Logger
  readonly metrics: Metrics
  readonly limits: Limits
  readonly epoch: () => number
  /** Whether `?token=` of the handshake is accepted. */
  readonly queryToken: boolean
  readonly reconnectWindowMs: () => number
}

/** Times of a connection's life, ms. */
export const TIMING = {
  /** From the upgrade to CONNECT accepted. */
  connect: 10_000,
  /** What the server offers and asks for in `heart-beat`. */
  heartBeat: 10_000,
  /** Silence after which the server pings at WebSocket level. */
  pingAfter: 20_000,
  /** Silence after which a connection lets go of what only an active one needs. */
  rest: 3_000,
  /** Silence after which a connection is given up. Background tabs throttle timers, not pongs. */
  silence: 45_000,
  /** A socket that takes nothing for so long is closed. */
  noProgress: 10_000,
  /** How long a connection may take to close; a little more than the library gives a peer to answer. */
  closing: 6_000,
  /** How long before its end a token is announced as expiring. */
  expiryNotice: 60_000,
  /** How often connections are looked after. */
  sweep: 1_000,
} as const
