import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeldBatches } from '../../src/delivery/held-batches.js'
import { LiveMessage, type LiveBatch } from '../../src/delivery/live-message.js'
import type { Recorder } from './fleet.js'
import { MemoryFleet } from './memory-fleet.js'

const GROUP = 'g~g'

const batch = (firstSeq: number, count = 1, memberVersion = 1): LiveBatch => ({
  ...{ conversationId: GROUP, memberVersion, channels: ['group:g'], firstSeq },
  messages: Array.from({ length: count }, (_, i) => new LiveMessage(GROUP, firstSeq + i, '{}')),
})

/** A group with two members attached to one node and `count` entries that nobody has been told of; the feed is out of reach. */
async function untold(count: number): Promise<{ fleet: MemoryFleet; ann: Recorder; bob: Recorder; reads: () => number }> {
  const fleet = await MemoryFleet.start(1)
  await fleet.group('g', ['ann', 'bob'])
  const ann = await fleet.attached(0, 'ann')
  const bob = await fleet.attached(0, 'bob')
  fleet.node(0).gate.before = (method) => {
    if (method === 'changes') throw new Error('the feed is out of reach')
  }
  for (let i = 0; i < count; i++) await fleet.append(0, GROUP, {}, { silent: true })
  return { fleet, ann, bob, reads: () => fleet.node(0).calls.get('readMessages') ?? 0 }
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)

describe('the watermark of a conversation', () => {
  it('lets the next one out at once and drops what has gone out', async () => {
    const { fleet, ann, reads } = await untold(3)
    const { index } = fleet.node(0)
    for (const next of [batch(1), batch(1), batch(1, 2), batch(2), batch(3), batch(1, 3)]) index.accept(next)
    expect(ann.seqs(GROUP)).toEqual([1, 2, 3])
    await fleet.clock.advance(200)
    expect(reads()).toBe(0)
  })

  it('reads nothing when the hole closes by itself', async () => {
    const { fleet, ann, reads } = await untold(3)
    const { index } = fleet.node(0)
    index.accept(batch(3))
    index.accept(batch(2))
    await fleet.clock.advance(60)
    index.accept(batch(1))
    expect(ann.seqs(GROUP)).toEqual([1, 2, 3])
    await fleet.clock.advance(1_000)
    expect(reads()).toBe(0)
  })

  it('recovers from the log what is more than it may hold', async () => {
    const { fleet, ann } = await untold(1_300)
    const { index } = fleet.node(0)
    for (let seq = 1_300; seq > 1; seq--) index.accept(batch(seq))
    await fleet.clock.advance(100)
    expect(ann.seqs(GROUP)).toEqual(upTo(1_300))
  })

  it('gives 1, 2, 3 … to everybody, whatever order, repeats and losses the frames come with', async () => {
    const frames = fc.array(
      fc.record({ from: fc.integer({ min: 1, max: 30 }), count: fc.integer({ min: 1, max: 6 }), wait: fc.constantFrom(0, 0, 0, 30, 120) }),
      {
        maxLength: 40,
      },
    )
    await fc.assert(
      fc.asyncProperty(frames, async (arrivals) => {
        const fleet = await MemoryFleet.start(1, { stopWithTest: false })
        await fleet.group('g', ['ann'])
        const ann = await fleet.attached(0, 'ann')
        for (let i = 0; i < 35; i++) await fleet.append(0, GROUP, {}, { silent: true })
        for (const { from, count, wait } of arrivals) {
          fleet.node(0).index.accept(batch(from, count))
          if (wait > 0) await fleet.clock.advance(wait)
        }
        await fleet.clock.advance(150)
        const highest = Math.max(0, ...arrivals.map(({ from, count }) => from + count - 1))
        expect(ann.seqs(GROUP)).toEqual(upTo(Math.max(highest, ann.seqs(GROUP).length)))
        await fleet.quiet()
        expect(ann.seqs(GROUP)).toEqual(upTo(35))
        await fleet.stop()
      }),
      { numRuns: 200 },
    )
  })
})

describe('HeldBatches', () => {
  it('never holds more than 1 000 messages, and says when it gave them up', () => {
    const held = new HeldBatches()
    for (let seq = 2; seq <= 1_001; seq++) expect(held.add(batch(seq))).toBe(true)
    expect(held.firstSeq).toBe(2)
    expect(held.add(batch(5_000))).toBe(false)
    expect(held.isEmpty).toBe(true)
    expect(held.add(batch(2, 1_001))).toBe(false)
    expect(held.add(batch(2, 1_000))).toBe(true)
  })

  it('counts what it gave back, and drops what is known', () => {
    const held = new HeldBatches()
    expect(held.add(batch(2, 600))).toBe(true)
    expect(held.takeAfter(0)).toBeUndefined()
    expect(held.takeAfter(1)?.firstSeq).toBe(2)
    expect(held.add(batch(2, 600))).toBe(true)
    expect(held.takeAfter(601)).toBeUndefined()
    expect(held.isEmpty).toBe(true)
    expect(held.add(batch(2, 1_000))).toBe(true)
  })
})
