import { QUEUES } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Acknowledge } from '../../src/app/acknowledge.js'
import { encodeHint } from '../../src/delivery/bus-frames.js'
import { memoryStorage, memoryUnreadBadges } from '../../src/memory/index.js'
import { takeBusFrame } from '../../src/node-life.js'
import { silentLogger } from '../../src/ports/index.js'
import { TestClock } from '../support/test-clock.js'
import { startTestNode } from '../support/test-node.js'

describe('hints of an ended epoch', () => {
  const ticks = { event: 'receipt', conversationId: 'd~ann~bob', userId: 'bob', deliveredSeq: 9, readSeq: 9, at: 1 }
  const hint = { userId: 'ann', key: 'receipt d~ann~bob bob', json: JSON.stringify(ticks) }

  it('that another node sends late are nobody’s: the seqs they name may be other entries by now', async () => {
    const node = await startTestNode()
    const ann = await node.client('ann', { headers: { 'im-lag': '1' } })
    await node.storage.raiseEpoch()
    await node.clock.advance(20_000)
    ann.received.length = 0
    takeBusFrame(node, encodeHint(hint, 1))
    await node.clock.settle()
    expect(ann.bodies(QUEUES.session)).toEqual([])
    takeBusFrame(node, encodeHint(hint, 2))
    await node.clock.settle()
    expect(ann.bodies(QUEUES.session)).toEqual([ticks])
  })

  it('are not made of positions that were written before it began', async () => {
    const clock = new TestClock()
    const storage = memoryStorage({ clock })
    await storage.openConversation({ conversationId: 'd~ann~bob', chatType: 'direct', userIds: ['ann', 'bob'], nodeId: 'n', now: 1 })
    let epoch = 1
    let answer: (() => void) | undefined
    const told: string[] = []
    const acknowledge = new Acknowledge({
      storage: {
        ...storage,
        advanceCursors: async (moves) => {
          await new Promise<void>((go) => {
            answer = go
          })
          return moves.map(() => ({ deliveredSeq: 1, readSeq: 1, unread: 0, headOrd: 1, moved: true }))
        },
      },
      ...{ badges: memoryUnreadBadges({ clock }), clock, logger: silentLogger, epoch: () => epoch },
      onMoved: (userId) => void told.push(userId),
    })
    const ack = { acks: [{ conversationId: 'd~ann~bob', readSeq: 1 }] }
    const move = async (during: () => void) => {
      const written = acknowledge.now({ userId: 'ann', userType: 'user' }, ack)
      await clock.settle()
      during()
      answer?.()
      await written
    }
    await move(() => undefined)
    expect(told).toEqual(['ann'])
    await move(() => void epoch++)
    expect(told).toEqual(['ann'])
  })
})
