import { directConversationId } from '@innerline/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HistoryQuery } from '../../src/app/read-messages.js'
import { sendRequest } from '../../src/app/requests.js'
import { validate } from '../../src/app/validate.js'
import { memoryControls } from '../../src/memory/controls.js'
import type { Principal } from '../../src/ports/index.js'
import { startTestNode, type TestNode } from '../support/test-node.js'

const alice: Principal = { userId: 'alice', userType: 'user' }
const bob: Principal = { userId: 'bob', userType: 'user' }
const conversationId = directConversationId('alice', 'bob')
const limits = { sendsPerSecond: 100_000, sendBurst: 100_000 }

async function nodeWith(count: number, options: { readonly sameMs?: boolean; readonly bytes?: number } = {}) {
  const node = await startTestNode({ limits })
  const msgIds: string[] = []
  for (let i = 1; i <= count; i++) {
    const body = { type: 'text', text: `${i} ${'x'.repeat(options.bytes ?? 0)}` }
    msgIds.push((await node.send.execute(alice, validate(sendRequest, { toUserId: 'bob', body }))).msgId)
    if (options.sameMs !== true) await node.clock.advance(10)
  }
  return { node, msgIds }
}

async function seqs(node: TestNode, query: HistoryQuery, who = bob): Promise<readonly [readonly number[], boolean]> {
  const page = await node.read.history(who, conversationId, query)
  return [page.entries.map(({ seq }) => seq), page.hasMore]
}

const span = (from: number, to: number): readonly number[] => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

