import { describe, expect, it } from 'vitest'
import { FeedReader } from '../../src/delivery/index.js'
import { LiveMessage, type LiveBatch } from '../../src/delivery/live-message.js'
import { noMetrics, type Principal } from '../../src/ports/index.js'
import { silentLogger } from '../../src/ports/logger.js'
import { Fleet } from '../delivery/fleet.js'
import type { OpenStage, StageOptions } from './stage.js'

const ann = (fleet: Fleet): Principal => ({ userId: fleet.user('ann'), userType: 'user' })
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)

export function feedCases(open: OpenStage): void {
  /** Nodes of a service on one storage. */
  const start = async (nodes: number, options?: StageOptions): Promise<Fleet> => Fleet.on(await open(options), nodes)

  it('brings what commits late to a node that started while it was under way', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann'])
    const other = await fleet.group('h', ['ann'])
    const late = await fleet.late(0, group)
    await fleet.append(0, other)
    await fleet.quiet()
    await fleet.addNode()
    const ann = await fleet.attached(1, 'ann')
    await fleet.quiet(30_000)
    expect(ann.seqs(group)).toEqual([])
    await late.commit()
    await fleet.quiet()
    expect(ann.seqs(group)).toEqual([1])
    expect(await fleet.faults()).toEqual([])
  })

  it('closes burnt ids, and never one that a transaction still holds', async () => {
    const fleet = await start(3)
    const [burnt, held, other] = [await fleet.group('g', ['ann']), await fleet.group('h', ['ann']), await fleet.group('i', ['ann'])]
    const ann = await fleet.attached(1, 'ann')
    const missing = (): readonly number[] => fleet.nodes.flatMap((node) => node.feedReader.position?.missing ?? [])
    const [lost, late] = [await fleet.late(0, burnt), await fleet.late(0, held)]
    await fleet.append(0, other)
    await fleet.quiet(10_000)
    const [first, second] = [...new Set(missing())]
    expect([missing().length, new Set(missing()).size]).toEqual([6, 2])
    await lost.rollback()
    await fleet.quiet(10_000)
    expect(missing()).toEqual([second, second, second])
    expect(first).toBeLessThan(second as number)
    await late.commit()
    await fleet.quiet(10_000)
    expect(missing()).toEqual([])
    expect([ann.seqs(burnt), ann.seqs(held), ann.seqs(other)]).toEqual([[], [1], [1]])
    expect(await fleet.faults()).toEqual([])
  })

  it('names a new epoch in the summaries that follow it', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann'])
    const ann = await fleet.attached(0, 'ann')
    const epochs = (): readonly number[] => ann.seen.flatMap((seen) => (seen.kind === 'summary' ? [seen.epoch] : []))
    const epoch = await fleet.storage.epoch()
    expect(epochs()).toEqual([epoch])
    const raised = await fleet.storage.raiseEpoch()
    expect(raised).toBeGreaterThan(epoch)
    await fleet.append(1, group)
    await fleet.quiet(15_000)
    expect(epochs()).toEqual([epoch, raised])
    expect(fleet.node(0).feedReader.position?.epoch).toBe(raised)
    await fleet.append(1, group)
    await fleet.quiet()
    expect(await fleet.faults()).toEqual([])
  })

  const ofOneEpoch: readonly { title: string; held: string; read: (fleet: Fleet, group: string) => Promise<{ epoch: number }> }[] = [
    { title: 'a summary', held: 'summaries', read: (fleet) => fleet.node(0).conversations.summary(fleet.user('ann')) },
    { title: 'history', held: 'readMessages', read: (fleet, group) => fleet.node(0).read.history(ann(fleet), group, {}) },
    { title: 'an offline page', held: 'readMessages', read: (fleet, group) => fleet.node(0).read.offline(ann(fleet), group, {}) },
    {
      title: 'history of a member read before',
      held: 'readMember',
      read: (fleet, group) => fleet.node(0).read.history(ann(fleet), group, {}),
    },
    {
      title: 'an offline page of a member read before',
      held: 'readMember',
      read: (fleet, group) => fleet.node(0).read.offline(ann(fleet), group, {}),
    },
  ]
  it.each(ofOneEpoch)('never labels with a new epoch what was read of the old one: $title', async ({ held, read }) => {
    const fleet = await start(1)
    const { gate, epoch, feedReader } = fleet.node(0)
    const group = await fleet.group('g', ['ann'])
    await fleet.append(0, group)
    const old = await fleet.storage.epoch()
    let raised = old
    gate.after = async (method) => {
      if (method !== held) return
      gate.after = undefined
      raised = await fleet.storage.raiseEpoch()
      await feedReader.readNow()
      expect(epoch.current).toBe(raised)
    }
    expect((await read(fleet, group)).epoch).toBe(old)
    expect(raised).toBeGreaterThan(old)
    expect((await read(fleet, group)).epoch).toBe(raised)
  })

  it('is read again when that is asked for during a read', async () => {
    const fleet = await start(1)
    const node = fleet.node(0)
    const group = await fleet.group('g', ['ann'])
    const ids: number[] = []
    const { storage } = node
    const own = new FeedReader({
      ...{ storage, clock: fleet.clock, logger: silentLogger, metrics: noMetrics, busHealthy: () => true, onStale: () => undefined },
      onChange: (change) => ids.push(change.id),
    })
    await own.start()
    let asked: Promise<void> | undefined
    node.gate.after = async (method) => {
      if (method !== 'changes' || asked !== undefined) return
      await fleet.append(0, group, {}, { silent: true })
      asked = own.readNow()
    }
    await fleet.append(0, group, {}, { silent: true })
    await own.readNow()
    await asked
    expect(ids).toHaveLength(2)
    await own.stop()
  })

  describe('fills the watermark’s holes from the log', () => {
    /** A group with two members attached to one node and `count` entries that nobody has been told of; the feed is out of reach. */
    async function untold(count: number, { many = false, alone = false } = {}) {
      const fleet = await start(1, { alone })
      const group = await fleet.group('g', ['ann', 'bob'])
      const [ann, bob] = [await fleet.attached(0, 'ann'), await fleet.attached(0, 'bob')]
      const { gate, calls } = fleet.node(0)
      gate.before = (method) => {
        if (method === 'changes') throw new Error('the feed is out of reach')
      }
      if (many) await fleet.appendMany(0, group, count, { silent: true })
      else for (let i = 0; i < count; i++) await fleet.append(0, group, {}, { silent: true })
      const batch = (firstSeq: number): LiveBatch => ({
        ...{ conversationId: group, memberVersion: 1, channels: [`group:${group.slice(2)}`], firstSeq },
        messages: [new LiveMessage(group, firstSeq, '{}')],
      })
      return { fleet, group, ann, bob, batch, reads: () => calls.get('readMessages') ?? 0 }
    }

    it('100 ms after what is higher has come, once for the node', async () => {
      const { fleet, group, ann, bob, batch, reads } = await untold(5)
      const { index } = fleet.node(0)
      index.accept(batch(5))
      index.accept(batch(3))
      await fleet.clock.advance(99)
      expect([ann.seqs(group), reads()]).toEqual([[], 0])
      await fleet.clock.advance(1)
      expect([ann.seqs(group), bob.seqs(group)]).toEqual([upTo(5), upTo(5)])
      // 1–2 and 4: what is held is not read.
      expect(reads()).toBe(2)
    })

    it('at once where the feed names them, as it comes too late to be waited for', async () => {
      const { fleet, group, ann, reads } = await untold(9)
      fleet.node(0).gate.before = undefined
      await fleet.node(0).feedReader.readNow()
      await fleet.clock.settle()
      expect(ann.seqs(group)).toEqual(upTo(9))
      // One for the first row, one for what the rows after it have named meanwhile.
      expect(reads()).toBe(2)
    })

    it('in pages where they are long', async () => {
      const { fleet, group, ann, batch, reads } = await untold(450, { many: true })
      fleet.node(0).index.accept(batch(450))
      await fleet.clock.advance(100)
      expect(ann.seqs(group)).toEqual(upTo(450))
      expect(reads()).toBe(3)
    })

    it('above what retention has taken, once everything else has gone out', async () => {
      const { fleet, group, ann, batch } = await untold(3, { alone: true })
      await fleet.clock.advance(1_000)
      await fleet.append(0, group, {}, { silent: true })
      await fleet.storage.expireMessages({ before: fleet.clock.now(), limit: 10 })
      fleet.node(0).index.accept(batch(4))
      await fleet.clock.advance(2_000)
      expect(ann.seqs(group)).toEqual([4])
      await fleet.append(0, group)
      await fleet.clock.settle()
      expect(ann.seqs(group)).toEqual([4, 5])
    })
  })
}
