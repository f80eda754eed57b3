import { describe, expect, it } from 'vitest'
import { Arrange, insistAccepted } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader, readLog } from '../invariants.js'

const otherHash = 'f'.repeat(32)

export function idempotencyCases(current: Current<StorageHarness>): void {
  describe('a repeated msgId', () => {
    it('gives the first answer again, later and on another node, and changes nothing', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      const item = a.text(id, 'ann')
      const [first] = await a.accepted([item])
      await a.texts(id, 'bob', 3)
      const reader = await FeedReader.start(a.storage)
      const before = [await a.head(id), await a.member(id, 'ann')]
      for (const storage of [a.storage, await current().second()]) {
        const later = current().clock.now() + 60_000
        expect(await a.append([item], storage, later)).toEqual([{ ...first, duplicate: true }])
      }
      expect([await a.head(id), await a.member(id, 'ann')]).toEqual(before)
      expect(await readLog(a.storage, id)).toHaveLength(4)
      await reader.drain()
      expect(reader.of(id), 'what was told before is not told again').toEqual([])
    })

    it('is folded within one batch', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const [x, y] = [a.text(id, 'ann', 'x'), a.text(id, 'ann', 'y')]
      const results = await a.accepted([x, x, y, x, y])
      expect(results.map((r) => [r.seq, r.duplicate])).toEqual([
        [1, false],
        [1, true],
        [2, false],
        [1, true],
        [2, true],
      ])
      expect(new Set(results.map((r) => r.timestamp)).size).toBe(1)
      expect(await readLog(a.storage, id)).toHaveLength(2)
      expect(await a.head(id)).toMatchObject({ headSeq: 2, headOrd: 2 })
    })

    it('conflicts within one batch when anything differs', async () => {
      const a = new Arrange(current())
      const [id, other] = [await a.conversation(['ann', 'bob']), await a.conversation(['ann', 'bob'])]
      const item = a.text(id, 'ann')
      const results = await a.append([
        item,
        { ...item, hash: otherHash },
        { ...item, fromUserId: 'bob' },
        { ...item, conversationId: other },
        item,
      ])
      expect(results.map((r) => (r.ok ? [r.seq, r.duplicate] : r.code))).toEqual([
        [1, false],
        'MSG_ID_CONFLICT',
        'MSG_ID_CONFLICT',
        'MSG_ID_CONFLICT',
        [1, true],
      ])
    })

    it('conflicts with another hash, sender or conversation, and tells nothing of the stored entry', async () => {
      const a = new Arrange(current())
      const [id, other] = [await a.conversation(['ann', 'bob']), await a.conversation(['ann', 'bob'])]
      const item = a.text(id, 'ann')
      await a.accepted([item])
      const clashes = [
        { ...item, hash: otherHash },
        { ...item, fromUserId: 'bob' },
        { ...item, conversationId: other },
      ]
      for (const clash of clashes) {
        const [result] = await a.append([clash])
        expect(result).toMatchObject({ ok: false, code: 'MSG_ID_CONFLICT' })
        expect(JSON.stringify(result)).not.toContain(id)
      }
      expect(await readLog(a.storage, other)).toEqual([])
      expect((await a.head(other)).headSeq).toBe(0)
      expect(await readLog(a.storage, id)).toHaveLength(1)
    })

    it('is accepted once when many send it at the same time on two nodes', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const id = await a.conversation(['ann'])
      const items = Array.from({ length: 4 }, (_, i) => a.text(id, 'ann', String(i)))
      const rounds = Array.from({ length: 6 }, (_, i) =>
        a.append(i % 2 === 0 ? items : [...items].reverse(), i % 3 === 0 ? other : a.storage),
      )
      const answers = (await Promise.all(rounds)).map((results, i) => (i % 2 === 0 ? results : [...results].reverse()).map(insistAccepted))
      items.forEach((_, i) => {
        const ofItem = answers.map((results) => results[i])
        expect(new Set(ofItem.map((r) => r?.seq)).size, 'one seq').toBe(1)
        expect(
          ofItem.filter((r) => r?.duplicate === false),
          'one first',
        ).toHaveLength(1)
      })
      expect(await readLog(a.storage, id)).toHaveLength(4)
    })

    it('clashes across conversations are settled for one of two racing senders', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const ids = [await a.conversation(['ann']), await a.conversation(['ann'])]
      for (let round = 0; round < 5; round++) {
        const item = a.text(ids[0] as string, 'ann', `round ${round}`)
        const [left, right] = await Promise.all([
          a.append([item, a.text(ids[0] as string, 'ann')]),
          a.append([a.text(ids[1] as string, 'ann'), { ...item, conversationId: ids[1] as string }], other),
        ])
        const outcomes = [left[0], right[1]].map((r) => (r?.ok === true ? 'ok' : r?.code))
        expect(outcomes.sort()).toEqual(['MSG_ID_CONFLICT', 'ok'])
        expect([left[1]?.ok, right[0]?.ok], 'the other items of both batches stand').toEqual([true, true])
      }
      for (const id of ids) expect((await readLog(a.storage, id))[0]?.seq).toBe(1)
    })

    it('is not refused for what has happened to its sender or the conversation since', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'], 'service')
      const item = a.text(id, 'ann')
      const [first] = await a.accepted([item])
      await current().arrangeMember(id, 'ann', { leaveSeq: 1 })
      await current().arrangeState(id, 'closed')
      const [again] = await a.accepted([item])
      expect(again).toMatchObject({ seq: first?.seq, ord: first?.ord, timestamp: first?.timestamp, duplicate: true })
    })

    it('of a refused item is judged afresh', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'bob', 'let me in', { checkedAt: 0 })
      expect(await a.append([item, item])).toEqual([
        expect.objectContaining({ code: 'NOT_MEMBER' }),
        expect.objectContaining({ code: 'NOT_MEMBER' }),
      ])
      await current().arrangeMember(id, 'bob', { visibleFrom: 1 })
      expect((await a.accepted([item]))[0]).toMatchObject({ seq: 1, duplicate: false })
    })
  })

  describe('findByMsgIds', () => {
    it('tells what is committed and leaves out the rest', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann')
      const missing = current().ids.uuid()
      expect(await a.storage.findByMsgIds([item.msgId])).toEqual(new Map())
      const [result] = await a.accepted([item])
      const found = await a.storage.findByMsgIds([missing, item.msgId, item.msgId])
      expect([...found.keys()]).toEqual([item.msgId])
      expect(found.get(item.msgId)).toEqual({
        conversationId: id,
        seq: 1,
        ord: 1,
        timestamp: result?.timestamp,
        fromUserId: 'ann',
        hash: item.hash,
      })
      expect(await a.storage.findByMsgIds([])).toEqual(new Map())
    })
  })
}
