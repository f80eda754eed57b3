import { ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Fleet } from '../delivery/fleet.js'
import type { OpenStage, StageOptions } from './stage.js'

const down = (): never => {
  throw new ImError('UNAVAILABLE', { retryAfterMs: 1_000 })
}

/** Users, conversations and bus channels that the first node keeps. */
const counts = (fleet: Fleet): readonly number[] => {
  const { index } = fleet.node(0)
  return [index.users, index.conversations, index.channels]
}

export function deliveryCases(open: OpenStage): void {
  /** Nodes of a service on one storage. */
  const start = async (nodes: number, options?: StageOptions): Promise<Fleet> => Fleet.on(await open(options), nodes)

  describe('a first direct message', () => {
    const places = [
      { title: 'on the receiver’s node', from: 0, loss: 'flow' },
      { title: 'on another node', from: 1, loss: 'flow' },
      { title: 'on the receiver’s node, with no bus', from: 0, loss: 'down' },
      { title: 'on another node, with no bus', from: 1, loss: 'down' },
      { title: 'on another node, its frame lost unnoticed', from: 1, loss: 'lose' },
    ] as const

    it.each(places)('sent $title comes live, once, and so does the next', async ({ from, loss }) => {
      const fleet = await start(2)
      const id = fleet.directId('ann', 'bob')
      const bob = await fleet.attached(0, 'bob')
      const other = await fleet.attached(1, 'bob')
      if (loss === 'down') fleet.wire.interrupt()
      else fleet.wire.mode = loss
      await fleet.direct(from, 'ann', 'bob')
      await fleet.clock.advance(loss === 'flow' ? 0 : loss === 'down' ? 300 : 2_000)
      expect([bob.seqs(id), other.seqs(id)]).toEqual([[1], [1]])
      await fleet.direct(1 - from, 'bob', 'ann')
      await fleet.quiet()
      expect([bob.seqs(id), other.seqs(id)]).toEqual([
        [1, 2],
        [1, 2],
      ])
      expect(await fleet.faults()).toEqual([])
    })

    it('comes although the frame of the second one is the first to arrive', async () => {
      const fleet = await start(2)
      const id = fleet.directId('ann', 'bob')
      const bob = await fleet.attached(0, 'bob')
      fleet.wire.mode = 'hold'
      await fleet.direct(1, 'ann', 'bob')
      await fleet.direct(1, 'ann', 'bob')
      const [first, second] = fleet.wire.held.splice(0)
      second?.arrive()
      await fleet.clock.advance(50)
      first?.arrive()
      await fleet.quiet()
      expect(bob.seqs(id)).toEqual([1, 2])
    })

    it('reaches both, whatever of the sender’s connections are attached where', async () => {
      const fleet = await start(2)
      const id = fleet.directId('ann', 'bob')
      const everybody = [await fleet.attached(0, 'ann'), await fleet.attached(1, 'ann'), await fleet.attached(0, 'bob')]
      const sent = fleet.direct(0, 'ann', 'bob')
      everybody.push(await fleet.attached(0, 'ann'), await fleet.attached(1, 'bob'))
      await sent
      await fleet.quiet()
      expect(await fleet.faults()).toEqual([])
      for (const recorder of everybody.slice(0, 3)) expect(recorder.seqs(id)).toEqual([1])
    })
  })

  describe('three nodes', () => {
    it('give every member everything once and in order, whoever sends where, whatever the bus loses', async () => {
      const fleet = await start(3)
      const group = await fleet.group('g', ['ann', 'bob', 'cid'])
      for (const [i, name] of ['ann', 'bob', 'cid', 'ann', 'bob'].entries()) await fleet.attached(i % 3, name)
      for (const mode of ['flow', 'hold', 'lose'] as const) {
        fleet.wire.mode = mode
        await Promise.all([
          ...[0, 1, 2].map((node) => fleet.direct(node, 'ann', 'bob')),
          ...[0, 1, 2].map((node) => fleet.direct(node, 'bob', 'cid')),
          ...[0, 1, 2].map((node) => fleet.append(node, group)),
        ])
        fleet.wire.held.reverse()
        fleet.wire.release()
      }
      await fleet.quiet()
      expect(await fleet.faults()).toEqual([])
      const ids = [fleet.directId('ann', 'bob'), fleet.directId('bob', 'cid'), group]
      expect((await fleet.storage.readHeads(ids)).map((head) => head.headSeq)).toEqual([9, 9, 9])
      for (const recorder of fleet.recorders) expect(recorder.resyncs).toBe(0)
    })

    it('go on when one of them is killed with frames under way, and a successor begins where it was', async () => {
      const fleet = await start(3)
      const group = await fleet.group('g', ['ann', 'bob'])
      const [ann, bob] = [await fleet.attached(0, 'ann'), await fleet.attached(1, 'bob')]
      fleet.wire.mode = 'hold'
      await fleet.append(2, group)
      await fleet.append(0, group)
      ann.gone = true
      await fleet.node(0).kill()
      fleet.wire.held.splice(0)
      fleet.wire.mode = 'flow'
      await fleet.append(2, group)
      await fleet.quiet()
      await fleet.addNode()
      const again = await fleet.attached(3, 'ann')
      await fleet.append(1, group)
      await fleet.quiet()
      expect(bob.seqs(group)).toEqual([1, 2, 3, 4])
      expect([again.summaryHead(group), again.seqs(group)]).toEqual([3, [4]])
      expect(await fleet.faults()).toEqual([])
    })
  })

  describe('attaching', () => {
    it('gives every connection of a user everything, and a gone one nothing', async () => {
      const fleet = await start(2)
      const group = await fleet.group('g', ['ann'])
      const first = await fleet.attached(0, 'ann')
      const second = await fleet.attached(0, 'ann')
      const elsewhere = await fleet.attached(1, 'ann')
      await fleet.append(0, group)
      await fleet.clock.settle()
      first.detach()
      await fleet.append(1, group)
      await fleet.quiet()
      expect([first.seqs(group), second.seqs(group), elsewhere.seqs(group)]).toEqual([[1], [1, 2], [1, 2]])
    })

    it.each(['memberships', 'readHeads', 'summaries'])(
      'gives nothing to who detaches while %s are read, and leaves nothing behind',
      async (held) => {
        const fleet = await start(1)
        const group = await fleet.group('g', ['ann'])
        let go = (): void => {}
        fleet.node(0).gate.before = (method) =>
          method === held
            ? new Promise<void>((resolve) => {
                go = resolve
              })
            : undefined
        const ann = fleet.recorder(0, 'ann')
        const attached = ann.attach()
        await fleet.clock.settle()
        ann.detach()
        await fleet.append(0, group)
        go()
        await attached
        await fleet.quiet()
        expect(ann.seen.map((seen) => seen.kind)).toEqual(['attach', 'attached'])
        expect(counts(fleet)).toEqual([0, 0, 0])
      },
    )

    it('takes a connection that detaches and comes again while it attaches', async () => {
      const fleet = await start(1)
      const group = await fleet.group('g', ['ann'])
      const held: (() => void)[] = []
      fleet.node(0).gate.before = (method) => (method === 'memberships' ? new Promise<void>((go) => held.push(go)) : undefined)
      const ann = fleet.recorder(0, 'ann')
      const first = ann.attach()
      await fleet.clock.settle()
      fleet.node(0).index.detach(ann)
      const second = ann.attach()
      await fleet.clock.settle()
      for (const go of held.reverse()) go()
      await Promise.all([first, second])
      await fleet.append(0, group)
      await fleet.quiet()
      expect(ann.seqs(group)).toEqual([1])
      expect(ann.seen.filter((seen) => seen.kind === 'summary')).toHaveLength(1)
    })

    it('is repeated without giving anything twice', async () => {
      const fleet = await start(1)
      const group = await fleet.group('g', ['ann'])
      const ann = await fleet.attached(0, 'ann')
      await fleet.append(0, group)
      await ann.attach()
      await Promise.all([ann.attach(), ann.attach()])
      await fleet.append(0, group)
      await fleet.quiet()
      expect(ann.seqs(group)).toEqual([1, 2])
      expect(counts(fleet)).toEqual([1, 1, 2])
    })

    it('keeps a conversation for a newcomer whose row is being read when the last member goes', async () => {
      const fleet = await start(2)
      const group = await fleet.group('g', ['ann'])
      const ann = await fleet.attached(0, 'ann')
      const bob = await fleet.attached(0, 'bob')
      const held: (() => void)[] = []
      fleet.node(0).gate.before = (method) => (method === 'readMembers' ? new Promise<void>((go) => held.push(go)) : undefined)
      await fleet.join(1, group, 'bob')
      await fleet.clock.settle()
      ann.detach()
      fleet.node(0).gate.before = undefined
      for (const go of held) go()
      await fleet.append(1, group)
      // Before the feed is read, which would make the conversation anew.
      await fleet.clock.settle()
      expect(bob.seqs(group)).toEqual([1, 2])
    })
  })

  describe('a connection that breaks its word and throws', () => {
    it('harms nobody else and is attached again', async () => {
      const fleet = await start(1)
      const group = await fleet.group('g', ['ann', 'bob', 'cid'])
      const ann = await fleet.attached(0, 'ann')
      const broken = await fleet.attached(0, 'bob')
      const cid = await fleet.attached(0, 'cid')
      let throwing = true
      const deliver = broken.deliver.bind(broken)
      broken.deliver = (message) => {
        if (throwing) throw new Error('a bug')
        deliver(message)
      }
      await fleet.append(0, group)
      await fleet.append(0, group)
      throwing = false
      await fleet.quiet()
      await fleet.append(0, group)
      expect([ann.seqs(group), cid.seqs(group)]).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ])
      expect(broken.summaryHead(group)).toBe(2)
      expect(await fleet.faults()).toEqual([])
    })
  })

  describe('an outage of storage', () => {
    it.each(['memberships', 'readHeads', 'summaries'])(
      'during an attach rejects it when %s cannot be read; the next one succeeds',
      async (method) => {
        const fleet = await start(1)
        const group = await fleet.group('g', ['ann', 'bob'])
        fleet.node(0).gate.before = (name) => (name === method ? down() : undefined)
        const ann = fleet.recorder(0, 'ann')
        await expect(ann.attach()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
        fleet.node(0).gate.before = undefined
        await fleet.append(0, group)
        await ann.attach()
        await fleet.append(0, group)
        await fleet.quiet()
        expect(await fleet.faults()).toEqual([])
        expect(ann.summaryHead(group)).toBe(1)
        expect(ann.seqs(group).at(-1)).toBe(2)
      },
    )

    it('does not keep one member waiting for ever because another’s attach failed', async () => {
      const fleet = await start(1)
      const group = await fleet.group('g', ['ann', 'bob'])
      fleet.node(0).gate.before = (name) => (name === 'readHeads' ? down() : undefined)
      await expect(fleet.recorder(0, 'ann').attach()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      fleet.node(0).gate.before = undefined
      const bob = await fleet.attached(0, 'bob')
      await fleet.append(0, group)
      expect(bob.seqs(group)).toEqual([1])
    })

    it('during the read of a hole keeps the order and loses nothing', async () => {
      const fleet = await start(2)
      const group = await fleet.group('g', ['ann'])
      const ann = await fleet.attached(0, 'ann')
      fleet.node(0).gate.before = down
      fleet.wire.mode = 'lose'
      for (let i = 0; i < 5; i++) await fleet.append(1, group)
      fleet.wire.mode = 'flow'
      for (let i = 0; i < 5; i++) await fleet.append(1, group)
      await fleet.clock.advance(60_000)
      expect(ann.seqs(group)).toEqual([])
      fleet.node(0).gate.before = undefined
      await fleet.quiet()
      expect(ann.seqs(group)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })

    it('during the reads of the feed costs time only', async () => {
      const fleet = await start(2)
      const group = await fleet.group('g', ['ann'])
      const ann = await fleet.attached(0, 'ann')
      fleet.wire.mode = 'lose'
      fleet.node(0).gate.before = down
      for (let i = 0; i < 5; i++) await fleet.append(1, group)
      await fleet.clock.advance(20_000)
      fleet.node(0).gate.before = undefined
      await fleet.clock.advance(2_100)
      expect(ann.seqs(group)).toEqual([1, 2, 3, 4, 5])
    })
  })
}
