import { describe, expect, it } from 'vitest'
import { Arrange } from '../../src/contract/arrange.js'
import { FeedReader } from '../../src/contract/invariants.js'
import { memoryControls } from '../../src/memory/controls.js'
import { createMemoryData } from '../../src/memory/data.js'
import { memoryStorage } from '../../src/memory/storage.js'
import { memoryStorageHarness } from '../support/memory-harness.js'
import { TestClock } from '../support/test-clock.js'

describe('memoryStorage', () => {
  it('is of this process alone unless data are shared', async () => {
    const clock = new TestClock()
    const data = createMemoryData()
    const [a, b, alone] = [memoryStorage({ clock, data }), memoryStorage({ clock, data }), memoryStorage({ clock })]
    await a.openConversation({ conversationId: 'g~x', chatType: 'group', userIds: ['ann'], nodeId: 'n', now: 1 })
    expect([(await b.readHeads(['g~x'])).length, (await alone.readHeads(['g~x'])).length]).toEqual([1, 0])
    expect(a.capabilities.durable).toBe(false)
  })

  it('answers after its caller’s turn, and rejects rather than throws', async () => {
    const storage = memoryStorage({ clock: new TestClock() })
    await storage.close()
    const order: string[] = []
    const rejected = storage.appendMessages({ nodeId: 'n', now: 1, items: [] }).catch(() => order.push('rejected'))
    order.push('caller')
    await rejected
    expect(order).toEqual(['caller', 'rejected'])
  })

  it('forgets rows and ids that are trimmed, and entries that expire', async () => {
    const clock = new TestClock()
    const data = createMemoryData()
    const storage = memoryStorage({ clock, data })
    await storage.openConversation({ conversationId: 'g~x', chatType: 'group', userIds: ['ann'], nodeId: 'n', now: 1 })
    const a = new Arrange({ ...(await memoryStorageHarness()), storage, clock })
    for (let i = 0; i < 50; i++) await a.accepted([a.text('g~x', 'ann')])
    const lease = await storage.acquireLease({ name: 'x', holder: 'x', ttlMs: 1_000 })
    if (lease === undefined) throw new Error('The lease is free.')
    await storage.resolveGaps({ lease, readUpTo: (await storage.startPosition()).id, probe: [], young: [] })
    await storage.trimChanges({ keepMs: 0, readerLostAfterMs: 1, limit: 1_000 })
    await storage.expireMessages({ before: Number.MAX_SAFE_INTEGER, limit: 1_000 })
    expect([data.feed.rows.size, data.byMsgId.size, data.conversations.get('g~x')?.entries.length]).toEqual([0, 1, 1])
  })
})

describe('memoryControls', () => {
  it('is for storages of memoryStorage alone', () => {
    const storage = memoryStorage({ clock: new TestClock() })
    expect(() => memoryControls({ ...storage })).toThrow(TypeError)
  })

  it('makes id order and commit order differ', async () => {
    const h = await memoryStorageHarness()
    const a = new Arrange(h)
    const controls = memoryControls(h.storage)
    const ids = [await a.conversation(['ann']), await a.conversation(['ann']), await a.conversation(['ann'])]
    const reader = await FeedReader.start(h.storage)
    const held = []
    for (const id of ids) held.push(await controls.holdAppend({ nodeId: 'n', now: 1, items: [a.text(id, 'ann'), a.text(id, 'ann')] }))
    expect(held.flatMap((one) => one.changeIds)).toEqual([...held.flatMap((one) => one.changeIds)].sort((x, y) => x - y))
    const seen: string[] = []
    for (const index of [2, 0, 1]) {
      expect(await held[index]?.commit()).toMatchObject([{ seq: 1 }, { seq: 2 }])
      expect(await held[index]?.commit(), 'ends once').toEqual([])
      seen.push(...(await reader.drain()).map((change) => change.conversationId))
    }
    expect(seen).toEqual([ids[2], ids[0], ids[1]])
  })

  it('burns the ids of a rollback and of a commit in which nothing was accepted', async () => {
    const h = await memoryStorageHarness()
    const a = new Arrange(h)
    const controls = memoryControls(h.storage)
    const [left, right] = [await a.conversation(['ann']), await a.conversation(['ann'])]
    const known = a.text(right, 'ann')
    await a.accepted([known])
    const undone = await controls.holdAppend({ nodeId: 'n', now: 1, items: [a.text(left, 'ann')] })
    const empty = await controls.holdAppend({ nodeId: 'n', now: 1, items: [known] })
    await a.conversation(['ann'])
    await undone.rollback()
    expect(await undone.commit(), 'a rollback is final').toEqual([])
    expect(await empty.commit()).toMatchObject([{ ok: true, duplicate: true }])
    const { id: readUpTo, missing } = await h.storage.startPosition()
    expect(missing).toEqual([...undone.changeIds, ...empty.changeIds])
    const lease = await h.storage.acquireLease({ name: 'x', holder: 'x', ttlMs: 1_000 })
    if (lease === undefined) throw new Error('The lease is free.')
    expect(await h.storage.resolveGaps({ lease, readUpTo, probe: missing, young: [] })).toEqual({ open: [], resolvedFloor: readUpTo })
    expect((await a.head(left)).headSeq).toBe(0)
  })

  it('queues what comes behind a held head, in order', async () => {
    const h = await memoryStorageHarness()
    const a = new Arrange(h)
    const controls = memoryControls(h.storage)
    const id = await a.conversation(['ann'])
    const first = await controls.holdAppend({ nodeId: 'n', now: 1, items: [a.text(id, 'ann')] })
    const second = controls.holdAppend({ nodeId: 'n', now: 1, items: [a.text(id, 'ann')] })
    const third = a.accepted([a.text(id, 'ann')])
    await first.commit()
    const held = await second
    expect((await a.head(id)).headSeq).toBe(1)
    expect(await held.commit()).toMatchObject([{ seq: 2 }])
    expect(await third).toMatchObject([{ seq: 3 }])
  })
})
