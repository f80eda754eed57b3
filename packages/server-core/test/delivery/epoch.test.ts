import { describe, expect, it } from 'vitest'
import { encodeBatch } from '../../src/delivery/bus-frames.js'
import { LiveMessage } from '../../src/delivery/live-message.js'
import { createNode } from '../../src/node.js'
import { takeBusFrame } from '../../src/node-life.js'
import { resolveOptions } from '../../src/options.js'
import type { UserDirectory } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { MemoryFleet } from './memory-fleet.js'

const ann = { userId: 'ann', userType: 'user' } as const

describe('messages of an old epoch', () => {
  const late = { conversationId: 'g~g', memberVersion: 1, channels: ['group:g'], firstSeq: 2, messages: [new LiveMessage('g~g', 2, '{}')] }

  async function restored() {
    const fleet = await MemoryFleet.start(1)
    await fleet.group('g', ['ann'])
    await fleet.append(0, 'g~g')
    const ann = await fleet.attached(0, 'ann')
    await fleet.storage.raiseEpoch()
    await fleet.quiet(20_000)
    return { fleet, ann, node: fleet.node(0) }
  }

  it('that another node sends late are nobody’s, as their seqs may be other entries by now', async () => {
    const { ann, node } = await restored()
    expect(takeBusFrame(node, encodeBatch(late, 1))).toBe(true)
    expect(ann.seqs('g~g')).toEqual([])
    takeBusFrame(node, encodeBatch(late, 2))
    expect(ann.seqs('g~g')).toEqual([2])
  })

  it('that a lane had asked for before are left to the feed', async () => {
    const { ann, node, fleet } = await restored()
    const committed = { ok: true, seq: 2, ord: 0, timestamp: 1, duplicate: false, memberVersion: 1 } as const
    node.publisher.publish([fleet.item('g~g')], [committed], 1)
    expect(ann.seqs('g~g')).toEqual([])
    node.publisher.publish([fleet.item('g~g')], [committed], 2)
    expect(ann.seqs('g~g')).toEqual([2])
  })
})

describe('a summary', () => {
  const directories: readonly { title: string; profiles: UserDirectory['profiles'] }[] = [
    { title: 'fails', profiles: () => Promise.reject(new Error('down')) },
    {
      title: 'throws',
      profiles: () => {
        throw new Error('down')
      },
    },
    { title: 'does not answer', profiles: () => new Promise(() => undefined) },
  ]
  it.each(directories)('comes without names when the host’s directory $title', async ({ profiles }) => {
    const clock = new TestClock()
    const node = createNode(resolveOptions({ authenticate: () => null, clock, directory: { profiles } }))
    const conversationId = 'd~ann~bob'
    await node.storage.openConversation({ conversationId, chatType: 'direct', userIds: ['ann', 'bob'], nodeId: 'test', now: 1 })
    await node.send.execute(ann, { conversationId, body: { type: 'text', text: 'hello' } })
    const summary = node.conversations.summary('ann')
    await clock.advance(3_000)
    expect((await summary).conversations).toMatchObject([{ conversationId, peerUserId: 'bob', headSeq: 1 }])
  })
})
