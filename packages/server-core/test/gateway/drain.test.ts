import { CLOSE, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode, textTo } from '../support/test-node.js'

describe('drain', () => {
  it('tells every client, spreads them, closes 1012 after their answers, and lets nobody in', async () => {
    const releases: (() => void)[] = []
    const node = await startTestNode({
      hooks: { beforeSend: () => new Promise((resolve) => void releases.push(() => resolve(undefined))) },
    })
    const clients = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((user) => node.client(user)))
    const [alice] = clients
    alice?.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'r' }, textTo('bob', 'last words'))
    await node.clock.settle()
    let drained = false
    const draining = node.gateway.drain(4_000).then(() => {
      drained = true
    })
    expect(node.gateway.refusal).toMatchObject({ code: 'DRAINING' })
    await node.clock.advance(500)
    expect(alice?.bodies(QUEUES.session)).toMatchObject([{ event: 'drain' }])
    expect(alice?.closed).toBeUndefined()
    releases[0]?.()
    await node.clock.advance(100)
    expect(alice?.receipt('r')).toBeDefined()
    expect(alice?.closed?.code).toBe(CLOSE.drain)
    expect(clients.filter(({ closed }) => closed !== undefined)).toHaveLength(1)
    await node.clock.advance(3_500)
    await draining
    expect(drained).toBe(true)
    for (const client of clients) {
      expect(client.closed?.code).toBe(CLOSE.drain)
      expect(client.bodies(QUEUES.session).at(-1)).toMatchObject({ event: 'drain' })
    }
    expect(node.gateway.connections).toBe(0)
  })

  it('does not wait for ever for an answer, nor for a peer that does not go', async () => {
    const node = await startTestNode({
      hooks: { beforeSend: () => new Promise(() => undefined) },
      beforeSend: { deadlineMs: 1_000_000 },
    })
    const [waiting, deaf] = [await node.client('alice'), await node.client('bob')]
    waiting.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', 'x'))
    deaf.stall()
    let drained = false
    void node.gateway.drain(0).then(() => {
      drained = true
    })
    await node.clock.advance(5_500)
    expect(waiting.closed?.code).toBe(CLOSE.drain)
    expect(drained).toBe(false)
    await node.clock.advance(6_000)
    expect(drained).toBe(true)
  })

  it('keeps the promise of DISCONNECT to a client that is leaving by itself', async () => {
    const releases: (() => void)[] = []
    const node = await startTestNode({
      hooks: { beforeSend: () => new Promise((resolve) => void releases.push(() => resolve(undefined))) },
    })
    const socket = await node.client('alice')
    socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage, receipt: 'send' }, textTo('bob', 'x'))
    socket.send('DISCONNECT', { receipt: 'bye' })
    await node.clock.settle()
    void node.gateway.drain(0)
    await node.clock.advance(100)
    releases[0]?.()
    await node.clock.settle()
    expect(socket.frames('RECEIPT').map((frame) => frame.headers.get('receipt-id'))).toEqual(['send', 'bye'])
  })

  it('refuses a CONNECT that was under way with 1012', async () => {
    let answer: () => void = () => undefined
    const node = await startTestNode({
      authenticate: () =>
        new Promise((resolve) => {
          answer = () => resolve({ userId: 'late', userType: 'user' })
        }),
    })
    const socket = node.dial()
    const other = node.dial()
    socket.send('CONNECT', { 'accept-version': '1.2', passcode: 'x' })
    void node.gateway.drain(4_000)
    other.raw('\n')
    answer()
    await node.clock.advance(10)
    expect(socket.closed?.code).toBe(CLOSE.drain)
    await node.clock.advance(4_100)
    expect(other.closed?.code).toBe(CLOSE.drain)
  })
})

describe('close', () => {
  it('cuts everybody, reading or not', async () => {
    const node = await startTestNode()
    const sockets = [await node.client('alice'), await node.client('bob'), node.dial()]
    sockets[1]?.stall()
    node.gateway.close()
    await node.clock.settle()
    expect(sockets.map(({ closed }) => closed !== undefined)).toEqual([true, true, true])
    expect(sockets[0]?.closed?.code).toBe(CLOSE.drain)
    expect(node.gateway.connections).toBe(0)
    expect(node.index.users).toBe(0)
    expect(node.gateway.refusal).toMatchObject({ code: 'DRAINING' })
  })
})
