import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import { seeded } from '../eventually.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader } from '../invariants.js'
import type { Storage } from '../types.js'

export function cursorCases(current: Current<StorageHarness>): void {
  const move = async (
    storage: Storage,
    conversationId: string,
    userId: string,
    to: { readonly deliveredSeq?: number; readonly readSeq?: number },
  ): Promise<unknown> => (await storage.advanceCursors([{ conversationId, userId, ...to }]))[0]

  describe('advanceCursors', () => {
    it('moves delivered and read apart, read taking delivered along', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'ann', 10)
      expect(await move(a.storage, id, 'bob', { deliveredSeq: 4 })).toEqual({
        deliveredSeq: 4,
        readSeq: 0,
        unread: 10,
        headOrd: 10,
        moved: true,
      })
      expect(await move(a.storage, id, 'bob', { readSeq: 2 })).toEqual({ deliveredSeq: 4, readSeq: 2, unread: 8, headOrd: 10, moved: true })
      expect(await move(a.storage, id, 'bob', { readSeq: 7 })).toEqual({ deliveredSeq: 7, readSeq: 7, unread: 3, headOrd: 10, moved: true })
      expect(await a.member(id, 'bob')).toMatchObject({ deliveredSeq: 7, readSeq: 7, readOrd: 7 })
    })

    it('never moves backward, and a repeat changes nothing', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'ann', 10)
      await move(a.storage, id, 'bob', { deliveredSeq: 8, readSeq: 6 })
      const still = { deliveredSeq: 8, readSeq: 6, unread: 4, headOrd: 10, moved: false }
      expect(await move(a.storage, id, 'bob', { deliveredSeq: 8, readSeq: 6 })).toEqual(still)
      expect(await move(a.storage, id, 'bob', { deliveredSeq: 3, readSeq: 1 })).toEqual(still)
      expect(await move(a.storage, id, 'bob', {})).toEqual(still)
      expect(await a.member(id, 'bob')).toMatchObject({ deliveredSeq: 8, readSeq: 6, readOrd: 6 })
    })

    it('clamps to what the member may see', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob', 'cid'])
      await a.texts(id, 'ann', 6)
      await current().arrangeMember(id, 'cid', { leaveSeq: 4 })
      const beyond = { deliveredSeq: 1_000, readSeq: Number.MAX_SAFE_INTEGER }
      expect(await move(a.storage, id, 'bob', beyond)).toEqual({ deliveredSeq: 6, readSeq: 6, unread: 0, headOrd: 6, moved: true })
      expect(await move(a.storage, id, 'cid', beyond)).toEqual({ deliveredSeq: 4, readSeq: 4, unread: 0, headOrd: 4, moved: true })
      await a.texts(id, 'ann', 1)
      expect(await move(a.storage, id, 'bob', {}), 'a claim on the future was not kept').toMatchObject({ readSeq: 6, unread: 1 })
      expect(await move(a.storage, id, 'cid', {})).toMatchObject({ unread: 0 })
    })

    it('gives undefined for strangers and unknown conversations, aligned with the rest', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'ann', 3)
      const states = await a.storage.advanceCursors([
        { conversationId: id, userId: 'eve', readSeq: 1 },
        { conversationId: id, userId: 'bob', readSeq: 2 },
        { conversationId: 'g~none', userId: 'bob', readSeq: 2 },
        { conversationId: id, userId: 'ann', deliveredSeq: 1 },
      ])
      expect(states.map((state) => state && [state.deliveredSeq, state.readSeq])).toEqual([undefined, [2, 2], undefined, [1, 0]])
      expect((await a.storage.readMember(id, 'eve'))?.member).toBeUndefined()
      expect(await a.storage.advanceCursors([])).toEqual([])
    })

    it('takes another conversation’s position for nothing', async () => {
      const a = new Arrange(current())
      const [id, other] = [await a.conversation(['ann', 'bob']), await a.conversation(['ann', 'bob'])]
      await a.texts(id, 'ann', 5)
      await a.texts(other, 'ann', 2)
      await move(a.storage, other, 'bob', { readSeq: 5 })
      expect(await move(a.storage, id, 'bob', {})).toMatchObject({ readSeq: 0, unread: 5 })
      expect(await move(a.storage, other, 'bob', {})).toMatchObject({ readSeq: 2, unread: 0 })
    })

    it('counts one’s own message as seen for the badge and never as read', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.accepted([a.text(id, 'ann'), a.text(id, 'ann'), a.text(id, 'bob'), a.text(id, 'ann')])
      expect(await move(a.storage, id, 'bob', {})).toEqual({ deliveredSeq: 0, readSeq: 0, unread: 1, headOrd: 4, moved: false })
      expect(await move(a.storage, id, 'bob', { readSeq: 2 })).toMatchObject({ readSeq: 2, unread: 1 })
    })

    it.each([1, 2, 3])('ends at the maximum under shuffled concurrent moves on two nodes (seed %i)', async (seed) => {
      const a = new Arrange(current())
      const nodes = [a.storage, await current().second()]
      const id = await a.conversation(['ann', 'bob', 'cid'])
      await a.texts(id, 'ann', 60)
      const chance = seeded(seed)
      const moves = Array.from({ length: 60 }, (_, i) => ({
        node: i % 2,
        conversationId: id,
        userId: chance.pick(['bob', 'cid']),
        deliveredSeq: i % 3 === 0 ? undefined : 1 + chance.below(60),
        readSeq: i % 3 === 1 ? undefined : 1 + chance.below(50),
      }))
      const seen = new Map<string, { deliveredSeq: number; readSeq: number }>()
      await Promise.all(
        chance.shuffled(moves).map(async ({ node, ...one }) => {
          const [state] = await (nodes[node] as Storage).advanceCursors([one])
          expect(state?.deliveredSeq).toBeGreaterThanOrEqual(Math.max(one.deliveredSeq ?? 0, one.readSeq ?? 0, state?.readSeq ?? 0))
          expect(state?.readSeq).toBeGreaterThanOrEqual(one.readSeq ?? 0)
        }),
      )
      for (const { userId, deliveredSeq = 0, readSeq = 0 } of moves) {
        const max = seen.get(userId) ?? { deliveredSeq: 0, readSeq: 0 }
        seen.set(userId, { deliveredSeq: Math.max(max.deliveredSeq, deliveredSeq, readSeq), readSeq: Math.max(max.readSeq, readSeq) })
      }
      for (const [userId, max] of seen) expect(await a.member(id, userId)).toMatchObject({ ...max, readOrd: max.readSeq })
    })

    it('waits for no row that somebody keeps locked longer than it takes to say so', async () => {
      const a = new Arrange(current())
      const [id, other] = [await a.conversation(['ann', 'bob']), await a.conversation(['ann', 'bob'])]
      await a.texts(id, 'bob', 3)
      await a.texts(other, 'bob', 3)
      // Where a transaction locks what it writes, this one has the sender's row.
      const late = await current().lateAppend(a.text(id, 'ann'))
      const moves = [id, other].flatMap((conversationId) => ['ann', 'bob'].map((userId) => ({ conversationId, userId, readSeq: 2 })))
      for (let round = 0; round < 2; round++) {
        const [ann, ...rest] = await a.storage.advanceCursors(moves)
        const { readSeq = 0 } = (await a.member(id, 'ann')) ?? {}
        expect(ann).toMatchObject(readSeq === 2 ? { readSeq: 2, moved: round === 0 } : { readSeq: 0, moved: false, held: true })
        expect(rest.map((state) => [state?.readSeq, state?.moved, state?.held])).toEqual(Array(3).fill([2, round === 0, undefined]))
        const asRead = await a.storage.advanceCursors([{ conversationId: id, userId: 'ann' }])
        expect(asRead, 'what asks for nothing is not held').toEqual([
          { deliveredSeq: readSeq, readSeq, unread: 3 - readSeq, headOrd: 3, moved: false },
        ])
      }
      await late.commit()
      const [after] = await a.storage.advanceCursors(moves)
      expect(after).toMatchObject({ readSeq: 2 })
      expect(after?.held).toBeUndefined()
      expect(await a.member(id, 'ann')).toMatchObject({ readSeq: 2, deliveredSeq: 2 })
    })

    it('writes no change', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'ann', 3)
      const reader = await FeedReader.start(a.storage)
      const { memberVersion } = await a.head(id)
      await move(a.storage, id, 'bob', { readSeq: 3 })
      await reader.drain()
      expect(reader.of(id)).toEqual([])
      expect((await a.head(id)).memberVersion).toBe(memberVersion)
    })
  })

  describe('readCursors', () => {
    it('gives the present members’ positions', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob', 'cid'])
      await a.texts(id, 'ann', 5)
      await move(a.storage, id, 'bob', { deliveredSeq: 4, readSeq: 2 })
      await current().arrangeMember(id, 'cid', { leaveSeq: 5 })
      const cursors = [...(await a.storage.readCursors(id, 10))].sort((x, y) => (x.userId < y.userId ? -1 : 1))
      expect(cursors).toEqual([
        { userId: 'ann', deliveredSeq: 0, readSeq: 0 },
        { userId: 'bob', deliveredSeq: 4, readSeq: 2 },
      ])
      expect(await a.storage.readCursors(id, 1)).toHaveLength(1)
      expect(await a.storage.readCursors('g~none', 10)).toEqual([])
    })
  })
}
