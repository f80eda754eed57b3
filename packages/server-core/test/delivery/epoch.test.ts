import { describe, expect, it } from 'vitest'
import { createNode } from '../../src/node.js'
import { resolveOptions } from '../../src/options.js'
import type { UserDirectory } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { Fleet } from './fleet.js'

const ann = { userId: 'ann', userType: 'user' } as const

describe('what was read of an old epoch', () => {
  const reads = [
    { title: 'a summary', method: 'summaries', read: (fleet: Fleet) => fleet.node(0).conversations.summary('ann') },
    { title: 'history', method: 'readMessages', read: (fleet: Fleet) => fleet.node(0).read.history(ann, 'g~g', {}) },
    { title: 'an offline page', method: 'readMessages', read: (fleet: Fleet) => fleet.node(0).read.offline(ann, 'g~g', {}) },
    {
      title: 'a page whose member was read before',
      method: 'readMember',
      read: (fleet: Fleet) => fleet.node(0).read.offline(ann, 'g~g', {}),
    },
  ] as const
  it.each(reads)('is never labelled with the new one: $title', async ({ method, read }) => {
    const fleet = await Fleet.start(1)
    await fleet.group('g', ['ann'])
    await fleet.append(0, 'g~g')
    fleet.node(0).gate.after = async (name) => {
      if (name !== method) return
      fleet.node(0).gate.after = undefined
      await fleet.storage.raiseEpoch()
      await fleet.node(0).feedReader.readNow()
      expect(fleet.node(0).epoch.current).toBe(2)
    }
    expect((await read(fleet)).epoch).toBe(1)
    expect((await read(fleet)).epoch).toBe(2)
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
