/** When a refused request may be tried again: never, later (after `retryAfterMs`), after a token refresh, after a re-read. */
export type Retry = 'never' | 'later' | 'after-refresh' | 'after-resync'

interface ErrorEntry {
  /** HTTP status; 0 for codes that only the SDK raises. */
  readonly http: number
  readonly retry: Retry
  /** What happened and what to do, for a developer. */
  readonly title: string
}

/** The one table from which REST, STOMP and the SDK speak. docs/errors.md has a paragraph per code. */
export const ERROR_TABLE = {
  INVALID_REQUEST: { http: 400, retry: 'never', title: 'The request is malformed; correct it as the detail says.' },
  TOO_LARGE: { http: 413, retry: 'never', title: 'The frame, body or list is over its limit; send less.' },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, retry: 'never', title: 'Writes need Content-Type: application/json.' },
  REJECTED: { http: 422, retry: 'never', title: 'The service refused this message.' },
  UNAUTHORIZED: { http: 401, retry: 'never', title: 'The token is missing or not accepted; sign in.' },
  TOKEN_EXPIRED: { http: 401, retry: 'after-refresh', title: 'The token has expired; fetch a new one and try again.' },
  FORBIDDEN: { http: 403, retry: 'never', title: 'You may not do this.' },
  NOT_MEMBER: { http: 403, retry: 'never', title: 'You are not a member of this conversation.' },
  NOT_FRIEND: { http: 403, retry: 'never', title: 'Direct messages need a friendship here.' },
  BLOCKED: { http: 403, retry: 'never', title: 'Direct messages between you are blocked.' },
  MUTED: { http: 403, retry: 'never', title: 'You are muted in this conversation.' },
  NOT_FOUND: { http: 404, retry: 'never', title: 'There is no such thing, or you may not see it.' },
  MSG_ID_CONFLICT: { http: 409, retry: 'never', title: 'This msgId already names another message; make a new one.' },
  STATE_CONFLICT: { http: 409, retry: 'never', title: 'The thing is not in a state that allows this; read it again.' },
  SESSION_CLOSED: { http: 409, retry: 'never', title: 'The session is closed; open a new one.' },
  GROUP_FULL: { http: 409, retry: 'never', title: 'The group has no room for these members.' },
  WINDOW_PASSED: { http: 409, retry: 'never', title: 'The time in which this was allowed has passed.' },
  EPOCH_CHANGED: { http: 409, retry: 'after-resync', title: 'The storage was restored; drop positions and read again.' },
  RATE_LIMITED: { http: 429, retry: 'later', title: 'Too many requests; wait retryAfterMs.' },
  BUSY: { http: 503, retry: 'later', title: 'The server is at its limit; wait retryAfterMs.' },
  UNAVAILABLE: { http: 503, retry: 'later', title: 'A service behind the server does not answer; wait retryAfterMs.' },
  DRAINING: { http: 503, retry: 'later', title: 'This node is going away; connect again.' },
  INTERNAL: { http: 500, retry: 'later', title: 'The server failed; quote the requestId when you report it.' },
  UNSUPPORTED: { http: 501, retry: 'never', title: 'This service does not offer that.' },
  OFFLINE: { http: 0, retry: 'later', title: 'There is no connection to the server.' },
  ACK_TIMEOUT: { http: 0, retry: 'later', title: 'The server did not answer in time.' },
  QUEUE_FULL: { http: 0, retry: 'later', title: 'Too many messages wait to be sent.' },
  EXPIRED: { http: 0, retry: 'never', title: 'The message waited too long and is not retried by itself any more.' },
  CANCELLED: { http: 0, retry: 'never', title: 'The message was cancelled before it was sent.' },
  CLIENT_CLOSED: { http: 0, retry: 'never', title: 'The client was closed.' },
  TOKEN_FETCH_FAILED: { http: 0, retry: 'later', title: 'getToken failed; it is tried again.' },
  STORAGE_UNAVAILABLE: { http: 0, retry: 'never', title: 'The local store cannot be used; messages are kept in memory.' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERROR_TABLE

/** Codes that a server may answer with. */
export type ServerErrorCode = {
  [C in ErrorCode]: (typeof ERROR_TABLE)[C]['http'] extends 0 ? never : C
}[ErrorCode]

const brand = Symbol.for('innerline.error')

export interface ImErrorOptions {
  /** What is wrong with this request in particular, and what to do. Never user text or a token. */
  readonly detail?: string | undefined
  readonly retryAfterMs?: number | undefined
  /** Further fields of the answer, such as `mutedUntil`. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
  readonly requestId?: string | undefined
  readonly cause?: unknown
}

/** The one error of both sides. `code` decides; `message` is for people and may change. */
export class ImError extends Error {
  readonly code: ErrorCode
  /** Whether and when trying again can help. */
  readonly retry: Retry
  readonly detail: string | undefined
  readonly retryAfterMs: number | undefined
  readonly extra: Readonly<Record<string, unknown>> | undefined
  readonly requestId: string | undefined

  constructor(code: ErrorCode, options: ImErrorOptions = {}) {
    const entry = ERROR_TABLE[code]
    super(`${code}: ${options.detail ?? entry.title}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ImError'
    this.code = code
    this.retry = entry.retry
    this.detail = options.detail
    this.retryAfterMs = options.retryAfterMs
    this.extra = options.extra
    this.requestId = options.requestId
    // A brand instead of instanceof: two copies of this package may meet in one process.
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `value` is an {@link ImError} (of any copy of this package), of `code` if given. */
export function isImError(value: unknown, code?: ErrorCode): value is ImError {
  if (typeof value !== 'object' || value === null || !(brand in value)) return false
  return code === undefined || (value as unknown as ImError).code === code
}

/** Whether `code` is in this version's table. Unknown codes are treated by their `retry` field alone. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_TABLE, code)
