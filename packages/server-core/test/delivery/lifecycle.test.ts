import { describe, expect, it } from 'vitest'
import { BusChannels } from '../../src/delivery/bus-channels.js'
import { TestClock } from '../support/test-clock.js'
import { Fleet } from './fleet.js'

const GROUP = 'g~g'
const counts = (fleet: Fleet, node = 0): readonly number[] => {
  const { index } = fleet.node(node)
  return [index.users, index.conversations, index.channels]
}

describe('attaching and detaching', () => {
  it('leaves nothing behind when the last connection has gone', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann', 'bob'])
    await fleet.direct(0, 'ann', 'bob')
    const first = await fleet.attached(0, 'ann')
    const second = await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    expect(counts(fleet)).toEqual([2, 2, 3])
    expect([...fleet.wire.channels].sort()).toEqual(['group:g', 'user:ann', 'user:bob'])
    first.detach()
    first.detach()
    expect(counts(fleet)[0]).toBe(2)
    second.detach()
    await fleet.clock.settle()
    expect(counts(fleet)).toEqual([1, 2, 2])
    bob.detach()
    await fleet.clock.settle()
    expect(counts(fleet)).toEqual([0, 0, 0])
    expect(fleet.wire.channels).toEqual([])
  })

  it('gives every connection of a user everything, and a gone one nothing', async () => {
    const fleet = await Fleet.start(2)
    await fleet.group('g', ['ann'])
    const first = await fleet.attached(0, 'ann')
    const second = await fleet.attached(0, 'ann')
    const elsewhere = await fleet.attached(1, 'ann')
    await fleet.append(0, GROUP)
    await fleet.clock.settle()
    first.detach()
    await fleet.append(1, GROUP)
    await fleet.quiet()
    expect([first.seqs(GROUP), second.seqs(GROUP), elsewhere.seqs(GROUP)]).toEqual([[1], [1, 2], [1, 2]])
  })

  it.each(['memberships', 'readHeads', 'summaries'])(
    'gives nothing to who detaches while %s are read, and leaves nothing behind',
    async (held) => {
      const fleet = await Fleet.start(1)
      await fleet.group('g', ['ann'])
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
      await fleet.append(0, GROUP)
      go()
      await attached
      await fleet.quiet()
      expect(ann.seen.map((seen) => seen.kind)).toEqual(['attach', 'attached'])
      expect(counts(fleet)).toEqual([0, 0, 0])
    },
  )

  it('takes a connection that detaches and comes again while it attaches', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann'])
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
    await fleet.append(0, GROUP)
    await fleet.quiet()
    expect(ann.seqs(GROUP)).toEqual([1])
    expect(ann.seen.filter((seen) => seen.kind === 'summary')).toHaveLength(1)
  })

  it('is repeated without giving anything twice', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann'])
    const ann = await fleet.attached(0, 'ann')
    await fleet.append(0, GROUP)
    await ann.attach()
    await Promise.all([ann.attach(), ann.attach()])
    await fleet.append(0, GROUP)
    await fleet.quiet()
    expect(ann.seqs(GROUP)).toEqual([1, 2])
    expect(counts(fleet)).toEqual([1, 1, 2])
  })

  it('is not kept waiting by a bus that hangs', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann'])
    fleet.wire.onJoin = () => new Promise(() => undefined)
    const ann = fleet.recorder(0, 'ann')
    ann.reattach()
    await fleet.clock.advance(2_500)
    expect(ann.seen.at(-1)?.kind).toBe('attached')
    await fleet.append(0, GROUP, {}, { silent: true })
    await fleet.quiet()
    expect(ann.seqs(GROUP)).toEqual([1])
  })

  it('keeps a conversation for a newcomer whose row is being read when the last member goes', async () => {
    const fleet = await Fleet.start(2)
    await fleet.group('g', ['ann'])
    const ann = await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    const held: (() => void)[] = []
    fleet.node(0).gate.before = (method) => (method === 'readMembers' ? new Promise<void>((go) => held.push(go)) : undefined)
    await fleet.join(1, GROUP, 'bob')
    await fleet.clock.settle()
    ann.detach()
    fleet.node(0).gate.before = undefined
    for (const go of held) go()
    await fleet.append(1, GROUP)
    await fleet.quiet()
    expect(bob.seqs(GROUP)).toEqual([1, 2])
  })
})

describe('a connection that breaks its word and throws', () => {
  it('harms nobody else and is attached again', async () => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann', 'bob', 'cid'])
    const ann = await fleet.attached(0, 'ann')
    const broken = await fleet.attached(0, 'bob')
    const cid = await fleet.attached(0, 'cid')
    let throwing = true
    const deliver = broken.deliver.bind(broken)
    broken.deliver = (message) => {
      if (throwing) throw new Error('a bug')
      deliver(message)
    }
    await fleet.append(0, GROUP)
    await fleet.append(0, GROUP)
    throwing = false
    await fleet.quiet()
    await fleet.append(0, GROUP)
    expect([ann.seqs(GROUP), cid.seqs(GROUP)]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ])
    expect(broken.summaryHead(GROUP)).toBe(2)
    expect(fleet.faults()).toEqual([])
  })
})

describe('BusChannels', () => {
  it('joins with the first and leaves with the last, one after the other', async () => {
    const calls: string[] = []
    const clock = new TestClock()
    const slow = (name: string) => (channel: string) => {
      calls.push(`${name} ${channel}`)
      return new Promise<void>((resolve) => clock.after(10, resolve))
    }
    const channels = new BusChannels({ join: slow('join'), leave: slow('leave') }, clock, () => undefined)
    const joined = channels.retain('a')
    void channels.retain('a')
    channels.release('a')
    channels.release('a')
    void channels.retain('a')
    await clock.advance(100)
    await joined
    expect(calls).toEqual(['join a', 'leave a', 'join a'])
    expect(channels.size).toBe(1)
    channels.release('a')
    await clock.advance(100)
    expect(calls.at(-1)).toBe('leave a')
    expect(channels.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('goes on after a join that failed', async () => {
    const clock = new TestClock()
    const errors: unknown[] = []
    const channels = new BusChannels({ join: () => Promise.reject(new Error('no')), leave: async () => undefined }, clock, (error) =>
      errors.push(error),
    )
    await channels.retain('a')
    channels.release('a')
    await clock.settle()
    expect(errors).toHaveLength(1)
    expect(channels.size).toBe(0)
  })
})
