/**
 * The only place that spells a destination or a WebSocket path. Destinations match exactly: no wildcards, no
 * prefixes, nobody names another user's queue.
 */

/** Destinations a client may SEND to. */
export const SEND_DESTINATIONS = {
  sendMessage: '/app/chat.sendMessage',
  ack: '/app/chat.ack',
  heartbeat: '/app/chat.heartbeat',
  typing: '/app/chat.typing',
  refresh: '/app/auth.refresh',
  watchPresence: '/app/presence.watch',
} as const

/** Destinations a client may SUBSCRIBE to; each is the caller's own queue. */
export const QUEUES = {
  messages: '/user/queue/messages',
  session: '/user/queue/session',
  heartbeat: '/user/queue/heartbeat',
  errors: '/user/queue/errors',
} as const

/** WebSocket paths. Each is also served at `<path>/websocket`, which Spring's clients dial. */
export const WS_PATHS = { chat: '/ws/chat', agent: '/ws/agent' } as const

export type SendDestination = (typeof SEND_DESTINATIONS)[keyof typeof SEND_DESTINATIONS]
export type Queue = (typeof QUEUES)[keyof typeof QUEUES]

const sends: ReadonlySet<string> = /* @__PURE__ */ new Set(/* @__PURE__ */ Object.values(SEND_DESTINATIONS))
const queues: ReadonlySet<string> = /* @__PURE__ */ new Set(/* @__PURE__ */ Object.values(QUEUES))

/** Whether `destination` is one a client may SEND to. */
export const isSendDestination = (destination: string): destination is SendDestination => sends.has(destination)

/** Whether `destination` is one a client may SUBSCRIBE to. */
export const isQueue = (destination: string): destination is Queue => queues.has(destination)
