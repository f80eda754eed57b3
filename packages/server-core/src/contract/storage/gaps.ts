import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader, readLog } from '../invariants.js'
import type { FeedPosition, Lease, Storage } from '../types.js'

export function gapCases(current: Current<StorageHarness>): void {
  const leaseOf = async (storage: Storage): Promise<Lease> => {
    const lease = await storage.acquireLease({ name: 'gaps', holder: 'resolver', ttlMs: 60_000 })
    if (lease === undefined) throw new Error('The lease is free.')
    return lease
  }
  const resolve = async (storage: Storage, position: FeedPosition): Promise<{ open: readonly number[]; resolvedFloor: number }> =>
    storage.resolveGaps({ lease: await leaseOf(storage), readUpTo: position.id, probe: position.missing, young: [] })

  /** A held append with a committed one after it: its change id is a gap below the newest. */
  const withGap = async (a: Arrange) => {
    const [slow, quick] = [await a.conversation(['ann']), await a.conversation(['ann'])]
    const held = await current().lateAppend(a.text(slow, 'ann', 'late'))
    await a.texts(quick, 'ann', 1)
    return { slow, quick, held }
  }

  describe('an id that commits late', () => {
    it('is missed by nobody who read past it', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, quick, held } = await withGap(a)
      await reader.drain()
      expect([reader.of(slow).length, reader.of(quick).length], 'opened both, appended to one').toEqual([1, 2])
      expect(reader.position.missing.length).toBeGreaterThanOrEqual(1)
      expect(await readLog(a.storage, slow)).toEqual([])
      await held.commit()
      const [change, ...others] = await reader.drain()
      expect(others).toEqual([])
      expect(change).toMatchObject({ kind: 'entries', conversationId: slow, firstSeq: 1, lastSeq: 1 })
      expect(change?.id).toBeLessThan(reader.position.id)
      expect(await readLog(a.storage, slow)).toHaveLength(1)
      expect(await reader.drain(), 'and told once').toEqual([])
    })

    it('is seen by a node that started after it was taken and before it committed', async () => {
      const a = new Arrange(current())
      const { slow, held } = await withGap(a)
      const reader = await FeedReader.start(await current().second())
      expect(reader.position.missing.length).toBeGreaterThanOrEqual(1)
      expect(await reader.drain()).toEqual([])
      await held.commit()
      expect(await reader.drain()).toEqual([expect.objectContaining({ conversationId: slow, lastSeq: 1 })])
      expect(reader.position.missing).toEqual([])
    })

    it('holds other appends to its conversation, and no other conversation’s', async () => {
      const a = new Arrange(current())
      const { slow, quick, held } = await withGap(a)
      let done = false
      const behind = a.texts(slow, 'ann', 1).then((results) => {
        done = true
        return results
      })
      await a.texts(quick, 'ann', 1)
      expect(done).toBe(false)
      await held.commit()
      expect((await behind)[0]?.seq).toBe(2)
      expect(await readLog(a.storage, slow)).toHaveLength(2)
    })

    it('leaves the seq to the next when it rolls back', async () => {
      const a = new Arrange(current())
      const { slow, held } = await withGap(a)
      await held.rollback()
      expect((await a.texts(slow, 'ann', 1))[0]?.seq).toBe(1)
    })

    it('comes within `limit` before newer ones, none lost when the limit cuts among the late', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const slow = [await a.conversation(['ann']), await a.conversation(['ann']), await a.conversation(['ann'])]
      const held = []
      for (const id of slow) held.push(await current().lateAppend(a.text(id, 'ann')))
      const quick = await a.conversation(['ann'])
      await reader.drain()
      for (const one of held) await one.commit()
      await a.texts(quick, 'ann', 1)
      const cut = await a.storage.changes(reader.position, 2)
      expect([cut.changes.length, cut.more]).toEqual([2, true])
      expect(await reader.drain(2)).toHaveLength(4)
    })
  })

  describe('resolveGaps', () => {
    it('fills a burnt id with a void row, which ends the wait of every reader', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, held } = await withGap(a)
      await held.rollback()
      await reader.drain()
      const burnt = reader.position.missing
      expect(burnt.length).toBeGreaterThanOrEqual(1)
      const resolved = await resolve(a.storage, reader.position)
      expect(resolved.open).toEqual([])
      expect(resolved.resolvedFloor).toBe(reader.position.id)
      const rows = await reader.drain()
      expect(rows.map((change) => [change.id, change.kind])).toEqual(burnt.map((id) => [id, 'void']))
      expect(rows[0]).toMatchObject({ channels: [], firstSeq: 0, lastSeq: 0 })
      expect(reader.position.missing).toEqual([])
      expect((await a.storage.startPosition()).missing).toEqual([])
      expect(reader.of(slow)).toHaveLength(1)
    })

    it('keeps a held id open, and the floor below it, until it has ended', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, held } = await withGap(a)
      await reader.drain()
      const first = await resolve(a.storage, reader.position)
      expect(first.open.length).toBeGreaterThanOrEqual(1)
      expect(first.resolvedFloor).toBeLessThan(first.open[0] as number)
      expect((await a.storage.startPosition()).missing).toEqual(expect.arrayContaining([...first.open]))
      await held.commit()
      const [change] = await reader.drain()
      expect(change).toMatchObject({ conversationId: slow, kind: 'entries' })
      expect(first.open).toContain(change?.id)
      const second = await resolve(a.storage, reader.position)
      expect(second).toEqual({ open: [], resolvedFloor: reader.position.id })
    })

    it('raises the floor to what the caller has read, though others have written since', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, quick, held } = await withGap(a)
      await held.rollback()
      await reader.drain()
      // The next id is taken by a row that the caller has not seen.
      await a.texts(quick, 'ann', 1)
      expect(await resolve(a.storage, reader.position)).toEqual({ open: [], resolvedFloor: reader.position.id })
      await a.texts(slow, 'ann', 1)
      const again = await reader.drain()
      expect(again.filter((change) => change.kind === 'entries').map((change) => change.conversationId)).toEqual([quick, slow])
    })

    it('does not look at young ids, and keeps the floor below them', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { held } = await withGap(a)
      await held.rollback()
      await reader.drain()
      const young = reader.position.missing
      const lease = await leaseOf(a.storage)
      const resolved = await a.storage.resolveGaps({ lease, readUpTo: reader.position.id, probe: [], young })
      expect(resolved.open).toEqual(young)
      expect(resolved.resolvedFloor).toBeLessThan(young[0] as number)
      expect(await reader.drain(), 'nothing was filled').toEqual([])
    })

    it('tells held and burnt apart in one call', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const ids = [await a.conversation(['ann']), await a.conversation(['ann']), await a.conversation(['ann'])]
      const [first, second, third] = [
        await current().lateAppend(a.text(ids[0] as string, 'ann')),
        await current().lateAppend(a.text(ids[1] as string, 'ann')),
        await current().lateAppend(a.text(ids[2] as string, 'ann')),
      ]
      await a.conversation(['ann'])
      await first.rollback()
      await third.rollback()
      await reader.drain()
      const { open, resolvedFloor } = await resolve(a.storage, reader.position)
      expect(open).toHaveLength(1)
      expect(resolvedFloor).toBe((open[0] as number) - 1)
      await second.commit()
      const rows = await reader.drain()
      expect(rows.filter((change) => change.kind === 'entries').map((change) => change.id)).toEqual(open)
      expect(reader.position.missing).toEqual([])
    })

    it('does not raise the floor past a gap that the caller has not listed', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, held } = await withGap(a)
      await reader.drain()
      const [gap] = reader.position.missing
      const lease = await leaseOf(a.storage)
      const { resolvedFloor } = await a.storage.resolveGaps({ lease, readUpTo: reader.position.id, probe: [], young: [] })
      expect(resolvedFloor).toBeLessThan(gap as number)
      const late = await FeedReader.start(a.storage)
      await held.commit()
      expect(await late.drain()).toEqual([expect.objectContaining({ conversationId: slow, lastSeq: 1 })])
    })

    it('leaves a row that has appeared as it is, and never lowers the floor', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { slow, held } = await withGap(a)
      await reader.drain()
      await held.commit()
      const { resolvedFloor } = await resolve(a.storage, reader.position)
      expect(resolvedFloor).toBe(reader.position.id)
      expect(await reader.drain()).toEqual([expect.objectContaining({ conversationId: slow, kind: 'entries' })])
      const again = await a.storage.resolveGaps({ lease: await leaseOf(a.storage), readUpTo: 0, probe: [], young: [] })
      expect(again.resolvedFloor).toBe(resolvedFloor)
    })

    it('rejects STATE_CONFLICT when the lease is not held any more, and fills nothing', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const { held } = await withGap(a)
      await held.rollback()
      await reader.drain()
      const { id: readUpTo, missing: probe } = reader.position
      const stale = await leaseOf(a.storage)
      await a.storage.releaseLease(stale)
      const taken = await a.storage.acquireLease({ name: 'gaps', holder: 'another', ttlMs: 60_000 })
      for (const lease of [stale, { ...stale, fence: (taken?.fence ?? 0) + 1 }, { ...stale, name: 'unknown' }]) {
        await expect(a.storage.resolveGaps({ lease, readUpTo, probe, young: [] })).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
      }
      expect(await reader.drain()).toEqual([])
    })
  })
}
