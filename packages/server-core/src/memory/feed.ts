import { ImError } from '@innerline/protocol'
import type { Change } from '../domain/change.js'
import type { FeedStorage, Lease } from '../ports/storage.js'
import { assertOpen, type MemoryContext } from './context.js'
import { commitChange, freshPosition, gapsBetween, isTooOld, needsAbove } from './feed-rows.js'

/** The change feed, its gaps, and durable readers. */
export function feedStorage(context: MemoryContext): FeedStorage {
  const { data, clock } = context
  const { feed, readers } = data
  return {
    async startPosition() {
      assertOpen(context)
      return freshPosition(data)
    },
    async changes(position, limit) {
      assertOpen(context)
      if (isTooOld(data, position)) return { changes: [], position: freshPosition(data), tooOld: true, more: false }
      const changes: Change[] = []
      const missing: number[] = []
      let more = false
      for (const id of position.missing) {
        const row = feed.rows.get(id)
        if (row !== undefined && changes.length < limit) {
          changes.push(row)
          continue
        }
        missing.push(id)
        more ||= row !== undefined
      }
      let id = position.id
      while (id < feed.maxId && changes.length < limit) {
        const row = feed.rows.get(++id)
        if (row === undefined) missing.push(id)
        else changes.push(row)
      }
      return { changes, position: { epoch: data.epoch, id, missing }, tooOld: false, more: more || id < feed.maxId }
    },
    async resolveGaps({ lease, readUpTo, probe, young }) {
      assertOpen(context)
      assertHeld(context, lease)
      const open = new Set(young)
      for (const id of probe) {
        if (feed.rows.has(id) || id < feed.lowId) continue
        if (feed.held.has(id) || id >= feed.nextId) open.add(id)
        else commitChange(feed, voidRow(id, lease.holder, clock.now()))
      }
      const ascending = [...open].sort((a, b) => a - b)
      // A gap that the caller has not listed bounds the floor as well: its list may be older than its `readUpTo`.
      const [unlisted] = gapsBetween(feed, Math.max(feed.resolvedFloor, feed.lowId - 1), readUpTo)
      const floor = Math.min(readUpTo, (ascending[0] ?? Number.MAX_SAFE_INTEGER) - 1, (unlisted ?? Number.MAX_SAFE_INTEGER) - 1)
      if (floor > feed.resolvedFloor) {
        feed.resolvedFloor = floor
        feed.floorHistory.push({ at: clock.monotonic(), floor })
      }
      return { open: ascending, resolvedFloor: feed.resolvedFloor }
    },
    async trimChanges({ keepMs, readerLostAfterMs, limit }) {
      assertOpen(context)
      const now = clock.monotonic()
      const lostReaders: string[] = []
      let keepAbove = floorAt(now - keepMs)
      for (const [name, reader] of readers) {
        if (!reader.lost && now - reader.seenAt >= readerLostAfterMs) {
          reader.lost = true
          lostReaders.push(name)
        }
        if (!reader.lost) keepAbove = Math.min(keepAbove, needsAbove(reader.position))
      }
      let deleted = 0
      while (feed.lowId <= keepAbove && deleted < limit) {
        if (feed.rows.delete(feed.lowId)) deleted++
        feed.lowId++
      }
      return { deleted, lostReaders }
    },
    async openReader(name) {
      assertOpen(context)
      const known = readers.get(name)
      const gap = known !== undefined && isTooOld(data, known.position)
      let position = known?.position ?? freshPosition(data)
      if (gap) {
        // What is left of the feed is still owed to it; after a new epoch the ids it knew mean nothing.
        position = position.epoch === data.epoch ? { epoch: data.epoch, id: feed.lowId - 1, missing: [] } : freshPosition(data)
      }
      readers.set(name, { position, seenAt: clock.monotonic(), lost: false })
      return { position: { ...position, missing: [...position.missing] }, gap }
    },
    async saveReader({ name, position, lease }) {
      assertOpen(context)
      assertHeld(context, lease)
      readers.set(name, { position: { ...position, missing: [...position.missing] }, seenAt: clock.monotonic(), lost: false })
    },
    async feedSize() {
      assertOpen(context)
      const oldest = feed.rows.get(lowestRow())
      return { rows: feed.rows.size, oldestMs: oldest === undefined ? 0 : Math.max(0, clock.now() - oldest.at) }
    },
  }

  /** The resolved floor as it stood at `time`; older history is forgotten. */
  function floorAt(time: number): number {
    while (feed.floorHistory.length > 1 && (feed.floorHistory[1]?.at ?? 0) <= time) feed.floorHistory.shift()
    const first = feed.floorHistory[0]
    return first !== undefined && first.at <= time ? first.floor : 0
  }

  /** The lowest id that has a row. */
  function lowestRow(): number {
    let id = feed.lowId
    while (id < feed.maxId && !feed.rows.has(id)) id++
    return id
  }
}

const voidRow = (id: number, nodeId: string, at: number): Change => ({
  id,
  kind: 'void',
  conversationId: '',
  channels: [],
  firstSeq: 0,
  lastSeq: 0,
  memberVersion: 0,
  nodeId,
  at,
})

/** Rejects unless the lease is held now. */
function assertHeld({ data, clock }: MemoryContext, lease: Lease): void {
  const row = data.leases.get(lease.name)
  if (row === undefined || row.holder !== lease.holder || row.fence !== lease.fence || row.expiresAt <= clock.monotonic()) {
    throw new ImError('STATE_CONFLICT', { detail: `The lease "${lease.name}" is not held any more.` })
  }
}
