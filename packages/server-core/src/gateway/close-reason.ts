import { CLOSE, type ImError, MAX_CLOSE_REASON_BYTES } from '@innerline/protocol'

/** The close code that goes with an ERROR of this kind: clients decide by its range whether to come again. */
export function closeCodeOf(error: ImError): number {
  switch (error.code) {
    case 'UNAUTHORIZED':
      return CLOSE.unauthorized
    case 'TOKEN_EXPIRED':
      return CLOSE.tokenExpired
    case 'FORBIDDEN':
      return CLOSE.forbidden
    case 'DRAINING':
      return CLOSE.drain
    case 'RATE_LIMITED':
      return CLOSE.flooding
    default:
      return error.retry === 'never' ? CLOSE.protocolError : CLOSE.overloaded
  }
}

/** Cut to what a close frame can carry, on a character. */
export function closeReason(text: string): string {
  let reason = text
  while (Buffer.byteLength(reason) > MAX_CLOSE_REASON_BYTES) reason = reason.slice(0, -1)
  return reason
}
