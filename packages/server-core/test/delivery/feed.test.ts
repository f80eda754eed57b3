import { describe, expect, it } from 'vitest'
import { FeedReader } from '../../src/delivery/index.js'
import { noMetrics } from '../../src/ports/index.js'
import { silentLogger } from '../../src/ports/logger.js'
import type { FleetNode } from './fleet.js'
import { MemoryFleet } from './memory-fleet.js'

const GROUP = 'g~g'

/** A reader of its own beside the node's, with what it was told. */
function reader(fleet: MemoryFleet, node: FleetNode, onChange?: (id: number) => void): { reader: FeedReader; ids: number[] } {
  const ids: number[] = []
  const made = new FeedReader({
    ...{
      storage: node.storage,
      clock: fleet.clock,
      logger: silentLogger,
      metrics: noMetrics,
      busHealthy: () => true,
      onStale: () => undefined,
    },
    onChange(change) {
      ids.push(change.id)
      onChange?.(change.id)
    },
  })
  return { reader: made, ids }
}

describe('the change feed', () => {
  it('closes burnt ids, on one node at a time, and raises the floor past them', async () => {
    const fleet = await MemoryFleet.start(3)
    await fleet.group('g', ['ann'])
    await fleet.group('h', ['ann'])
    const burnt = await fleet.controls.holdAppend({ nodeId: 'test', now: fleet.clock.now(), items: [fleet.item(GROUP)] })
    await fleet.append(0, 'g~h')
    await fleet.quiet()
    const [id] = burnt.changeIds
    expect(fleet.data.feed.resolvedFloor).toBeLessThan(id as number)
    expect(fleet.node(1).feedReader.position?.missing).toEqual([id])
    await burnt.rollback()
    await fleet.quiet(10_000)
    expect(fleet.data.feed.rows.get(id as number)?.kind).toBe('void')
    expect(fleet.data.feed.resolvedFloor).toBe(fleet.data.feed.maxId)
    for (const node of fleet.nodes) expect(node.feedReader.position?.missing).toEqual([])
    const keepers = fleet.nodes.filter((node) => (node.calls.get('resolveGaps') ?? 0) > 0)
    expect(keepers).toHaveLength(1)
  })

  it('does not let the keeper raise the floor past a gap it read while it asked for the lease', async () => {
    const fleet = await MemoryFleet.start(1)
    const node = fleet.node(0)
    await fleet.group('g', ['ann'])
    await fleet.group('h', ['ann'])
    let grant = (): void => {}
    const asked = new Promise<void>((resolve) => {
      node.gate.before = (method) => {
        if (method !== 'acquireLease') return undefined
        resolve()
        return new Promise<void>((go) => {
          grant = go
        })
      }
    })
    await fleet.clock.advance(1_100)
    await asked
    const late = await fleet.controls.holdAppend({ nodeId: 'test', now: fleet.clock.now(), items: [fleet.item(GROUP)] })
    await fleet.append(0, 'g~h', {}, { silent: true })
    await node.feedReader.readNow()
    grant()
    await fleet.clock.settle()
    expect(fleet.data.feed.resolvedFloor).toBeLessThan(late.changeIds[0] as number)
    await late.rollback()
  })

  it('makes a node that was away too long attach everybody again, and nobody loses anything', async () => {
    const fleet = await MemoryFleet.start(2)
    await fleet.group('g', ['ann', 'bob', 'cid'])
    const all = [await fleet.attached(0, 'ann'), await fleet.attached(0, 'bob'), await fleet.attached(0, 'cid')]
    await fleet.quiet()
    // Node 0 reads nothing and hears nothing for longer than changes are kept.
    fleet.node(0).gate.before = () => {
      throw new Error('cut off')
    }
    fleet.wire.mode = 'lose'
    for (let i = 0; i < 20; i++) {
      await fleet.append(1, GROUP)
      await fleet.clock.advance(60_000)
    }
    expect(fleet.data.feed.lowId).toBeGreaterThan((fleet.node(0).feedReader.position?.id ?? 0) + 1)
    fleet.node(0).gate.before = undefined
    fleet.wire.mode = 'flow'
    await fleet.quiet(30_000)
    for (const recorder of all) {
      expect(recorder.resyncs).toBe(1)
      expect(recorder.summaryHead(GROUP)).toBe(20)
    }
    await fleet.append(1, GROUP)
    await fleet.clock.settle()
    for (const recorder of all) expect(recorder.seqs(GROUP)).toEqual([21])
    expect(await fleet.faults()).toEqual([])
  })

  it('spreads the attaches after a reset over ten seconds', async () => {
    const fleet = await MemoryFleet.start(1)
    for (let i = 0; i < 40; i++) await fleet.attached(0, `user${i}`)
    await fleet.storage.raiseEpoch()
    await fleet.clock.advance(2_100)
    const attached = (): number => fleet.recorders.filter((recorder) => recorder.seen.at(-1)?.kind === 'attached').length
    expect(fleet.recorders.every((recorder) => recorder.resyncs === 1)).toBe(true)
    await fleet.clock.advance(4_000)
    expect(attached()).toBeGreaterThan(5)
    expect(attached()).toBeLessThan(35)
    await fleet.clock.advance(6_000)
    expect(attached()).toBe(40)
  })

  it('is read every 2 s, every 250 ms while the bus is down, and at once when it breaks and when it mends', async () => {
    const fleet = await MemoryFleet.start(1)
    const reads = (): number => fleet.node(0).calls.get('changes') ?? 0
    await fleet.clock.advance(10_000)
    expect(reads()).toBe(5)
    fleet.wire.interrupt()
    await fleet.clock.settle()
    expect(reads()).toBe(6)
    await fleet.clock.advance(1_000)
    expect(reads()).toBe(10)
    fleet.wire.mend()
    await fleet.clock.settle()
    expect(reads()).toBe(11)
    await fleet.clock.advance(1_999)
    expect(reads()).toBe(11)
  })

  it('is read again when that is asked for just as a read ends, in whatever turn', async () => {
    const fleet = await MemoryFleet.start(1)
    await fleet.group('g', ['ann'])
    const { reader: own, ids } = reader(fleet, fleet.node(0))
    await own.start()
    for (let turns = 0; turns < 12; turns++) {
      const running = own.readNow()
      for (let i = 0; i < turns; i++) await undefined
      await fleet.append(0, GROUP, {}, { silent: true })
      await Promise.all([own.readNow(), running])
      expect(ids).toHaveLength(1 + turns)
    }
    await own.stop()
  })

  it('is read once at a time: a slow read is not repeated beside itself', async () => {
    const fleet = await MemoryFleet.start(1)
    await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    let running = 0
    let most = 0
    fleet.node(0).gate.before = (method) => {
      if (method !== 'changes') return undefined
      most = Math.max(most, ++running)
      return new Promise<void>((resolve) =>
        fleet.clock.after(7_000, () => {
          running--
          resolve()
        }),
      )
    }
    fleet.wire.interrupt()
    fleet.wire.mend()
    await fleet.clock.advance(60_000)
    expect(most).toBe(1)
  })

  it('tells the rest of a batch when one change of it cannot be handled', async () => {
    const fleet = await MemoryFleet.start(1)
    const { reader: own, ids } = reader(fleet, fleet.node(0), (id) => {
      if (id === 1) throw new Error('cannot')
    })
    await own.start()
    await fleet.group('g', ['ann'])
    await fleet.append(0, GROUP)
    await own.readNow()
    expect(ids).toEqual([1, 2])
    await own.stop()
  })

  it('reads all pages of a long batch at once', async () => {
    const fleet = await MemoryFleet.start(1)
    const { reader: own, ids } = reader(fleet, fleet.node(0))
    await own.start()
    await fleet.group('g', ['ann'])
    for (let i = 0; i < 1_200; i++) await fleet.append(0, GROUP, {}, { silent: true })
    await own.readNow()
    expect(ids).toHaveLength(1_201)
    await own.stop()
  })
})
