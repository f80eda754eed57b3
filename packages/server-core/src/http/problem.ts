import { ERROR_TABLE, ERROR_TITLES, ImError, isErrorCode, isImError, type Problem } from '@innerline/protocol'

const DOCUMENTATION = 'https://github.com/innerline/innerline/blob/main/docs/errors.md'

/** A refusal as it goes over the wire (RFC 9457). */
export interface ProblemAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Problem
}

/** Whether a thrown value may speak for itself; anything else is a failure of ours or of a hook, told as `INTERNAL` alone. */
export const speaksForItself = (error: unknown): error is ImError =>
  isImError(error) && isErrorCode(error.code) && ERROR_TABLE[error.code].http !== 0

/** The answer to a thrown value. What is not an {@link ImError} shows nothing of itself: its message may name anything. */
export function problemOf(error: unknown, requestId: string): ProblemAnswer {
  const { code, detail, retryAfterMs, extra } = speaksForItself(error) ? error : new ImError('INTERNAL')
  const { http: status, retry } = ERROR_TABLE[code]
  const title = ERROR_TITLES[code]
  const headers: Record<string, string> = {}
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)))
  // RFC 6750 §3: an expired token is named, a missing one is only asked for.
  if (status === 401) headers['www-authenticate'] = code === 'TOKEN_EXPIRED' ? 'Bearer error="invalid_token"' : 'Bearer'
  return {
    status,
    headers,
    body: {
      // First, so that no hook's field can pass for one of ours.
      ...extra,
      type: `${DOCUMENTATION}#${code.toLowerCase()}`,
      title,
      status,
      code,
      ...(detail === undefined ? {} : { detail }),
      retry,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      requestId,
    },
  }
}
