import { directConversationId } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import type { Storage, SummaryRow } from '../types.js'

export function summaryCases(current: Current<StorageHarness>): void {
  describe('summaries', () => {
    it('lists conversations that have entries, newest first, with head and member', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const start = current().clock.now() + 1_000
      const ids = [await a.conversation([ann, 'bob']), await a.conversation([ann, 'bob']), await a.conversation([ann])]
      await a.accepted([a.text(ids[0] as string, 'bob', 'first')], a.storage, start)
      await a.accepted([a.text(ids[1] as string, 'bob', 'second')], a.storage, start + 10)
      const page = await a.storage.summaries(ann, { limit: 10 })
      expect(idsOf(page.items), 'one without entries is not listed').toEqual([ids[1], ids[0]])
      expect(page.next).toBeUndefined()
      expect(page.totalUnread).toBe(2)
      for (const row of page.items) {
        expect(row.head).toEqual(await a.head(row.head.conversationId))
        expect(row.member).toEqual(await a.member(row.head.conversationId, ann))
      }
      expect(await a.storage.summaries(a.user('nobody'), { limit: 10 })).toMatchObject({ items: [], totalUnread: 0 })
    })

    it('shows each conversation once though many have entries of one millisecond', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const at = current().clock.now() + 1_000
      const ids: string[] = []
      for (let i = 0; i < 11; i++) ids.push(await a.conversation([ann, 'bob']))
      await a.accepted(
        ids.flatMap((id) => [a.text(id, 'bob'), a.text(id, 'bob')]),
        a.storage,
        at,
      )
      expect(idsOf(await allPages(a.storage, ann, 3)).sort()).toEqual(ids.sort())
    })

    it('pages without repeating any and without missing those at rest, while others move to the top', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const start = current().clock.now() + 1_000
      const ids: string[] = []
      for (let i = 0; i < 12; i++) {
        const id = await a.conversation([ann, 'bob'])
        await a.accepted([a.text(id, 'bob')], a.storage, start + i)
        ids.push(id)
      }
      const moved = new Set([ids[11], ids[1], ids[5]])
      const toMove = [...moved]
      const rows = await allPages(a.storage, ann, 4, async () => {
        const id = toMove.shift()
        if (id !== undefined) await a.accepted([a.text(id, 'bob')], a.storage, start + 1_000)
      })
      const seen = idsOf(rows)
      expect(new Set(seen).size).toBe(seen.length)
      for (const id of ids) if (!moved.has(id)) expect(seen, 'a resting conversation is listed').toContain(id)
    })

    it('filters by kind without changing the total', async () => {
      const a = new Arrange(current())
      const [ann, bob] = [a.user('ann'), a.user('bob')]
      const direct = directConversationId(ann, bob)
      await a.open(direct, 'direct', [ann, bob])
      const [group, service] = [await a.conversation([ann, bob]), await a.conversation([ann, bob], 'service')]
      await a.accepted([a.text(direct, bob), a.text(group, bob), a.text(group, bob), a.text(service, bob)])
      for (const [chatType, id] of [
        ['direct', direct],
        ['group', group],
        ['service', service],
      ] as const) {
        const page = await a.storage.summaries(ann, { limit: 10, chatType })
        expect([idsOf(page.items), page.totalUnread]).toEqual([[id], 4])
      }
      const first = await a.storage.summaries(ann, { limit: 1 })
      expect([first.items.length, first.totalUnread]).toEqual([1, 4])
    })

    it('lets who has left see nothing beyond: head, time, preview, unread', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const start = current().clock.now() + 1_000
      const id = await a.conversation([ann, 'bob'])
      for (let i = 1; i <= 5; i++) await a.accepted([a.text(id, 'bob', `text ${i}`)], a.storage, start + i)
      await current().arrangeMember(id, ann, { leaveSeq: 3 })
      await a.accepted([a.text(id, 'bob', 'secret', { checkedAt: 0 })], a.storage, start + 100)
      const [row] = (await a.storage.summaries(ann, { limit: 10 })).items
      const third = (await a.storage.readMessages({ conversationId: id, from: 3, to: 3, direction: 'forward', limit: 1, maxBytes: 9 }))
        .entries[0]
      expect(row?.head).toMatchObject({ headSeq: 3, headOrd: 3, updatedAt: start + 3 })
      expect(row?.head.last).toEqual({
        seq: 3,
        msgId: third?.msgId,
        fromUserId: 'bob',
        kind: 'message',
        preview: 'text 3',
        timestamp: start + 3,
      })
      expect(JSON.stringify(row)).not.toContain('secret')
      expect((await a.storage.summaries(ann, { limit: 10 })).totalUnread).toBe(3)
    })

    it('lets who came late see nothing from before', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const id = await a.conversation(['bob'])
      await a.texts(id, 'bob', 4)
      await current().arrangeMember(id, ann, { joinSeq: 5, visibleFrom: 5 })
      expect((await a.storage.summaries(ann, { limit: 10 })).items, 'nothing visible yet').toEqual([])
      const { last } = await a.head(id)
      const recall = { kind: 'recall', countable: false, target: last?.msgId, checkedAt: 0, bodyJson: 'null', preview: '' } as const
      await a.accepted([a.text(id, 'bob', '', recall)])
      const [recalled] = (await a.storage.summaries(ann, { limit: 10 })).items
      expect(recalled?.head.last, 'the mended entry lies before the view').toBeUndefined()
      expect(recalled?.head.headSeq).toBe(5)
      await a.accepted([a.text(id, 'bob', 'welcome', { checkedAt: 0 })])
      const page = await a.storage.summaries(ann, { limit: 10 })
      expect(page.items[0]?.head.last?.preview).toBe('welcome')
      expect(page.totalUnread).toBe(1)
    })

    it('says hidden until the next message', async () => {
      const a = new Arrange(current())
      const ann = a.user('ann')
      const id = await a.conversation([ann, 'bob'])
      await a.texts(id, 'bob', 2)
      const hidden = async (): Promise<unknown> => (await a.storage.summaries(ann, { limit: 10 })).items[0]?.member.hidden
      expect(await hidden()).toBe(false)
      await current().arrangeMember(id, ann, { hidden: true })
      expect(await hidden()).toBe(true)
      await a.accepted([a.system(id)])
      expect(await hidden(), 'a system entry is no message').toBe(true)
      await a.texts(id, 'bob', 1)
      expect(await hidden()).toBe(false)
    })

    it('rejects a cursor that is none', async () => {
      const { storage } = current()
      const texts = ['{"x":1}', '12', `${Number.MAX_SAFE_INTEGER + 1} g~x`].map((text) => Buffer.from(text).toString('base64url'))
      for (const cursor of ['', 'nonsense', '%%%', ...texts]) {
        await expect(storage.summaries('ann', { limit: 10, cursor })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
      }
    })
  })
}

const idsOf = (rows: readonly SummaryRow[]): string[] => rows.map((row) => row.head.conversationId)

async function allPages(storage: Storage, userId: string, limit: number, between?: () => Promise<void>): Promise<SummaryRow[]> {
  const rows: SummaryRow[] = []
  let cursor: string | undefined
  for (let page = 0; page < 50; page++) {
    const { items, next } = await storage.summaries(userId, { limit, cursor })
    expect(items.length).toBeLessThanOrEqual(limit)
    rows.push(...items)
    if (next === undefined) return rows
    cursor = next
    await between?.()
  }
  return expect.fail('paging does not end')
}
