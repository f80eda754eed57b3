import { ImError, isErrorCode, isImError, mayReconnect, type ErrorCode, type ErrorMessage } from '@innerline/protocol'

/** An answer of the server (STOMP refusal, problem document) as an error. A code of a newer server is known by its `retry`. */
export function errorOf(answer: Partial<ErrorMessage>): ImError {
  const { code = 'INTERNAL', title, detail, retry, retryAfterMs, requestId, ...extra } = answer
  const known = isErrorCode(code) ? code : retry === 'later' ? 'UNAVAILABLE' : retry === 'never' ? 'REJECTED' : 'INTERNAL'
  return new ImError(known, { detail: detail ?? (known === code ? title : `${code}: ${title ?? ''}`), retryAfterMs, requestId, extra })
}

/** What was thrown, as an error of ours; of `code` where it is none. */
export const asImError = (cause: unknown, code: ErrorCode): ImError =>
  isImError(cause) ? cause : new ImError(code, { detail: wordsOf(cause), cause })

/** What a thrown value says. */
export const wordsOf = (cause: unknown): string => String((cause as Error | undefined)?.message ?? cause)

/** A body that should be JSON of the server; undefined when it is not, as nothing the network says may throw. */
export function parseJson<T>(text: string): T | undefined {
  try {
    const value = JSON.parse(text) as T
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const byClose: Record<number, ErrorCode> = {
  1012: 'DRAINING',
  4004: 'UNAVAILABLE',
  4010: 'TOKEN_EXPIRED',
  4500: 'INVALID_REQUEST',
  4501: 'UNAUTHORIZED',
  4503: 'FORBIDDEN',
  4511: 'UNAUTHORIZED',
  4512: 'UNSUPPORTED',
}

export interface Ending {
  readonly type: 'lost' | 'expired' | 'refused'
  readonly error: ImError
}

/** What an error means for the connection: trying again helps, with another token, or never. */
export const kindOf = ({ code }: ImError): Ending['type'] =>
  code === 'TOKEN_EXPIRED' ? 'expired' : code === 'UNAUTHORIZED' || code === 'FORBIDDEN' || code === 'UNSUPPORTED' ? 'refused' : 'lost'

/** What the end of a socket means: the ERROR frame before it (if any) names the cause, the close code decides by range. */
export function endingOf(closeCode: number, reason: string, told: ImError | undefined): Ending {
  const final = !mayReconnect(closeCode)
  const error =
    told ?? new ImError(byClose[closeCode] ?? (final ? 'FORBIDDEN' : 'OFFLINE'), { detail: `closed ${closeCode} ${reason}`.trim() })
  // The close frame may be lost with the network, the ERROR frame's word then stands alone.
  const type = kindOf(error)
  return { type: final && type === 'lost' ? 'refused' : type, error }
}
