import { describe, expect, it } from 'vitest'
import { BusChannels } from '../../src/delivery/bus-channels.js'
import { LiveMessage } from '../../src/delivery/live-message.js'
import { TestClock } from '../support/test-clock.js'
import { MemoryFleet } from './memory-fleet.js'

const GROUP = 'g~g'
const counts = (fleet: MemoryFleet, node = 0): readonly number[] => {
  const { index } = fleet.node(node)
  return [index.users, index.conversations, index.channels]
}

describe('attaching and detaching', () => {
  it('leaves nothing behind when the last connection has gone', async () => {
    const fleet = await MemoryFleet.start(1)
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

  it('is not kept waiting by a bus that hangs', async () => {
    const fleet = await MemoryFleet.start(1)
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
})

describe('a second connection of somebody who joined unseen', () => {
  it('does not make the first one be given what is being read for all, and then again as owed', async () => {
    const fleet = await MemoryFleet.start(1)
    const { gate, index } = fleet.node(0)
    await fleet.group('g', ['bob'])
    await fleet.attached(0, 'bob')
    const first = await fleet.attached(0, 'ann')
    gate.before = (method) => {
      if (method === 'changes') throw new Error('the feed is out of reach')
    }
    await fleet.join(0, GROUP, 'ann', { silent: true })
    await fleet.append(0, GROUP, {}, { silent: true })
    // A frame that does not name her, and what comes before it is read while her other device attaches.
    let answer = (): void => {}
    gate.after = (method) => {
      if (method !== 'readMessages') return undefined
      gate.after = undefined
      return new Promise<void>((resolve) => {
        answer = resolve
      })
    }
    const messages = [new LiveMessage(GROUP, 2, '{"seq":2}')]
    index.accept({ conversationId: GROUP, memberVersion: 2, channels: ['group:g'], firstSeq: 2, messages })
    await fleet.clock.advance(150)
    const second = await fleet.attached(0, 'ann')
    answer()
    await fleet.clock.settle()
    expect([first.seqs(GROUP), second.seqs(GROUP)]).toEqual([
      [1, 2],
      [1, 2],
    ])
    gate.before = undefined
    await fleet.quiet()
    expect(await fleet.faults()).toEqual([])
  })
})

describe('two connections of a user that attach at once', () => {
  it('miss nothing of what one of them alone has read of, when the other takes long to find where it begins', async () => {
    const fleet = await MemoryFleet.start(1)
    const { gate } = fleet.node(0)
    const held: { readonly method: string; go(): void }[] = []
    const hold = (method: string): Promise<void> => new Promise((go) => held.push({ method, go }))
    gate.before = (method) => {
      if (method === 'changes') throw new Error('the feed is out of reach')
      return method === 'readHeads' && held.length === 1 ? hold(method) : undefined
    }
    gate.after = (method) => (method === 'memberships' && held.length === 0 ? hold(method) : undefined)
    const first = fleet.recorder(0, 'ann')
    const firstAttached = first.attach()
    await fleet.clock.settle()
    await fleet.group('g', ['ann'])
    await fleet.append(0, GROUP, {}, { silent: true })
    const secondAttached = fleet.recorder(0, 'ann').attach()
    await fleet.clock.settle()
    expect(held.map(({ method }) => method)).toEqual(['memberships', 'readHeads'])
    held[0]?.go()
    await firstAttached
    await fleet.append(0, GROUP, {}, { silent: true })
    held[1]?.go()
    await secondAttached
    await fleet.append(0, GROUP)
    await fleet.clock.advance(200)
    expect(first.summaryHead(GROUP)).toBe(1)
    expect(first.seqs(GROUP)).toEqual([2, 3])
    gate.before = undefined
    await fleet.quiet()
    expect(await fleet.faults()).toEqual([])
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
