import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isClientMsgId, uuidV7 } from '../src/index.js'

const now = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const random = fc.uint8Array({ minLength: 16, maxLength: 16 })

describe('uuidV7', () => {
  it('is a UUID of version 7 that a client may use, whatever the time and the bytes', () => {
    fc.assert(
      fc.property(now, random, (time, bytes) => {
        expect(isClientMsgId(uuidV7(time, bytes))).toBe(true)
      }),
    )
  })

  it('holds the time in its first 48 bits', () => {
    fc.assert(
      fc.property(now, random, (time, bytes) => {
        expect(Number.parseInt(uuidV7(time, bytes).replaceAll('-', '').slice(0, 12), 16)).toBe(time)
      }),
    )
  })

  it('sorts as text by time', () => {
    fc.assert(
      fc.property(now, now, random, random, (a, b, first, second) => {
        fc.pre(a < b)
        expect(uuidV7(a, first) < uuidV7(b, second)).toBe(true)
      }),
    )
  })

  it('keeps 74 random bits and nothing of the first six bytes', () => {
    const bytes = new Uint8Array(16).fill(0xff)
    expect(uuidV7(0x0123_4567_89ab, bytes)).toBe('01234567-89ab-7fff-bfff-ffffffffffff')
    expect(uuidV7(0x0123_4567_89ab, new Uint8Array(16))).toBe('01234567-89ab-7000-8000-000000000000')
    const changed = new Set<string>()
    for (let index = 0; index < 16; index++) changed.add(uuidV7(1, new Uint8Array(16).fill(1, index, index + 1)))
    expect(changed.size).toBe(11)
  })

  it('matches the example of RFC 9562, appendix A.6', () => {
    const bytes = Uint8Array.from([0, 0, 0, 0, 0, 0, 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f])
    expect(uuidV7(1_645_557_742_000, bytes)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')
  })

  it('takes a fractional clock', () => {
    expect(uuidV7(1.9, new Uint8Array(16))).toBe(uuidV7(1, new Uint8Array(16)))
  })
})
