import { describe, expect, it } from 'vitest'
import { Arrange } from '../arrange.js'
import type { Current, StorageHarness } from '../harness.js'
import { FeedReader } from '../invariants.js'

export function feedCases(current: Current<StorageHarness>): void {
  describe('the change feed', () => {
    it('tells of a batch with one row per conversation: range, channels, node', async () => {
      const a = new Arrange(current())
      const [left, right] = [await a.conversation(['ann']), await a.conversation(['ann'])]
      const reader = await FeedReader.start(a.storage)
      const via = (...channels: string[]): { channels: readonly string[] } => ({ channels })
      await a.accepted([
        a.text(left, 'ann', '1', via('user:ann')),
        a.text(right, 'ann', '2', via('group:x')),
        a.text(left, 'ann', '3', via('user:bob', 'user:ann')),
        a.text(left, 'ann', '4', via('user:ann')),
      ])
      expect(await reader.drain()).toHaveLength(2)
      const [ofLeft] = reader.of(left)
      expect(ofLeft).toMatchObject({ kind: 'entries', conversationId: left, firstSeq: 1, lastSeq: 3, nodeId: a.nodeId })
      expect([...(ofLeft?.channels ?? [])].sort()).toEqual(['user:ann', 'user:bob'])
      expect(ofLeft?.memberVersion).toBe((await a.head(left)).memberVersion)
      expect(reader.of(right)).toEqual([expect.objectContaining({ firstSeq: 1, lastSeq: 1, channels: ['group:x'] })])
    })

    it('tells nothing of a batch in which nothing was accepted', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      const item = a.text(id, 'ann')
      await a.accepted([item])
      const reader = await FeedReader.start(a.storage)
      await a.append([item, { ...item, hash: 'f'.repeat(32) }, a.text('g~none', 'ann'), a.text(id, 'eve', '', { checkedAt: 0 })])
      expect(await reader.drain()).toEqual([])
    })

    it('begins at the end for a reader that starts', async () => {
      const a = new Arrange(current())
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 3)
      const position = await a.storage.startPosition()
      expect(position).toEqual({ epoch: await a.storage.epoch(), id: expect.any(Number), missing: [] })
      const batch = await a.storage.changes(position, 10)
      expect(batch).toEqual({ changes: [], position, tooOld: false, more: false })
      expect(await (await current().second()).startPosition(), 'the same on every node').toEqual(position)
    })

    it('works from before the first change', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      expect(await reader.drain()).toEqual([])
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 1)
      await reader.drain()
      expect(reader.of(id).map((change) => change.kind)).toEqual(['members', 'entries'])
    })

    it('comes in pages of `limit`, each change once', async () => {
      const a = new Arrange(current())
      const reader = await FeedReader.start(a.storage)
      const id = await a.conversation(['ann'])
      for (let i = 0; i < 20; i++) await a.texts(id, 'ann', 1)
      const first = await a.storage.changes(reader.position, 5)
      expect([first.changes.length, first.more]).toEqual([5, true])
      await reader.drain(3)
      expect(reader.of(id).map((change) => change.lastSeq)).toEqual([0, ...Array.from({ length: 20 }, (_, i) => i + 1)])
      const exact = await FeedReader.start(a.storage)
      await a.texts(id, 'ann', 1)
      expect((await a.storage.changes(exact.position, 1)).more, 'a full page that is the last').toBe(false)
    })

    it('lets a reader far behind miss nothing, while two nodes write and transactions end late or never', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const ids = await Promise.all(Array.from({ length: 4 }, () => a.conversation(['ann'])))
      const side = await Promise.all(Array.from({ length: 6 }, () => a.conversation(['ann'])))
      const far = await FeedReader.start(a.storage)
      const near = await FeedReader.start(other)
      const late = []
      for (let round = 0; round < 24; round++) {
        if (round % 4 === 0) late.push(await current().lateAppend(a.text(side[round / 4] as string, 'ann')))
        await a.accepted([a.text(ids[round % 4] as string, 'ann')], round % 2 === 0 ? a.storage : other)
        if (round % 8 === 7) await late.shift()?.rollback()
        if (round % 8 === 5) await late.pop()?.commit()
        if (round % 3 === 0) await near.drain(2)
      }
      for (const open of late) await open.commit()
      for (const reader of [near, far]) {
        await reader.drain(7)
        for (const id of ids) expect(reader.of(id).map((change) => change.lastSeq)).toEqual([1, 2, 3, 4, 5, 6])
      }
      expect(near.changes.map((change) => change.id).sort((x, y) => x - y)).toEqual(
        far.changes.map((change) => change.id).sort((x, y) => x - y),
      )
      const told = side.map((id) => far.of(id).length)
      const stored = (await a.storage.readHeads(side)).map((head) => head.headSeq).reduce((sum, seq) => sum + seq, 0)
      expect(
        told.reduce((sum, n) => sum + n, 0),
        'what committed late was told, what rolled back was not',
      ).toBe(stored)
    })

    it('is read the same by parallel readers', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const readers = [await FeedReader.start(a.storage), await FeedReader.start(other)]
      const id = await a.conversation(['ann'])
      await Promise.all(Array.from({ length: 10 }, (_, i) => a.accepted([a.text(id, 'ann')], i % 2 === 0 ? a.storage : other)))
      await Promise.all(readers.map((reader) => reader.drain(4)))
      const seqs = readers.map((reader) => reader.of(id).map((change) => change.lastSeq))
      expect(seqs[0]).toEqual(Array.from({ length: 11 }, (_, i) => i))
      expect(seqs[1]).toEqual(seqs[0])
    })
  })

  describe('the epoch', () => {
    it('starts at 1, rises for all nodes, and ends all positions', async () => {
      const a = new Arrange(current())
      const other = await current().second()
      const before = await a.storage.startPosition()
      expect([await a.storage.epoch(), await other.epoch()]).toEqual([1, 1])
      const raised = await other.raiseEpoch()
      expect(raised).toBeGreaterThan(1)
      expect([await a.storage.epoch(), await other.epoch()]).toEqual([raised, raised])
      const id = await a.conversation(['ann'])
      await a.texts(id, 'ann', 1)
      const batch = await a.storage.changes(before, 10)
      expect(batch).toMatchObject({ changes: [], tooOld: true })
      expect(batch.position).toEqual(await other.startPosition())
      expect(batch.position.epoch).toBe(raised)
    })
  })
}
