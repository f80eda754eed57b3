import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHeartBeat, negotiateHeartBeat, parseHeartBeat } from '../../src/index.js'

const offer = fc.record({ canSendMs: fc.nat(100_000), wantMs: fc.nat(100_000) })

describe('the heart-beat header', () => {
  it('is 0,0 when absent', () => {
    expect(parseHeartBeat(undefined)).toEqual({ canSendMs: 0, wantMs: 0 })
  })

  it.each(['', '1', '1,', ',1', '1,2,3', ' 1,2', '1, 2', '-1,2', '1.5,2', 'a,b', '1,2\n', '0x1,1', '1234567890,1'])(
    'is refused as %j',
    (value) => {
      expect(parseHeartBeat(value)).toBeUndefined()
    },
  )

  it('is read back as written', () => {
    fc.assert(
      fc.property(offer, (ours) => {
        expect(parseHeartBeat(formatHeartBeat(ours))).toEqual(ours)
      }),
    )
    expect(parseHeartBeat('999999999,0')).toEqual({ canSendMs: 999_999_999, wantMs: 0 })
  })
})

describe('the negotiation', () => {
  it.each([
    [
      [10, 20],
      [30, 40],
      [40, 30],
    ],
    [
      [0, 20],
      [30, 40],
      [0, 30],
    ],
    [
      [10, 0],
      [30, 40],
      [40, 0],
    ],
    [
      [10, 20],
      [0, 40],
      [40, 0],
    ],
    [
      [10, 20],
      [30, 0],
      [0, 30],
    ],
    [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  ] as const)('%j with %j gives %j', ([can, want], [theyCan, theyWant], [sendMs, expectMs]) => {
    const result = negotiateHeartBeat({ canSendMs: can, wantMs: want }, { canSendMs: theyCan, wantMs: theyWant })
    expect(result).toEqual({ sendMs, expectMs })
  })

  it('is mirrored, and never asks for more than either side offered', () => {
    fc.assert(
      fc.property(offer, offer, (ours, theirs) => {
        const here = negotiateHeartBeat(ours, theirs)
        const there = negotiateHeartBeat(theirs, ours)
        expect(here).toEqual({ sendMs: there.expectMs, expectMs: there.sendMs })
        if (here.sendMs > 0) expect(here.sendMs).toBeGreaterThanOrEqual(Math.max(ours.canSendMs, theirs.wantMs))
        else expect(ours.canSendMs * theirs.wantMs).toBe(0)
      }),
    )
  })
})
