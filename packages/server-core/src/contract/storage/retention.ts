import { describe, expect, it } from 'vitest'
import { unreadOf } from '../../domain/member.js'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'

export function retentionCases(current: Current<StorageHarness>): void {
  /** Ten entries, one per 10 ms: countable, not, countable … */
  const arranged = async (a: Arrange): Promise<{ id: string; start: number }> => {
    const id = await a.conversation(['ann', 'bob'])
    const start = current().clock.now() + 1_000
    for (let i = 0; i < 10; i++) await a.accepted([i % 2 === 0 ? a.text(id, 'ann', `text ${i}`) : a.system(id)], a.storage, start + i * 10)
    return { id, start }
  }

  describe('expireMessages', () => {
    it('raises the floor and deletes what lies below', async () => {
      const a = new Arrange(current())
      const { id, start } = await arranged(a)
      const all = await readLog(a.storage, id)
      expect(await a.storage.expireMessages({ before: start + 40, limit: 1_000 })).toEqual({ expired: 4, more: false })
      expect(await a.head(id)).toMatchObject({ lowSeq: 5, lowOrd: 2, headSeq: 10, headOrd: 5 })
      expect(await readLog(a.storage, id)).toEqual(all.slice(4))
      const below = await a.storage.readMessages({ conversationId: id, from: 1, to: 4, direction: 'backward', limit: 9, maxBytes: 999 })
      expect(below).toEqual({ entries: [], more: false })
      expect(await a.storage.findEntry(all[3]?.msgId as string)).toBeUndefined()
      expect(await a.storage.findByMsgIds(all.map((entry) => entry.msgId))).toHaveProperty('size', 6)
      expect(await a.storage.lastSeqBefore(id, start + 10)).toBe(0)
      expect(await a.storage.lastSeqBefore(id, start + 50)).toBe(5)
    })

    it('counts no expired entry as unread', async () => {
      const a = new Arrange(current())
      const { id, start } = await arranged(a)
      await a.storage.expireMessages({ before: start + 50, limit: 1_000 })
      expect(unreadOf(await a.head(id), await a.member(id, 'bob'))).toBe(2)
      const [state] = await a.storage.advanceCursors([{ conversationId: id, userId: 'bob', readSeq: 3 }])
      expect(state, 'a position below the floor is kept and counts nothing').toMatchObject({ readSeq: 3, unread: 2 })
      const [later] = await a.storage.advanceCursors([{ conversationId: id, userId: 'bob', readSeq: 7 }])
      expect(later).toMatchObject({ readSeq: 7, unread: 1 })
    })

    it('works in slices, each leaving a sound log', async () => {
      const a = new Arrange(current())
      const { id, start } = await arranged(a)
      let expired = 0
      for (let round = 0; round < 10; round++) {
        const slice = await a.storage.expireMessages({ before: start + 80, limit: 3 })
        expect(slice.expired).toBeLessThanOrEqual(3)
        expired += slice.expired
        const log = await readLog(a.storage, id)
        expect(log[0]?.seq).toBe((await a.head(id)).lowSeq)
        if (!slice.more) break
      }
      expect(expired).toBe(8)
      expect((await a.head(id)).lowSeq).toBe(9)
    })

    it('never takes the newest entry, and appending goes on', async () => {
      const a = new Arrange(current())
      const { id, start } = await arranged(a)
      const other = await a.conversation(['ann'])
      await a.storage.expireMessages({ before: start + 1_000_000, limit: 1_000 })
      expect((await readLog(a.storage, id)).map((entry) => entry.seq)).toEqual([10])
      expect((await a.head(other)).lowSeq).toBe(1)
      expect((await a.storage.summaries('bob', { limit: 5 })).items.map((row) => row.head.conversationId)).toEqual([id])
      await a.texts(id, 'ann', 2)
      expect((await readLog(a.storage, id)).map((entry) => entry.seq)).toEqual([10, 11, 12])
      expect(await a.storage.expireMessages({ before: 0, limit: 10 })).toEqual({ expired: 0, more: false })
    })
  })
}
