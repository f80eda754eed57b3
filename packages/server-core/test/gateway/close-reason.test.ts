import { CLOSE, ERROR_TABLE, type ErrorCode, ImError, mayReconnect, MAX_CLOSE_REASON_BYTES } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeCodeOf, closeReason } from '../../src/gateway/close-reason.js'

describe('a close reason', () => {
  it('is cut to what a close frame can carry, between characters', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'é', '内', '😀'), { minLength: 20, maxLength: 150, size: 'max' }), (characters) => {
        const text = characters.join('')
        const reason = closeReason(text)
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(MAX_CLOSE_REASON_BYTES)
        expect(text.startsWith(reason)).toBe(true)
        expect(Buffer.from(reason).toString()).toBe(reason)
        // And no shorter than it has to be.
        if (reason !== text) expect(Buffer.byteLength(reason)).toBeGreaterThan(MAX_CLOSE_REASON_BYTES - 4)
      }),
    )
  })
})

describe('a close code', () => {
  it('is one a client may come back after exactly when the refusal says so', () => {
    for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
      const error = new ImError(code)
      expect([code, mayReconnect(closeCodeOf(error))]).toEqual([code, error.retry !== 'never'])
    }
    expect(closeCodeOf(new ImError('DRAINING'))).toBe(CLOSE.drain)
    expect(closeCodeOf(new ImError('TOKEN_EXPIRED'))).toBe(CLOSE.tokenExpired)
  })
})
