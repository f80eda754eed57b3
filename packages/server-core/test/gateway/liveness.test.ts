import { CLOSE, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import { startTestNode, textTo } from '../support/test-node.js'

describe('silence', () => {
  it('is asked about after 20 s and ends the connection with 4002 after 45 s', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.answersPings = false
    await node.clock.advance(19_000)
    expect(socket.pings).toBe(0)
    await node.clock.advance(3_000)
    expect(socket.pings).toBeGreaterThan(0)
    await node.clock.advance(22_000)
    expect(socket.closed).toBeUndefined()
    await node.clock.advance(3_000)
    expect(socket.closed?.code).toBe(CLOSE.heartbeatLost)
    expect(node.gateway.connections).toBe(0)
    expect(node.index.users).toBe(0)
  })

  it('is ended by pongs for ever, without a STOMP byte', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    await node.clock.advance(300_000)
    expect(socket.closed).toBeUndefined()
    // One ping a silence, not one a second.
    expect(socket.pings).toBeLessThan(20)
  })

  it('is ended by a line end', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice')
    socket.answersPings = false
    for (let i = 0; i < 10; i++) {
      await node.clock.advance(15_000)
      socket.raw(i % 2 === 0 ? '\n' : '\r\n')
    }
    expect(socket.closed).toBeUndefined()
    expect(socket.pings).toBe(0)
  })

  it('does not count while the server itself has stopped reading', async () => {
    const releases: (() => void)[] = []
    const node = await startTestNode({
      limits: { sendsInFlight: 2, sendsPerSecond: 100, sendBurst: 100 },
      beforeSend: { deadlineMs: 600_000 },
      hooks: { beforeSend: () => new Promise((resolve) => void releases.push(() => resolve(undefined))) },
    })
    const socket = await node.client('alice')
    socket.answersPings = false
    for (let i = 0; i < 3; i++) socket.send('SEND', { destination: SEND_DESTINATIONS.sendMessage }, textTo('bob', `${i}`))
    await node.clock.settle()
    expect(socket.isPaused).toBe(true)
    await node.clock.advance(120_000)
    expect(socket.closed).toBeUndefined()
    for (const release of releases.splice(0)) release()
    await node.clock.settle()
    // From here on the peer's silence counts again, from the start.
    for (const release of releases.splice(0)) release()
    await node.clock.settle()
    expect(socket.isPaused).toBe(false)
    await node.clock.advance(44_000)
    expect(socket.closed).toBeUndefined()
    await node.clock.advance(3_000)
    expect(socket.closed?.code).toBe(CLOSE.heartbeatLost)
  })

  it('of an authentication that takes its time is not the client’s', async () => {
    const node = await startTestNode({ authenticate: () => new Promise(() => undefined) })
    const socket = node.dial()
    await node.clock.advance(6_000)
    socket.send('CONNECT', { 'accept-version': '1.2', passcode: 'x' })
    await node.clock.advance(6_000)
    expect(socket.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(socket.closed?.code).toBe(CLOSE.overloaded)
  })
})

describe('the server’s heart-beat', () => {
  it.each([
    ['10000,10000', 10_000],
    ['0,4000', 10_000],
    ['0,25000', 25_000],
  ])('with heart-beat:%s comes within the %i ms agreed on', async (offer, interval) => {
    const node = await startTestNode()
    const socket = await node.client('alice', { headers: { 'heart-beat': offer } })
    for (let i = 0; i < 4; i++) {
      const before = socket.heartBeats
      await node.clock.advance(interval)
      expect(socket.heartBeats).toBeGreaterThan(before)
    }
    expect(socket.heartBeats).toBeLessThan(8)
  })

  it.each(['0,0', '10000,0', undefined])('with heart-beat:%s never comes', async (offer) => {
    const node = await startTestNode()
    const socket = await node.client('alice', offer === undefined ? {} : { headers: { 'heart-beat': offer } })
    await node.clock.advance(100_000)
    expect(socket.heartBeats).toBe(0)
  })

  it('is spared while other frames flow', async () => {
    const node = await startTestNode()
    const socket = await node.client('alice', { headers: { 'heart-beat': '0,10000' } })
    for (let i = 0; i < 20; i++) {
      socket.send('NACK', { id: 'x', receipt: `${i}` })
      await node.clock.advance(5_000)
    }
    expect(socket.heartBeats).toBe(0)
  })
})
