import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader } from '../invariants.js'
import type { FeedPosition, Lease, Storage } from '../types.js'

const KEEP_MS = 400
const LOST_MS = 60_000

export function readerCases(current: Current<StorageHarness>): void {
  const lease = async (storage: Storage, name = 'work', holder = 'me'): Promise<Lease> => {
    const taken = await storage.acquireLease({ name, holder, ttlMs: 60_000 })
    if (taken === undefined) throw new Error(`The lease "${name}" is free.`)
    return taken
  }
  const appendOften = async (a: Arrange, id: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await a.texts(id, 'ann', 1)
  }
  /** Resolves up to the end, waits until that is old enough, and deletes. */
  const trim = async (storage: Storage, readerLostAfterMs = LOST_MS) => {
    const reader = await FeedReader.start(storage)
    await storage.resolveGaps({ lease: await lease(storage), readUpTo: reader.position.id, probe: reader.position.missing, young: [] })
    await current().advance(KEEP_MS + 50)
    return storage.trimChanges({ keepMs: KEEP_MS, readerLostAfterMs, limit: 1_000 })
  }
  const save = async (storage: Storage, name: string, position: FeedPosition): Promise<void> =>
    storage.saveReader({ name, position, lease: await lease(storage, name) })

  describe('trimChanges', () => {
    it('deletes below the resolved floor of that time, and says tooOld to who needed it', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const early = await a.storage.startPosition()
      await appendOften(a, id, 5)
      const { rows } = await a.storage.feedSize()
      expect(rows).toBeGreaterThanOrEqual(6)
      expect((await trim(a.storage)).deleted).toBe(rows)
      expect(await a.storage.feedSize()).toEqual({ rows: 0, oldestMs: 0 })
      const batch = await a.storage.changes(early, 10)
      expect(batch).toMatchObject({ changes: [], tooOld: true, more: false })
      expect(batch.position).toEqual(await a.storage.startPosition())
    })

    it('leaves who starts after it, and who had read everything, a good position', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await appendOften(a, id, 3)
      const done = await FeedReader.start(a.storage)
      await trim(a.storage)
      const fresh = await FeedReader.start(await current().second())
      expect(fresh.position.id, 'an empty feed does not begin again at 0').toBe(done.position.id)
      await appendOften(a, id, 1)
      for (const reader of [done, fresh])
        expect(await reader.drain()).toEqual([expect.objectContaining({ conversationId: id, lastSeq: 4 })])
    })

    it('deletes nothing before the floor has stood for keepMs, nor above it', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await appendOften(a, id, 3)
      const reader = await FeedReader.start(a.storage)
      const nothing = { keepMs: 60_000, readerLostAfterMs: LOST_MS, limit: 100 }
      expect((await a.storage.trimChanges({ ...nothing, keepMs: 0 })).deleted, 'unresolved').toBe(0)
      await a.storage.resolveGaps({ lease: await lease(a.storage), readUpTo: reader.position.id, probe: [], young: [] })
      expect((await a.storage.trimChanges(nothing)).deleted, 'too young').toBe(0)
      await current().advance(KEEP_MS + 50)
      await appendOften(a, id, 2)
      await a.storage.trimChanges({ ...nothing, keepMs: KEEP_MS })
      expect((await a.storage.feedSize()).rows, 'what came after').toBe(2)
      expect(await reader.drain()).toHaveLength(2)
    })

    it('works in slices', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const early = await a.storage.startPosition()
      await appendOften(a, id, 6)
      await trim(a.storage).then(() => undefined)
      await appendOften(a, id, 6)
      const reader = await FeedReader.start(a.storage)
      await a.storage.resolveGaps({ lease: await lease(a.storage), readUpTo: reader.position.id, probe: [], young: [] })
      await current().advance(KEEP_MS + 50)
      const slice = { keepMs: KEEP_MS, readerLostAfterMs: LOST_MS, limit: 4 }
      expect((await a.storage.trimChanges(slice)).deleted).toBe(4)
      expect((await a.storage.changes(early, 10)).tooOld).toBe(true)
      expect((await a.storage.trimChanges(slice)).deleted).toBe(2)
      expect((await a.storage.trimChanges(slice)).deleted).toBe(0)
    })

    it('keeps what a held transaction may still need', async () => {
      const a = new Arrange(current())
      const slow = await a.conversation(['ann'])
      const held = await current().lateAppend(a.text(slow, 'ann'))
      const quick = await a.conversation(['ann'])
      await appendOften(a, quick, 3)
      const reader = await FeedReader.start(a.storage)
      await trim(a.storage)
      await held.commit()
      expect(await reader.drain()).toEqual([expect.objectContaining({ conversationId: slow, lastSeq: 1 })])
    })
  })

  describe('a durable reader', () => {
    it('begins at the end the first time and where it was saved later, on any node', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await appendOften(a, id, 2)
      const opened = await a.storage.openReader('push')
      expect(opened).toEqual({ position: await a.storage.startPosition(), gap: false })
      await appendOften(a, id, 3)
      const other = await current().second()
      expect(await other.openReader('push'), 'opening again moves nothing').toEqual(opened)
      const { position } = await a.storage.changes(opened.position, 2)
      await save(a.storage, 'push', position)
      const resumed = FeedReader.at(other, (await other.openReader('push')).position)
      await resumed.drain()
      expect(resumed.of(id).map((change) => change.lastSeq)).toEqual([5])
    })

    it('is saved with what it misses', async () => {
      const a = new Arrange(current())
      const slow = await a.conversation(['ann'])
      const { position } = await a.storage.openReader('audit')
      const held = await current().lateAppend(a.text(slow, 'ann'))
      const quick = await a.conversation(['ann'])
      const reader = FeedReader.at(a.storage, position)
      await reader.drain()
      await save(a.storage, 'audit', reader.position)
      await held.commit()
      const resumed = FeedReader.at(a.storage, (await a.storage.openReader('audit')).position)
      expect(await resumed.drain()).toEqual([expect.objectContaining({ conversationId: slow, lastSeq: 1 })])
      expect(reader.of(quick)).toHaveLength(1)
    })

    it('holds deletion back for what it has not read, and for what it misses', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const { position } = await a.storage.openReader('slow')
      await appendOften(a, id, 4)
      await trim(a.storage)
      const reader = FeedReader.at(a.storage, position)
      await reader.drain()
      expect(reader.of(id).map((change) => change.lastSeq)).toEqual([1, 2, 3, 4])
      await save(a.storage, 'slow', reader.position)
      expect((await a.storage.trimChanges({ keepMs: KEEP_MS, readerLostAfterMs: LOST_MS, limit: 100 })).deleted).toBe(4)
    })

    it('is given up when it is not seen, and told of its gap once', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.storage.openReader('gone')
      await appendOften(a, id, 4)
      expect(await trim(a.storage, KEEP_MS)).toMatchObject({ lostReaders: ['gone'] })
      expect((await a.storage.trimChanges({ keepMs: KEEP_MS, readerLostAfterMs: KEEP_MS, limit: 9 })).lostReaders, 'said once').toEqual([])
      await appendOften(a, id, 2)
      const back = await a.storage.openReader('gone')
      expect(back.gap).toBe(true)
      const reader = FeedReader.at(a.storage, back.position)
      await reader.drain()
      expect(
        reader.of(id).map((change) => change.lastSeq),
        'what is left is not withheld',
      ).toEqual([5, 6])
      expect((await a.storage.openReader('gone')).gap).toBe(false)
    })

    it('is alive while it saves', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const { position } = await a.storage.openReader('alive')
      await appendOften(a, id, 2)
      for (let i = 0; i < 3; i++) {
        await current().advance(KEEP_MS / 2)
        await save(a.storage, 'alive', position)
      }
      expect((await a.storage.trimChanges({ keepMs: 0, readerLostAfterMs: KEEP_MS, limit: 9 })).lostReaders).toEqual([])
    })

    it('does not outlive an epoch', async () => {
      const a = new Arrange(current())
      await a.storage.openReader('old')
      await a.storage.raiseEpoch()
      expect(await a.storage.openReader('old')).toEqual({ position: await a.storage.startPosition(), gap: true })
      expect((await a.storage.openReader('old')).gap).toBe(false)
    })

    it('cannot be saved by who has lost the lease', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const { position } = await a.storage.openReader('fenced')
      const old = await a.storage.acquireLease({ name: 'fenced', holder: 'slept', ttlMs: 200 })
      await appendOften(a, id, 1)
      await current().advance(300)
      const end = await a.storage.startPosition()
      const stale = { name: 'fenced', position: end, lease: old as Lease }
      await expect(a.storage.saveReader(stale), 'expired').rejects.toMatchObject({ code: 'STATE_CONFLICT' })
      await lease(a.storage, 'fenced', 'awake')
      await expect(a.storage.saveReader(stale), 'taken').rejects.toMatchObject({ code: 'STATE_CONFLICT' })
      expect((await a.storage.openReader('fenced')).position).toEqual(position)
    })
  })

  it('feedSize counts rows and the age of the oldest', async () => {
    const a = new Arrange(current())
    expect(await a.storage.feedSize()).toEqual({ rows: 0, oldestMs: 0 })
    const id = await a.conversation(['ann'])
    await current().advance(100)
    await appendOften(a, id, 1)
    const { rows, oldestMs } = await a.storage.feedSize()
    expect(rows).toBe(2)
    expect(oldestMs).toBeGreaterThanOrEqual(90)
    expect(oldestMs).toBeLessThan(60_000)
  })
}
