import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LaneOrder } from '../../src/app/lane-order.js'

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

describe('lane order', () => {
  it('costs the only send nothing', () => {
    const order = new LaneOrder()
    const place = order.enter('c')
    expect(place.waits).toBe(false)
    place.leave()
    expect(order.enter('c').waits).toBe(false)
  })

  it('keeps conversations apart', () => {
    const order = new LaneOrder()
    order.enter('a')
    expect(order.enter('b').waits).toBe(false)
    expect(order.enter('a').waits).toBe(true)
  })

  it('lets nobody overtake one that was given up while its predecessor is still on the way', async () => {
    const order = new LaneOrder()
    const [first, given, third] = [order.enter('c'), order.enter('c'), order.enter('c')]
    given.leave()
    given.leave()
    await settle()
    expect(third.waits).toBe(true)
    first.leave()
    await third.turn
    expect(third.waits).toBe(false)
  })

  it('brings sends to their lane in arrival order, whatever their checks take and whoever gives up', async () => {
    const sends = fc.array(
      fc.record({
        conversation: fc.constantFrom('a', 'b'),
        // When the check ends: a position among all of them.
        rank: fc.nat(1_000),
        refused: fc.boolean(),
        leavesTwice: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12, size: 'max' },
    )
    await fc.assert(
      fc.asyncProperty(sends, async (script) => {
        const order = new LaneOrder()
        const reached: { readonly conversation: string; readonly i: number }[] = []
        const settled = new Set<number>()
        const ends = script.map(({ conversation, refused, leavesTwice }, i) => {
          const place = order.enter(conversation)
          return async (): Promise<void> => {
            // As SendMessage.execute does once its check has an answer.
            if (!refused) {
              if (place.waits) await place.turn
              reached.push({ conversation, i })
              place.leave()
            }
            if (refused || leavesTwice) place.leave()
            settled.add(i)
          }
        })
        const running: Promise<void>[] = []
        const byRank = script.map((send, i) => ({ rank: send.rank, i })).sort((x, y) => x.rank - y.rank || x.i - y.i)
        for (const { i } of byRank) {
          running.push((ends[i] as () => Promise<void>)())
          await settle()
          // No send is held back longer than by those before it in its own conversation.
          for (const { conversation, i: reachedAt } of reached) {
            const earlier = script.slice(0, reachedAt).map((send, at) => ({ ...send, at }))
            expect(earlier.every((send) => send.conversation !== conversation || settled.has(send.at))).toBe(true)
          }
        }
        await Promise.all(running)
        for (const conversation of ['a', 'b']) {
          const expected = script.flatMap((send, i) => (send.conversation === conversation && !send.refused ? [i] : []))
          expect(reached.filter((one) => one.conversation === conversation).map(({ i }) => i)).toEqual(expected)
        }
        // Nothing is kept of a pipeline that has run dry.
        await settle()
        expect(order.enter('a').waits).toBe(false)
        expect(order.enter('b').waits).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
