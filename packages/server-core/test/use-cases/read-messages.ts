import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LaneOrder } from '../../src/app/lane-order.js'
import type { HistoryQuery } from '../../src/app/read-messages.js'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import type { TestNode } from '../support/test-node.js'
import type { OpenStage, Stage } from './stage.js'

const limits = { sendsPerSecond: 100_000, sendBurst: 100_000 }

const span = (from: number, to: number): readonly number[] => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

/** `count` messages of Alice to Bob, 10 ms apart unless they are to be of the same millisecond. */
async function say(stage: Stage, node: TestNode, count: number, { sameMs = false, bytes = 0 } = {}): Promise<string[]> {
  const order = new LaneOrder()
  const send = async (i: number): Promise<string> => {
    const body = { type: 'text', text: `${i} ${'x'.repeat(bytes)}` }
    const request = validate(sendRequest, { toUserId: stage.user('bob'), body })
    return (await node.send.execute(stage.principal('alice'), request, order)).msgId
  }
  if (sameMs) return Promise.all(span(1, count).map(send))
  const msgIds: string[] = []
  for (const i of span(1, count)) {
    msgIds.push(await send(i))
    await stage.clock.advance(10)
  }
  return msgIds
}

async function arrange(open: OpenStage, count: number, options: { sameMs?: boolean; bytes?: number; alone?: boolean } = {}) {
  const stage = await open({ alone: options.alone ?? false })
  const node = await stage.node({ limits })
  const msgIds = await say(stage, node, count, options)
  const [alice, bob, conversationId] = [stage.principal('alice'), stage.principal('bob'), stage.direct('alice', 'bob')]
  const seqs = async (query: HistoryQuery): Promise<readonly [readonly number[], boolean]> => {
    const page = await node.read.history(bob, conversationId, query)
    return [page.entries.map(({ seq }) => seq), page.hasMore]
  }
  return { stage, node, msgIds, alice, bob, conversationId, seqs }
}

