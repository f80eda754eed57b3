import { describe, expect, it } from 'vitest'
import { Arrange, insistAccepted } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { readLog } from '../invariants.js'

export function appendCases(current: Current<StorageHarness>): void {
  describe('appendMessages', () => {
    it('gives dense seqs in batch order and ords to countable entries alone', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      const results = await a.accepted([a.text(id, 'ann'), a.system(id), a.text(id, 'bob'), a.system(id), a.text(id, 'ann')])
      expect(results.map((r) => [r.seq, r.ord, r.duplicate])).toEqual([
        [1, 1, false],
        [2, 1, false],
        [3, 2, false],
        [4, 2, false],
        [5, 3, false],
      ])
      expect(await a.head(id)).toMatchObject({ headSeq: 5, headOrd: 3, lowSeq: 1, lowOrd: 0 })
      const log = await readLog(a.storage, id)
      expect(log.map((entry) => [entry.seq, entry.ord, entry.timestamp])).toEqual(results.map((r) => [r.seq, r.ord, r.timestamp]))
    })

    it('numbers each conversation of a batch for itself', async () => {
      const a = new Arrange(current())
      const [left, right] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const results = await a.accepted([left, right, right, left, right].map((id) => a.text(id, 'ann')))
      expect(results.map((r) => r.seq)).toEqual([1, 1, 2, 2, 3])
    })

    it('never lets an entry be older than the one before it', async () => {
      const a = new Arrange(current())
      const now = current().clock.now()
      const id = await a.conversation(['ann'])
      const [first] = await a.accepted([a.text(id, 'ann')], a.storage, now + 5_000)
      const [second] = await a.accepted([a.text(id, 'ann')], a.storage, now - 5_000)
      const [third] = await a.accepted([a.text(id, 'ann')], a.storage, now + 6_000)
      expect([first?.timestamp, second?.timestamp, third?.timestamp]).toEqual([now + 5_000, now + 5_000, now + 6_000])
    })

    it('keeps seqs dense and unique under parallel writers on two nodes', async () => {
      const a = new Arrange(current())
      const nodes = [a.storage, await current().second()]
      const ids = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const answered = new Map<string, number>()
      const writer = async (index: number): Promise<void> => {
        for (let batch = 0; batch < 6; batch++) {
          const items = Array.from({ length: 5 }, (_, i) => a.text(ids[(index + batch + i) % 2] as string, 'ann', `${index}.${batch}.${i}`))
          const results = await a.accepted(items, nodes[index % 2])
          results.forEach((result, i) => {
            answered.set((items[i] as (typeof items)[number]).msgId, result.seq)
          })
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, index) => writer(index)))
      const logs = await Promise.all(ids.map((id) => readLog(a.storage, id)))
      expect(logs.map((log) => log[0]?.seq)).toEqual([1, 1])
      const stored = new Map(logs.flat().map((entry) => [entry.msgId, entry.seq]))
      expect(stored, 'every answer is what is stored, and nothing else is').toEqual(answered)
      expect(stored.size).toBe(8 * 6 * 5)
    })

    it('keeps a sender’s order inside a batch', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const items = Array.from({ length: 50 }, (_, i) => a.text(id, 'ann', String(i)))
      await a.accepted(items)
      expect((await readLog(a.storage, id)).map((entry) => entry.msgId)).toEqual(items.map((item) => item.msgId))
    })

    it('aligns answers with items when some in the middle are refused, and accepts the rest without a hole', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const known = a.text(id, 'ann', 'known')
      await a.accepted([known])
      const results = await a.append([
        a.text(id, 'ann', 'one'),
        a.text('g~nowhere', 'ann'),
        a.text(id, 'ann', 'two'),
        a.text(id, 'stranger', 'no', { checkedAt: 0 }),
        { ...known, hash: '0'.repeat(32) },
        a.text(id, 'ann', 'three'),
      ])
      expect(results.map((r) => (r.ok ? r.seq : r.code))).toEqual([2, 'NOT_FOUND', 3, 'NOT_MEMBER', 'MSG_ID_CONFLICT', 4])
      expect((await readLog(a.storage, id)).map((entry) => JSON.parse(entry.bodyJson).text)).toEqual(['known', 'one', 'two', 'three'])
    })

    it('answers an empty batch with nothing', async () => {
      const a = new Arrange(current())
      expect(await a.append([])).toEqual([])
    })

    it('shows the newest entry on the head', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      expect((await a.head(id)).last).toBeUndefined()
      const item = a.text(id, 'ann', 'the newest')
      const [, result] = await a.accepted([a.text(id, 'ann', 'older'), item])
      const head = await a.head(id)
      expect(head.updatedAt).toBe(result?.timestamp)
      expect(head.last).toEqual({
        seq: 2,
        msgId: item.msgId,
        fromUserId: 'ann',
        kind: 'message',
        preview: 'the newest',
        timestamp: result?.timestamp,
      })
    })

    it('counts what came before a member’s own message as seen, for that member alone', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.accepted([a.text(id, 'ann'), a.text(id, 'ann'), a.text(id, 'bob'), a.text(id, 'ann')])
      expect(await a.member(id, 'bob')).toMatchObject({ sentOrd: 3, readSeq: 0, deliveredSeq: 0 })
      expect(await a.member(id, 'ann')).toMatchObject({ sentOrd: 4, readSeq: 0 })
      await a.accepted([a.text(id, 'bob', '', { kind: 'system', countable: false })])
      expect((await a.member(id, 'bob')).sentOrd, 'only a countable entry moves it').toBe(3)
    })

    it('marks who was mentioned, all present members for "*"', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob', 'cid', 'dee'])
      await a.texts(id, 'ann', 2)
      await current().arrangeMember(id, 'dee', { leaveSeq: 2 })
      const { memberVersion: checkedAt } = await a.head(id)
      await a.accepted([a.text(id, 'ann', 'bob?', { mentions: ['bob', 'dee', 'nobody'], checkedAt })])
      expect((await a.member(id, 'bob')).mentionSeq).toBe(3)
      expect((await a.member(id, 'cid')).mentionSeq).toBe(0)
      await a.accepted([a.text(id, 'ann', 'all!', { mentions: ['*'], checkedAt })])
      expect((await a.member(id, 'bob')).mentionSeq).toBe(4)
      expect((await a.member(id, 'cid')).mentionSeq).toBe(4)
      expect((await a.member(id, 'dee')).mentionSeq, 'who has left sees no later mention').toBe(0)
      expect((await readLog(a.storage, id)).map((entry) => entry.mentions)).toEqual([undefined, undefined, ['bob', 'dee', 'nobody'], ['*']])
    })

    it('keeps a leaver’s newest mention, whatever is said without them and when they come back', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      const all = (): Promise<unknown> => a.accepted([a.text(id, 'ann', 'all!', { mentions: ['*'], checkedAt: 0 })])
      const mentionOf = async (userId: string): Promise<number> => (await a.member(id, userId)).mentionSeq
      await all()
      await current().arrangeMember(id, 'bob', { leaveSeq: 1 })
      await all()
      expect([await mentionOf('ann'), await mentionOf('bob')]).toEqual([0, 1])
      await current().arrangeMember(id, 'bob', { joinSeq: 3, visibleFrom: 3, leaveSeq: null })
      expect(await mentionOf('bob')).toBe(1)
      await a.accepted([a.text(id, 'bob', 'all!', { mentions: ['*'], checkedAt: 0 })])
      expect([await mentionOf('ann'), await mentionOf('bob')]).toEqual([3, 1])
    })

    it('keeps replyTo and target', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const first = a.text(id, 'ann')
      await a.accepted([first, a.text(id, 'ann', 'because', { replyTo: first.msgId })])
      expect((await readLog(a.storage, id))[1]).toMatchObject({ replyTo: first.msgId })
    })
  })

  describe('the check of rights under the lock', () => {
    it('passes an item whose members have not moved, and says their version', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const head = await a.head(id)
      const [result] = await a.accepted([a.text(id, 'ann', 'x', { checkedAt: head.memberVersion })])
      expect(result?.memberVersion).toBe(head.memberVersion)
    })

    it('looks again when they have moved: in, out and in again', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann', 'bob'])
      await a.texts(id, 'bob', 1)
      const stale = (): ReturnType<Arrange['text']> => a.text(id, 'bob', 'x', { checkedAt: 1 })
      await current().arrangeMember(id, 'ann', { leaveSeq: 1 })
      const still = insistAccepted((await a.append([stale()]))[0] as never)
      expect(still.memberVersion).toBe((await a.head(id)).memberVersion)
      await current().arrangeMember(id, 'bob', { leaveSeq: 2 })
      expect(await a.append([stale()])).toEqual([expect.objectContaining({ ok: false, code: 'NOT_MEMBER' })])
      await current().arrangeMember(id, 'bob', { leaveSeq: null, visibleFrom: 3 })
      expect((await a.accepted([stale()]))[0]?.seq).toBe(3)
    })

    it.each(['group', 'service'] as const)('refuses a closed %s on every node at once', async (chatType) => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'], chatType)
      const other = await current().second()
      await current().arrangeState(id, 'closed')
      const code = chatType === 'service' ? 'SESSION_CLOSED' : 'STATE_CONFLICT'
      for (const storage of [a.storage, other]) {
        expect(await a.append([a.text(id, 'ann')], storage)).toEqual([expect.objectContaining({ ok: false, code })])
      }
      await a.accepted([a.system(id)])
      await current().arrangeState(id, 'open')
      expect((await a.accepted([a.text(id, 'ann')]))[0]?.seq).toBe(2)
    })
  })
}
