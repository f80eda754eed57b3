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
  const bytes = Buffer.from(text)
  let end = Math.min(bytes.length, MAX_CLOSE_REASON_BYTES)
  // Back to where a character begins: what follows the cut must not be a continuation byte.
  while (end < bytes.length && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
