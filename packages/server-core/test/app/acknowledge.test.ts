import { directConversationId, ImError } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { Acknowledge } from '../../src/app/acknowledge.js'
import { memoryUnreadBadges } from '../../src/memory/index.js'
import type { CursorMove, CursorState, Principal } from '../../src/ports/index.js'
import { startTestNode, textTo, type TestNode } from '../support/test-node.js'
import { TestClock } from '../support/test-clock.js'
import { SEND_DESTINATIONS } from '@innerline/protocol'

const conversationId = directConversationId('alice', 'bob')
const bob: Principal = { userId: 'bob', userType: 'user' }

async function nodeWith(messages: number): Promise<TestNode> {
  const node = await startTestNode({ limits: { sendBurst: 1_000, frameBurst: 1_000 } })
  const alice = await node.client('alice')
  for (let i = 0; i < messages; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
  await node.clock.settle()
  return node
}

describe('acknowledging', () => {
  it('moves forward only, delivered and read together or apart, read implying delivered', async () => {
    const node = await nodeWith(10)
    const ack = async (positions: { upToSeq?: number; deliveredSeq?: number; readSeq?: number }) => {
      const [result] = await node.acknowledge.now(bob, { acks: [{ conversationId, ...positions }] })
      return [result?.deliveredSeq, result?.readSeq, result?.unread]
    }
    expect(await ack({ deliveredSeq: 4 })).toEqual([4, 0, 10])
    expect(await ack({ readSeq: 2 })).toEqual([4, 2, 8])
    expect(await ack({ readSeq: 6 })).toEqual([6, 6, 4])
    expect(await ack({ upToSeq: 3 })).toEqual([6, 6, 4])
    expect(await ack({ upToSeq: 8 })).toEqual([8, 8, 2])
    // Beyond the head is cut down to it.
    expect(await ack({ deliveredSeq: 1_000_000, readSeq: 9 })).toEqual([10, 9, 1])
    // Twice is once.
    expect(await ack({ upToSeq: 10 })).toEqual([10, 10, 0])
    expect(await ack({ upToSeq: 10 })).toEqual([10, 10, 0])
  })

  it('leaves out what one is not in, and moves nothing there', async () => {
    const node = await nodeWith(1)
    const acks = [
      { conversationId: 'g~none', upToSeq: 1 },
      { conversationId, upToSeq: 1 },
    ]
    expect(await node.acknowledge.now({ userId: 'mallory', userType: 'user' }, { acks })).toEqual([])
    expect(await node.acknowledge.now(bob, { acks })).toMatchObject([{ conversationId, deliveredSeq: 1 }])
  })

  it('refuses another epoch, at once or later', async () => {
    const node = await nodeWith(1)
    const request = { epoch: node.epoch.current + 1, acks: [{ conversationId, upToSeq: 1 }] }
    await expect(node.acknowledge.now(bob, request)).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
    await expect(node.acknowledge.soon(bob, request)).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
    await node.acknowledge.now(bob, { ...request, epoch: node.epoch.current })
    expect((await node.storage.readMember(conversationId, 'bob'))?.member?.readSeq).toBe(1)
  })

  it('never runs ahead of what a member who left could see', async () => {
    const node = await nodeWith(5)
    const { memoryControls } = await import('../../src/memory/controls.js')
    await memoryControls(node.storage).patchMember(conversationId, 'bob', { leaveSeq: 3 })
    expect(await node.acknowledge.now(bob, { acks: [{ conversationId, upToSeq: 5 }] })).toMatchObject([{ deliveredSeq: 3, readSeq: 3 }])
  })
})

describe('gathered acknowledgements', () => {
  function held() {
    const clock = new TestClock()
    const writes: { readonly moves: readonly CursorMove[]; resolve(): void; reject(error: unknown): void }[] = []
    const moved: string[] = []
    const storage = {
      advanceCursors: (moves: readonly CursorMove[]) =>
        new Promise<readonly (CursorState | undefined)[]>((resolve, reject) => {
          const states = moves.map(({ deliveredSeq = 0, readSeq = 0 }) => ({ deliveredSeq, readSeq, unread: 0, moved: true }))
          writes.push({ moves, resolve: () => resolve(states), reject })
        }),
    }
    const acknowledge = new Acknowledge({
      storage,
      clock,
      badges: memoryUnreadBadges({ clock }),
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      epoch: () => 1,
      onMoved: (userId, id, { deliveredSeq }) => moved.push(`${userId} ${id} ${deliveredSeq}`),
    })
    return { clock, writes, moved, acknowledge }
  }

  it('are written once a second, the highest of each, in one order for all nodes', async () => {
    const { clock, writes, moved, acknowledge } = held()
    const told: string[] = []
    const soon = (userId: string, id: string, deliveredSeq: number): void => {
      void acknowledge
        .soon({ userId, userType: 'user' }, { acks: [{ conversationId: id, deliveredSeq }] })
        .then(() => told.push(`${userId} ${id} ${deliveredSeq}`))
    }
    soon('bob', 'g~2', 5)
    soon('bob', 'g~2', 9)
    soon('bob', 'g~2', 7)
    soon('bob', 'g~1', 1)
    soon('ann', 'g~2', 3)
    await clock.advance(999)
    expect(writes).toHaveLength(0)
    await clock.advance(1)
    expect(writes[0]?.moves.map((move) => `${move.conversationId} ${move.userId} ${move.deliveredSeq}`)).toEqual([
      'g~1 bob 1',
      'g~2 ann 3',
      'g~2 bob 9',
    ])
    // Answered when written, not before.
    expect(told).toEqual([])
    writes[0]?.resolve()
    await clock.settle()
    expect(told).toHaveLength(5)
    expect(moved).toEqual(['bob g~1 1', 'ann g~2 3', 'bob g~2 9'])
  })

  it('that come while others are being written go with the next, which waits its turn', async () => {
    const { clock, writes, acknowledge } = held()
    void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] })
    await clock.advance(1_000)
    void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 2 }] })
    await clock.advance(5_000)
    expect(writes).toHaveLength(1)
    writes[0]?.resolve()
    await clock.settle()
    expect(writes).toHaveLength(2)
    writes[1]?.resolve()
    await acknowledge.flush()
  })

  it('that one user floods are refused, and delay nobody else’s', async () => {
    const { clock, writes, acknowledge } = held()
    const flood = (page: number): Promise<unknown> =>
      acknowledge
        .soon(bob, { acks: Array.from({ length: 200 }, (_, i) => ({ conversationId: `g~${page}-${i}`, deliveredSeq: 1 })) })
        .catch((error: ImError) => error.code)
    const outcomes = Array.from({ length: 50 }, (_, page) => flood(page))
    let answered = false
    void acknowledge.soon({ userId: 'ann', userType: 'user' }, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] }).then(() => {
      answered = true
    })
    await clock.advance(1_000)
    for (let slice = 0; slice < 6; slice++) {
      writes[slice]?.resolve()
      await clock.settle()
    }
    expect(answered).toBe(true)
    expect(writes).toHaveLength(6)
    expect((await Promise.all(outcomes)).filter((code) => code === 'BUSY')).toHaveLength(45)
  })

  it('are folded while storage is slow, so that what waits does not grow with time', async () => {
    const { clock, writes, acknowledge } = held()
    for (let second = 1; second <= 30; second++) {
      void acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: second }] })
      await clock.advance(1_000)
    }
    expect(writes).toHaveLength(1)
    writes[0]?.resolve()
    await clock.settle()
    expect(writes[1]?.moves).toMatchObject([{ conversationId: 'g~1', deliveredSeq: 30 }])
    writes[1]?.resolve()
    await acknowledge.flush()
    expect(writes).toHaveLength(2)
  })

  it('fail each with its slice and no other', async () => {
    const { clock, writes, acknowledge } = held()
    const acks = Array.from({ length: 150 }, (_, i) => ({ conversationId: `g~${1_000 + i}`, deliveredSeq: 1 }))
    const first = acknowledge.soon(bob, { acks }).then(
      () => 'written',
      (error: ImError) => error.code,
    )
    const second = acknowledge
      .soon(bob, { acks: acks.map((ack) => ({ ...ack, conversationId: ack.conversationId.replace('1', '2') })) })
      .then(
        () => 'written',
        (error: ImError) => error.code,
      )
    await clock.advance(1_000)
    expect(writes[0]?.moves).toHaveLength(200)
    writes[0]?.resolve()
    await clock.settle()
    writes[1]?.reject(new ImError('UNAVAILABLE'))
    await clock.settle()
    expect(await Promise.all([first, second])).toEqual(['written', 'UNAVAILABLE'])
    // And the next ones are written as if nothing had been.
    const next = acknowledge.soon(bob, { acks: [{ conversationId: 'g~1', deliveredSeq: 1 }] })
    await clock.advance(1_000)
    writes[2]?.resolve()
    await expect(next).resolves.toBeUndefined()
  })
})
