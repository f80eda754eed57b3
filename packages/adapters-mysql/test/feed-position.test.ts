import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Change } from '@innerline/server-core'
import { batchOf } from '../src/feed.js'
import { needsAbove, startPositionOf } from '../src/feed-position.js'

const change = (id: number): Change => ({
  ...{ id, kind: 'entries', conversationId: 'g~1', channels: [], firstSeq: 1, lastSeq: 1, memberVersion: 1, nodeId: 'n', at: 0 },
})

describe('a start position', () => {
  it('is the newest id and the gaps above the floor, whatever rows there are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 })), fc.nat(30), fc.nat(30), (all, resolvedFloor, deleted) => {
        const lowId = Math.min(deleted, resolvedFloor) + 1
        const floor = Math.max(resolvedFloor, lowId - 1)
        // Below the floor nothing is missing; below lowId nothing is left.
        const rows = new Set(all.filter((id) => id > floor))
        for (let id = lowId; id <= floor; id++) rows.add(id)
        const state = { epoch: 1, resolved_floor: resolvedFloor, low_id: lowId }
        const ends = [...rows]
          .filter((id) => id > floor && (!rows.has(id - 1) || !rows.has(id + 1)))
          .map((id) => ({ ...state, id, after_gap: rows.has(id - 1) ? 0 : 1, before_gap: rows.has(id + 1) ? 0 : 1 }))
        const position = startPositionOf(ends.length === 0 ? [{ ...state, id: null }] : ends)
        const newest = Math.max(floor, ...rows)
        expect(position.id).toBe(newest)
        const missing: number[] = []
        for (let id = floor + 1; id < newest; id++) if (!rows.has(id)) missing.push(id)
        expect(position.missing).toEqual(missing)
      }),
    )
  })
})

describe('a batch of changes', () => {
  it('is ascending, cut at the limit, and loses no id between two positions', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 0, max: 30 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 29 })),
        fc.integer({ min: 1, max: 10 }),
        (present, at, gone, limit) => {
          const missing = gone.filter((id) => id < at).sort((a, b) => a - b)
          const ascending = [...present].sort((a, b) => a - b)
          const late = ascending.filter((id) => missing.includes(id)).slice(0, limit + 1)
          const newer = ascending.filter((id) => id > at).slice(0, limit + 1)
          // As the server may hand them over: in no order.
          const batch = batchOf({ epoch: 1, id: at, missing }, [...newer, ...late].map(change), limit)
          const read = batch.changes.map(({ id }) => id)
          expect(read).toEqual([...read].sort((a, b) => a - b))
          expect(read.length).toBeLessThanOrEqual(limit)
          expect(batch.more).toBe(late.length + newer.length > limit)
          const settled = (id: number): boolean => read.includes(id) || batch.position.missing.includes(id) || id > batch.position.id
          for (const id of missing) expect(settled(id)).toBe(true)
          for (let id = at + 1; id <= 40; id++) expect(settled(id)).toBe(true)
          expect(batch.position.missing).toEqual([...new Set(batch.position.missing)].sort((a, b) => a - b))
          expect(read.some((id) => batch.position.missing.includes(id))).toBe(false)
        },
      ),
    )
  })

  it('needs no row at or below the lowest id it misses', () => {
    expect(needsAbove({ epoch: 1, id: 9, missing: [] })).toBe(9)
    expect(needsAbove({ epoch: 1, id: 9, missing: [4, 7] })).toBe(3)
  })
})