describe('history', () => {
  it('is ascending whatever the place, exclusive of it, the newest page without one', async () => {
    const { node, msgIds } = await nodeWith(20)
    expect(await seqs(node, { limit: 5 })).toEqual([span(16, 20), true])
    expect(await seqs(node, {})).toEqual([span(1, 20), false])
    expect(await seqs(node, { beforeSeq: 16, limit: 5 })).toEqual([span(11, 15), true])
    expect(await seqs(node, { beforeSeq: 4, limit: 5 })).toEqual([span(1, 3), false])
    expect(await seqs(node, { beforeSeq: 1, limit: 5 })).toEqual([[], false])
    expect(await seqs(node, { beforeSeq: 10_000, limit: 2 })).toEqual([span(19, 20), true])
    expect(await seqs(node, { afterSeq: 0, limit: 5 })).toEqual([span(1, 5), true])
    expect(await seqs(node, { afterSeq: 15, limit: 5 })).toEqual([span(16, 20), false])
    expect(await seqs(node, { afterSeq: 20 })).toEqual([[], false])
    expect(await seqs(node, { beforeId: msgIds[9] as string, limit: 3 })).toEqual([span(7, 9), true])
  })

  it('takes one place at most', async () => {
    const { node, msgIds } = await nodeWith(2)
    for (const query of [
      { beforeSeq: 1, afterSeq: 1 },
      { beforeId: msgIds[0] as string, beforeTime: 5 },
    ]) {
      await expect(node.read.history(bob, conversationId, query)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    }
  })

  it('knows nothing of ids that are none, or another conversation’s', async () => {
    const { node } = await nodeWith(2)
    const other = await node.send.execute(alice, validate(sendRequest, { toUserId: 'carol', body: { type: 'text', text: 'x' } }))
    for (const beforeId of [node.ids.uuid(), other.msgId]) {
      await expect(node.read.history(bob, conversationId, { beforeId })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  it('opens at a time and goes on by seq', async () => {
    const { node } = await nodeWith(10)
    const page = await node.read.history(bob, conversationId, {})
    const seventh = page.entries[6]?.timestamp as number
    expect(await seqs(node, { beforeTime: seventh, limit: 3 })).toEqual([span(4, 6), true])
    expect(await seqs(node, { beforeTime: 1 })).toEqual([[], false])
    expect(await seqs(node, { beforeTime: seventh + 1_000_000, limit: 1 })).toEqual([[10], true])
  })

  it('repeats and loses nothing at page borders, although all are of one millisecond', async () => {
    const { node } = await nodeWith(100, { sameMs: true })
    const all: number[] = []
    for (let beforeSeq: number | undefined; ; ) {
      const [page, more] = await seqs(node, { limit: 3, ...(beforeSeq === undefined ? {} : { beforeSeq }) })
      all.unshift(...page)
      if (!more) break
      beforeSeq = page[0] as number
    }
    expect(all).toEqual(span(1, 100))
  })

  it('is not for strangers, and looks to them as if it were not there', async () => {
    const { node, msgIds } = await nodeWith(1)
    const mallory: Principal = { userId: 'mallory', userType: 'user' }
    await expect(node.read.history(mallory, conversationId, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(node.read.history(mallory, 'g~none', {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(node.read.offline(mallory, conversationId, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(node.read.byOffset(mallory, conversationId, 0, 5)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(node.read.message(mallory, msgIds[0] as string)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(node.read.message(bob, node.ids.uuid())).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await node.read.message(bob, msgIds[0] as string)).seq).toBe(1)
  })

  it('tells how far the other is, and not oneself', async () => {
    const { node } = await nodeWith(3)
    await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 3, readSeq: 2 }] })
    expect((await node.read.history(alice, conversationId, {})).receipts).toEqual([{ userId: 'bob', deliveredSeq: 3, readSeq: 2 }])
    expect((await node.read.history(bob, conversationId, {})).receipts).toEqual([{ userId: 'alice', deliveredSeq: 0, readSeq: 0 }])
  })
})

describe('what a member may see', () => {
  it('bounds every way of reading, and its floor says so', async () => {
    const { node, msgIds } = await nodeWith(10)
    await memoryControls(node.storage).patchMember(conversationId, 'bob', { visibleFrom: 4, leaveSeq: 8 })
    const page = await node.read.history(bob, conversationId, {})
    expect(page).toMatchObject({ floorSeq: 4, hasMore: false, epoch: 1 })
    expect(page.entries.map(({ seq }) => seq)).toEqual(span(4, 8))
    expect(await seqs(node, { afterSeq: 0 })).toEqual([span(4, 8), false])
    expect(await seqs(node, { beforeSeq: 10_000, limit: 2 })).toEqual([span(7, 8), true])
    expect(await seqs(node, { beforeId: msgIds[9] as string, limit: 50 })).toEqual([span(4, 8), false])
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
    const { node } = await nodeWith(2)
    await memoryControls(node.storage).patchMember(conversationId, 'bob', { visibleFrom: 3 })
    expect(await seqs(node, {})).toEqual([[], false])
    expect(await node.read.byOffset(bob, conversationId, 0, 10)).toEqual({ entries: [], total: 0 })
    expect(await node.read.offline(bob, conversationId, {})).toMatchObject({ entries: [], hasMore: false, nextAfterSeq: 2, floorSeq: 3 })
  })
})

describe('offline pages', () => {
  it('begin at the stored deliveredSeq unless a device says where it is', async () => {
    const { node } = await nodeWith(10)
    await node.acknowledge.now(bob, { acks: [{ conversationId, deliveredSeq: 6 }] })
    expect((await node.read.offline(bob, conversationId, {})).entries.map(({ seq }) => seq)).toEqual(span(7, 10))
    expect((await node.read.offline(bob, conversationId, { afterSeq: 2, limit: 2 })).entries.map(({ seq }) => seq)).toEqual([3, 4])
    expect(await node.read.offline(bob, conversationId, { afterSeq: 10 })).toMatchObject({ entries: [], hasMore: false, nextAfterSeq: 10 })
  })

  it('end at 256 KiB too, and then say that there is more', async () => {
    const { node } = await nodeWith(20, { bytes: 40_000 })
    const page = await node.read.offline(bob, conversationId, { afterSeq: 0, limit: 200 })
    expect(page.entries.length).toBeGreaterThan(4)
    expect(page.entries.length).toBeLessThan(8)
    expect(page.hasMore).toBe(true)
    const { entries, total } = await node.read.byOffset(bob, conversationId, 0, 20)
    // An offset page is as long as it says, whatever its bytes.
    expect([entries.length, total]).toEqual([20, 20])
  })

  it('walk the whole range without a hole or a repetition, whatever the limits and the clamps', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 0, max: 40 }),
          visibleFrom: fc.integer({ min: 1, max: 45 }),
          leaveSeq: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
          afterSeq: fc.integer({ min: 0, max: 45 }),
          limit: fc.integer({ min: 1, max: 9 }),
        }),
        async ({ count, visibleFrom, leaveSeq, afterSeq, limit }) => {
          const { node } = await nodeWith(count, { sameMs: true })
          if (count === 0) return
          await memoryControls(node.storage).patchMember(conversationId, 'bob', {
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
      { numRuns: 60 },
    )
  })
})
