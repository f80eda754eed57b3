import { groupConversationId } from '@innerline/protocol'
import { expect, it } from 'vitest'
import { LiveMessage, type LiveBatch } from '../../src/delivery/live-message.js'
import { Fleet } from '../delivery/fleet.js'
import type { OpenStage, StageOptions } from './stage.js'

const frame = (
  conversationId: string,
  firstSeq: number,
  memberVersion: number,
  channels = [`group:${conversationId.slice(2)}`],
): LiveBatch => ({
  ...{ conversationId, memberVersion, channels, firstSeq },
  messages: [new LiveMessage(conversationId, firstSeq, '{}')],
})

/** Lets calls of one storage method wait for the test; each is let go by its turn. */
function holdCalls(fleet: Fleet, method: string, when: 'before' | 'after' = 'before'): { readonly waiting: (() => void)[]; end(): void } {
  const waiting: (() => void)[] = []
  const { gate } = fleet.node(0)
  gate[when] = (name) => (name === method ? new Promise<void>((go) => waiting.push(go)) : undefined)
  return {
    waiting,
    end() {
      gate[when] = undefined
      for (const go of waiting.splice(0)) go()
    },
  }
}

export function memberCases(open: OpenStage): void {
  /** Nodes of a service on one storage. */
  const start = async (nodes: number, options?: StageOptions): Promise<Fleet> => Fleet.on(await open(options), nodes)

  it('are read before a frame of a newer version goes out', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    const bob = await fleet.attached(0, 'bob')
    const ann = await fleet.attached(0, 'ann')
    const loads = holdCalls(fleet, 'readMembers')
    await fleet.leave(0, group, 'bob')
    await fleet.append(0, group)
    await fleet.clock.settle()
    expect([ann.seqs(group), bob.seqs(group), loads.waiting.length]).toEqual([[], [], 1])
    loads.end()
    await fleet.quiet()
    expect(ann.seqs(group)).toEqual([1, 2])
    expect(bob.seqs(group)).toEqual([1])
    expect(await fleet.faults()).toEqual([])
  })

  it('are read again when a load is older than the change it was made for', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    const ann = await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    // The load for a change of rights looks, then bob leaves, then it answers.
    const answers = holdCalls(fleet, 'readMembers', 'after')
    await fleet.ground.backing.arrangeState(group, 'open')
    await fleet.append(0, group)
    await fleet.clock.settle()
    expect(answers.waiting).toHaveLength(1)
    await fleet.leave(0, group, 'bob')
    await fleet.append(0, group)
    answers.end()
    await fleet.quiet()
    expect(ann.seqs(group)).toEqual([1, 2, 3])
    expect(bob.seqs(group)).toEqual([1, 2])
  })

  it('hold a frame while they cannot be read, and let it out when they can', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    const ann = await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    fleet.node(0).gate.before = (method) => {
      if (method === 'readMembers') throw new Error('down')
    }
    await fleet.leave(0, group, 'bob')
    await fleet.append(0, group)
    await fleet.quiet(30_000)
    expect([ann.seqs(group), bob.seqs(group)]).toEqual([[], []])
    fleet.node(0).gate.before = undefined
    await fleet.quiet()
    expect([ann.seqs(group), bob.seqs(group)]).toEqual([[1, 2], [1]])
  })

  it('who joins gets the joining entry and what follows, with and without the history', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    const cid = await fleet.attached(0, 'cid')
    await fleet.append(1, group)
    await fleet.join(1, group, 'bob')
    await fleet.clock.settle()
    await fleet.join(1, group, 'cid', { history: true })
    await fleet.append(1, group)
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([2, 3, 4])
    expect(cid.seqs(group)).toEqual([3, 4])
    expect(await fleet.faults()).toEqual([])
  })

  it('who joins on a node without the conversation gets it by the feed alone', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann'])
    const bob = await fleet.attached(0, 'bob')
    fleet.wire.mode = 'lose'
    await fleet.append(1, group)
    await fleet.join(1, group, 'bob')
    await fleet.append(1, group)
    await fleet.quiet()
    fleet.wire.mode = 'flow'
    await fleet.append(1, group)
    await fleet.clock.settle()
    expect(bob.seqs(group)).toEqual([2, 3, 4])
  })

  it('who leaves is not given the leaving entry again when the feed tells of it', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann', 'bob'])
    const bob = await fleet.attached(0, 'bob')
    await fleet.append(1, group)
    await fleet.leave(1, group, 'bob')
    await fleet.clock.settle()
    expect(bob.seqs(group)).toEqual([1, 2])
    expect(fleet.node(0).index.conversations).toBe(0)
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([1, 2])
    expect(bob.resyncs).toBe(0)
    expect(fleet.node(0).index.conversations).toBe(0)
  })

  it('who comes back gets the return and nothing of what was said meanwhile', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann', 'bob'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    await fleet.leave(1, group, 'bob')
    await fleet.append(1, group)
    await fleet.clock.settle()
    await fleet.join(1, group, 'bob')
    await fleet.append(1, group)
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([1, 3, 4])
    expect(await fleet.faults()).toEqual([])
  })

  it('who came and went before the node heard of it is told by a summary', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    fleet.wire.mode = 'lose'
    await fleet.join(1, group, 'bob')
    await fleet.leave(1, group, 'bob')
    await fleet.append(1, group)
    await fleet.quiet()
    expect(bob.summaryHead(group)).toBe(2)
    expect(await fleet.faults()).toEqual([])
  })

  it('who is news after more than a page is attached again rather than given all of it', async () => {
    const fleet = await start(2)
    const group = await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    // Frames of the conversation flow; those that name bob, and the feed, do not.
    fleet.node(0).gate.before = (method) => {
      if (method === 'changes') throw new Error('down')
    }
    await fleet.join(1, group, 'bob', { silent: true })
    await fleet.appendMany(1, group, 250)
    await fleet.clock.advance(200)
    fleet.node(0).gate.before = undefined
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([])
    expect(bob.summaryHead(group)).toBe(251)
    await fleet.append(1, group)
    await fleet.clock.settle()
    expect(bob.seqs(group)).toEqual([252])
  })

  it('are not taken back to an older reading by an attach that looked before', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    await fleet.attached(0, 'ann')
    const memberships = holdCalls(fleet, 'memberships', 'after')
    const bob = fleet.recorder(0, 'bob')
    const attached = bob.attach()
    await fleet.clock.settle()
    await fleet.leave(0, group, 'bob')
    await fleet.append(0, group)
    await fleet.clock.settle()
    memberships.end()
    await attached
    await fleet.append(0, group)
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([])
    expect(bob.summaryHead(group)).toBe(1)
  })

  it('are all read again when an attach has seen a newer version', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob', 'cid'])
    const ann = await fleet.attached(0, 'ann')
    await fleet.leave(0, group, 'ann', { silent: true })
    await fleet.attached(0, 'bob')
    // As late as it is, the frame says no newer version than the attach has seen.
    await fleet.append(0, group)
    await fleet.quiet()
    expect(ann.seqs(group)).toEqual([1])
  })

  it('are not made to read the same again by every frame that names them', async () => {
    const fleet = await start(1)
    const id = fleet.directId('ann', 'bob')
    await fleet.direct(0, 'ann', 'bob')
    await fleet.attached(0, 'ann')
    await fleet.attached(0, 'bob')
    for (let i = 0; i < 10; i++) await fleet.append(0, id)
    await fleet.quiet()
    expect(fleet.node(0).calls.get('readMembers') ?? 0).toBeLessThanOrEqual(1)
  })

  it('of a conversation that is not there hold nothing for ever', async () => {
    const fleet = await start(1)
    const group = groupConversationId(fleet.user('none'))
    const bob = await fleet.attached(0, 'bob')
    fleet.node(0).index.accept(frame(group, 5, 3, [`user:${fleet.user('bob')}`]))
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([])
    bob.detach()
    await fleet.quiet()
    const { index } = fleet.node(0)
    expect([index.conversations, index.users, index.channels]).toEqual([0, 0, 0])
  })

  it('are read again when an answer is older than the change, as from a replica that lags', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    const bob = await fleet.attached(0, 'bob')
    const stale = await fleet.storage.readMembers(group, [fleet.user('bob')])
    fleet.node(0).gate.answer = (method, result) => (method === 'readMembers' ? stale : result)
    await fleet.leave(0, group, 'bob')
    await fleet.append(0, group)
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([])
    fleet.node(0).gate.answer = undefined
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([1])
  })

  it('keep what an attach has read when an older load answers after it', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann', 'bob'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    const { gate } = fleet.node(0)
    const loads = holdCalls(fleet, 'readMembers', 'after')
    gate.before = (method) => {
      if (method === 'changes') throw new Error('the feed is out of reach')
    }
    await fleet.append(0, group)
    await fleet.ground.backing.arrangeMember(group, fleet.user('bob'), { leaveSeq: 1 })
    await fleet.append(0, group)
    await fleet.clock.settle()
    // The load has seen bob out; he comes back, and a second connection of his sees that.
    await fleet.join(0, group, 'bob', { silent: true })
    const second = fleet.attached(0, 'bob')
    await fleet.clock.settle()
    loads.end()
    await second
    await fleet.append(0, group)
    await fleet.clock.advance(1_000)
    expect(bob.seqs(group).at(-1)).toBe(4)
    expect((await second).seqs(group).at(-1)).toBe(4)
  })

  it('who left gets nothing from beyond the end, even where retention has taken the leaving entry', async () => {
    const fleet = await start(1, { alone: true })
    const group = await fleet.group('g', ['ann', 'bob'])
    const ann = await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    fleet.node(0).gate.before = (method) => {
      if (method === 'changes') throw new Error('the feed is out of reach')
    }
    await fleet.leave(0, group, 'bob', { silent: true })
    await fleet.append(0, group, {}, { silent: true })
    await fleet.clock.advance(1_000)
    await fleet.append(0, group, {}, { silent: true })
    await fleet.storage.expireMessages({ before: fleet.clock.now(), limit: 10 })
    fleet.node(0).index.accept(frame(group, 3, 2))
    await fleet.clock.advance(1_000)
    expect([ann.seqs(group), bob.seqs(group)]).toEqual([[3], []])
  })

  it('who is told late is told before anything newer', async () => {
    const fleet = await start(1)
    const group = await fleet.group('g', ['ann'])
    await fleet.attached(0, 'ann')
    const bob = await fleet.attached(0, 'bob')
    await fleet.append(0, group)
    await fleet.join(0, group, 'bob', { silent: true })
    await fleet.append(0, group)
    await fleet.clock.advance(150)
    expect(bob.seqs(group)).toEqual([])
    const reads = holdCalls(fleet, 'readMessages')
    await fleet.node(0).feedReader.readNow()
    await fleet.clock.settle()
    expect(reads.waiting).toHaveLength(1)
    await fleet.append(0, group)
    await fleet.clock.settle()
    reads.end()
    await fleet.quiet()
    expect(bob.seqs(group)).toEqual([2, 3, 4])
  })
}
