/** When a refused request may be tried again: never, later (after `retryAfterMs`), after a token refresh, after a re-read. */
export type Retry = 'never' | 'later' | 'after-refresh' | 'after-resync'

const RETRY = {
  INVALID_REQUEST: 'never',
  TOO_LARGE: 'never',
  UNSUPPORTED_MEDIA_TYPE: 'never',
  REJECTED: 'never',
  UNAUTHORIZED: 'never',
  TOKEN_EXPIRED: 'after-refresh',
  FORBIDDEN: 'never',
  NOT_MEMBER: 'never',
  NOT_FRIEND: 'never',
  BLOCKED: 'never',
  MUTED: 'never',
  NOT_FOUND: 'never',
  MSG_ID_CONFLICT: 'never',
  STATE_CONFLICT: 'never',
  SESSION_CLOSED: 'never',
  GROUP_FULL: 'never',
  WINDOW_PASSED: 'never',
  EPOCH_CHANGED: 'after-resync',
  RATE_LIMITED: 'later',
  BUSY: 'later',
  UNAVAILABLE: 'later',
  DRAINING: 'later',
  INTERNAL: 'later',
  UNSUPPORTED: 'never',
  OFFLINE: 'later',
  ACK_TIMEOUT: 'later',
  QUEUE_FULL: 'later',
  EXPIRED: 'never',
  CANCELLED: 'never',
  CLIENT_CLOSED: 'never',
  TOKEN_FETCH_FAILED: 'later',
  STORAGE_UNAVAILABLE: 'never',
} as const satisfies Record<string, Retry>

export type ErrorCode = keyof typeof RETRY

// Apart, so that a browser's bundle goes without; 0 for codes that only the SDK raises.
const HTTP = {
  INVALID_REQUEST: 400,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  REJECTED: 422,
  UNAUTHORIZED: 401,
  TOKEN_EXPIRED: 401,
  FORBIDDEN: 403,
  NOT_MEMBER: 403,
  NOT_FRIEND: 403,
  BLOCKED: 403,
  MUTED: 403,
  NOT_FOUND: 404,
  MSG_ID_CONFLICT: 409,
  STATE_CONFLICT: 409,
  SESSION_CLOSED: 409,
  GROUP_FULL: 409,
  WINDOW_PASSED: 409,
  EPOCH_CHANGED: 409,
  RATE_LIMITED: 429,
  BUSY: 503,
  UNAVAILABLE: 503,
  DRAINING: 503,
  INTERNAL: 500,
  UNSUPPORTED: 501,
  OFFLINE: 0,
  ACK_TIMEOUT: 0,
  QUEUE_FULL: 0,
  EXPIRED: 0,
  CANCELLED: 0,
  CLIENT_CLOSED: 0,
  TOKEN_FETCH_FAILED: 0,
  STORAGE_UNAVAILABLE: 0,
} as const satisfies Record<ErrorCode, number>

type ErrorTable = { readonly [C in ErrorCode]: { readonly http: (typeof HTTP)[C]; readonly retry: (typeof RETRY)[C] } }

const joined = (): ErrorTable =>
  Object.fromEntries(Object.entries(RETRY).map(([code, retry]) => [code, { http: HTTP[code as ErrorCode], retry }])) as ErrorTable

/** The one table from which REST, STOMP and the SDK speak. docs/errors.md has a paragraph per code, `ERROR_TITLES` a sentence. */
export const ERROR_TABLE: ErrorTable = /* @__PURE__ */ joined()

/** Codes that a server may answer with. */
export type ServerErrorCode = {
  [C in ErrorCode]: (typeof HTTP)[C] extends 0 ? never : C
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
  declare readonly code: ErrorCode
  /** Whether and when trying again can help. */
  declare readonly retry: Retry
  declare readonly detail: string | undefined
  declare readonly retryAfterMs: number | undefined
  declare readonly extra: Readonly<Record<string, unknown>> | undefined
  declare readonly requestId: string | undefined

  constructor(code: ErrorCode, { cause, ...about }: ImErrorOptions = {}) {
    super(about.detail === undefined ? code : `${code}: ${about.detail}`, cause === undefined ? undefined : { cause })
    Object.assign(this, about, { name: 'ImError', code, retry: RETRY[code] })
    // A brand instead of instanceof: two copies of this package may meet in one process.
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `value` is an {@link ImError} (of any copy of this package), of `code` if given. */
export function isImError(value: unknown, code?: ErrorCode): value is ImError {
  const error = value as (ImError & { readonly [brand]?: boolean }) | null | undefined
  return error?.[brand] === true && (code === undefined || error.code === code)
}

/** Whether `code` is in this version's table. Unknown codes are treated by their `retry` field alone. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(RETRY, code)
