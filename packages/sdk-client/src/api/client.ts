import type { ConnectionSnapshot } from './connection.js'
import type { Conversations } from './conversation.js'
import type { ImEvents } from './events.js'
import type { TimelineItem } from './message.js'
import type { CallOptions, Readable, Unsubscribe } from './readable.js'

/** Own messages that are not settled or have failed, oldest first. */
export interface Outbox extends Readable<readonly TimelineItem[]> {
  /** Takes a message back that was never written to a socket, or forgets a failed one. False when it is too late or unknown. */
  cancel(msgId: string): boolean
  /** Tries a failed message (default: all failed ones) again with the same msgId, now. The earlier promise stays rejected; watch `sent`. */
  retry(msgId?: string): void
}

export interface RequestOptions extends CallOptions {
  readonly body?: unknown
  readonly query?: Readonly<Record<string, string | number | undefined>>
}

export interface ImClient {
  /** Known from the first connection on, or from option `userId`. */
  readonly userId: string | undefined
  readonly connection: Readable<ConnectionSnapshot>
  readonly conversations: Conversations
  readonly outbox: Outbox
  /**
   * Connects and keeps connected. Idempotent: while connecting or connected it only answers. Resolves with the first connection; rejects
   * with what made the client give up (`UNAUTHORIZED`, `FORBIDDEN`, `UNSUPPORTED` …), `CLIENT_CLOSED` by `disconnect()`, or `CANCELLED`
   * by its signal, which abandons this wait alone.
   */
  connect(options?: CallOptions): Promise<ConnectionSnapshot>
  /** Ends the connection. Data and outbox stay; `connect()` is allowed again at once. Never rejects. */
  disconnect(): Promise<void>
  /** Ends the client for good: unsettled sends reject with `CLIENT_CLOSED`. `clear` also empties its store. Never rejects. */
  destroy(options?: { readonly clear?: boolean }): Promise<void>
  /** Resolves at once when connected, else with the next connection. Does not connect by itself. Rejects like `connect()`. */
  whenConnected(options?: CallOptions): Promise<ConnectionSnapshot>
  /** Listens until the returned function is called, the signal is aborted, or after the first event with `once`. */
  on<E extends keyof ImEvents>(
    event: E,
    listener: ImEvents[E],
    options?: { readonly signal?: AbortSignal; readonly once?: boolean },
  ): Unsubscribe
  /**
   * One authenticated REST call, such as `request('POST', '/api/im/groups', { body })`. Resolves with the JSON answer; rejects with the
   * answer's ImError, `UNAVAILABLE` when the network fails, `UNAUTHORIZED`, or `CANCELLED`. An expired token is renewed and the call
   * repeated once.
   */
  request<T = unknown>(method: string, path: string, options?: RequestOptions): Promise<T>
  /** What a bug report needs, as plain JSON: states, counts and positions, never bodies or tokens. */
  inspect(): Readonly<Record<string, unknown>>
}
