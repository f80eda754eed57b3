import type { Clock, Ids } from '@innerline/protocol'
import type { ImStore } from '../store/store.js'

export interface TokenContext {
  /** `initial` first, `reconnect` for a later connection, `expiring` to renew on a living connection, `rejected` after `TOKEN_EXPIRED`. */
  readonly reason: 'initial' | 'reconnect' | 'expiring' | 'rejected'
  /** Calls in a row that have failed before this one. */
  readonly attempt: number
  /** Aborted after 10 s, and when the client is closed. */
  readonly signal: AbortSignal
}

/** Shaped like pino and console: an object, then a sentence. Never given user text or tokens. */
export interface ImLogger {
  debug(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

/** The part of a WebSocket that is used; that of browsers, of Node ≥ 22 and of the package `ws` fit. */
export interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  readonly url: string
  onopen: ((event: never) => unknown) | null
  onmessage: ((event: never) => unknown) | null
  onclose: ((event: never) => unknown) | null
  onerror: ((event: never) => unknown) | null
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
  /** Ends the socket without a closing handshake, where the runtime can (`ws`). */
  terminate?(): void
}

/** What the surroundings tell about the network and the page. */
export interface Lifecycle {
  /** Calls `onWake` whenever the connection should be checked: online, page visible, page shown from the cache. Returns its undo. */
  watch(onWake: () => void): () => void
}

export interface ReconnectOptions {
  /** Upper bound of the first delay; it doubles. Default 1 000. */
  readonly minDelayMs?: number
  /** Default 30 000. */
  readonly maxDelayMs?: number
}

export interface OutboxOptions {
  /** Unsettled messages kept; more are refused with `QUEUE_FULL`. Default 500. */
  readonly maxSize?: number
  /** A message never written to a socket is given up after this. Default 24 h. */
  readonly maxAgeMs?: number
  /** Default 10 000. */
  readonly ackTimeoutMs?: number
  /** Larger bodies (as JSON) are refused here with `TOO_LARGE`, as their frame could cost the connection. Default 48 KiB. */
  readonly maxBodyBytes?: number
}

export interface ImClientOptions {
  /**
   * Where the service is mounted: `https://host/prefix`, or in browsers a path (`''` = this origin). REST is read under `<url>/api/im`, the
   * WebSocket at `<url>/ws/chat`. `{ http, ws }` names the REST base and the complete WebSocket address apart.
   */
  readonly url: string | { readonly http: string; readonly ws: string }
  /**
   * Returns a token for a new connection or request; called only when one is needed. Throwing `new ImError('UNAUTHORIZED')` stops the
   * client for good; whatever else it throws or rejects with is tried again with back-off. Given 10 s.
   */
  getToken(context: TokenContext): string | Promise<string>
  /** The own user id, where known beforehand: makes `conversations.direct()` work before the first connection. */
  readonly userId?: string
  /** `agent` connects to `/ws/agent`. Default `chat`. */
  readonly endpoint?: 'chat' | 'agent'
  /** `false`: a lost connection closes the client. */
  readonly reconnect?: false | ReconnectOptions
  readonly outbox?: OutboxOptions
  /** Default: memory. */
  readonly storage?: ImStore
  /** When conversations are pulled: `lazy` (default) when opened, `eager` all of the list, as a bot wants. */
  readonly open?: 'lazy' | 'eager'
  readonly device?: { readonly id?: string }
  readonly logger?: ImLogger
  /** Default: `globalThis.WebSocket`; needed on Node < 22: `(url, protocols) => new WebSocket(url, protocols)` with the package `ws`. */
  readonly webSocket?: (url: string, protocols: string[]) => WebSocketLike
  readonly fetch?: typeof fetch
  readonly lifecycle?: Lifecycle
  readonly clock?: Clock
  readonly ids?: Ids
}