export function readMessagesCases(open: OpenStage): void {
  describe('history', () => {
    it('is ascending whatever the place, exclusive of it, the newest page without one', async () => {
      const { msgIds, seqs } = await arrange(open, 20)
      expect(await seqs({ limit: 5 })).toEqual([span(16, 20), true])
      expect(await seqs({})).toEqual([span(1, 20), false])
      expect(await seqs({ beforeSeq: 16, limit: 5 })).toEqual([span(11, 15), true])
      expect(await seqs({ beforeSeq: 4, limit: 5 })).toEqual([span(1, 3), false])
      for (const beforeSeq of [0, 1]) expect(await seqs({ beforeSeq, limit: 5 })).toEqual([[], false])
      for (const beforeSeq of [10_000, Number.MAX_SAFE_INTEGER]) expect(await seqs({ beforeSeq, limit: 2 })).toEqual([span(19, 20), true])
      expect(await seqs({ afterSeq: 0, limit: 5 })).toEqual([span(1, 5), true])
      expect(await seqs({ afterSeq: 15, limit: 5 })).toEqual([span(16, 20), false])
      for (const afterSeq of [20, Number.MAX_SAFE_INTEGER]) expect(await seqs({ afterSeq })).toEqual([[], false])
      expect(await seqs({ beforeId: msgIds[9] as string, limit: 3 })).toEqual([span(7, 9), true])
    })

    it('takes one place at most', async () => {
      const { node, msgIds, bob, conversationId } = await arrange(open, 2)
      for (const query of [
        { beforeSeq: 1, afterSeq: 1 },
        { beforeId: msgIds[0] as string, beforeTime: 5 },
      ]) {
        await expect(node.read.history(bob, conversationId, query)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
      }
    })

    it('knows nothing of ids that are none, or another conversation’s', async () => {
      const { stage, node, alice, bob, conversationId } = await arrange(open, 2)
      const request = validate(sendRequest, { toUserId: stage.user('carol'), body: { type: 'text', text: 'x' } })
      const other = await node.send.execute(alice, request)
      for (const beforeId of [node.ids.uuid(), other.msgId]) {
        await expect(node.read.history(bob, conversationId, { beforeId })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      }
    })

    it('opens at a time and goes on by seq', async () => {
      const { node, bob, conversationId, seqs } = await arrange(open, 10)
      const page = await node.read.history(bob, conversationId, {})
      const seventh = page.entries[6]?.timestamp as number
      expect(await seqs({ beforeTime: seventh, limit: 3 })).toEqual([span(4, 6), true])
      for (const beforeTime of [0, 1]) expect(await seqs({ beforeTime })).toEqual([[], false])
      for (const beforeTime of [seventh + 1_000_000, Number.MAX_SAFE_INTEGER]) {
        expect(await seqs({ beforeTime, limit: 1 })).toEqual([[10], true])
      }
    })

    it('repeats and loses nothing at page borders, although all are of one millisecond', async () => {
      const { seqs } = await arrange(open, 100, { sameMs: true })
      const all: number[] = []
      for (let beforeSeq: number | undefined; ; ) {
        const [page, more] = await seqs({ limit: 7, ...(beforeSeq === undefined ? {} : { beforeSeq }) })
        all.unshift(...page)
        if (!more) break
        beforeSeq = page[0] as number
      }
      expect(all).toEqual(span(1, 100))
    })

    it('is not for strangers, and looks to them as if it were not there', async () => {
      const { stage, node, msgIds, bob, conversationId } = await arrange(open, 1)
      const mallory = stage.principal('mallory')
      await expect(node.read.history(mallory, conversationId, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.history(mallory, 'g~none', {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.offline(mallory, conversationId, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.byOffset(mallory, conversationId, 0, 5)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.message(mallory, msgIds[0] as string)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.message(bob, node.ids.uuid())).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect((await node.read.message(bob, msgIds[0] as string)).seq).toBe(1)
    })

    it('tells how far the other is, and not oneself', async () => {
      const { node, alice, bob, conversationId } = await arrange(open, 3)
      await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 3, readSeq: 2 }] })
      const receiptsOf = async (who: typeof bob) => (await node.read.history(who, conversationId, {})).receipts
      expect(await receiptsOf(alice)).toEqual([{ userId: bob.userId, deliveredSeq: 3, readSeq: 2 }])
      expect(await receiptsOf(bob)).toEqual([{ userId: alice.userId, deliveredSeq: 0, readSeq: 0 }])
    })

    it('gives back every field of an entry as it was sent', async () => {
      const { stage, node, msgIds, alice, bob, conversationId } = await arrange(open, 1)
      const text = '"},{"seq":99}\\\\ \\u2028 😀 </script> \u0000 王\n'
      const body = { type: 'x-order', n: 1, deep: [{ a: null, text }] }
      const request = { toUserId: bob.userId, body, replyTo: msgIds[0], mentions: [bob.userId, '*'] }
      const sent = await node.send.execute(alice, validate(sendRequest, request))
      const entry = await node.read.message(bob, sent.msgId)
      expect(entry).toEqual({
        ...{ conversationId, seq: 2, ord: 2, msgId: sent.msgId, fromUserId: alice.userId, timestamp: stage.clock.now(), kind: 'message' },
        ...{ bodyJson: JSON.stringify(body), replyTo: msgIds[0], mentions: [bob.userId, '*'] },
        ...{ target: undefined, editedAt: undefined, recalledAt: undefined },
      })
      expect((await node.read.history(bob, conversationId, { afterSeq: 1 })).entries).toEqual([entry])
    })
  })

  describe('what a member may see', () => {
    it('bounds every way of reading, and its floor says so', async () => {
      const { stage, node, msgIds, bob, conversationId, seqs } = await arrange(open, 10)
      await stage.arrangeMember('bob', conversationId, { visibleFrom: 4, leaveSeq: 8 })
      const page = await node.read.history(bob, conversationId, {})
      expect(page).toMatchObject({ floorSeq: 4, hasMore: false, epoch: node.epoch.current })
      expect(page.entries.map(({ seq }) => seq)).toEqual(span(4, 8))
      expect(await seqs({ afterSeq: 0 })).toEqual([span(4, 8), false])
      expect(await seqs({ beforeSeq: 10_000, limit: 2 })).toEqual([span(7, 8), true])
      expect(await seqs({ beforeId: msgIds[9] as string, limit: 50 })).toEqual([span(4, 8), false])
      const offline = await node.read.offline(bob, conversationId, { afterSeq: 0, limit: 3 })
      expect(offline.entries.map(({ seq }) => seq)).toEqual([4, 5, 6])
      expect(offline).toMatchObject({ nextAfterSeq: 6, hasMore: true, floorSeq: 4 })
      const offset = await node.read.byOffset(bob, conversationId, 0, 50)
      expect([offset.entries.map(({ seq }) => seq), offset.total]).toEqual([[8, 7, 6, 5, 4], 5])
      await expect(node.read.message(bob, msgIds[2] as string)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.message(bob, msgIds[8] as string)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect((await node.read.message(bob, msgIds[7] as string)).seq).toBe(8)
    })

    it('may be nothing', async () => {
      const { stage, node, bob, conversationId, seqs } = await arrange(open, 2)
      await stage.arrangeMember('bob', conversationId, { visibleFrom: 3 })
      expect(await seqs({})).toEqual([[], false])
      expect(await node.read.byOffset(bob, conversationId, 0, 10)).toEqual({ entries: [], total: 0 })
      expect(await node.read.offline(bob, conversationId, {})).toMatchObject({ entries: [], hasMore: false, nextAfterSeq: 2, floorSeq: 3 })
    })

    it('begins where retention has cut', async () => {
      const { stage, node, msgIds, bob, conversationId, seqs } = await arrange(open, 6, { alone: true })
      const before = (await node.read.message(bob, msgIds[3] as string)).timestamp
      expect(await stage.storage.expireMessages({ before, limit: 100 })).toEqual({ expired: 3, more: false })
      expect(await seqs({})).toEqual([span(4, 6), false])
      expect(await seqs({ afterSeq: 1 })).toEqual([span(4, 6), false])
      expect(await seqs({ beforeTime: before })).toEqual([[], false])
      await expect(node.read.message(bob, msgIds[0] as string)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(node.read.history(bob, conversationId, { beforeId: msgIds[2] as string })).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(await node.read.offline(bob, conversationId, { limit: 2 })).toMatchObject({ nextAfterSeq: 5, hasMore: true, floorSeq: 4 })
      const [own] = (await node.conversations.summary(bob.userId)).conversations
      expect(own).toMatchObject({ headSeq: 6, floorSeq: 4, unread: 3 })
    })
  })

  describe('offline pages', () => {
    it('begin at the stored deliveredSeq unless a device says where it is', async () => {
      const { node, bob, conversationId } = await arrange(open, 10)
      await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 6 }] })
      const seqs = async (query: { afterSeq?: number; limit?: number }) =>
        (await node.read.offline(bob, conversationId, query)).entries.map(({ seq }) => seq)
      expect(await seqs({})).toEqual(span(7, 10))
      expect(await seqs({ afterSeq: 2, limit: 2 })).toEqual([3, 4])
      for (const afterSeq of [10, Number.MAX_SAFE_INTEGER]) {
        const page = await node.read.offline(bob, conversationId, { afterSeq })
        expect(page).toMatchObject({ entries: [], hasMore: false, nextAfterSeq: afterSeq })
      }
    })

    it('end at 256 KiB too, and then say that there is more', async () => {
      const { node, bob, conversationId } = await arrange(open, 20, { bytes: 40_000, sameMs: true })
      const page = await node.read.offline(bob, conversationId, { afterSeq: 0, limit: 200 })
      expect(page.entries).toHaveLength(6)
      expect(page.hasMore).toBe(true)
      const { entries, total } = await node.read.byOffset(bob, conversationId, 0, 20)
      // An offset page is as long as it says, whatever its bytes.
      expect([entries.length, total]).toEqual([20, 20])
    })

    it('walk the whole range without a hole or a repetition, whatever the limits and the clamps', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            count: fc.integer({ min: 1, max: 40 }),
            visibleFrom: fc.integer({ min: 1, max: 45 }),
            leaveSeq: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
            afterSeq: fc.integer({ min: 0, max: 45 }),
            limit: fc.integer({ min: 1, max: 9 }),
          }),
          async ({ count, visibleFrom, leaveSeq, afterSeq, limit }) => {
            const { stage, node, bob, conversationId } = await arrange(open, count, { sameMs: true })
            await stage.arrangeMember('bob', conversationId, {
              visibleFrom,
              ...(leaveSeq === undefined ? {} : { leaveSeq: Math.min(leaveSeq, count) }),
            })
            const seen: number[] = []
            let at = afterSeq
            for (;;) {
              const page = await node.read.offline(bob, conversationId, { afterSeq: at, limit })
              expect(page.entries.length).toBeLessThanOrEqual(limit)
              seen.push(...page.entries.map(({ seq }) => seq))
              expect(page.nextAfterSeq).toBeGreaterThanOrEqual(at)
              at = page.nextAfterSeq
              if (!page.hasMore) break
            }
            expect(seen).toEqual(span(Math.max(visibleFrom, afterSeq + 1), Math.min(count, leaveSeq ?? count)))
          },
        ),
        { numRuns: 25 },
      )
    })
  })
}
