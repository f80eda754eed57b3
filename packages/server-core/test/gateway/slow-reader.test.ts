import { CLOSE, DEFAULT_LIMITS, directConversationId, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import type { MemorySocket } from '../support/memory-socket.js'
import { startTestNode, textTo, type TestNode } from '../support/test-node.js'

const KIB = 1024
const BODY = 4 * KIB
const filler = 'x'.repeat(BODY)
const conversationId = directConversationId('alice', 'bob')
const limits = { sendsPerSecond: 10_000, sendBurst: 10_000, framesPerSecond: 10_000, frameBurst: 10_000 }
const lags = { headers: { 'im-lag': '1' } }

async function flood(node: TestNode, from: MemorySocket, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    from.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i} ${filler}`))
    await node.clock.settle()
  }
}

const seqsOf = (socket: MemorySocket): readonly number[] => socket.bodies<{ seq: number }>(QUEUES.messages).map(({ seq }) => seq)
const eventsOf = (socket: MemorySocket): readonly unknown[] =>
  socket
    .bodies(QUEUES.session)
    .map(({ event }) => event)
    .filter((event) => event !== 'cursor' && event !== 'receipt')

describe('a reader that does not keep up', () => {
  it('is closed 4000 when it cannot be told of a lag, and the node and the others live on', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob')
    const quick = await node.client('bob')
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 90)
    expect(slow.bufferedBytes).toBeLessThan(DEFAULT_LIMITS.logQueueBytes + 2 * BODY)
    slow.flow()
    await node.clock.settle()
    expect(slow.closed).toEqual({ code: CLOSE.slowReader, reason: 'slow reader' })
    // What it was given has no hole, so what it misses is only what came after.
    const seqs = seqsOf(slow)
    expect(seqs).toEqual(seqs.map((_, i) => i + 1))
    expect(seqsOf(quick)).toHaveLength(90)
    expect(node.gateway.connections).toBe(2)
  })

  it('that declared im-lag is told once, loses what is queued, and is attached again when it has drained', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', lags)
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 120)
    expect(slow.closed).toBeUndefined()
    expect(slow.bufferedBytes).toBeLessThan(DEFAULT_LIMITS.logQueueBytes + 3 * BODY)
    slow.flow()
    await node.clock.settle()
    expect(eventsOf(slow)).toEqual(['lag', 'summary'])
    const summary = slow.bodies(QUEUES.session).find(({ event }) => event === 'summary')
    expect(summary).toMatchObject({ conversations: [{ conversationId, headSeq: 120 }] })
    // Live again, without a frame below the summary's head.
    const before = seqsOf(slow)
    await flood(node, alice, 2)
    expect(seqsOf(slow)).toEqual([...before, 121, 122])
    expect(node.counted.get('im_slow_readers')).toBe(1)
  })

  it('that declared im-lag but would not hear of it is closed', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', { ...lags, queues: ['errors', 'messages'] })
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 90)
    slow.flow()
    expect(slow.closed?.code).toBe(CLOSE.slowReader)
  })

  it('comes out of a lag although answers were written while it drained', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', lags)
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 90)
    // The answer is written after the last byte was taken and before the socket could say so.
    slow.send('NACK', { id: 'x', receipt: 'in between' })
    slow.read(slow.bufferedBytes)
    await node.clock.settle()
    expect(slow.bufferedBytes).toBeGreaterThan(0)
    slow.read(slow.bufferedBytes)
    await node.clock.advance(1_500)
    slow.flow()
    await node.clock.settle()
    expect(eventsOf(slow)).toEqual(['lag', 'summary'])
  })

  it('is not harmed by a burst within one turn, however large', async () => {
    const node = await startTestNode({ limits: { ...limits, sendsInFlight: 1_000 } })
    const bob = await node.client('bob')
    const alice = await node.client('alice')
    bob.stall()
    for (let i = 0; i < 100; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i} ${filler}`))
    await node.clock.settle()
    expect(bob.bufferedBytes).toBeGreaterThan(DEFAULT_LIMITS.logQueueBytes)
    bob.flow()
    await node.clock.settle()
    await flood(node, alice, 1)
    expect(seqsOf(bob)).toHaveLength(101)
    expect(bob.closed).toBeUndefined()
  })

  it('that makes the server owe it more answers than it may is closed 4000, with im-lag too', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', lags)
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 70)
    let sent = 0
    for (; sent < 20_000 && node.gateway.connections === 2; sent++) {
      slow.send('NACK', { id: 'x', receipt: 'r'.repeat(1_000) })
      if (sent % 20 === 0) await node.clock.settle()
      expect(slow.bufferedBytes).toBeLessThan(DEFAULT_LIMITS.logQueueBytes + DEFAULT_LIMITS.owedQueueBytes + 64 * KIB)
      if (slow.bufferedBytes > DEFAULT_LIMITS.logQueueBytes + DEFAULT_LIMITS.owedQueueBytes - 30 * KIB) break
    }
    slow.send('NACK', { id: 'x', receipt: 'r'.repeat(1_000) })
    for (let i = 0; i < 40; i++) slow.send('NACK', { id: 'x', receipt: 'r'.repeat(1_000) })
    await node.clock.settle()
    slow.flow()
    await node.clock.settle()
    expect(slow.closed).toEqual({ code: CLOSE.slowReader, reason: 'slow reader' })
    expect(node.gateway.connections).toBe(1)
  })

  it('that takes nothing for 10 s is closed 4000, one that takes a little is not', async () => {
    const node = await startTestNode({ limits })
    const [stuck, slow] = [await node.client('bob'), await node.client('bob')]
    const alice = await node.client('alice')
    stuck.stall()
    slow.stall()
    await flood(node, alice, 10)
    for (let i = 0; i < 9; i++) {
      await node.clock.advance(1_000)
      slow.read(100)
    }
    expect(stuck.closed).toBeUndefined()
    for (let i = 0; i < 5; i++) {
      await node.clock.advance(1_000)
      slow.read(100)
    }
    expect(slow.closed).toBeUndefined()
    stuck.flow()
    expect(stuck.closed).toEqual({ code: CLOSE.slowReader, reason: 'no progress' })
  })

  it('gains nothing by pings: bytes that the library writes are no progress', async () => {
    const node = await startTestNode({ limits })
    const stuck = await node.client('bob')
    const alice = await node.client('alice')
    stuck.stall()
    await flood(node, alice, 10)
    // As a pong in the socket's buffer does.
    let pongs = 0
    const buffered = stuck.bufferedBytes
    Object.defineProperty(stuck, 'bufferedBytes', { get: () => buffered + 10 * pongs })
    for (let i = 0; i < 13; i++) {
      pongs++
      await node.clock.advance(1_000)
    }
    stuck.flow()
    expect(stuck.closed?.code).toBe(CLOSE.slowReader)
  })

  it('is shed when the node’s budget is spent, the largest queue first', async () => {
    const node = await startTestNode({ limits: { ...limits, nodeQueueBytes: 100 * KIB } })
    const largest = await node.client('bob', lags)
    const alice = await node.client('alice')
    largest.stall()
    await flood(node, alice, 24)
    const smaller = await node.client('bob', lags)
    smaller.stall()
    await flood(node, alice, 2)
    expect(node.gateway.bufferedBytes).toBe(0)
    await node.clock.advance(1_100)
    expect(node.gateway.bufferedBytes).toBeGreaterThan(100 * KIB)
    largest.read(50)
    await node.clock.advance(500)
    // Lagging first; one that lags already is cut when the node is still over its budget a second later.
    expect(largest.closed).toBeUndefined()
    await node.clock.advance(1_000)
    expect(largest.closed?.code).toBe(1006)
    await node.clock.advance(1_100)
    expect(smaller.closed).toBeUndefined()
    expect(node.gateway.bufferedBytes).toBeLessThan(100 * KIB)
    smaller.flow()
    await node.clock.settle()
    expect(seqsOf(smaller)).toEqual([25, 26])
  })

  it('that is kicked sees the reason, not its slowness', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', lags)
    slow.stall()
    const alice = await node.client('alice')
    await flood(node, alice, 90)
    // More than may be owed, within this turn: the last flush finds an overflow.
    for (let i = 0; i < 400; i++) slow.send('NACK', { id: 'x', receipt: 'r'.repeat(1_000) })
    node.gateway.disconnectUser('bob', { code: CLOSE.replaced, reason: 'elsewhere' })
    slow.flow()
    expect(slow.closed).toEqual({ code: CLOSE.replaced, reason: 'elsewhere' })
  })
})

