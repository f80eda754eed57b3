import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canSee, unreadOf, visibleRange } from '../../src/domain/member.js'

/** A log as (countable, own) pairs, and a member's place in it by seq alone. */
const history = fc.record({
  log: fc.array(fc.record({ countable: fc.boolean(), own: fc.boolean() }), { maxLength: 40 }),
  visibleFrom: fc.integer({ min: 1, max: 45 }),
  leaveSeq: fc.option(fc.integer({ min: 0, max: 45 }), { nil: undefined }),
  readSeq: fc.integer({ min: 0, max: 45 }),
  lowSeq: fc.integer({ min: 1, max: 45 }),
})

describe('unreadOf', () => {
  it('equals a count by hand', () => {
    fc.assert(
      fc.property(history, ({ log, visibleFrom, leaveSeq, readSeq, lowSeq }) => {
        const ordAt = (seq: number): number => log.slice(0, Math.max(0, seq)).filter((entry) => entry.countable).length
        const sentSeq = log.findLastIndex((entry) => entry.own && entry.countable) + 1
        const unread = unreadOf(
          { headOrd: ordAt(log.length), lowOrd: ordAt(lowSeq - 1) },
          {
            visibleOrd: ordAt(visibleFrom - 1),
            leaveOrd: leaveSeq === undefined ? undefined : ordAt(leaveSeq),
            readOrd: ordAt(readSeq),
            sentOrd: ordAt(sentSeq),
          },
        )
        const byHand = log.filter((entry, index) => {
          const seq = index + 1
          const visible = seq >= visibleFrom && seq >= lowSeq && seq <= (leaveSeq ?? log.length)
          return entry.countable && visible && seq > readSeq && seq > sentSeq
        })
        expect(unread).toBe(byHand.length)
      }),
    )
  })
})

describe('visibleRange', () => {
  it('holds exactly the entries that are kept and that the member can see', () => {
    fc.assert(
      fc.property(history, ({ log, visibleFrom, leaveSeq, lowSeq }) => {
        const member = { visibleFrom, leaveSeq }
        const { from, to } = visibleRange({ headSeq: log.length, lowSeq }, member)
        for (let seq = 1; seq <= log.length; seq++) {
          expect(seq >= from && seq <= to, `seq ${seq}`).toBe(seq >= lowSeq && canSee(member, seq))
        }
        expect(from).toBeGreaterThanOrEqual(1)
        expect(to).toBeLessThanOrEqual(log.length)
      }),
    )
  })

  it('is empty before the first visible entry and after an early leave', () => {
    expect(visibleRange({ headSeq: 0, lowSeq: 1 }, { visibleFrom: 1 })).toEqual({ from: 1, to: 0 })
    expect(visibleRange({ headSeq: 9, lowSeq: 1 }, { visibleFrom: 10 })).toEqual({ from: 10, to: 9 })
    expect(visibleRange({ headSeq: 9, lowSeq: 5 }, { visibleFrom: 1, leaveSeq: 3 })).toEqual({ from: 5, to: 3 })
  })
})
