import { type ErrorCode, ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { endingOf } from '../src/failure.js'

describe('the end of a socket', () => {
  it.each<[number, ErrorCode | undefined, string, ErrorCode]>([
    [1006, undefined, 'lost', 'OFFLINE'],
    [1012, undefined, 'lost', 'DRAINING'],
    [4003, undefined, 'lost', 'OFFLINE'],
    [4010, undefined, 'expired', 'TOKEN_EXPIRED'],
    [4499, undefined, 'lost', 'OFFLINE'],
    [4500, undefined, 'refused', 'INVALID_REQUEST'],
    [4510, undefined, 'refused', 'FORBIDDEN'],
    [4999, undefined, 'refused', 'FORBIDDEN'],
    // The ERROR frame names the cause; a final code is final whatever it names, a lost close frame takes nothing from the word.
    [4004, 'BUSY', 'lost', 'BUSY'],
    [4500, 'TOO_LARGE', 'refused', 'TOO_LARGE'],
    [1006, 'FORBIDDEN', 'refused', 'FORBIDDEN'],
    [1006, 'TOKEN_EXPIRED', 'expired', 'TOKEN_EXPIRED'],
  ])('%s after %s is %s', (closeCode, told, type, code) => {
    expect(endingOf(closeCode, '', told && new ImError(told))).toMatchObject({ type, error: { code } })
  })
})
