/** When a refused request may be tried again: never, later (after `retryAfterMs`), after a token refresh, after a re-read. */
export type Retry = 'never' | 'later' | 'after-refresh' | 'after-resync'

interface ErrorEntry {
  /** HTTP status; 0 for codes that only the SDK raises. */
  readonly http: number
  readonly retry: Retry
}

/** The one table from which REST, STOMP and the SDK speak. docs/errors.md has a paragraph per code, `ERROR_TITLES` a sentence. */
export const ERROR_TABLE = {
  INVALID_REQUEST: { http: 400, retry: 'never' },
  TOO_LARGE: { http: 413, retry: 'never' },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, retry: 'never' },
  REJECTED: { http: 422, retry: 'never' },
  UNAUTHORIZED: { http: 401, retry: 'never' },
  TOKEN_EXPIRED: { http: 401, retry: 'after-refresh' },
  FORBIDDEN: { http: 403, retry: 'never' },
  NOT_MEMBER: { http: 403, retry: 'never' },
  NOT_FRIEND: { http: 403, retry: 'never' },
  BLOCKED: { http: 403, retry: 'never' },
  MUTED: { http: 403, retry: 'never' },
  NOT_FOUND: { http: 404, retry: 'never' },
  MSG_ID_CONFLICT: { http: 409, retry: 'never' },
  STATE_CONFLICT: { http: 409, retry: 'never' },
  SESSION_CLOSED: { http: 409, retry: 'never' },
  GROUP_FULL: { http: 409, retry: 'never' },
  WINDOW_PASSED: { http: 409, retry: 'never' },
  EPOCH_CHANGED: { http: 409, retry: 'after-resync' },
  RATE_LIMITED: { http: 429, retry: 'later' },
  BUSY: { http: 503, retry: 'later' },
  UNAVAILABLE: { http: 503, retry: 'later' },
  DRAINING: { http: 503, retry: 'later' },
  INTERNAL: { http: 500, retry: 'later' },
  UNSUPPORTED: { http: 501, retry: 'never' },
  OFFLINE: { http: 0, retry: 'later' },
  ACK_TIMEOUT: { http: 0, retry: 'later' },
  QUEUE_FULL: { http: 0, retry: 'later' },
  EXPIRED: { http: 0, retry: 'never' },
  CANCELLED: { http: 0, retry: 'never' },
  CLIENT_CLOSED: { http: 0, retry: 'never' },
  TOKEN_FETCH_FAILED: { http: 0, retry: 'later' },
  STORAGE_UNAVAILABLE: { http: 0, retry: 'never' },
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
    super(
      options.detail === undefined ? code : `${code}: ${options.detail}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
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
