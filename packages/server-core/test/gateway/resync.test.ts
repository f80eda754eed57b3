import { CLOSE, ImError, QUEUES } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode } from '../support/test-node.js'

const lags = { headers: { 'im-lag': '1' } }

describe('a node that cannot say any more what was missed', () => {
  it('tells clients that understand it to read again, and gives them a new summary', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob', lags)
    node.index.reset(1_000)
    await node.clock.advance(1_100)
    expect(bob.bodies(QUEUES.session).map(({ event }) => event)).toEqual(['resync', 'summary'])
    expect(bob.closed).toBeUndefined()
  })

  it('closes every other within the same time, as it would have a hole that it cannot see', async () => {
    const node = await startTestNode()
    const plain = await node.client('bob')
    const deaf = await node.client('bob', { ...lags, queues: ['messages'] })
    node.index.reset(1_000)
    await node.clock.advance(1_100)
    expect(plain.closed).toMatchObject({ code: CLOSE.slowReader })
    expect(deaf.closed).toMatchObject({ code: CLOSE.slowReader })
  })
})

describe('an UNSUBSCRIBE right behind a SUBSCRIBE', () => {
  it('leaves nobody attached', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob', { queues: ['errors', 'session'] })
    bob.send('SUBSCRIBE', { id: 'late', destination: QUEUES.messages })
    bob.send('UNSUBSCRIBE', { id: 'late' })
    await node.clock.settle()
    expect(node.index.users).toBe(0)
  })
})

describe('attaches of one connection', () => {
  it('run one at a time, and those asked for meanwhile are one more', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob', { queues: ['errors', 'session'] })
    const reads: string[] = []
    const { memberships } = node.storage
    Object.assign(node.storage, {
      memberships: (userId: string) => {
        reads.push(userId)
        return memberships.call(node.storage, userId)
      },
    })
    for (let i = 0; i < 12; i++) bob.send('SUBSCRIBE', { id: `m${i}`, destination: QUEUES.messages, receipt: `r${i}` })
    await node.clock.settle()
    expect(bob.receipt('r11')).toBeDefined()
    expect(reads.length).toBeLessThanOrEqual(2)
  })

  // One begun without need told nobody of a hole, and left one when it failed half-way.
  it('are not tried again once a later one has succeeded', async () => {
    const node = await startTestNode()
    const bob = await node.client('bob', lags)
    let reads = 0
    const { memberships } = node.storage
    Object.assign(node.storage, {
      memberships: (userId: string) =>
        ++reads === 1 ? Promise.reject(new ImError('UNAVAILABLE', { detail: 'down' })) : memberships.call(node.storage, userId),
    })
    node.index.reset(0)
    node.index.reset(0)
    await node.clock.advance(3_000)
    expect(bob.bodies(QUEUES.session).map(({ event }) => event)).toEqual(['resync', 'resync', 'summary'])
    expect(reads).toBe(2)
  })
})