describe('what goes out', () => {
  it('goes out once per turn in one write', async () => {
    const node = await startTestNode({ limits })
    const bob = await node.client('bob')
    const alice = await node.client('alice')
    alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'opens'))
    await node.clock.settle()
    const before = bob.writes
    for (let i = 0; i < 50; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
    await node.clock.settle()
    expect(seqsOf(bob)).toHaveLength(51)
    expect(bob.writes - before).toBeLessThan(5)
  })

  it('of hints is the latest of each kind', async () => {
    const node = await startTestNode({ limits })
    const alice = await node.client('alice')
    const bob = await node.client('bob')
    alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'x'))
    await node.clock.settle()
    for (const seq of [1, 2, 3]) {
      const event = { event: 'cursor', conversationId, deliveredSeq: seq, readSeq: 0, unread: 0, headOrd: 0 } as const
      node.hints.send('bob', `cursor ${conversationId}`, event)
    }
    node.hints.send('bob', 'typing other', { event: 'typing', conversationId: directConversationId('bob', 'carol'), userId: 'carol' })
    await node.clock.settle()
    expect(bob.bodies(QUEUES.session)).toMatchObject([
      { event: 'cursor', deliveredSeq: 3 },
      { event: 'typing', userId: 'carol' },
    ])
  })

  it('of hints is nothing while a reader lags', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob', lags)
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 90)
    const before = slow.bufferedBytes
    for (let i = 0; i < 1_000; i++) node.hints.send('bob', `typing ${i}`, { event: 'typing', conversationId, userId: 'alice' })
    await node.clock.settle()
    expect(slow.bufferedBytes).toBe(before)
  })

  it('as typing reaches the peer alone', async () => {
    const node = await startTestNode({ limits })
    const [alice, bob, mallory] = [await node.client('alice'), await node.client('bob'), await node.client('mallory')]
    alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'x'))
    await node.clock.settle()
    for (const socket of [alice, mallory]) {
      socket.send('SEND', { destination: SEND_DESTINATIONS.typing, receipt: 't' }, JSON.stringify({ conversationId }))
    }
    await node.clock.settle()
    expect(bob.bodies(QUEUES.session)).toMatchObject([{ event: 'typing', userId: 'alice' }])
    expect([...alice.bodies(QUEUES.session), ...mallory.bodies(QUEUES.session)]).toEqual([])
    expect(mallory.receipt('t')).toBeDefined()
  })

  it('that takes nothing while it is being closed is ended by force', async () => {
    const node = await startTestNode({ limits })
    const slow = await node.client('bob')
    const alice = await node.client('alice')
    slow.stall()
    await flood(node, alice, 10)
    node.gateway.disconnectUser('bob', { code: CLOSE.replaced, reason: 'out' })
    await node.clock.advance(5_000)
    expect(node.gateway.connections).toBe(2)
    await node.clock.advance(2_100)
    expect(node.gateway.connections).toBe(1)
  })
})
