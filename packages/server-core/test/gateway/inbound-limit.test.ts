import { CLOSE, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode, textTo } from '../support/test-node.js'

describe('a client that keeps to the rate while the server does not read', () => {
  it('is not taken for one that floods when the server reads again', async () => {
    let release = (): void => undefined
    const stalled = new Promise<void>((resolve) => {
      release = resolve
    })
    const node = await startTestNode({
      limits: { sendsPerSecond: 10_000, sendBurst: 10_000 },
      beforeSend: { deadlineMs: 60_000 },
      hooks: { beforeSend: () => stalled.then(() => undefined) },
    })
    const alice = await node.client('alice')
    for (let i = 0; i < 240; i++) {
      alice.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: `r${i}` }, textTo('bob', String(i)))
      await node.clock.advance(25)
    }
    release()
    await node.clock.settle()
    await node.clock.advance(2_000)
    expect(alice.closed).toBeUndefined()
    expect(alice.receipt('r239')).toBeDefined()
  })

  it('is one that floods beyond that', async () => {
    const node = await startTestNode()
    const alice = await node.client('alice')
    for (let i = 0; i < 200; i++) alice.send('SEND', { destination: SEND_DESTINATIONS.heartbeat }, '{}')
    await node.clock.settle()
    expect(alice.closed?.code).toBe(CLOSE.flooding)
  })
})

describe('the limit of connections a user', () => {
  it('holds when many are authenticated in one moment', async () => {
    let release = (): void => undefined
    const known = new Promise<void>((resolve) => {
      release = resolve
    })
    const node = await startTestNode({ authenticate: () => known.then(() => ({ userId: 'bob', userType: 'user' })) })
    const sockets = Array.from({ length: 40 }, () => node.dial())
    for (const socket of sockets) socket.send('CONNECT', { 'accept-version': '1.2', passcode: 'x' })
    await node.clock.settle()
    release()
    await node.clock.settle()
    expect(sockets.filter((socket) => socket.closed === undefined)).toHaveLength(20)
  })
})

describe('a refreshed token', () => {
  it('keeps an agent’s endpoint to agents', async () => {
    const node = await startTestNode()
    const agent = await node.client(JSON.stringify({ userId: 'ann', userType: 'agent' }), { handshake: { endpoint: 'agent' } })
    const token = JSON.stringify({ userId: 'ann', userType: 'user' })
    agent.send('SEND', { destination: SEND_DESTINATIONS.refresh, receipt: 'r' }, JSON.stringify({ token }))
    await node.clock.settle()
    expect(agent.receipt('r')).toBeUndefined()
  })
})
