import { CLOSE, DEFAULT_LIMITS, ImError, QUEUES, SEND_DESTINATIONS } from '@innerline/protocol'
import { describe, expect, it } from 'vitest'
import type { Principal } from '../../src/ports/index.js'
import { authenticateByToken, startTestNode, type TestNode } from '../support/test-node.js'
import type { MemorySocket } from '../support/memory-socket.js'

const connect = { 'accept-version': '1.2', Authorization: 'Bearer alice' }

async function dialled(node: TestNode, headers: Readonly<Record<string, string>>, handshake = {}): Promise<MemorySocket> {
  const socket = node.dial(handshake)
  socket.send('CONNECT', headers)
  await node.clock.settle()
  return socket
}

describe('CONNECT', () => {
  it('is answered with who it is, the epoch and the window of reconnects', async () => {
    const node = await startTestNode()
    const socket = await dialled(node, connect)
    const [connected] = socket.frames('CONNECTED')
    expect(Object.fromEntries(connected?.headers ?? [])).toMatchObject({
      version: '1.2',
      'user-name': 'alice',
      epoch: String(node.epoch.current),
      'heart-beat': '10000,10000',
      'reconnect-window': '1000',
    })
    expect(connected?.headers.get('session')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('may be called STOMP, bring its token as passcode, or leave it to the handshake', async () => {
    const node = await startTestNode()
    const stomp = node.dial()
    stomp.send('STOMP', connect)
    const passcode = node.dial()
    passcode.send('CONNECT', { 'accept-version': '1.1,1.2', passcode: 'bob' })
    const query = node.dial({ queryToken: 'carol' })
    query.send('CONNECT', { 'accept-version': '1.2' })
    await node.clock.settle()
    expect([stomp, passcode, query].map((socket) => socket.frames('CONNECTED')[0]?.headers.get('user-name'))).toEqual([
      'alice',
      'bob',
      'carol',
    ])
  })

  it('that does not come within 10 s ends the socket with 4001, and not before: on a slow network, so it may be tried again', async () => {
    const node = await startTestNode()
    const socket = node.dial()
    await node.clock.advance(8_900)
    expect(socket.closed).toBeUndefined()
    await node.clock.advance(2_200)
    expect(socket.error).toMatchObject({ code: 'UNAVAILABLE', retry: 'later' })
    expect(socket.closed?.code).toBe(CLOSE.connectTimeout)
    expect(node.gateway.connections).toBe(0)
  })

  it('whose check takes longer than that ends with 4004, and the late answer changes nothing', async () => {
    let late: (principal: Principal) => void = () => undefined
    let aborted = false
    const node = await startTestNode({
      authenticate: ({ signal }) => {
        signal.addEventListener('abort', () => {
          aborted = true
        })
        return new Promise((resolve) => {
          late = resolve
        })
      },
    })
    const socket = await dialled(node, connect)
    expect(socket.isPaused).toBe(true)
    await node.clock.advance(11_000)
    expect(socket.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(socket.closed?.code).toBe(CLOSE.overloaded)
    expect(aborted).toBe(true)
    late({ userId: 'alice', userType: 'user' })
    await node.clock.settle()
    expect(socket.frames('CONNECTED')).toEqual([])
    expect(node.gateway.connections).toBe(0)
  })

  it.each([
    ['no version', { Authorization: 'Bearer alice' }],
    ['an older version', { ...connect, 'accept-version': '1.0,1.1' }],
    ['a lookalike', { ...connect, 'accept-version': '1.20' }],
  ])('with %s is refused 4512 and told the version', async (_name, headers) => {
    const node = await startTestNode()
    const socket = await dialled(node, headers)
    expect(socket.error).toMatchObject({ code: 'UNSUPPORTED', retry: 'never' })
    expect(socket.frames('ERROR')[0]?.headers.get('version')).toBe('1.2')
    expect(socket.closed?.code).toBe(CLOSE.unsupportedVersion)
  })

  it.each(['10000', 'a,b', '-1,5', '10000,10000,1', '1e3,5'])('with heart-beat %s is a protocol error', async (value) => {
    const node = await startTestNode()
    const socket = await dialled(node, { ...connect, 'heart-beat': value })
    expect(socket.error).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(socket.closed?.code).toBe(CLOSE.protocolError)
  })

  it.each([
    ['null', () => null, 'UNAUTHORIZED', CLOSE.unauthorized],
    ['nothing at all', () => undefined as unknown as null, 'UNAUTHORIZED', CLOSE.unauthorized],
    [
      'a throw',
      () => {
        throw new Error('secret detail')
      },
      'UNAVAILABLE',
      CLOSE.overloaded,
    ],
    ['a rejection', () => Promise.reject(new Error('secret detail')), 'UNAVAILABLE', CLOSE.overloaded],
    ['an ImError', () => Promise.reject(new ImError('FORBIDDEN', { detail: 'Not from here.' })), 'FORBIDDEN', CLOSE.forbidden],
    ['a userId that is none', () => ({ userId: 'a b', userType: 'user' as const }), 'UNAVAILABLE', CLOSE.overloaded],
    ['a number as userId', () => ({ userId: 42 as unknown as string, userType: 'user' as const }), 'UNAVAILABLE', CLOSE.overloaded],
    ['a userType that is none', () => ({ userId: 'a', userType: 'root' as 'user' }), 'UNAVAILABLE', CLOSE.overloaded],
    ['an expired principal', () => ({ userId: 'a', userType: 'user' as const, expiresAt: 1 }), 'TOKEN_EXPIRED', CLOSE.tokenExpired],
  ])('whose check gives %s is refused in the right words', async (_name, authenticate, code, close) => {
    const node = await startTestNode({ authenticate })
    const socket = await dialled(node, connect)
    expect(socket.error).toMatchObject({ code })
    expect(socket.closed?.code).toBe(close)
    expect(JSON.stringify(socket.error)).not.toContain('secret')
    await node.clock.settle()
    expect(node.gateway.connections).toBe(0)
  })

  it.each([
    ['no token', {}],
    ['an empty passcode', { passcode: '' }],
    ['another scheme', { Authorization: 'Basic YTpi' }],
  ])('with %s and no Origin never reaches the host: there is no browser to vouch for a cookie', async (_name, headers) => {
    let asked = 0
    const node = await startTestNode({
      authenticate: () => {
        asked++
        return { userId: 'cookie-user', userType: 'user' }
      },
    })
    const refused = await dialled(node, { 'accept-version': '1.2', ...headers })
    expect(refused.closed?.code).toBe(CLOSE.unauthorized)
    expect(asked).toBe(0)
    const browser = await dialled(node, { 'accept-version': '1.2', ...headers }, { hasOrigin: true })
    expect(browser.frames('CONNECTED')).toHaveLength(1)
  })

  it('at the agents’ endpoint needs an agent', async () => {
    const node = await startTestNode()
    const user = await dialled(node, connect, { endpoint: 'agent' })
    expect(user.closed?.code).toBe(CLOSE.forbidden)
    const agent = JSON.stringify({ userId: 'ann', userType: 'agent' })
    const welcome = await dialled(node, { ...connect, Authorization: `Bearer ${agent}` }, { endpoint: 'agent' })
    expect(welcome.frames('CONNECTED')).toHaveLength(1)
  })

  it('comes once, and first', async () => {
    const node = await startTestNode()
    const twice = await dialled(node, connect)
    twice.send('CONNECT', connect)
    const never = node.dial()
    never.send('SEND', { destination: SEND_DESTINATIONS.heartbeat })
    await node.clock.settle()
    expect([twice.closed?.code, never.closed?.code]).toEqual([CLOSE.protocolError, CLOSE.protocolError])
    expect(never.error).toMatchObject({ code: 'UNAUTHORIZED' })
  })

  it('lets frames that follow at once wait for its answer, whether or not they were under way', async () => {
    let answer: () => void = () => undefined
    const node = await startTestNode({
      authenticate: () =>
        new Promise((resolve) => {
          answer = () => resolve({ userId: 'alice', userType: 'user' })
        }),
    })
    const socket = await dialled(node, connect)
    socket.raw(
      `SUBSCRIBE\nid:e\ndestination:${QUEUES.errors}\nreceipt:1\n\n\0SUBSCRIBE\nid:m\ndestination:${QUEUES.messages}\nreceipt:2\n\n\0`,
      {
        underWay: true,
      },
    )
    socket.send('SEND', { destination: '/app/nonexistent', receipt: '3' })
    await node.clock.settle()
    expect(socket.received).toEqual([])
    answer()
    await node.clock.settle()
    expect(socket.frames('CONNECTED')).toHaveLength(1)
    expect([socket.receipt('1'), socket.receipt('2')].every((frame) => frame !== undefined)).toBe(true)
    expect(socket.bodies(QUEUES.errors)).toMatchObject([{ code: 'NOT_FOUND', receipt: '3' }])
  })

  it('limits what may come before it is accepted', async () => {
    const node = await startTestNode()
    const socket = node.dial()
    socket.raw(`CONNECT\naccept-version:1.2\nAuthorization:Bearer alice\n\n\0`)
    socket.raw('\n'.repeat(DEFAULT_LIMITS.unauthenticatedBytes), { underWay: true })
    await node.clock.settle()
    expect(socket.error).toMatchObject({ code: 'TOO_LARGE' })
    expect(socket.closed?.code).toBe(CLOSE.protocolError)
  })

  it('is refused to a user with too many connections, until one has gone', async () => {
    const node = await startTestNode({ limits: { connectionsPerUser: 2 } })
    const first = await dialled(node, connect)
    await dialled(node, connect)
    const third = await dialled(node, connect)
    expect(third.error).toMatchObject({ code: 'BUSY', retry: 'later' })
    expect(third.closed?.code).toBe(CLOSE.overloaded)
    expect((await dialled(node, { ...connect, Authorization: 'Bearer bob' })).frames('CONNECTED')).toHaveLength(1)
    first.drop()
    await node.clock.settle()
    expect((await dialled(node, connect)).frames('CONNECTED')).toHaveLength(1)
  })

  it('counts sockets that have not authenticated, and gives their places back', async () => {
    const node = await startTestNode({ limits: { unauthenticatedSockets: 2 } })
    const [silent] = [node.dial(), node.dial()]
    expect(node.gateway.refusal).toMatchObject({ code: 'BUSY' })
    silent?.drop()
    await node.clock.settle()
    expect(node.gateway.refusal).toBeUndefined()
    const accepted = await dialled(node, connect)
    expect(node.gateway.refusal).toBeUndefined()
    accepted.drop()
    await node.clock.settle()
    // A place must not be given back twice either.
    node.dial()
    expect(node.gateway.refusal).toMatchObject({ code: 'BUSY' })
  })

  it('tells the host’s hooks, which may fail in any way', async () => {
    const told: string[] = []
    const node = await startTestNode({
      hooks: {
        onConnect: async ({ principal }) => {
          told.push(`+${principal.userId}`)
          throw new Error('async hook')
        },
        onDisconnect: ({ code }) => {
          told.push(`-${code}`)
          throw new Error('hook')
        },
      },
    })
    const socket = await dialled(node, connect)
    socket.drop(1001)
    await node.clock.settle()
    expect(told).toEqual(['+alice', '-1001'])
    expect(node.logged.filter(({ level }) => level === 'error')).toHaveLength(2)
  })
})

describe('a token’s end', () => {
  const until = (expiresAt: number): string => JSON.stringify({ userId: 'alice', userType: 'user', expiresAt })

  it('is announced a minute ahead, once, and then closes 4010', async () => {
    const node = await startTestNode()
    const expiresAt = node.clock.now() + 120_000
    const socket = await node.client(until(expiresAt))
    await node.clock.advance(58_000)
    expect(socket.bodies(QUEUES.session)).toEqual([])
    await node.clock.advance(40_000)
    expect(socket.bodies(QUEUES.session)).toMatchObject([{ event: 'auth-expiring', expiresAt }])
    await node.clock.advance(22_000)
    expect(socket.error).toMatchObject({ code: 'TOKEN_EXPIRED', retry: 'after-refresh' })
    expect(socket.closed?.code).toBe(CLOSE.tokenExpired)
  })

  it('is announced to a client that subscribes its session queue only later', async () => {
    const node = await startTestNode()
    const expiresAt = node.clock.now() + 50_000
    const socket = await dialled(node, { ...connect, Authorization: `Bearer ${until(expiresAt)}` })
    await node.clock.advance(3_000)
    socket.send('SUBSCRIBE', { id: 's', destination: QUEUES.session })
    await node.clock.advance(2_000)
    expect(socket.bodies(QUEUES.session)).toMatchObject([{ event: 'auth-expiring', expiresAt }])
  })

  it('moves with a refresh, which keeps the device', async () => {
    const node = await startTestNode()
    const start = node.clock.now()
    const socket = await node.client(until(start + 70_000), { headers: { 'device-id': 'phone' } })
    await node.clock.advance(20_000)
    socket.send('SEND', { destination: SEND_DESTINATIONS.refresh, receipt: 'r' }, JSON.stringify({ token: until(start + 200_000) }))
    await node.clock.settle()
    expect(socket.receipt('r')).toBeDefined()
    await node.clock.advance(100_000)
    expect(socket.closed).toBeUndefined()
    await node.clock.advance(30_000)
    // Announced again for the new end.
    expect(socket.bodies(QUEUES.session).filter(({ event }) => event === 'auth-expiring')).toHaveLength(2)
    expect(node.gateway.disconnectUser('alice', { deviceId: 'phone', code: CLOSE.replaced, reason: 'elsewhere' })).toBe(1)
    expect(socket.bodies(QUEUES.session).at(-1)).toMatchObject({ event: 'kicked', code: CLOSE.replaced })
    expect(socket.closed).toEqual({ code: CLOSE.replaced, reason: 'elsewhere' })
  })

  it.each([
    ['of another user', JSON.stringify({ token: 'mallory' }), 'FORBIDDEN'],
    ['that is not accepted', JSON.stringify({ token: '' }), 'INVALID_REQUEST'],
    ['that has ended', JSON.stringify({ token: until(1) }), 'TOKEN_EXPIRED'],
  ])('is not moved by a token %s', async (_name, body, code) => {
    const node = await startTestNode()
    const socket = await node.client(until(node.clock.now() + 5_000))
    socket.send('SEND', { destination: SEND_DESTINATIONS.refresh, receipt: 'r' }, body)
    await node.clock.settle()
    expect(socket.bodies(QUEUES.errors)).toMatchObject([{ code, receipt: 'r', destination: SEND_DESTINATIONS.refresh }])
    await node.clock.advance(7_000)
    expect(socket.closed?.code).toBe(CLOSE.tokenExpired)
  })

  it('says who asks to the host at a refresh', async () => {
    const phases: string[] = []
    const node = await startTestNode({
      authenticate: (context) => {
        phases.push(`${context.transport} ${context.phase} ${context.token}`)
        return authenticateByToken(context)
      },
    })
    const socket = await node.client('alice')
    socket.send('SEND', { destination: SEND_DESTINATIONS.refresh }, JSON.stringify({ token: 'alice' }))
    await node.clock.settle()
    expect(phases).toEqual(['ws connect alice', 'ws refresh alice'])
  })
})
