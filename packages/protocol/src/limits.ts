/** Limits of one server, all configurable; each is answered with a clear code when crossed. Bytes unless said. */
export interface Limits {
  /** One STOMP frame, and so one WebSocket message. */
  readonly frameBytes: number
  /** A message's body as JSON. */
  readonly bodyBytes: number
  /** All bytes of a connection before CONNECT was accepted. */
  readonly unauthenticatedBytes: number
  readonly headers: number
  readonly headerLineBytes: number
  readonly subscriptionsPerConnection: number
  readonly connectionsPerUser: number
  /** Sockets of a node that have not authenticated yet. */
  readonly unauthenticatedSockets: number
  readonly sendsPerSecond: number
  readonly sendBurst: number
  readonly framesPerSecond: number
  readonly frameBurst: number
  readonly upgradesPerSecond: number
  /** WebSocket fragments a message may come in. */
  readonly maxFragments: number
  /** Unanswered SENDs of a connection before its socket is paused. */
  readonly sendsInFlight: number
  /** Queued message bytes of a connection before it lags or is closed. */
  readonly logQueueBytes: number
  /** Queued answers of a connection before it is closed. */
  readonly owedQueueBytes: number
  /** Queued bytes of all connections of a node. */
  readonly nodeQueueBytes: number
  /** Conversations in one heart-beat's `heads`. */
  readonly heartbeatHeads: number
  /** Entries of one acknowledgement. */
  readonly acksPerRequest: number
  /** Bytes of one page of messages. */
  readonly pageBytes: number
}

// Written out: a bundler takes a product for something that may have effects, and keeps the whole table.
export const DEFAULT_LIMITS: Limits = {
  frameBytes: 65_536,
  bodyBytes: 49_152,
  unauthenticatedBytes: 16_384,
  headers: 32,
  headerLineBytes: 2_048,
  subscriptionsPerConnection: 16,
  connectionsPerUser: 20,
  unauthenticatedSockets: 2_000,
  sendsPerSecond: 10,
  sendBurst: 30,
  framesPerSecond: 50,
  frameBurst: 100,
  upgradesPerSecond: 500,
  maxFragments: 64,
  sendsInFlight: 64,
  logQueueBytes: 262_144,
  owedQueueBytes: 262_144,
  nodeQueueBytes: 268_435_456,
  heartbeatHeads: 64,
  acksPerRequest: 200,
  pageBytes: 262_144,
}

/** Page sizes of REST lists and histories. */
export const PAGE = { default: 50, max: 200 } as const
