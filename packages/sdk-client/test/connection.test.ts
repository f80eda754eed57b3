import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConnectionSnapshot, ImError, type TokenContext } from '../src/index.js'
import { harness, settle } from './support/harness.js'

const unhandled: unknown[] = []
const onUnhandled = (reason: unknown) => unhandled.push(reason)
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', onUnhandled)
})
afterEach(async () => {
  await settle()
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled).toEqual([])
})

describe('the connection', () => {
  it('does nothing before connect', async () => {
    const { im, server, clock } = harness()
    await settle()
    expect([server.sockets.length, clock.pending]).toEqual([0, 0])
    expect(im.connection.getSnapshot()).toEqual({ status: 'idle', lost: false, attempt: 0 })
  })

  it('speaks STOMP 1.2 with lag, device and bearer token, and subscribes the messages last', async () => {
    const { im, server } = harness({ device: { id: 'phone' } })
    const snapshot = await im.connect()
    await settle()
    expect(server.sockets[0]).toMatchObject({ url: 'ws://server.test/ws/chat', protocols: ['v12.stomp'] })
    expect(server.last.received[0]?.headers).toMatchObject({
      Authorization: 'Bearer t-alice',
      'im-lag': '1',
      'device-id': 'phone',
      'accept-version': '1.2',
      'heart-beat': '10000,10000',
    })
    const subscribed = server.last.received.filter(({ command }) => command === 'SUBSCRIBE').map(({ headers }) => headers)
    expect(subscribed.map(({ id }) => id)).toEqual(['e', 's', 'h', 'm'])
    expect(subscribed.at(-1)).toMatchObject({ destination: '/user/queue/messages', receipt: 'm', ack: 'auto' })
    expect(snapshot).toMatchObject({ status: 'connected', connectionId: 'c-1', epoch: 1 })
  })

  it('is idempotent: calls that overlap share one connection', async () => {
    const { im, server } = harness()
    const [first, second] = await Promise.all([im.connect(), im.connect()])
    expect(first).toBe(second)
    await im.connect()
    expect(server.connections).toHaveLength(1)
    await Promise.all([im.disconnect(), im.disconnect()])
    expect(im.connection.getSnapshot().status).toBe('idle')
    await im.connect()
    expect(server.connections).toHaveLength(2)
  })

  it('survives connect and disconnect in any order', async () => {
    const { im, server, clock } = harness()
    const first = im.connect()
    await im.disconnect()
    await expect(first).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    for (let i = 0; i < 50; i++) {
      im.connect()
      if (i % 3 === 0) await settle()
      im.disconnect()
    }
    await im.connect()
    await clock.advance(3_000)
    expect(server.live).toHaveLength(1)
    await im.destroy()
    expect(clock.pending).toBe(0)
    await expect(im.connect()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  it('keeps asking a token provider that fails in every way, then connects', async () => {
    const calls: TokenContext[] = []
    const failures = [
      () => Promise.reject(new Error('503')),
      () => {
        throw new TypeError('synchronously')
      },
      () => Promise.reject(undefined),
      () => 42 as unknown as string,
      () => 't-alice\nim-admin:1',
      () => new Promise<string>(() => {}),
    ]
    const { im, clock, server } = harness({
      getToken: (context) => {
        calls.push(context)
        return failures[calls.length - 1]?.() ?? 't-alice'
      },
    })
    const connected = im.connect()
    await clock.advance(180_000)
    expect(await connected).toMatchObject({ status: 'connected' })
    expect(calls.map(({ attempt, reason }) => [attempt, reason])).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => [n, 'initial']))
    expect(calls[5]?.signal.aborted).toBe(true)
    expect(server.connections).toHaveLength(1)
  })

  it('stops for good when the provider says UNAUTHORIZED', async () => {
    let calls = 0
    const { im, clock, server } = harness({
      getToken: () => {
        calls++
        throw new ImError('UNAUTHORIZED')
      },
    })
    await expect(im.connect()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await clock.advance(600_000)
    expect([calls, server.sockets.length]).toEqual([1, 0])
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'closed', error: { code: 'UNAUTHORIZED' } })
  })

  it('fetches another token when the server calls one expired', async () => {
    const reasons: string[] = []
    const { im, server, clock } = harness({
      getToken: ({ reason }) => {
        reasons.push(reason)
        return 't-alice'
      },
    })
    const { authorize } = server
    server.authorize = (token) => (reasons.length === 1 ? { code: 'TOKEN_EXPIRED', close: 4010 } : authorize(token))
    const connected = im.connect()
    await clock.advance(100)
    await connected
    expect(reasons).toEqual(['initial', 'rejected'])
    server.last.close(4010)
    await clock.advance(3_000)
    expect(reasons[2]).toBe('rejected')
  })

  it.each([
    [4501, 'UNAUTHORIZED'],
    [4503, 'FORBIDDEN'],
    [4510, 'FORBIDDEN'],
    [4599, 'FORBIDDEN'],
  ] as const)('ends on close code %i', async (close, code) => {
    const { im, server, clock } = harness()
    await im.connect()
    server.last.close(close)
    await clock.advance(120_000)
    expect(server.connections).toHaveLength(1)
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'closed', error: { code } })
    await expect(im.whenConnected()).rejects.toMatchObject({ code })
  })

  it.each([1006, 1012, 4000, 4004, 4499])('comes again after close code %i', async (close) => {
    const { im, server, clock } = harness()
    await im.connect()
    server.last.close(close)
    await clock.advance(31_000)
    expect(im.connection.getSnapshot().status).toBe('connected')
    expect(server.connections).toHaveLength(2)
  })

  it('backs off with jitter up to its limit while nothing answers', async () => {
    const { im, server, clock } = harness()
    server.accepting = false
    im.connect()
    await clock.advance(10 * 60_000)
    // 10 s of waiting for the socket plus 15 s on average between attempts.
    expect(server.sockets.length).toBeGreaterThan(18)
    expect(server.sockets.length).toBeLessThan(40)
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'connecting', lost: true, error: { code: 'ACK_TIMEOUT' } })
    server.accepting = true
    await clock.advance(45_000)
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'connected', lost: false })
  })

  it('notices on waking up that the connection is dead, within the probe', async () => {
    const { im, server, clock, wake } = harness()
    await im.connect()
    await clock.advance(1_000)
    wake()
    await clock.advance(4_500)
    expect(server.connections).toHaveLength(1)
    server.last.freeze()
    wake()
    await clock.advance(4_000 + 1_500)
    expect(server.connections).toHaveLength(2)
    expect(im.connection.getSnapshot().status).toBe('connected')
  })

  it('notices a dead connection without any signal, by its heart-beat', async () => {
    const { im, server, clock } = harness()
    await im.connect()
    await settle()
    server.last.freeze()
    await clock.advance(45_000)
    expect(server.connections).toHaveLength(2)
    expect(im.connection.getSnapshot().status).toBe('connected')
  })

  it('notices a stream that a malformed length has spoilt, though the server goes on beating', async () => {
    const { im, server, clock } = harness()
    server.heartBeat = '10000,10000'
    await im.connect()
    await settle()
    server.last.frame('MESSAGE', { subscription: 's', 'content-length': '-1' }, '{}')
    for (let i = 0; i < 45; i++) {
      server.connections[0]?.push('\n')
      await clock.advance(1_000)
    }
    expect(server.connections).toHaveLength(2)
    expect(im.connection.getSnapshot().status).toBe('connected')
  })

  it('asks whether the server is still there when it does not answer a send', async () => {
    const { im, server, clock } = harness()
    await im.connect()
    await settle()
    server.last.freeze()
    im.conversations.direct('bob').send({ type: 'text', text: 'x' })
    await clock.advance(10_000 + 4_000 + 1_500)
    expect(server.connections).toHaveLength(2)
  })

  it.each(['silent', 'BUSY'] as const)('comes again when it is not attached: %s', async (attach) => {
    const { im, server, clock } = harness()
    server.attach = attach
    await im.connect()
    await clock.advance(9_000)
    if (attach === 'silent') expect(server.connections).toHaveLength(1)
    else expect(server.connections.length).toBeGreaterThan(1)
    server.attach = 'ok'
    await clock.advance(31_000)
    expect(server.connections.length).toBeGreaterThan(1)
    expect(server.live).toHaveLength(1)
  })

  it('probes after a sleep, told by the clocks', async () => {
    const { im, server, clock } = harness()
    await im.connect()
    await clock.advance(1_000)
    server.last.freeze()
    clock.jump(3_600_000)
    await clock.advance(5_000 + 4_000 + 1_500)
    expect(server.connections).toHaveLength(2)
  })

  it('cuts the wait short when the network is back', async () => {
    const { im, server, clock, wake } = harness({ reconnect: { minDelayMs: 30_000 }, ids: { uuid: () => '', random: () => 0.99 } })
    server.accepting = false
    im.connect()
    await clock.advance(10_100)
    server.accepting = true
    wake()
    await clock.advance(1_000)
    expect(im.connection.getSnapshot().status).toBe('connected')
  })

  it('moves when the server drains, at the moment it was given', async () => {
    const { im, server, clock } = harness()
    await im.connect()
    server.last.event({ event: 'drain', reconnectInMs: 7_000 })
    await settle()
    server.last.close(1012)
    await clock.advance(6_900)
    expect(server.connections).toHaveLength(1)
    await clock.advance(200)
    expect(server.connections).toHaveLength(2)
  })

  it('counts a connection as a success only once it has lasted, whatever ends it then', async () => {
    const { im, server, clock } = harness()
    const attempts = () => im.connection.getSnapshot().attempt
    await im.connect()
    for (let failures = 1; failures <= 3; failures++) {
      server.accepting = false
      server.last.close(1006)
      await settle()
      expect(attempts()).toBe(failures)
      server.accepting = true
      await clock.advance(40_000 - 30_001)
      expect(im.connection.getSnapshot()).toMatchObject({ status: 'connected', attempt: 0 })
      if (failures < 3) continue
      await clock.advance(30_001)
      server.accepting = false
      server.last.event({ event: 'drain', reconnectInMs: 1_000 })
      await clock.advance(1_000)
      expect(im.connection.getSnapshot()).toMatchObject({ status: 'reconnecting', attempt: 0 })
      await clock.advance(10_001)
      expect(attempts()).toBe(1)
    }
  })

  it('renews an expiring token on the living connection', async () => {
    const reasons: string[] = []
    const { im, server, clock, errors } = harness({
      getToken: ({ reason }) => {
        reasons.push(reason)
        if (reasons.length === 2) throw new Error('not now')
        return 't-alice'
      },
    })
    await im.connect()
    server.last.event({ event: 'auth-expiring', expiresAt: 0 })
    await clock.advance(5_000)
    expect(reasons).toEqual(['initial', 'expiring', 'expiring'])
    expect(server.last.received.at(-1)).toMatchObject({ headers: { destination: '/app/auth.refresh' }, body: '{"token":"t-alice"}' })
    expect(errors.map(({ code }) => code)).toEqual(['TOKEN_FETCH_FAILED'])
    expect(server.connections).toHaveLength(1)
  })

  it('refuses a token of another user rather than send under a wrong name', async () => {
    const { im, server } = harness({ userId: 'bob' })
    im.conversations.direct('carol').send({ type: 'text', text: 'mine' })
    await expect(im.connect()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect(server.log('d~bob~carol')).toEqual([])
  })

  it('says what to do where there is no WebSocket', async () => {
    const { client } = harness()
    const { webSocket: _, ...rest } = { webSocket: undefined }
    const im = client({ ...rest, webSocket: undefined as never })
    const had = globalThis.WebSocket
    Reflect.deleteProperty(globalThis, 'WebSocket')
    try {
      await expect(im.connect()).rejects.toMatchObject({ code: 'UNSUPPORTED', detail: expect.stringContaining('npm i ws') })
    } finally {
      if (had) globalThis.WebSocket = had
    }
  })

  it('takes a failing socket constructor as a failed attempt', async () => {
    const { im, clock } = harness({
      webSocket: () => {
        throw new Error('SecurityError')
      },
    })
    im.connect()
    await clock.advance(5_000)
    expect(im.connection.getSnapshot()).toMatchObject({ status: 'connecting', error: { code: 'OFFLINE' } })
  })

  it('abandons a wait by its signal, not the connection', async () => {
    const { im, server } = harness()
    const controller = new AbortController()
    const waiting = im.connect({ signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    await im.whenConnected()
    expect(server.live).toHaveLength(1)
  })

  it('tells each state once, and lost only after five seconds', async () => {
    const { im, server, clock } = harness()
    const seen: string[] = []
    im.on('connection', (now: ConnectionSnapshot) => seen.push(`${now.status}${now.lost ? ' lost' : ''}`))
    await im.connect()
    server.accepting = false
    server.last.close(1006)
    await clock.advance(6_000)
    // Twice: waiting (with nextRetryAt), then trying.
    expect(seen).toEqual(['connecting', 'connected', 'reconnecting', 'reconnecting', 'reconnecting lost'])
    await im.disconnect()
    expect(seen.at(-1)).toBe('idle')
  })

  it('reports what listeners throw and loses nothing by it', async () => {
    const { im, server, clock, errors, messages } = harness()
    im.on('message', () => {
      throw new Error('application bug')
    })
    im.on('connection', () => {
      throw new Error('another')
    })
    im.connection.subscribe(() => {
      throw new Error('a third')
    })
    await im.connect()
    im.conversations.direct('bob').open()
    await clock.advance(100)
    server.commit('d~alice~bob', { fromUserId: 'bob' })
    server.commit('d~alice~bob', { fromUserId: 'bob' })
    await settle()
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2])
    expect(errors.length).toBeGreaterThanOrEqual(6)
    expect(errors.every(({ code }) => code === 'INTERNAL')).toBe(true)
  })

  it('shrugs off nonsense from the network', async () => {
    const { im, server, clock, errors } = harness()
    await im.connect()
    server.last.frame('MESSAGE', { subscription: 'm', destination: '/user/queue/messages', 'message-id': 'x' }, 'no json')
    server.last.message('/user/queue/messages', { hello: 'world' })
    server.last.message('/user/queue/session', { event: 'of-the-future', at: 1 })
    server.last.frame('MESSAGE', { subscription: 'zzz', 'message-id': 'x' }, '{}')
    server.last.frame('RECEIPT', { 'receipt-id': 'nobody' })
    await clock.advance(100)
    expect(im.connection.getSnapshot().status).toBe('connected')
    expect(errors).toEqual([])
  })
})
